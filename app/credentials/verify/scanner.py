"""What stands in a photo or a PDF, read by a process of its own that has nothing to lose.

Run as a program by :mod:`app.credentials.verify.scans` within the bounds of
:mod:`app.credentials.apart`: the file comes on standard input, the findings go out as JSON. It imports
nothing of Tassel.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

MAX_PIXELS: Final = 50_000_000
"""What a phone takes; told by the head of the file, before anything is decoded."""
FORMATS: Final = ("PNG", "JPEG", "WEBP")
SIDE: Final = 2000
"""Pixels of the longer side in which codes are looked for."""
MAX_PAGES: Final = 4
MAX_CODES: Final = 10
MAX_ATTACHMENTS: Final = 20
MAX_ATTACHED: Final = 1_000_000
"""Bytes of an attachment that may be a credential."""


def main() -> None:
    """Read standard input, write ``{"attached": [base64], "codes": [text], "problem": ""}``.

    ``problem`` is ``large`` or ``damaged`` when the file could not be looked at.
    """
    raw = sys.stdin.buffer.read()
    found: dict[str, Any] = {"attached": [], "codes": [], "problem": ""}
    try:
        found |= _in_pdf(raw) if raw.startswith(b"%PDF-") else {"codes": _in_picture(raw)}
    except _TooLargeError:
        found["problem"] = "large"
    except Exception:
        # Whatever the libraries raise on a file that was made for it, the answer is the same.
        found["problem"] = "damaged"
    sys.stdout.write(json.dumps(found))


class _TooLargeError(Exception):
    """More pixels than any phone takes."""


def _in_picture(raw: bytes) -> list[str]:
    from PIL import Image  # noqa: PLC0415 - a PDF does not need it

    Image.MAX_IMAGE_PIXELS = None  # the bound is our own, and refuses instead of warning
    with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise _TooLargeError
        picture.draft("L", (SIDE, SIDE))  # JPEG: decoded at a fraction of its size
        picture.thumbnail((SIDE, SIDE))
        if picture.has_transparency_data:
            ground = Image.new("RGBA", picture.size, "white")
            ground.alpha_composite(picture.convert("RGBA"))
            return _codes(ground.convert("L"))
        return _codes(picture.convert("L"))


def _codes(picture: Any) -> list[str]:
    import zxingcpp  # noqa: PLC0415 - nor does a PDF with a credential attached

    found = zxingcpp.read_barcodes(
        picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    )
    return [code.text for code in found[:MAX_CODES]]


def _in_pdf(raw: bytes) -> dict[str, Any]:
    """Attachments that may be credentials, and the codes on the first pages."""
    import pypdfium2  # noqa: PLC0415 - only a PDF needs it

    document = pypdfium2.PdfDocument(raw)
    attached = [base64.b64encode(content).decode("ascii") for content in _attached(document)]
    codes: list[str] = []
    for number in range(min(len(document), MAX_PAGES)):
        page = document[number]
        scale = SIDE / max(page.get_width(), page.get_height(), 1)
        codes += _codes(page.render(scale=scale, grayscale=True).to_pil())
    return {"attached": attached, "codes": codes[:MAX_CODES]}


def _attached(document: Any) -> Iterator[bytes]:
    for number in range(min(document.count_attachments(), MAX_ATTACHMENTS)):
        content = bytes(document.get_attachment(number).get_data())
        # JSON, or a token: its head begins with {" in base64.
        if len(content) <= MAX_ATTACHED and content.lstrip().startswith((b"{", b"eyJ")):
            yield content


if __name__ == "__main__":
    main()
