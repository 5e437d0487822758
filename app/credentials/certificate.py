"""A certificate to print: a tagged PDF (PDF/UA-1) with the signed credential attached.

The page comes as HTML whose headings, language and alternative texts become the PDF's own. Nothing
is fetched while it is drawn: pictures stand in the page as ``data:`` addresses.
"""

from __future__ import annotations

import base64
import io
from datetime import datetime
from typing import Final

import segno

from app.errors import Conflict

PACKAGES: Final = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""What Debian calls the libraries that lay out the text."""
ATTACHED_AS: Final = "credential.json"


def to_pdf(page: str, credential: bytes, signed_at: datetime) -> bytes:
    """``page`` (HTML) as a PDF with ``credential``, byte for byte, attached.

    :raises Conflict: the libraries that draw text are missing (code ``no-pango``).
    """
    try:
        # Loads system libraries, and costs 60 MB: only a process that draws should pay.
        from weasyprint import HTML, Attachment  # noqa: PLC0415
        from weasyprint.urls import URLFetcher  # noqa: PLC0415
    except OSError:
        raise Conflict(
            "no-pango",
            "This server cannot draw certificates: the library Pango is missing.",
            fix=f"The operator installs it: apt-get install {PACKAGES}",
        ) from None
    attachment = Attachment(
        string=credential,
        name=ATTACHED_AS,
        description="The signed credential (Open Badges 3.0)",
        created=signed_at,
        modified=signed_at,
    )
    fetcher = URLFetcher(allowed_protocols=["data"])
    drawn = HTML(string=page, url_fetcher=fetcher).write_pdf(
        pdf_variant="pdf/ua-1", attachments=[attachment]
    )
    assert isinstance(drawn, bytes)
    return drawn


def qr(address: str) -> str:
    """``address`` as a QR code: an SVG in a ``data:`` address. Error correction M: paper creases."""
    buffer = io.BytesIO()
    segno.make_qr(address, error="m").save(buffer, kind="svg", scale=4, border=4, xmldecl=False)
    return data_address(buffer.getvalue(), "image/svg+xml")


def data_address(content: bytes, media_type: str) -> str:
    """``content`` as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
