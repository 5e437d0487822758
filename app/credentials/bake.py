"""Credentials inside PNG and SVG pictures, and pictures from strangers.

Open Badges 3.0, section 5.3.1: the credential stands in an uncompressed iTXt chunk with the keyword
``openbadgecredential``. The chunk is spliced in right after IHDR; the pixels are not touched.
Section 5.3.2: in an SVG it is the text of an element ``openbadges:credential`` right below the root.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from app.errors import Conflict, Invalid

KEYWORD: Final = b"openbadgecredential"
SVG_NAMESPACE: Final = "https://purl.imsglobal.org/ob/v3p0"
_SVG_ELEMENT: Final = "openbadges:credential"
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


def bake_svg(svg: str, credential: bytes) -> bytes:
    """``svg`` (one of ``designs``) with ``credential`` (signed JSON) in it, all of it ASCII.

    The JSON stands in a CDATA section, so that readers who search the text find it unescaped; a
    ``]]>`` inside, which would end the section, can only stand in a JSON string and is escaped there.

    :raises Conflict: something is baked in already (code ``already-baked``).
    :raises Invalid: not an SVG, or the credential is not UTF-8 text (code ``not-an-svg``,
        ``bad-credential``).
    """
    if _SVG_ELEMENT in svg:
        raise Conflict("already-baked", "This picture carries a credential already.")
    start = svg.find("<svg ")
    end_of_root = svg.find(">", start)
    if start < 0 or end_of_root < 0:
        raise Invalid("not-an-svg", "This is not an SVG.")
    try:
        text = _ascii(credential.decode("utf-8")).replace("]]>", "]]\\u003e")
    except UnicodeDecodeError:
        raise Invalid("bad-credential", "The credential is not UTF-8 text.") from None
    root = f'{svg[:end_of_root]} xmlns:openbadges="{SVG_NAMESPACE}">'
    inner = f"<{_SVG_ELEMENT}><![CDATA[{text}]]></{_SVG_ELEMENT}>"
    picture = root + inner + svg[end_of_root + 1 :]
    return picture.encode("ascii", "xmlcharrefreplace")


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


def chunk_kinds(png: bytes) -> frozenset[bytes]:
    """The types of all chunks of a PNG with nothing behind its end.

    :raises Invalid: not a PNG, damaged, or something follows it (code ``not-a-png``).
    """
    kinds, end = set(), 0
    for kind, _, after in _chunks(png):
        kinds.add(kind)
        end = after
    if end != len(png):
        raise Invalid("not-a-png", "Something follows the end of the PNG.")
    return frozenset(kinds)


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
