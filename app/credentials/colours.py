"""Colours of badges: palettes, the contrast of WCAG 2.2, and the nearest colour that can be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.errors import Invalid

TEXT: Final = 4.5
"""Contrast that lettering and symbols need against their ground (WCAG 1.4.3)."""
FIGURE: Final = 3.0
"""Contrast that a border needs against what is beside it (WCAG 1.4.11)."""

_HEX = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a badge, as ``#rrggbb``.

    ``symbol`` stands on ``field`` and on ``shade`` with a contrast of at least 4.5 (WCAG 1.4.3,
    stricter than the 3.0 that 1.4.11 asks of pictures), so the badge reads without its colours.
    """

    edge: str
    """The outer outline and the deepest tone."""
    trim: str
    """The metal between edge and field, and ornaments."""
    glint: str
    """The lit side of the metal."""
    field: str
    """The face of the badge."""
    shade: str
    """The side of the face that lies in shadow."""
    symbol: str
    """What is drawn on the face."""


PALETTES: Final[Mapping[str, Palette]] = {
    "indigo": Palette("#1e1b4b", "#c7a24a", "#f0d78c", "#4338ca", "#372fa8", "#ffffff"),
    "forest": Palette("#0b2e1f", "#c9a54c", "#f2dc97", "#146c43", "#0f5735", "#ffffff"),
    "crimson": Palette("#4a0d1b", "#d0aa55", "#f5dfa0", "#a61b38", "#8a142d", "#ffffff"),
    "ocean": Palette("#082f49", "#a8b8c8", "#e6edf3", "#0369a1", "#075985", "#ffffff"),
    "plum": Palette("#3b0a45", "#b9a6c9", "#ece2f3", "#86198f", "#701a75", "#ffffff"),
    "graphite": Palette("#111827", "#9aa5b1", "#e2e8f0", "#374151", "#2b3442", "#ffffff"),
    "amber": Palette("#5b2a06", "#8a5a12", "#b8801f", "#fbbf24", "#f2ad0c", "#3b1a02"),
}
"""Name -> palette; ``amber`` is the one with a dark symbol on a light face."""


def contrast(first: str, second: str) -> float:
    """The WCAG 2.2 contrast ratio of two ``#rrggbb`` colours, from 1 to 21.

    :raises Invalid: not such a colour (code ``bad-colour``).
    """
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def is_colour(text: str) -> bool:
    """Whether ``text`` is ``#rrggbb`` in small letters."""
    return bool(_HEX.fullmatch(text))


def own(field: str, ink: str, metal: str) -> Palette:
    """A palette made of three colours of the author's own.

    The side in shadow goes away from ``ink``, so what can be read on the face can be read there.
    """
    away = "#000000" if _luminance(ink) >= _luminance(field) else "#ffffff"
    return Palette(
        edge=mix(field, "#000000", 0.72),
        trim=metal,
        glint=mix(metal, "#ffffff", 0.45),
        field=field,
        shade=mix(field, away, 0.14),
        symbol=ink,
    )


def mix(first: str, second: str, share: float) -> str:
    """``first`` with ``share`` (0 to 1) of ``second`` in it."""
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def nearest_readable(colour: str, ground: str, ratio: float) -> str:
    """The first colour on the way from ``colour`` to black or white that reaches ``ratio``.

    One of both ends always does while ``ratio`` is at most 4.58.
    """
    for step in range(101):
        tries = [mix(colour, end, step / 100) for end in ("#000000", "#ffffff")]
        best = max(tries, key=lambda one: contrast(one, ground))
        if contrast(best, ground) >= ratio:
            return best
    raise ValueError(ratio)


def _channels(colour: str) -> tuple[int, int, int]:
    if not is_colour(colour):
        raise Invalid("bad-colour", f"{colour!r} is not a colour of the form #rrggbb.")
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


def _luminance(colour: str) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in _channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
