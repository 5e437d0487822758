"""An uploaded picture, drawn anew by a process of its own that has nothing to lose.

Run as a program by :mod:`app.credentials.uploads` within the bounds of :mod:`app.credentials.apart`:
the file comes on standard input, a PNG of nothing but pixels goes out. It imports nothing of Tassel.

An SVG is never kept: what its allow-list leaves is drawn, and the drawing is kept. No script, style
sheet, font, link or other file can outlive that.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any, Final
from xml.etree import ElementTree as ET

FORMATS: Final = ("PNG", "JPEG", "WEBP")
MAX_PIXELS: Final = 30_000_000
"""Told by the head of the file, before anything is decoded."""
SIDES: Final = (1000, 700, 500, 350)
"""Pixels of the longer side of what comes out: the first that is light enough."""
SIDE: Final = SIDES[0]
"""An SVG is drawn in this size."""
HEAVY: Final = 600_000
"""Bytes above which a smaller one is made: the picture travels in every badge that is baked."""
LEAST: Final = 90
"""Pixels of the shorter side that can still be recognized."""
MAX_ELEMENTS: Final = 5_000
MAX_DEPTH: Final = 60
_SVG: Final = "{http://www.w3.org/2000/svg}"
_HREF: Final = ("href", "{http://www.w3.org/1999/xlink}href")
_DRAWN: Final = frozenset(
    {
        "svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line",
        "polyline", "polygon", "text", "tspan", "linearGradient", "radialGradient", "stop",
        "clipPath", "mask", "style",
    }
)  # fmt: skip
"""Elements that only draw. Everything else goes, with what is inside it."""


class Refused(Exception):
    """Why there is no picture: large | small | shape | svg | damaged."""


def main() -> None:
    """Read standard input, write the PNG, or ``!`` and why there is none."""
    raw = sys.stdin.buffer.read()
    try:
        made = _drawn(raw, square="square" in sys.argv[1:])
    except Refused as why:
        made = b"!" + str(why).encode()
    except ImportError:
        made = b"!pango"
    except Exception:
        # Whatever the libraries raise on a file that was made for it, the answer is the same.
        made = b"!damaged"
    sys.stdout.buffer.write(made)


def _drawn(raw: bytes, *, square: bool) -> bytes:
    from PIL import Image  # noqa: PLC0415 - after the limits are set

    Image.MAX_IMAGE_PIXELS = None  # the bound is our own, and refuses instead of warning
    head = raw[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    picture = _of_svg(raw) if head.startswith(b"<") else _of_pixels(raw)
    if square:
        least = min(picture.size)
        left, top = (picture.width - least) // 2, (picture.height - least) // 2
        picture = picture.crop((left, top, left + least, top + least))
    for side in SIDES:
        picture.thumbnail((side, side))
        if min(picture.size) < LEAST:
            raise Refused("small")
        # A new image takes over the pixels only: what else the file said stays behind.
        clean = Image.frombytes("RGBA", picture.size, picture.tobytes())
        buffer = io.BytesIO()
        clean.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= HEAVY:
            break
    return buffer.getvalue()


def _of_pixels(raw: bytes) -> Any:
    """The first frame, turned as the camera was held."""
    from PIL import Image, ImageOps  # noqa: PLC0415

    with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise Refused("large")
        if min(picture.size) < LEAST:
            raise Refused("small")
        picture.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG: decoded at a fraction of its size
        return ImageOps.exif_transpose(picture).convert("RGBA")


def _of_svg(raw: bytes) -> Any:
    from defusedxml import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        root = fromstring(raw, forbid_dtd=True)
    except DefusedXmlException:
        raise Refused("svg") from None
    if root.tag != f"{_SVG}svg":
        raise Refused("svg")
    _keep_what_draws(root)
    width, height = _size(root)
    scale = SIDE / max(width, height)
    root.set("viewBox", root.get("viewBox") or f"0 0 {width:g} {height:g}")
    root.set("width", f"{width * scale:.2f}")
    root.set("height", f"{height * scale:.2f}")
    return _paint(ET.tostring(root), round(width * scale), round(height * scale))


def _keep_what_draws(root: Any) -> None:
    """Drop every element and attribute that could do anything but draw. Raises Refused for too many."""
    count = 0
    todo = [(root, 1)]
    while todo:
        element, depth = todo.pop()
        count += 1
        if count > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise Refused("large")
        for name in list(element.keys()):
            if not _is_harmless(name, element.get(name, "")):
                del element.attrib[name]
        for child in list(element):
            if (
                not isinstance(child.tag, str)
                or child.tag.removeprefix(_SVG) not in _DRAWN
                or (child.tag == f"{_SVG}style" and not _is_plain_style(child.text or ""))
            ):
                element.remove(child)
            else:
                todo.append((child, depth + 1))


def _is_harmless(name: str, value: str) -> bool:
    if name.lower().startswith("on") or name.startswith("{http://www.w3.org/XML/"):
        return False
    if name in _HREF:
        return value.startswith("#")
    return not name.startswith("{") and _is_plain_style(value)


def _is_plain_style(text: str) -> bool:
    """References lead into the picture itself, nothing is imported, nothing is hidden by escapes."""
    plain = text.lower()
    outside = (
        plain.replace(" ", "").replace("url(#", "").replace("url('#", "").replace('url("#', "")
    )
    return not any(word in outside for word in ("url(", "@", "\\", "javascript:", "expression("))


def _size(root: Any) -> tuple[float, float]:
    """Width and height in its own units, of the view box if there is one."""
    box = [float(number) for number in root.get("viewBox", "").replace(",", " ").split()]
    if len(box) == 4:
        width, height = box[2:]
    else:
        width, height = (_length(root.get(name, "")) for name in ("width", "height"))
    if not 0 < width < 1e6 or not 0 < height < 1e6 or not 0.2 <= width / height <= 5:
        raise Refused("shape")
    return width, height


def _length(text: str) -> float:
    for unit in ("px", "pt", "mm", "cm", "in"):
        text = text.removesuffix(unit)
    try:
        return float(text)
    except ValueError:
        raise Refused("shape") from None


def _paint(svg: bytes, width: int, height: int) -> Any:
    """The pixels of a cleaned SVG on a transparent ground; nothing is fetched."""
    import pypdfium2  # noqa: PLC0415 - only an SVG needs them
    from weasyprint import HTML  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    address = "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    page = (
        f"<style>@page {{ size: {width}px {height}px; margin: 0 }} body {{ margin: 0 }}"
        f" img {{ display: block; width: {width}px; height: {height}px }}</style>"
        f'<img src="{address}" alt="">'
    )
    drawn = HTML(string=page, url_fetcher=URLFetcher(allowed_protocols=["data"])).write_pdf()
    document = pypdfium2.PdfDocument(drawn)
    sheet = document[0]
    bitmap = sheet.render(
        scale=width / sheet.get_width(), fill_color=(0, 0, 0, 0), force_bitmap_format=4
    )
    return _whole(bitmap.to_pil().convert("RGBA"))


def _whole(picture: Any) -> Any:
    """Refuses a drawing of which nothing is seen."""
    if picture.getchannel("A").getextrema()[1] == 0:
        raise Refused("svg")
    return picture


if __name__ == "__main__":
    main()
