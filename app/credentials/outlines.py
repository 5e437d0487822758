"""The geometry of badge designs and symbols, in a square of 1000 units with y pointing down.

Every shape is reduced to polygons here, so that SVG and PNG can only show the same thing. A new
design is one function and one line in :data:`DESIGNS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Final

Point = tuple[float, float]
Loop = tuple[Point, ...]

_CENTRE: Final = (500.0, 470.0)
"""Where every design shows its symbol."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Areas of one colour: the palette role of it, and the loops, which do not overlap."""

    role: str
    loops: tuple[Loop, ...]


def _circle(radius: float, centre: Point = _CENTRE) -> Loop:
    return _regular(144, radius, centre)


def _regular(corners: int, radius: float, centre: Point = _CENTRE, turn: float = 0.0) -> Loop:
    """A regular polygon, its first corner on top."""
    return tuple(_polar(radius, turn + step / corners, centre) for step in range(corners))


def _polar(radius: float, turn: float, centre: Point = _CENTRE) -> Point:
    """The point at ``turn`` (1 is once around, clockwise from the top)."""
    angle = 2 * pi * turn - pi / 2
    return (centre[0] + radius * cos(angle), centre[1] + radius * sin(angle))


def _rosette(teeth: int, outer: float, inner: float) -> Loop:
    """A scalloped seal: the radius swings between ``outer`` and ``inner``."""
    middle, swing, steps = (outer + inner) / 2, (outer - inner) / 2, teeth * 12
    return tuple(
        _polar(middle + swing * cos(2 * pi * teeth * step / steps), step / steps)
        for step in range(steps)
    )


def _arc(radius: float, start: float, end: float) -> Loop:
    """Part of a circle, as an open line."""
    return tuple(_polar(radius, start + (end - start) * step / 60) for step in range(61))


