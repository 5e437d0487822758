"""Credentials inside PNG pictures, and pictures from strangers.

Open Badges 3.0, section 5.3.1: the credential stands in an uncompressed iTXt chunk with the keyword
``openbadgecredential``. The chunk is spliced in right after IHDR; the pixels are not touched.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from PIL import Image, UnidentifiedImageError

from app.errors import Conflict, Invalid

KEYWORD: Final = b"openbadgecredential"
MAX_UPLOAD_BYTES: Final = 1_000_000
MAX_UPLOAD_SIDE: Final = 2_000
MIN_UPLOAD_SIDE: Final = 90
"""Pixels; what Open Badges 2 asked for and what is still recognizable."""

_UNREADABLE: Final = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
)
"""What Pillow is known to raise on broken files, and what a file shorter than its header gives."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_AFTER_KEYWORD: Final = b"\x00" + b"\x00\x00" + b"\x00" + b"\x00"
"""End of keyword, not compressed, method 0, no language, no translated keyword (PNG 11.3.3.4)."""


def bake(png: bytes, credential: bytes) -> bytes:
    """``png`` with ``credential`` (signed JSON, or a compact JWS) in it.

    Text that is not ASCII is written with ``\\uXXXX`` escapes, which JSON reads as the same value:
    wallets stumble over other bytes in the chunk.

    :raises Conflict: something is baked in already (code ``already-baked``).
    :raises Invalid: not a PNG, or the credential is not UTF-8 text (code ``not-a-png``,
        ``bad-credential``).
    """
    if unbake(png) is not None:
        raise Conflict("already-baked", "This picture carries a credential already.")
    try:
        text = _ascii(credential.decode("utf-8"))
    except UnicodeDecodeError:
        raise Invalid("bad-credential", "The credential is not UTF-8 text.") from None
    end_of_header = next(_chunks(png))[2]
    chunk = _chunk(b"iTXt", KEYWORD + _AFTER_KEYWORD + text.encode("ascii"))
    return png[:end_of_header] + chunk + png[end_of_header:]


def unbake(png: bytes) -> bytes | None:
    """The credential in ``png``, or None if there is none.

    :raises Invalid: not a PNG, or a damaged one (code ``not-a-png``); the chunk is compressed or
        translated in a way that is not ours (code ``bad-chunk``).
    """
    for kind, data, _ in _chunks(png):
        if kind == b"iTXt" and data.startswith(KEYWORD + b"\x00"):
            if not data.startswith(KEYWORD + _AFTER_KEYWORD):
                raise Invalid("bad-chunk", "The credential chunk is not plain text.")
            return data[len(KEYWORD + _AFTER_KEYWORD) :]
    return None


def clean_png(upload: bytes) -> bytes:
    """An uploaded picture, drawn anew so that nothing but its pixels survives.

    Metadata, hidden chunks, animation and anything after the end of the picture are gone.

    :raises Invalid: not a PNG, damaged, too heavy or of an unusable size (code ``bad-picture``).
    """
    if len(upload) > MAX_UPLOAD_BYTES:
        raise _bad_picture("is larger than 1 MB", "Save it with fewer pixels or fewer colours.")
    if not upload.startswith(_SIGNATURE):
        raise _bad_picture("is not a PNG", "Export the picture as PNG.")
    try:
        # Before Pillow sees it, and once more since a second header would overrule the first.
        _check_size(*struct.unpack_from(">II", upload, 16))
        with Image.open(io.BytesIO(upload), formats=["PNG"]) as picture:
            _check_size(*picture.size)
            pixels = picture.convert("RGBA")
    except _UNREADABLE:
        raise _bad_picture("is damaged", "Export the picture as PNG again.") from None
    # A new image takes over the pixels only: `info` with text and profiles stays behind.
    clean = Image.frombytes("RGBA", pixels.size, pixels.tobytes())
    buffer = io.BytesIO()
    clean.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_UPLOAD_SIDE or min(width, height) < MIN_UPLOAD_SIDE:
        raise _bad_picture(
            f"has {width} x {height} pixels",
            f"Each side must have {MIN_UPLOAD_SIDE} to {MAX_UPLOAD_SIDE} pixels.",
        )


def _bad_picture(problem: str, fix: str) -> Invalid:
    return Invalid("bad-picture", f"The picture {problem}.", fix=fix, fields={"image": fix})


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Every chunk up to IEND as (type, data, offset of what follows it)."""
    if not png.startswith(_SIGNATURE):
        raise Invalid("not-a-png", "This is not a PNG.")
    position = len(_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(png):
            raise Invalid("not-a-png", "The PNG is cut off.")
        length, kind = struct.unpack_from(">I4s", png, position)
        end = position + 12 + length
        data = png[position + 8 : end - 4]
        if end > len(png) or _checksum(kind, data) != png[end - 4 : end]:
            raise Invalid("not-a-png", "The PNG is damaged.")
        yield kind, data, end
        position = end


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + _checksum(kind, data)


def _checksum(kind: bytes, data: bytes) -> bytes:
    return zlib.crc32(kind + data).to_bytes(4)


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(
        c if c.isascii() else "".join(f"\\u{unit:04x}" for unit in _utf16(c)) for c in text
    )


def _utf16(character: str) -> tuple[int, ...]:
    raw = character.encode("utf-16-be")
    return struct.unpack(f">{len(raw) // 2}H", raw)
