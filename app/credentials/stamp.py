"""A band with a word across the picture of a badge, so that an example is never taken for an award. Pure."""

from __future__ import annotations

import io
from math import cos, radians, sin
from typing import Final

from PIL import Image, ImageDraw

from app.credentials.lettering import Loop, fitted
from app.errors import Invalid

_UNITS: Final = 1000
_MIDDLE: Final = _UNITS / 2
_TILT: Final = radians(-18)
_DARK: Final = "#1f2430"
_LIGHT: Final = "#ffffff"
_OVERSAMPLING: Final = 2

Layer = tuple[str, tuple[Loop, ...]]
"""Colour and the loops that are filled with it, in units of a square of 1000."""


def on_svg(svg: str, word: str) -> str:
    """``svg`` (one of ``designs``) with the band over it."""
    drawn = "".join(f'<path fill="{colour}" d="{_path(loops)}"/>' for colour, loops in _band(word))
    picture, end, rest = svg.rpartition("</svg>")
    if not end:
        raise Invalid("not-an-svg", "This is not an SVG.")
    return f"{picture}{drawn}{end}{rest}"


def on_png(png: bytes, word: str) -> bytes:
    """``png`` with the band over its middle."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        picture = opened.convert("RGBA")
    scale = min(picture.size) / _UNITS * _OVERSAMPLING
    width, height = (side * _OVERSAMPLING for side in picture.size)
    band = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(band)
    for colour, loops in _band(word):
        for loop in loops:
            corners = [
                (width / 2 + (x - _MIDDLE) * scale, height / 2 + (y - _MIDDLE) * scale)
                for x, y in loop
            ]
            pen.polygon(corners, fill=colour)
    picture.alpha_composite(band.resize(picture.size, Image.Resampling.BOX))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _band(word: str) -> list[Layer]:
    """From back to front: the rim, the ground, the letters."""
    return [
        (_DARK, (_turned(_box(460, 96)),)),
        (_LIGHT, (_turned(_box(448, 84)),)),
        (_DARK, tuple(map(_turned, fitted(word, (_MIDDLE, _MIDDLE), 780, 110)))),
    ]


def _box(half_width: float, half_height: float) -> Loop:
    left, right = _MIDDLE - half_width, _MIDDLE + half_width
    top, foot = _MIDDLE - half_height, _MIDDLE + half_height
    return ((left, top), (right, top), (right, foot), (left, foot))


def _turned(loop: Loop) -> Loop:
    return tuple(
        (
            _MIDDLE + (x - _MIDDLE) * cos(_TILT) - (y - _MIDDLE) * sin(_TILT),
            _MIDDLE + (x - _MIDDLE) * sin(_TILT) + (y - _MIDDLE) * cos(_TILT),
        )
        for x, y in loop
    )


def _path(loops: tuple[Loop, ...]) -> str:
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in loop) + "Z" for loop in loops)
