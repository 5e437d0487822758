"""VC-JWT: the credential as the payload of a compact JWS (Open Badges 3.0, section 8.2).

The header holds ``alg``, ``kid`` and ``typ: JWT`` and nothing else, which is all that the text
allows next to ``jwk``. The claims ``iss``, ``sub``, ``jti``, ``nbf`` and ``exp`` repeat what the
credential says, because verifiers compare them. RS256 for files, ES256 for wallets; the 1EdTech
validator refuses every other algorithm.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.credentials.keys import KeyKind, PublicKey, Signer, base64url
from app.credentials.proofs.data_integrity import issuer_of
from app.credentials.proofs.errors import ProofError
from app.errors import Invalid
from app.words import as_said, say

KINDS: Final = frozenset({KeyKind.RSA_2048, KeyKind.P256})


def sign(document: Mapping[str, Any], signer: Signer) -> bytes:
    """``document`` as a compact JWS, ASCII.

    :raises Invalid: an Ed25519 key, a document that carries a proof already, or one without id,
        issuer, subject id or ``validFrom`` (a VC-JWT needs all four).
    """
    if signer.public.kind not in KINDS:
        raise Invalid("bad-key", "A VC-JWT needs an RSA or a P-256 key.")
    if "proof" in document:
        raise Invalid("has-proof", "The document carries a proof already; sign the bare document.")
    header = {
        "alg": signer.public.kind.algorithm,
        "typ": "JWT",
        "kid": f"{issuer_of(document)}#{signer.public.fragment}",
    }
    signing_input = f"{_part(header)}.{_part({**document, **claims(document)})}".encode("ascii")
    return signing_input + b"." + base64url(signer.sign(signing_input)).encode("ascii")


def claims(document: Mapping[str, Any]) -> dict[str, Any]:
    """The registered claims that repeat what ``document`` says.

    :raises Invalid: one of the members that they repeat is missing (code ``incomplete``).
    """
    try:
        found: dict[str, Any] = {
            "iss": issuer_of(document),
            "sub": document["credentialSubject"]["id"],
            "jti": document["id"],
            "nbf": _seconds(document["validFrom"]),
        }
        if "validUntil" in document:
            found["exp"] = _seconds(document["validUntil"])
    except (KeyError, TypeError, ValueError) as missing:
        raise Invalid("incomplete", f"A VC-JWT cannot be made: {missing} is missing.") from None
    return found


def verify(signed: bytes, key: PublicKey) -> dict[str, Any]:
    """The credential in ``signed``, without the claims, if ``key`` signed it for its issuer.

    Stricter than most: a token in any other spelling than the canonical one is refused, so that
    no two different byte strings count as the same credential. Time and status are not looked at.

    :raises ProofError: the signature, the header or a claim is not as it must be.
    """
    parts = signed.split(b".")
    if len(parts) != 3:
        raise ProofError(say("This is not a compact JWS."))
    header_part, payload_part, signature_part = parts
    header, payload = _object(header_part), _object(payload_part)
    try:
        method = f"{issuer_of(payload)}#{key.fragment}"
        document = {name: value for name, value in payload.items() if name not in _CLAIMS}
        expected = claims(document)
    except Invalid as invalid:
        raise ProofError(as_said(invalid.message)) from None
    if header != {"alg": key.kind.algorithm, "typ": "JWT", "kid": method}:
        raise ProofError(
            say("The header does not name %(key)s and its algorithm alone.", key=method)
        )
    if not key.verifies(_decoded(signature_part), header_part + b"." + payload_part):
        raise ProofError(say("The signature does not match the token."))
    if {name: payload[name] for name in _CLAIMS if name in payload} != expected:
        raise ProofError(say("The claims do not repeat what the credential says."))
    return document


_CLAIMS: Final = ("iss", "sub", "jti", "nbf", "exp")


def _seconds(timestamp: str) -> int:
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError("a time zone")
    return int(moment.timestamp())


def _part(value: Mapping[str, Any]) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode("ascii"))


def _decoded(part: bytes) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise ProofError(say("A part of the token is not base64url.")) from None
    if base64url(raw).encode("ascii") != part:
        raise ProofError(say("A part of the token is not canonical base64url."))
    return raw


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        raise ProofError(say("A part of the token is not JSON.")) from None
    if not isinstance(value, dict):
        raise ProofError(say("A part of the token is not a JSON object."))
    return value
