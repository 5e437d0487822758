"""Public keys as strangers write them down, and what they signed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from app.errors import Invalid
from app.words import say

_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm, int]]] = {
    "P-256": (ec.SECP256R1(), hashes.SHA256(), 32),
    "P-384": (ec.SECP384R1(), hashes.SHA384(), 48),
}
_MULTICODEC: Final = {b"\xed\x01": "Ed25519", b"\x80\x24": "P-256", b"\x81\x24": "P-384"}
_PRIVATE: Final = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "priv"})
MAX_BASE58: Final = 300
"""Characters; decoding is quadratic."""
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192


@dataclass(frozen=True, slots=True)
class Key:
    """One public key that can check a signature."""

    kind: str
    """Ed25519 | P-256 | P-384 | RSA."""
    raw: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (r||s for the P curves) is this key's over ``data``."""
        try:
            if isinstance(self.raw, ed25519.Ed25519PublicKey):
                self.raw.verify(signature, data)
            elif isinstance(self.raw, rsa.RSAPublicKey):
                self.raw.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                _, digest, size = _CURVES[self.kind]
                if len(signature) != 2 * size:
                    return False
                r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
                self.raw.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
        except InvalidSignature:
            return False
        return True

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """What Data Integrity suites hash with for this key (vc-di-ecdsa 3.2, vc-di-eddsa 3.2)."""
        return hashes.SHA384() if self.kind == "P-384" else hashes.SHA256()


def base58btc(text: object) -> bytes:
    """The bytes in multibase base58btc (``z…``).

    :raises Invalid: not that, or absurdly long (code ``bad-base58``).
    """
    if not isinstance(text, str) or not text.startswith("z") or len(text) > MAX_BASE58:
        raise Invalid("bad-base58", say("A value is not multibase base58btc."))
    try:
        return base58.b58decode(text[1:])
    except ValueError:
        raise Invalid("bad-base58", say("A value is not multibase base58btc.")) from None


def from_multikey(text: object) -> Key:
    """The key in ``publicKeyMultibase`` or a ``did:key``.

    :raises Invalid: not a key of a known kind (code ``bad-key``).
    """
    data = base58btc(text)
    kind = _MULTICODEC.get(data[:2])
    if kind is None:
        raise Invalid("unknown-key", say("The key is of a kind that Tassel does not know."))
    try:
        if kind == "Ed25519":
            return Key(kind, ed25519.Ed25519PublicKey.from_public_bytes(data[2:]))
        return Key(kind, ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[kind][0], data[2:]))
    except ValueError:
        raise Invalid("bad-key", say("The key is damaged.")) from None


def from_jwk(jwk: object) -> Key:
    """The key in a public JWK (RFC 7517).

    :raises Invalid: private, weak, damaged (code ``bad-key``) or of an unknown kind
        (``unknown-key``).
    """
    if not isinstance(jwk, dict):
        raise Invalid("bad-key", say("The key is no JSON object."))
    if _PRIVATE & jwk.keys():
        raise Invalid(
            "bad-key", say("The key is a private one: whoever reads it can sign with it.")
        )
    try:
        return _from_jwk(jwk)
    except (KeyError, TypeError, ValueError):
        raise Invalid("bad-key", say("The key is damaged.")) from None


def _from_jwk(jwk: Mapping[str, Any]) -> Key:
    kind = jwk["kty"]
    if kind == "OKP" and jwk["crv"] == "Ed25519":
        return Key("Ed25519", ed25519.Ed25519PublicKey.from_public_bytes(_bytes(jwk["x"])))
    if kind == "EC" and jwk["crv"] in _CURVES:
        x, y = (int.from_bytes(_bytes(jwk[name])) for name in "xy")
        curve = _CURVES[jwk["crv"]][0]
        return Key(jwk["crv"], ec.EllipticCurvePublicNumbers(x, y, curve).public_key())
    if kind == "RSA":
        n, e = (int.from_bytes(_bytes(jwk[name])) for name in "ne")
        if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
            raise Invalid(
                "bad-key",
                say(
                    "An RSA key of %(bits)s bits is not acceptable.",
                    bits=n.bit_length(),
                ),
            )
        return Key("RSA", rsa.RSAPublicNumbers(e, n).public_key())
    raise Invalid("unknown-key", say("The key is of a kind that Tassel does not know."))


def _bytes(text: str) -> bytes:
    if len(text) > 2 * MAX_RSA_BITS // 8:
        raise ValueError(text[:20])
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
