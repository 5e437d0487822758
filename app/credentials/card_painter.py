"""A preview card, drawn by a process of its own that gives its memory back.

Run as a program by :mod:`app.credentials.cards` within the bounds of :mod:`app.credentials.apart`: what
stands on the card comes as JSON on standard input, a PNG goes out; nothing without Pango. It imports
nothing of Tassel.
"""

from __future__ import annotations

import html
import io
import json
import sys
from typing import Any, Final

WIDTH, HEIGHT = 1200, 630
"""Pixels, as sites that show previews ask for."""
SIZES: Final = ((28, 76), (56, 62), (90, 52))
"""Characters of the name up to which it is written in so many pixels."""
SMALLEST: Final = 44

_STYLE: Final = """
@page { size: %(width)dpx %(height)dpx; margin: 0 }
body { margin: 0; font-family: system-ui, "DejaVu Sans", sans-serif; color: #1b2333 }
div.card { display: flex; box-sizing: border-box; width: %(width)dpx; height: %(height)dpx;
  padding: 40px 70px; align-items: center; border-bottom: 18px solid #2f3e9e; background: #ffffff }
img { flex: none; width: 400px; height: 400px; object-fit: contain }
div.words { flex: 1; margin-inline-start: 60px; overflow-wrap: anywhere }
p { margin: 0; line-height: 1.25; max-lines: 2; block-ellipsis: auto; continue: discard }
p.name { font-size: %(size)dpx; font-weight: bold; line-height: 1.15; max-lines: 5; margin-bottom: 26px }
p.issuer { font-size: 36px; margin-bottom: 22px }
p.kind { font-size: 28px; color: #4b5670 }
"""


def main() -> None:
    """Read what stands on the card, write the PNG."""
    said = json.loads(sys.stdin.buffer.read())
    try:
        sys.stdout.buffer.write(_drawn(said))
    except (ImportError, OSError):
        # Without Pango there is no card.
        return


def _page(said: dict[str, str]) -> str:
    name = said["name"]
    size = next((size for most, size in SIZES if len(name) <= most), SMALLEST)
    style = _STYLE % {"width": WIDTH, "height": HEIGHT, "size": size}
    words = {key: html.escape(value) for key, value in said.items()}
    return (
        f'<html lang="{words["language"]}" dir="{words["direction"]}"><style>{style}</style>'
        f'<div class="card"><img src="{words["picture"]}" alt=""><div class="words">'
        f'<p class="name">{words["name"]}</p><p class="issuer">{words["issuer"]}</p>'
        f'<p class="kind">{words["kind"]}</p></div></div></html>'
    )


def _drawn(said: dict[str, Any]) -> bytes:
    import pypdfium2  # noqa: PLC0415 - after the limits are set
    from weasyprint import HTML  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    fetcher = URLFetcher(allowed_protocols=["data"])
    sheet = pypdfium2.PdfDocument(HTML(string=_page(said), url_fetcher=fetcher).write_pdf())[0]
    picture = sheet.render(scale=WIDTH / sheet.get_width()).to_pil().convert("RGB")
    buffer = io.BytesIO()
    picture.crop((0, 0, WIDTH, HEIGHT)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
