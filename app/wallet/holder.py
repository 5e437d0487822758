"""Whether a wallet holds the key that it names: the ``jwt`` proof of OpenID4VCI 1.0, appendix F.1.

Pure: the caller checks and spends the nonce.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import base58
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from app.credentials.keys import KeyKind, PublicKey
from app.errors import Invalid
from app.wallet.errors import WalletRefused

TYPE: Final = "openid4vci-proof+jwt"
MAX_PROOF: Final = 8000
LEEWAY: Final = timedelta(minutes=2)
OLDEST: Final = timedelta(minutes=15)
KINDS: Final = (KeyKind.ED25519, KeyKind.P256)
_HEADER: Final = {"typ", "alg", "kid"}


@dataclass(frozen=True)
class Proven:
    """A DID whose key the wallet holds, and the nonce that it answered."""

    did: str
    nonce: str


def prove(proof: str, issuer: str, now: datetime) -> Proven:
    """Check one key proof made for ``issuer`` (a Credential Issuer Identifier).

    Raises WalletRefused (``invalid_proof``) and says which part is wrong.
    """
    if len(proof) > MAX_PROOF:
        raise _refused("The proof is too long.")
    header = _header(proof)
    did, key = _key_named(header["kid"])
    if header["alg"] != key.kind.algorithm:
        raise _refused("The algorithm of the proof is not that of its key.")
    try:
        claims = jwt.decode(
            proof,
            key.raw,
            algorithms=[key.kind.algorithm],
            audience=issuer,
            options={"require": ["aud", "iat", "nonce"], "verify_iat": False, "strict_aud": True},
            leeway=LEEWAY,
        )
    except jwt.InvalidAudienceError:
        raise _refused("The proof was made for another issuer.") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _refused("The signature or a claim of the proof is wrong.") from None
    _fresh(claims["iat"], now)
    if not isinstance(claims["nonce"], str):
        raise _refused("The nonce of the proof is not text.")
    return Proven(did, claims["nonce"])


def _refused(why: str) -> WalletRefused:
    return WalletRefused("invalid_proof", why)


def _header(proof: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(proof)
    except (jwt.PyJWTError, ValueError):
        raise _refused("The proof is not a signed JWT.") from None
    if header.get("typ") != TYPE:
        raise _refused(f"The type of the proof is not {TYPE}.")
    if set(header) != _HEADER:
        raise _refused("The header of the proof must hold typ, alg and kid, and nothing else.")
    if not isinstance(header["kid"], str):
        raise _refused("The kid of the proof is not text.")
    return header


def _fresh(issued: object, now: datetime) -> None:
    if not isinstance(issued, int | float) or isinstance(issued, bool):
        raise _refused("The iat of the proof is not a number.")
    age = now.timestamp() - issued
    if not -LEEWAY.total_seconds() <= age <= OLDEST.total_seconds():
        raise _refused("The proof was not made just now.")


def _key_named(kid: str) -> tuple[str, PublicKey]:
    """DID and key that a DID URL names; both methods carry the key in the name."""
    did, _, fragment = kid.partition("#")
    try:
        if did.startswith("did:key:") and fragment == did.removeprefix("did:key:"):
            return did, _of_multikey(fragment)
        if did.startswith("did:jwk:") and fragment == "0":
            return did, _of_jwk(did.removeprefix("did:jwk:"))
    except (ValueError, TypeError, Invalid):
        raise _refused("The kid of the proof holds no key that can be used here.") from None
    raise _refused("The kid of the proof must name the key of a did:key or did:jwk.")


def _of_multikey(text: str) -> PublicKey:
    if not text.startswith("z"):
        raise ValueError(text)
    data = base58.b58decode(text[1:])
    head, body = data[:2], data[2:]
    if head == b"\xed\x01":
        return PublicKey(KeyKind.ED25519, ed25519.Ed25519PublicKey.from_public_bytes(body))
    if head == b"\x80\x24":
        curve = ec.SECP256R1()
        return PublicKey(KeyKind.P256, ec.EllipticCurvePublicKey.from_encoded_point(curve, body))
    raise ValueError(text)


def _of_jwk(text: str) -> PublicKey:
    jwk = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not isinstance(jwk, dict) or "d" in jwk:
        raise ValueError(text)
    key = PublicKey.from_jwk(jwk)
    if key.kind not in KINDS:
        raise ValueError(text)
    return key
