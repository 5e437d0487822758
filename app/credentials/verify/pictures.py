"""Credentials in pictures from strangers: Open Badges 3.0, section 5.3. Nothing is ever drawn.

The PNG reader looks at chunk headers only and copies the one chunk that it wants; a compressed one
is unpacked up to a bound. The SVG reader refuses any document type, which is where entity bombs and
outside files come from.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.credentials.bake import KEYWORD
from app.credentials.verify.limits import MAX_CREDENTIAL_BYTES, MAX_DEPTH, OverLimitError
from app.errors import Invalid
from app.words import Said, say

PNG: Final = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS: Final = 20_000
MAX_ELEMENTS: Final = 20_000
EMPTY: Final = "empty-picture"
"""Code of the error for a picture that is whole and holds no credential."""
SVG_CREDENTIAL: Final = "{https://purl.imsglobal.org/ob/v3p0}credential"


def from_png(png: bytes) -> bytes:
    """The one credential in ``png``.

    :raises Invalid: none (code :data:`EMPTY`), more than one, or damaged (``bad-picture``).
    :raises OverLimitError: too many chunks, or it unpacks to too much.
    """
    found: list[bytes] = []
    position = len(PNG)
    kind = b""
    for _ in range(MAX_CHUNKS):
        if kind == b"IEND":
            return _only(found)
        if position + 12 > len(png):
            raise _bad(say("The PNG is cut off."))
        length, kind = struct.unpack_from(">I4s", png, position)
        end = position + 12 + length
        if end > len(png):
            raise _bad(say("The PNG is cut off."))
        if kind == b"iTXt" and png.startswith(KEYWORD + b"\x00", position + 8):
            found.append(_chunk(png, position, end))
        position = end
    raise OverLimitError(say("The PNG has more than %(most)s chunks.", most=f"{MAX_CHUNKS:,}"))


def _chunk(png: bytes, start: int, end: int) -> bytes:
    """The text of one iTXt chunk (PNG 11.3.3.4): flags, language, translated keyword, text."""
    data = png[start + 8 : end - 4]
    if zlib.crc32(png[start + 4 : end - 4]).to_bytes(4) != png[end - 4 : end]:
        raise _bad(say("The part of the PNG that holds the credential is damaged."))
    rest = data[len(KEYWORD) + 1 :]
    flags, parts = rest[:2], rest[2:].split(b"\x00", 2)
    if len(parts) != 3 or flags not in {b"\x00\x00", b"\x01\x00"}:
        raise _bad(say("The part of the PNG that holds the credential is not well formed."))
    return _unpacked(parts[2]) if flags[0] else parts[2]


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, MAX_CREDENTIAL_BYTES + 1)
    except zlib.error:
        raise _bad(say("The credential in the PNG cannot be unpacked.")) from None
    if len(text) > MAX_CREDENTIAL_BYTES:
        raise OverLimitError(
            say("The credential unpacks to over %(most)s bytes.", most=f"{MAX_CREDENTIAL_BYTES:,}")
        )
    if not unpacker.eof:
        raise _bad(say("The credential in the PNG is cut off."))
    return text


def from_svg(svg: bytes) -> bytes:
    """The one credential in ``svg``: a ``verify`` attribute (JWT) or text (JSON).

    :raises Invalid: none, more than one, not XML, or a document type (code ``bad-picture``).
    :raises OverLimitError: too many elements, or nested too deeply.
    """
    if svg.count(b"<") > 2 * MAX_ELEMENTS:
        raise OverLimitError(
            say("The SVG has more than %(most)s elements.", most=f"{MAX_ELEMENTS:,}")
        )
    try:
        root = fromstring(svg, forbid_dtd=True)
    except DefusedXmlException:
        raise _bad(
            say("The SVG has a document type or entities; Tassel does not follow them.")
        ) from None
    except (ParseError, ValueError, LookupError) as problem:
        raise _bad(
            say("The SVG is not well-formed XML: %(problem)s.", problem=str(problem))
        ) from None
    level, depth = [root], 0
    found = []
    while level:
        depth += 1
        if depth > 8 * MAX_DEPTH:
            raise OverLimitError(say("The SVG is nested too deeply."))
        found += [node for node in level if node.tag == SVG_CREDENTIAL]
        level = [child for node in level for child in node]
    texts = [text for node in found for text in (node.get("verify"), "".join(node.itertext()))]
    return _only([text.strip().encode("utf-8") for text in texts if text and text.strip()])


def _only(found: list[bytes]) -> bytes:
    if not found:
        raise Invalid(EMPTY, say("There is no credential in this picture."))
    if len(found) > 1:
        raise _bad(say("There is more than one credential in this picture; readers show either."))
    return found[0]


def _bad(message: Said) -> Invalid:
    return Invalid("bad-picture", message)
