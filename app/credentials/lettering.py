"""A short text as filled outlines: capitals drawn by ourselves with one width of line. Pure.

A font file would change with its maker and draw other pixels under a badge that is frozen; so the
letters stand here as geometry, like the rest of the picture. Latin letters with their accents,
digits and some signs; whatever else is refused with its name, never left out silently.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import cos, hypot, pi, sin
from typing import Final

from app.errors import Invalid

Point = tuple[float, float]
Loop = tuple[Point, ...]
Stroke = tuple[Point, ...]
"""The middle line of a stroke without corners; y points down, capitals reach from 0 to 100."""

MOST_CHARACTERS: Final = 14
SMALLEST: Final = 44.0
"""Height of capitals in units of the picture (1000 wide) below which nobody reads them."""

_PEN: Final = 15.0
"""Width of the line."""
_GAP: Final = 30.0
"""Between letters; strokes stand in it with half their width on both sides."""
_SPACE: Final = 34.0


def _line(*corners: Point) -> tuple[Stroke, ...]:
    """Straight strokes from corner to corner, each with round ends that fill the corner."""
    return tuple(itertools.pairwise(corners))


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """Part of an ellipse; in turns, 0 on top, clockwise."""
    steps = max(4, round(abs(end - start) * 40))
    turns = (start + (end - start) * step / steps for step in range(steps + 1))
    return tuple((x + rx * sin(2 * pi * t), y - ry * cos(2 * pi * t)) for t in turns)


def _ring(x: float, y: float, rx: float, ry: float) -> tuple[Stroke, ...]:
    return (_arc(x, y, rx, ry, 0, 0.5), _arc(x, y, rx, ry, 0.5, 1))


def _bend(start: Point, bend: Point, end: Point) -> Stroke:
    """A quadratic curve."""
    return tuple(
        (
            (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * bend[0] + t * t * end[0],
            (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * bend[1] + t * t * end[1],
        )
        for t in (step / 12 for step in range(13))
    )


def _dot(x: float, y: float) -> tuple[Stroke, ...]:
    return (((x - 1.0, y), (x + 1.0, y)),)


_BOWL_P: Final = (*_line((0, 0), (30, 0)), _arc(30, 28, 28, 28, 0, 0.5), *_line((30, 56), (0, 56)))
_STEM: Final = _line((0, 0), (0, 100))
_O: Final = _ring(45, 50, 45, 50)
_SIX: Final = (*_ring(31, 69, 31, 31), _bend((46, 0), (4, 34), (0, 68)))

_GLYPHS: Final[Mapping[str, tuple[float, tuple[Stroke, ...]]]] = {
    " ": (_SPACE, ()),
    "A": (74, (*_line((0, 100), (37, 0), (74, 100)), *_line((14, 65), (60, 65)))),
    "B": (
        60,
        (
            *_STEM,
            *_line((0, 0), (32, 0)),
            _arc(32, 24, 24, 24, 0, 0.5),
            *_line((0, 48), (34, 48)),
            _arc(34, 74, 26, 26, 0, 0.5),
            *_line((34, 100), (0, 100)),
        ),
    ),
    "C": (78, (_arc(45, 50, 45, 50, 0.13, -0.63),)),
    "D": (
        72,
        (
            *_STEM,
            *_line((0, 0), (27, 0)),
            _arc(27, 50, 45, 50, 0, 0.5),
            *_line((27, 100), (0, 100)),
        ),
    ),
    "E": (
        54,
        (*_STEM, *_line((54, 0), (0, 0)), *_line((46, 49), (0, 49)), *_line((54, 100), (0, 100))),
    ),
    "F": (52, (*_STEM, *_line((52, 0), (0, 0)), *_line((44, 50), (0, 50)))),
    "G": (86, (_arc(45, 50, 45, 50, 0.13, -0.74), *_line((88, 53), (54, 53)))),
    "H": (68, (*_STEM, *_line((68, 0), (68, 100)), *_line((0, 49), (68, 49)))),
    "I": (0, _STEM),
    "J": (42, (*_line((42, 0), (42, 76)), _arc(21, 76, 21, 24, 0.25, 0.72))),
    "K": (62, (*_STEM, *_line((58, 0), (0, 60)), *_line((20, 40), (62, 100)))),
    "L": (50, (*_STEM, *_line((0, 100), (50, 100)))),
    "M": (82, (*_line((0, 100), (0, 0), (41, 64), (82, 0), (82, 100)),)),
    "N": (68, _line((0, 100), (0, 0), (68, 100), (68, 0))),
    "O": (90, _O),
    "P": (58, (*_STEM, *_BOWL_P)),
    "Q": (90, (*_O, *_line((58, 72), (90, 104)))),
    "R": (60, (*_STEM, *_BOWL_P, *_line((28, 56), (60, 100)))),
    "S": (60, (_arc(31, 25, 27, 25, 0.18, -0.5) + _arc(31, 75, 29, 25, 0, 0.68),)),
    "T": (66, (*_line((0, 0), (66, 0)), *_line((33, 0), (33, 100)))),
    "U": (
        68,
        (*_line((0, 0), (0, 66)), _arc(34, 66, 34, 34, 0.75, 0.25), *_line((68, 66), (68, 0))),
    ),
    "V": (72, _line((0, 0), (36, 100), (72, 0))),
    "W": (104, _line((0, 0), (26, 100), (52, 12), (78, 100), (104, 0))),
    "X": (66, (*_line((2, 0), (66, 100)), *_line((64, 0), (0, 100)))),
    "Y": (68, (*_line((0, 0), (34, 52), (68, 0)), *_line((34, 52), (34, 100)))),
    "Z": (64, _line((2, 0), (62, 0), (0, 100), (64, 100))),
    "0": (64, _ring(32, 50, 32, 50)),
    "1": (26, _line((0, 22), (26, 0), (26, 100))),
    "2": (
        60,
        (
            _arc(30, 29, 28, 29, -0.22, 0.35) + _bend((52.7, 46), (40, 66), (0, 100))[1:],
            *_line((0, 100), (60, 100)),
        ),
    ),
    "3": (58, (_arc(28, 24, 26, 24, -0.2, 0.5), _arc(28, 74, 30, 26, 0, 0.7))),
    "4": (64, _line((64, 72), (0, 72), (46, 0), (46, 100))),
    "5": (60, (*_line((54, 0), (10, 0), (4, 48)), _arc(28, 68, 32, 32, -0.13, 0.68))),
    "6": (62, _SIX),
    "7": (60, _line((0, 0), (60, 0), (20, 100))),
    "8": (60, (*_ring(30, 24, 25, 24), *_ring(30, 74, 30, 26))),
    "9": (62, tuple(tuple((62 - x, 100 - y) for x, y in stroke) for stroke in _SIX)),
    "-": (34, _line((0, 54), (34, 54))),
    "+": (56, (*_line((0, 54), (56, 54)), *_line((28, 26), (28, 82)))),
    ".": (0, _dot(0, 99)),
    ",": (4, _line((4, 97), (-3, 116))),
    ":": (0, (*_dot(0, 34), *_dot(0, 86))),
    "!": (0, (*_line((0, 0), (0, 66)), *_dot(0, 99))),
    "?": (52, (_arc(26, 26, 26, 26, -0.24, 0.4), *_line((41, 47), (26, 68)), *_dot(26, 99))),
    "/": (46, _line((0, 108), (46, -6))),
    "&": (
        76,
        (
            _arc(33, 22, 20, 22, 0.36, -0.34),
            *_line((16, 34), (74, 100)),
            _bend((49, 36), (40, 48), (26, 52)),
            _arc(29, 76, 28, 24, 0.02, -0.5),
            _bend((29, 100), (58, 100), (72, 62)),
        ),
    ),
    "#": (
        66,
        (
            *_line((22, 2), (10, 98)),
            *_line((56, 2), (44, 98)),
            *_line((6, 34), (66, 34)),
            *_line((0, 66), (60, 66)),
        ),
    ),
    "%": (84, (*_ring(17, 22, 17, 22), *_ring(67, 78, 17, 22), *_line((70, 0), (14, 100)))),
    "'": (0, _line((0, 0), (0, 24))),
    "(": (22, (_bend((22, -8), (-20, 50), (22, 108)),)),
    ")": (22, (_bend((0, -8), (42, 50), (0, 108)),)),
    "Ø": (90, (*_O, *_line((6, 108), (84, -8)))),
    "Æ": (
        104,
        (
            *_line((0, 100), (50, 0), (104, 0)),
            *_line((54, 0), (54, 100), (104, 100)),
            *_line((18, 65), (54, 65)),
            *_line((54, 46), (96, 46)),
        ),
    ),
    "Œ": (
        118,
        (
            _arc(45, 50, 45, 50, 0, -0.5),
            *_line((45, 0), (118, 0)),
            *_line((66, 0), (66, 100)),
            *_line((66, 49), (110, 49)),
            *_line((45, 100), (118, 100)),
        ),
    ),
    "Ł": (50, (*_STEM, *_line((0, 100), (50, 100)), *_line((-14, 62), (24, 36)))),
    "Đ": (
        72,
        (
            *_STEM,
            *_line((0, 0), (27, 0)),
            _arc(27, 50, 45, 50, 0, 0.5),
            *_line((27, 100), (0, 100)),
            *_line((-12, 49), (26, 49)),
        ),
    ),
}
"""Character -> width of its middle lines, and the strokes."""

_ABOVE: Final[Mapping[str, tuple[Stroke, ...]]] = {
    "\u0300": _line((-14, -38), (8, -20)),
    "\u0301": _line((14, -38), (-8, -20)),
    "\u0302": _line((-18, -20), (0, -38), (18, -20)),
    "\u0303": (
        _bend((-20, -24), (-10, -42), (0, -30)) + _bend((0, -30), (10, -18), (20, -36))[1:],
    ),
    "\u0304": _line((-18, -28), (18, -28)),
    "\u0306": (_arc(0, -36, 18, 14, 0.75, 0.25),),
    "\u0307": _dot(0, -28),
    "\u0308": (*_dot(-16, -28), *_dot(16, -28)),
    "\u030a": _ring(0, -27, 12, 11),
    "\u030b": (*_line((-4, -38), (-16, -20)), *_line((22, -38), (10, -20))),
    "\u030c": _line((-18, -38), (0, -20), (18, -38)),
    "\u0327": (_bend((2, 104), (16, 120), (-10, 124)),),
    "\u0328": (_bend((6, 102), (-10, 116), (12, 124)),),
}
"""Combining mark -> strokes around the middle of the letter that it belongs to."""


def words(text: str) -> str:
    """``text`` as it is drawn: capitals, single spaces.

    :raises Invalid: too many characters, or one that is not drawn (codes ``lettering-long``,
        ``lettering-sign``).
    """
    capitals = unicodedata.normalize("NFC", " ".join(text.split())).upper()
    if len(capitals) > MOST_CHARACTERS:
        raise Invalid("lettering-long", f"At most {MOST_CHARACTERS} characters fit on the badge.")
    for character in capitals:
        if _glyph(character) is None:
            raise Invalid("lettering-sign", f"The character {character!r} cannot be drawn.")
    return capitals


def fitted(text: str, middle: Point, width: float, height: float) -> tuple[Loop, ...]:
    """``text`` in one line around ``middle``, as large as fits into ``width`` and ``height``.

    Loops run the same way round, so that they may overlap and still be filled as one.

    :raises Invalid: see :func:`words`; or it would be too small to read (code ``lettering-wide``).
    """
    capitals = words(text)
    if not capitals:
        return ()
    strokes = _strokes(capitals)
    points = [point for stroke in strokes for point in stroke]
    left, right = (pick(x for x, _ in points) for pick in (min, max))
    top, foot = (pick(y for _, y in points) for pick in (min, max))
    scale = min(width / (right - left + _PEN), height / (foot - top + _PEN), height / 100)
    if 100 * scale < SMALLEST:
        raise Invalid("lettering-wide", "This text is too wide to be read on a badge.")
    x0, y0 = (left + right) / 2, (top + foot) / 2
    return tuple(
        _thick(
            [(middle[0] + (x - x0) * scale, middle[1] + (y - y0) * scale) for x, y in stroke],
            _PEN * scale / 2,
        )
        for stroke in strokes
    )


def _strokes(capitals: str) -> list[Stroke]:
    found: list[Stroke] = []
    x = 0.0
    for character in capitals:
        width, strokes = _glyph(character) or (0.0, ())
        found += [tuple((x + px, py) for px, py in stroke) for stroke in strokes]
        x += width + _GAP
    return found


@lru_cache(maxsize=512)
def _glyph(character: str) -> tuple[float, tuple[Stroke, ...]] | None:
    """A character as it is, or a letter with its marks set around its middle."""
    if character in _GLYPHS:
        return _GLYPHS[character]
    base, *marks = list(unicodedata.normalize("NFD", character))
    if not marks or base not in _GLYPHS or any(mark not in _ABOVE for mark in marks):
        return None
    width, strokes = _GLYPHS[base]
    placed = tuple(
        tuple((width / 2 + px, py) for px, py in stroke)
        for mark in marks
        for stroke in _ABOVE[mark]
    )
    return width, (*strokes, *placed)


def _thick(stroke: Sequence[Point], radius: float) -> Loop:
    """The outline of a stroke with round ends, always the same way round."""
    normals = [_normal(stroke, place) for place in range(len(stroke))]
    right = [(x + nx * radius, y + ny * radius) for (x, y), (nx, ny) in _pairs(stroke, normals)]
    left = [(x - nx * radius, y - ny * radius) for (x, y), (nx, ny) in _pairs(stroke, normals)]
    return (
        *right,
        *_cap(stroke[-1], normals[-1], radius),
        *reversed(left),
        *_cap(stroke[0], (-normals[0][0], -normals[0][1]), radius),
    )


def _pairs(stroke: Sequence[Point], normals: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(stroke, normals, strict=True))


def _normal(stroke: Sequence[Point], place: int) -> Point:
    """Across the stroke at one of its points, length 1."""
    before, after = stroke[max(place - 1, 0)], stroke[min(place + 1, len(stroke) - 1)]
    dx, dy = after[0] - before[0], after[1] - before[1]
    length = hypot(dx, dy)
    return (-dy / length, dx / length)


def _cap(end: Point, normal: Point, radius: float) -> list[Point]:
    """Half a circle around ``end``, from the side of ``normal`` to the other."""
    nx, ny = normal
    return [
        (
            end[0] + radius * (nx * cos(angle) + ny * sin(angle)),
            end[1] + radius * (ny * cos(angle) - nx * sin(angle)),
        )
        for angle in (pi * step / 10 for step in range(1, 10))
    ]