def _band(start: Point, end: Point, width: float) -> Loop:
    """A straight line with a width."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    x, y = -dy / length * width / 2, dx / length * width / 2
    return (
        (start[0] + x, start[1] + y),
        (end[0] + x, end[1] + y),
        (end[0] - x, end[1] - y),
        (start[0] - x, start[1] - y),
    )


def _star(points: int, outer: float, inner: float, centre: Point = _CENTRE) -> Loop:
    return tuple(
        _polar(inner if step % 2 else outer, step / (2 * points), centre)
        for step in range(2 * points)
    )


def _rounded(loop: Sequence[Point], radius: float) -> Loop:
    """``loop`` with each corner replaced by a curve that begins ``radius`` before it."""
    rounded: list[Point] = []
    for index, corner in enumerate(loop):
        before, after = loop[index - 1], loop[(index + 1) % len(loop)]
        rounded += _bezier(_toward(corner, before, radius), corner, _toward(corner, after, radius))
    return tuple(rounded)


def _toward(start: Point, end: Point, distance: float) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = min(0.5, distance / (dx * dx + dy * dy) ** 0.5)
    return (start[0] + dx * share, start[1] + dy * share)


def _bezier(start: Point, bend: Point, end: Point, steps: int = 16) -> list[Point]:
    """A quadratic curve as points, both ends included."""
    return [
        (
            (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * bend[0] + t * t * end[0],
            (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * bend[1] + t * t * end[1],
        )
        for t in (step / steps for step in range(steps + 1))
    ]


def _right_of(loop: Sequence[Point], x: float) -> Loop:
    """The part of ``loop`` right of a vertical line: the side in shadow."""
    kept: list[Point] = []
    for index, point in enumerate(loop):
        before = loop[index - 1]
        if (before[0] < x) != (point[0] < x):
            share = (x - before[0]) / (point[0] - before[0])
            kept.append((x, before[1] + share * (point[1] - before[1])))
        if point[0] >= x:
            kept.append(point)
    return tuple(kept)


def _mirrored(loop: Sequence[Point]) -> Loop:
    return tuple((2 * _CENTRE[0] - x, y) for x, y in loop)


def _layers(*loops: Loop) -> tuple[Outline, ...]:
    """The body every design shares: edge, lit metal, metal in shadow, gap, field, its shadow.

    ``loops`` are the outlines of edge, metal, gap and field, each inside the one before.
    """
    edge, metal, gap, field = loops
    return (
        Outline("edge", (edge,)),
        Outline("glint", (metal,)),
        Outline("trim", (_right_of(metal, _CENTRE[0]),)),
        Outline("edge", (gap,)),
        Outline("field", (field,)),
        Outline("shade", (_right_of(field, _CENTRE[0]),)),
    )


def _shield_loop(inset: float) -> Loop:
    """A heater shield; ``inset`` shrinks it evenly enough for concentric layers."""
    left, right, top, foot = 130 + inset, 870 - inset, 60 + inset, 950 - 1.35 * inset
    waist = 480 - 0.1 * inset
    crest = _bezier((left, top + 40), (310, top + 60), (500, top - 10))
    crest += _bezier((500, top - 10), (690, top + 60), (right, top + 40))
    flank = _bezier((right, waist), (right - 20, 780 - 0.8 * inset), (500, foot), 40)
    return (*crest, *flank, *_mirrored(flank[::-1]))


def _shield() -> tuple[Outline, ...]:
    return _layers(*(_shield_loop(inset) for inset in (0, 26, 66, 84)))


def _medal() -> tuple[Outline, ...]:
    body = _layers(*(_circle(radius) for radius in (410, 386, 346, 326)))
    beads = tuple(_circle(9, _polar(366, step / 48)) for step in range(48))
    return (*body, Outline("edge", beads))


def _hexagon() -> tuple[Outline, ...]:
    return _layers(
        *(_rounded(_regular(6, radius), 60) for radius in (450, 422, 378, 356)),
    )


def _starburst() -> tuple[Outline, ...]:
    return _layers(_rosette(18, 445, 405), _rosette(18, 418, 380), _circle(350), _circle(330))


def _gem() -> tuple[Outline, ...]:
    def octagon(radius: float) -> Loop:
        return _regular(8, radius, turn=1 / 16)

    body = _layers(*(_rounded(octagon(radius), 30) for radius in (440, 412, 366, 344)))
    rim, table = octagon(344), octagon(268)
    ridges = tuple(_band(inner, outer, 5) for inner, outer in zip(table, rim, strict=True))
    border = tuple(_band(table[i - 1], table[i], 5) for i in range(8))
    return (*body, Outline("edge", (*ridges, *border)))


def _ribbon() -> tuple[Outline, ...]:
    tail: Loop = ((330, 640), (500, 700), (430, 985), (345, 905), (235, 940))
    fold: Loop = ((470, 700), (500, 700), (430, 985), (400, 957))
    seal = _layers(*(_rosette(24, r + 14, r - 10) for r in (360, 336)), _circle(296), _circle(278))
    return (
        Outline("field", (tail,)),
        Outline("shade", (_mirrored(tail),)),
        Outline("edge", (fold, _mirrored(fold))),
        *seal,
    )


def _leaf(turn: float, radius: float, lean: float) -> Loop:
    """One leaf that grows from the circle of ``radius`` at ``turn`` and leans ``lean`` outwards."""
    root, tip = _polar(radius, turn), _polar(radius + lean, turn + 0.07)
    reach = 46 if lean > 0 else -46
    back, front = _polar(radius + lean + reach, turn + 0.02), _polar(radius, turn + 0.055)
    return (*_bezier(root, back, tip), *_bezier(tip, front, root))


def _laurel() -> tuple[Outline, ...]:
    body = _layers(*(_circle(radius) for radius in (318, 296, 262, 246)))
    turns = [0.525 + 0.058 * step for step in range(7)]
    outer = tuple(_leaf(turn, 388, 44) for turn in turns)
    inner = tuple(_leaf(turn + 0.02, 380, -30) for turn in turns)
    stem = _arc(388, 0.505, 0.945)
    twig = (*stem, *_arc(378, 0.505, 0.945)[::-1])
    return (
        Outline("field", (*outer, *inner)),
        Outline("shade", tuple(_mirrored(leaf) for leaf in (*outer, *inner))),
        Outline("edge", (twig, _mirrored(twig))),
        *body,
    )


def _box(left: float, top: float, right: float, bottom: float) -> Loop:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _tick() -> tuple[Outline, ...]:
    loop = ((330, 480), (382, 428), (456, 502), (618, 330), (672, 380), (458, 610))
    return (Outline("symbol", (_rounded(loop, 12),)),)


def _book() -> tuple[Outline, ...]:
    top = _bezier((486, 390), (420, 330), (310, 350))
    bottom = _bezier((310, 570), (420, 550), (486, 606))
    page: Loop = (*top, *bottom)
    return (Outline("symbol", (page, _mirrored(page))),)


def _bars() -> tuple[Outline, ...]:
    bars = [(330, 530), (422, 466), (514, 402), (606, 338)]
    loops = tuple(_rounded(_box(x, y, x + 64, 600), 14) for x, y in bars)
    return (Outline("symbol", loops),)


def _brackets() -> tuple[Outline, ...]:
    angle: Loop = ((410, 360), (446, 394), (366, 470), (446, 546), (410, 580), (296, 470))
    slash: Loop = ((520, 340), (562, 352), (480, 600), (438, 588))
    return (Outline("symbol", (_rounded(angle, 8), _mirrored(_rounded(angle, 8)), slash)),)


def _bulb() -> tuple[Outline, ...]:
    glass = tuple(_polar(125, -0.38 + 0.76 * step / 60, (500, 420)) for step in range(61))
    neck: Loop = (*glass, (548, 560), (452, 560))
    rings = (_rounded(_box(452, 576, 548, 600), 10), _rounded(_box(468, 614, 532, 636), 10))
    return (Outline("symbol", (neck, *rings)),)


def _people() -> tuple[Outline, ...]:
    def person(x: float, y: float, scale: float) -> tuple[Loop, Loop]:
        shoulders = _bezier(
            (x - 88 * scale, y + 190 * scale), (x - 88 * scale, y + 70 * scale), (x, y + 70 * scale)
        )
        shoulders += _bezier(
            (x, y + 70 * scale), (x + 88 * scale, y + 70 * scale), (x + 88 * scale, y + 190 * scale)
        )
        return (_circle(54 * scale, (x, y)), tuple(shoulders))

    return (
        Outline("symbol", (*person(366, 420, 0.8), *person(634, 420, 0.8))),
        Outline("field", (person(500, 396, 1.22)[1],)),
        Outline("symbol", person(500, 396, 1.05)),
    )


def _cap() -> tuple[Outline, ...]:
    board: Loop = ((500, 330), (690, 420), (500, 510), (310, 420))
    hood: Loop = ((384, 476), (500, 531), (616, 476), (616, 560), (500, 612), (384, 560))
    cord = (_band((672, 428), (672, 556), 16), _circle(19, (672, 572)))
    return (Outline("symbol", (_rounded(board, 8), _rounded(hood, 14), *cord)),)


def _gear() -> tuple[Outline, ...]:
    teeth: list[Point] = []
    for tooth in range(9):
        turn = tooth / 9
        for offset, radius in ((-0.034, 132), (-0.022, 170), (0.022, 170), (0.034, 132)):
            teeth.append(_polar(radius, turn + offset))
    return (
        Outline("symbol", (_rounded(teeth, 8),)),
        Outline("field", (_circle(62),)),
    )


def _flask() -> tuple[Outline, ...]:
    glass: Loop = ((456, 340), (544, 340), (544, 446), (640, 606), (360, 606), (456, 446))
    level: Loop = ((432, 520), (568, 520), (600, 576), (400, 576))
    lip = _rounded(_box(436, 318, 564, 346), 12)
    return (
        Outline("symbol", (_rounded(glass, 22), lip)),
        Outline("field", (_rounded(level, 10),)),
    )


def raised(symbol: Sequence[Outline]) -> tuple[Outline, ...]:
    """A symbol a little smaller and higher, to make room for a plate below."""
    middle = (_CENTRE[0], _CENTRE[1] - 66)

    def move(loop: Loop) -> Loop:
        return tuple(
            (middle[0] + (x - _CENTRE[0]) * 0.86, middle[1] + (y - _CENTRE[1]) * 0.86)
            for x, y in loop
        )

    return tuple(Outline(one.role, tuple(move(loop) for loop in one.loops)) for one in symbol)


def plate() -> tuple[Outline, ...]:
    """The plate for a lettering across the lower part, in the colours of the face."""
    layers = (("edge", 0), ("trim", 9), ("edge", 20), ("field", 28))
    return tuple(
        Outline(role, (_rounded(_box(160 + d, 640 + d, 840 - d, 814 - d), 40 - d / 2),))
        for role, d in layers
    )


DESIGNS: Final[Mapping[str, tuple[Outline, ...]]] = {
    "shield": _shield(),
    "medal": _medal(),
    "hexagon": _hexagon(),
    "starburst": _starburst(),
    "gem": _gem(),
    "ribbon": _ribbon(),
    "laurel": _laurel(),
}
"""Name -> the badge without its symbol, from back to front."""

SYMBOLS: Final[Mapping[str, tuple[Outline, ...]]] = {
    "star": (Outline("symbol", (_rounded(_star(5, 165, 72), 10),)),),
    "tick": _tick(),
    "book": _book(),
    "bars": _bars(),
    "code": _brackets(),
    "bulb": _bulb(),
    "people": _people(),
    "cap": _cap(),
    "gear": _gear(),
    "flask": _flask(),
}
"""Name -> what stands on the badge's face."""
