"""Bitstring Status List (W3C, version 1.0): one bit per credential, set when it is revoked.

Many credentials share one list and indexes are drawn at random, so whoever fetches a list learns
neither which badge is being checked nor in which order badges were awarded. The functions are pure:
a list is ``bytes`` of :data:`SIZE` / 8; bit 0 is the leftmost bit of the first byte.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection
from datetime import datetime
from random import Random
from typing import Any, Final

from app.credentials import wording
from app.credentials.contexts import CREDENTIALS
from app.errors import Conflict, Invalid

SIZE: Final = 131_072
"""Entries of a list: the least that the specification allows, for herd privacy."""

COMFORTABLE: Final = 50_000
"""Entries after which a new list should be begun, while random indexes are still easy to find."""

_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
"""RFC 1952: deflate, no name, modification time 0, best compression, unknown system."""


def empty() -> bytes:
    """A list in which nothing is set."""
    return bytes(SIZE // 8)


def get(bits: bytes, index: int) -> bool:
    """Whether the bit at ``index`` is set.

    :raises Invalid: outside the list (code ``bad-index``).
    """
    _check(bits, index)
    return bool(bits[index // 8] & (0x80 >> index % 8))


def put(bits: bytes, index: int, value: bool) -> bytes:
    """A copy of ``bits`` with the bit at ``index`` set to ``value``.

    :raises Invalid: outside the list (code ``bad-index``).
    """
    _check(bits, index)
    mask = 0x80 >> index % 8
    changed = bytearray(bits)
    changed[index // 8] = (changed[index // 8] & ~mask) | (mask if value else 0)
    return bytes(changed)


def with_set(indexes: Collection[int]) -> bytes:
    """A list in which exactly ``indexes`` are set.

    :raises Invalid: an index outside the list (code ``bad-index``).
    """
    bits = bytearray(SIZE // 8)
    for index in indexes:
        _check(bits, index)
        bits[index // 8] |= 0x80 >> index % 8
    return bytes(bits)


def encode(bits: bytes) -> str:
    """``encodedList``: ``u`` (multibase base64url) and the GZIP of ``bits``.

    Deterministic: the same bits give the same text on every machine, so an unchanged list keeps
    its bytes and its caches.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(bits) + packer.flush()
    trailer = zlib.crc32(bits).to_bytes(4, "little") + len(bits).to_bytes(4, "little")
    packed = _GZIP_HEADER + body + trailer
    return "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def decode(encoded: str) -> bytes:
    """The bits in an ``encodedList``; reads foreign lists too, up to 8 MiB unpacked.

    :raises Invalid: not multibase base64url of GZIP, or too large (code ``bad-list``).
    """
    if not encoded.startswith("u"):
        raise Invalid("bad-list", "The status list is not multibase base64url.")
    text = encoded[1:].rstrip("=")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        bits = unpacker.decompress(packed, 8 * 1024 * 1024)
    except (ValueError, zlib.error) as problem:
        raise Invalid("bad-list", f"The status list cannot be read: {problem}") from None
    if not unpacker.eof:
        raise Invalid("bad-list", "The status list is cut off or larger than 8 MiB.")
    return bits


def pick_index(taken: Collection[int], rng: Random) -> int:
    """A random index that is not in ``taken`` (give a set; ``SystemRandom`` outside tests).

    :raises Conflict: the list is full (code ``status-list-full``).
    """
    if len(taken) < SIZE // 2:
        while True:
            index = rng.randrange(SIZE)
            if index not in taken:
                return index
    free = [index for index in range(SIZE) if index not in taken]
    if not free:
        raise Conflict("status-list-full", "This status list has no free entry: begin a new one.")
    return rng.choice(free)


def list_credential(
    *, url: str, issuer_did: str, bits: bytes, valid_from: datetime, ttl_ms: int = 300_000
) -> dict[str, Any]:
    """The unsigned status list credential, to be served at ``url``.

    To be signed by the same issuer as the badges, since verifiers refuse a foreign list. The types
    inside the subject are plain strings: verifier-core and the 1EdTech validator read no arrays.

    :param ttl_ms: how long a verifier may keep its copy.
    :raises Invalid: ``url`` or ``valid_from`` cannot be signed.
    """
    address = wording.iri(url, "status list address")
    return {
        "@context": [CREDENTIALS],
        "id": address,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": wording.iri(issuer_did, "issuer DID"),
        "validFrom": wording.timestamp(valid_from, "valid from"),
        "credentialSubject": {
            "id": f"{address}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encode(bits),
            "ttl": ttl_ms,
        },
    }


def _check(bits: bytes | bytearray, index: int) -> None:
    if not 0 <= index < len(bits) * 8:
        raise Invalid("bad-index", f"{index} is outside the status list.")
