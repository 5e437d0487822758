"""What may stand in a document that is going to be signed: text, addresses, times.

Each rule exists because some verifier reads the forbidden form differently from our signer, which
turns a good badge into a broken one at the worst place: an employer's screen.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Final

from app.errors import Invalid

_ALLOWED_CONTROLS: Final = frozenset("\t\n\r")
_IRI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):"
    r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])+"
)
_SCHEMES: Final = frozenset({"http", "https", "urn", "did"})
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def text(value: str, field: str) -> str:
    """``value`` if verifiers agree on how to sign it.

    Signers and verifiers disagree on control characters (PyLD leaves U+0007 and U+007F unescaped,
    RDFC-1.0 escapes them), and lone surrogates are not text at all.

    :raises Invalid: empty, or holds such a character (code ``bad-text``).
    """
    if not value.strip():
        raise _bad("bad-text", field, "is empty")
    # Printable text, nearly all of it, is decided without looking at each character.
    if not value.isprintable():
        for character in value:
            if _is_unsignable(character):
                raise _bad("bad-text", field, f"holds the character U+{ord(character):04X}")
    return value


def _is_unsignable(character: str) -> bool:
    if character in _ALLOWED_CONTROLS:
        return False
    is_noncharacter = ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    return is_noncharacter or unicodedata.category(character) in {"Cc", "Cs"}


def iri(value: str, field: str) -> str:
    """``value`` if it is an absolute IRI (RFC 3987) of a scheme that a badge may point to.

    JSON-LD processors drop a malformed IRI or invent a base for a relative one, silently, so the
    value would stand in the badge without being signed.

    :raises Invalid: otherwise (code ``bad-iri``).
    """
    match = _IRI.fullmatch(value)
    if not match or match["scheme"].lower() not in _SCHEMES or "#" in value.partition("#")[2]:
        raise _bad("bad-iri", field, f"is not a complete web address, URN or DID: {value!r}")
    if not value.isascii() and any(unicodedata.category(c)[0] in "CZ" for c in value):
        raise _bad("bad-iri", field, f"holds a space or an invisible character: {value!r}")
    if match["scheme"].lower() in {"http", "https"} and not _has_host(value):
        raise _bad("bad-iri", field, f"names no host: {value!r}")
    return value


def _has_host(value: str) -> bool:
    rest = value.partition(":")[2]
    return rest.startswith("//") and rest[2:3] not in {"", "/", "?", "#", ":", "@"}


def email(value: str, field: str) -> str:
    """``value`` if it looks like one address: something, an at sign, something, no white space.

    :raises Invalid: otherwise (code ``bad-email``).
    """
    if not _EMAIL.fullmatch(text(value, field)):
        raise _bad("bad-email", field, "is not an e-mail address")
    return value


def timestamp(value: datetime, field: str) -> str:
    """``value`` as an xsd:dateTime in UTC with whole seconds.

    :raises Invalid: a naive time (code ``naive-time``): verifiers guess zones differently.
    """
    if value.tzinfo is None or value.utcoffset() is None:
        raise _bad("naive-time", field, "has no time zone")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bad(code: str, field: str, problem: str) -> Invalid:
    return Invalid(
        code,
        f"The badge cannot be signed: {field} {problem}.",
        fix="Correct the value in the badge template or the issuer profile.",
        fields={field: problem},
    )
