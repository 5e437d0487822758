"""Badge pictures: described once as geometry, drawn as SVG for pages and as PNG for files.

A design is a list of filled outlines in a square of 1000 units; a palette says which colour each
role has. A short lettering is geometry as well (``lettering``); the badge's name belongs in the
title, where screen readers and translators find it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import Final

from app.credentials.colours import PALETTES, Palette, contrast
from app.credentials.drawing import Drawing
from app.credentials.outlines import DESIGNS, SYMBOLS, Outline
from app.errors import Invalid

__all__ = ["DESIGNS", "PALETTES", "SYMBOLS", "Drawing", "Palette", "contrast", "png", "svg"]

_UNITS: Final = 1000
_OVERSAMPLING: Final = 4


def svg(
    design: str,
    palette: str,
    title: str,
    *,
    symbol: str = "star",
    drawing: Drawing | None = None,
) -> str:
    """The badge as one self-contained SVG with ``title`` as its accessible name.

    ``drawing`` says what differs from the plain design; without it there is a ``symbol`` only.

    No script, no style, no reference to anything outside. ``title`` is escaped, so any text will do.

    :raises Invalid: an unknown design, palette or symbol (code ``unknown-design``).
    """
    drawing = drawing or Drawing(symbol=symbol)
    colours = _colours(palette, drawing)
    paths = "".join(
        f'<path fill="{colours[outline.role]}" d="{_path(outline)}"/>'
        for outline in _outlines(design, drawing)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_UNITS} {_UNITS}" role="img">'
        f"<title>{escape(title)}</title>{paths}</svg>"
    )


def png(
    design: str,
    palette: str,
    *,
    symbol: str = "star",
    size: int = 600,
    drawing: Drawing | None = None,
) -> bytes:
    """The badge as a PNG of ``size`` pixels square with a transparent ground.

    Drawn four times too large and averaged down, which is the smoothing. The same arguments give
    the same pixels.

    :raises Invalid: an unknown design, palette or symbol (code ``unknown-design``).
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415 - large, and idle without it

    drawing = drawing or Drawing(symbol=symbol)
    colours = _colours(palette, drawing)
    large = size * _OVERSAMPLING
    # Colours and cover are drawn apart: averaging then never mixes in the colour of the ground.
    picture = Image.new("RGB", (large, large), colours["edge"])
    ground = Image.new("L", (large, large), 0)
    paint, cover = ImageDraw.Draw(picture), ImageDraw.Draw(ground)
    for outline in _outlines(design, drawing):
        for loop in outline.loops:
            corners = [(x * large / _UNITS, y * large / _UNITS) for x, y in loop]
            paint.polygon(corners, fill=colours[outline.role])
            cover.polygon(corners, fill=255)
    small = picture.resize((size, size), Image.Resampling.BOX)
    small.putalpha(ground.resize((size, size), Image.Resampling.BOX))
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _outlines(design: str, drawing: Drawing) -> Sequence[Outline]:
    try:
        return drawing.outlines(DESIGNS[design])
    except KeyError as unknown:
        raise Invalid("unknown-design", f"There is no badge design or symbol {unknown}.") from None


def _colours(palette: str, drawing: Drawing) -> dict[str, str]:
    try:
        found = drawing.palette(palette)
    except KeyError as unknown:
        raise Invalid("unknown-design", f"There is no palette {unknown}.") from None
    return {role: getattr(found, role) for role in Palette.__slots__}


def _path(outline: Outline) -> str:
    return "".join(
        "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in loop) + "Z" for loop in outline.loops
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
