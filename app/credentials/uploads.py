"""Pictures that teachers upload: PNG, JPEG, WebP or SVG in, a PNG of nothing but pixels out.

They are drawn anew by :mod:`app.credentials.painter`, a process with bounds of its own; here is only
who asks it and what is made of its answer.
"""

from __future__ import annotations

from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from app.credentials import apart, bake
from app.credentials.apart import Bounds
from app.errors import Invalid

MAX_BYTES: Final = 3_000_000
SECONDS: Final = 30.0
"""By the clock."""
_BOUNDS: Final = Bounds(memory=1_600_000_000, seconds=10, patience=SECONDS)
ROOM: Final = 2
"""Pictures at a time in one process: each may take as much as a small server has."""
_room = BoundedSemaphore(ROOM)
_PAINTER: Final = Path(__file__).with_name("painter.py")
_PIXELS_ONLY: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
PROBLEMS: Final = ("large", "small", "shape", "svg", "damaged", "pango", "slow")


def clean(upload: bytes, *, square: bool = False) -> bytes:
    """The picture as PNG, its longer side at most 1,000 pixels, transparent where it was.

    Metadata (also where and by whom a photo was taken), hidden chunks, animation, scripts and links
    are gone. ``square`` cuts it around its middle.

    :raises Invalid: it cannot be taken; the code is ``picture-`` and one of :data:`PROBLEMS`.
    """
    if len(upload) > MAX_BYTES:
        raise _refused("large")
    try:
        with _room:
            made = apart.read(_PAINTER, upload, _BOUNDS, *(["square"] if square else []))
    except TimeoutError:
        raise _refused("slow") from None
    if made.startswith(b"!"):
        why = made[1:20].decode("ascii", "replace")
        raise _refused(why if why in PROBLEMS else "damaged")
    if not _is_pixels_only(made):
        # It was ended on the way.
        raise _refused("slow")
    return made


def _is_pixels_only(png: bytes) -> bool:
    """The painter is not believed: it has touched the file."""
    try:
        return bake.chunk_kinds(png) <= _PIXELS_ONLY
    except Invalid:
        return False


def _refused(why: str) -> Invalid:
    fixes = {
        "large": "At most 3 MB and 30 million pixels.",
        "small": "Each side must have at least 90 pixels.",
        "shape": "Give the drawing a width and a height, about as wide as it is high.",
        "svg": "Save it without a document type, or as PNG.",
        "pango": "This server cannot draw SVG. Save the picture as PNG.",
        "slow": "Save a simpler picture.",
    }
    fix = fixes.get(why, "Save it as PNG, JPEG, WebP or SVG again.")
    return Invalid(f"picture-{why}", "The picture cannot be taken.", fix=fix, fields={"image": fix})
