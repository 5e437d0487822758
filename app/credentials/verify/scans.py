"""Photos, screenshots and PDF files from strangers: what is attached, and what their QR codes say.

They are decoded by :mod:`app.credentials.verify.scanner`, a process with bounds of its own; here is
only who asks it and what is made of its answer.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.credentials import apart
from app.credentials.apart import Bounds
from app.credentials.verify.limits import OverLimitError
from app.errors import Invalid
from app.words import say

SECONDS: Final = 12.0
"""By the clock."""
_BOUNDS: Final = Bounds(memory=1_200_000_000, seconds=6, patience=SECONDS)
_SCANNER: Final = Path(__file__).with_name("scanner.py")
_MAGIC: Final = (b"%PDF-", b"\xff\xd8\xff")


@dataclass(frozen=True, slots=True)
class Sight:
    """What was found in one file."""

    attached: tuple[bytes, ...]
    """Attachments of a PDF that look like credentials."""
    codes: tuple[str, ...]
    """What the QR codes say, each text once."""


def is_one(raw: bytes) -> bool:
    """Whether ``raw`` is a PDF or a photo. A PNG may be either a badge or a screenshot."""
    return raw.startswith(_MAGIC) or (raw.startswith(b"RIFF") and raw[8:12] == b"WEBP")


def look(raw: bytes) -> Sight:
    """What stands in a PDF or a picture (PNG, JPEG, WebP).

    :raises Invalid: it cannot be decoded (code ``bad-scan``).
    :raises OverLimitError: more pixels, time or memory than a badge needs.
    """
    try:
        found = json.loads(apart.read(_SCANNER, raw, _BOUNDS))
        attached = tuple(base64.b64decode(text) for text in found["attached"])
    except (TimeoutError, ValueError, KeyError, binascii.Error):
        raise OverLimitError(
            say("Tassel stopped reading: the file takes more time or memory than a badge needs.")
        ) from None
    if found["problem"] == "large":
        raise OverLimitError(say("The picture is larger than Tassel reads. Try a smaller one."))
    if found["problem"]:
        raise Invalid("bad-scan", say("The file is damaged, or of a kind that cannot be read."))
    return Sight(tuple(dict.fromkeys(attached)), tuple(dict.fromkeys(found["codes"])))
