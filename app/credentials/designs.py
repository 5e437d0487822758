"""Badge pictures: described once as geometry, drawn as SVG for pages and as PNG for files.

A design is a list of filled outlines in a square of 1000 units; a palette says which colour each
role has. There is no lettering in a picture: the built-in font of the PNG writer lacks accented
letters, and a name belongs in the title, where screen readers and translators find it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from PIL import Image, ImageDraw

from app.credentials.outlines import DESIGNS, SYMBOLS, Outline
from app.errors import Invalid

__all__ = ["DESIGNS", "PALETTES", "SYMBOLS", "Palette", "contrast", "png", "svg"]

_UNITS: Final = 1000
_OVERSAMPLING: Final = 4
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


def svg(design: str, palette: str, title: str, *, symbol: str = "star") -> str:
    """The badge as one self-contained SVG with ``title`` as its accessible name.

    No script, no style, no reference to anything outside. ``title`` is escaped, so any text will do.

    :raises Invalid: an unknown design, palette or symbol (code ``unknown-design``).
    """
    colours = _colours(palette)
    paths = "".join(
        f'<path fill="{colours[outline.role]}" d="{_path(outline)}"/>'
        for outline in _outlines(design, symbol)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_UNITS} {_UNITS}" role="img">'
        f"<title>{escape(title)}</title>{paths}</svg>"
    )


def png(design: str, palette: str, *, symbol: str = "star", size: int = 600) -> bytes:
    """The badge as a PNG of ``size`` pixels square with a transparent ground.

    Drawn four times too large and averaged down, which is the smoothing. The same arguments give
    the same pixels.

    :raises Invalid: an unknown design, palette or symbol (code ``unknown-design``).
    """
    colours = _colours(palette)
    large = size * _OVERSAMPLING
    # Colours and cover are drawn apart: averaging then never mixes in the colour of the ground.
    picture = Image.new("RGB", (large, large), colours["edge"])
    ground = Image.new("L", (large, large), 0)
    paint, cover = ImageDraw.Draw(picture), ImageDraw.Draw(ground)
    for outline in _outlines(design, symbol):
        for loop in outline.loops:
            corners = [(x * large / _UNITS, y * large / _UNITS) for x, y in loop]
            paint.polygon(corners, fill=colours[outline.role])
            cover.polygon(corners, fill=255)
    small = picture.resize((size, size), Image.Resampling.BOX)
    small.putalpha(ground.resize((size, size), Image.Resampling.BOX))
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _outlines(design: str, symbol: str) -> Sequence[Outline]:
    try:
        return (*DESIGNS[design], *SYMBOLS[symbol])
    except KeyError as unknown:
        raise Invalid("unknown-design", f"There is no badge design or symbol {unknown}.") from None


def _colours(palette: str) -> dict[str, str]:
    try:
        found = PALETTES[palette]
    except KeyError as unknown:
        raise Invalid("unknown-design", f"There is no palette {unknown}.") from None
    return {role: getattr(found, role) for role in Palette.__slots__}


def _path(outline: Outline) -> str:
    return "".join(
        "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in loop) + "Z" for loop in outline.loops
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _luminance(colour: str) -> float:
    if not _HEX.fullmatch(colour):
        raise Invalid("bad-colour", f"{colour!r} is not a colour of the form #rrggbb.")
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
