"""From the bytes that somebody brought to one credential: JSON, a token, or either in a picture."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, Final

from app.credentials.verify import pictures, strict_json
from app.credentials.verify.limits import MAX_CREDENTIAL_BYTES, MAX_FILE_BYTES, OverLimitError
from app.errors import Invalid
from app.words import Said, say

CLAIMS: Final = ("iss", "sub", "jti", "nbf", "exp")
"""Registered claims that repeat what the credential says."""
_JSON: Final = say("JSON")
_OTHER_CLAIMS: Final = ("iat", "aud", "vc")
_TOKEN = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Token:
    """The outside of a compact JWS (RFC 7515)."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """One credential and what seals it: proofs inside, or a token around."""

    document: dict[str, Any]
    """Without proofs and without the claims of a token."""
    proofs: list[Any] = field(default_factory=list)
    token: Token | None = None
    carrier: Said = _JSON


def read(raw: bytes) -> Sealed:
    """The credential in ``raw``: a JSON text, a compact JWS, or a PNG or SVG with either inside.

    :raises Invalid: it is none of them, or a broken one.
    :raises OverLimitError: too much of it.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise OverLimitError(
            say("The file is larger than %(most)s bytes.", most=f"{MAX_FILE_BYTES:,}")
        )
    if raw.startswith(pictures.PNG):
        return _unsealed(pictures.from_png(raw), say("a PNG picture"))
    text = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"<"):
        return _unsealed(pictures.from_svg(text), say("an SVG picture"))
    return _unsealed(text, None)


def from_object(value: Any) -> Sealed:
    """A credential that stands inside another: an object, or a token as text.

    :raises Invalid: neither.
    :raises OverLimitError: too much of it.
    """
    if isinstance(value, str):
        return from_token(value.encode("utf-8"))
    if not isinstance(value, dict):
        raise Invalid("bad-credential", say("What stands here is no credential."))
    if "EnvelopedVerifiableCredential" in named_types(value):
        kind, _, token = str(value.get("id")).partition(",")
        if kind not in {"data:application/vc+jwt", "data:application/jwt"}:
            raise Invalid(
                "bad-credential", say("The envelope holds no token that Tassel can read.")
            )
        return from_token(token.encode("utf-8"))
    document = {name: part for name, part in value.items() if name != "proof"}
    proofs = value.get("proof", [])
    return Sealed(document, proofs if isinstance(proofs, list) else [proofs])


def named_types(node: Any) -> tuple[str, ...]:
    """The types of an object, whether it lists one or several."""
    types = node.get("type") if isinstance(node, dict) else None
    listed = types if isinstance(types, list) else [types]
    return tuple(name for name in listed if isinstance(name, str))


def _unsealed(text: bytes, carrier: Said | None) -> Sealed:
    text = text.strip()
    if text.startswith(b"{"):
        sealed, kind = from_object(strict_json.loads(text)), say("JSON with its signature inside")
    elif _TOKEN.fullmatch(text):
        sealed, kind = from_token(text), say("a JSON Web Token")
    else:
        raise Invalid(
            "bad-credential", say("This is neither a badge picture, nor JSON, nor a token.")
        )
    if carrier is not None:
        kind = say("%(kind)s in %(carrier)s", kind=kind, carrier=carrier)
    return Sealed(sealed.document, sealed.proofs, sealed.token, kind)


def from_token(text: bytes) -> Sealed:
    """The credential in a compact JWS; the signature is not looked at.

    :raises Invalid: not one.
    :raises OverLimitError: too much of it.
    """
    if len(text) > 2 * MAX_CREDENTIAL_BYTES:
        raise OverLimitError(
            say("The token is larger than %(most)s bytes.", most=f"{2 * MAX_CREDENTIAL_BYTES:,}")
        )
    if not _TOKEN.fullmatch(text):
        raise Invalid("bad-token", say("This is not a compact JSON Web Token."))
    header, payload, signature = text.split(b".")
    claims = strict_json.loads(decode64(payload))
    inner = claims.get("vc")
    source = inner if isinstance(inner, dict) else claims
    skipped = {*CLAIMS, *_OTHER_CLAIMS, "proof"}
    document = {name: part for name, part in source.items() if name not in skipped}
    token = Token(
        strict_json.loads(decode64(header)),
        {name: claims[name] for name in CLAIMS if name in claims},
        header + b"." + payload,
        decode64(signature),
    )
    return Sealed(document, [], token)


def decode64(part: bytes) -> bytes:
    """Unpadded base64url, in its one canonical spelling.

    :raises Invalid: otherwise (code ``bad-token``).
    """
    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (ValueError, binascii.Error):
        raise Invalid("bad-token", say("A part of the token is not base64url.")) from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise Invalid("bad-token", say("A part of the token is not canonical base64url."))
    return raw
