"""Signing keys: Ed25519 for Data Integrity, RSA-2048 and P-256 for JSON Web Tokens.

Private keys are serialized as plain PKCS 8 PEM here; encrypting them at rest is the caller's part.
Everything that signs goes through the :class:`Signer` protocol, so that a key may later live in a
vault or a hardware module instead of in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from app.errors import Invalid

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
RawPublicKey = ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_ED25519_HEADER = b"\xed\x01"
_P256_HEADER = b"\x80\x24"
_P256_BYTES = 32


class KeyKind(StrEnum):
    """What a key is and what it signs."""

    ED25519 = "ed25519"
    """Data Integrity proofs (eddsa-rdfc-2022)."""
    RSA_2048 = "rsa2048"
    """VC-JWT with RS256: the least that Open Badges 3.0 asks of every verifier."""
    P256 = "p256"
    """VC-JWT with ES256: what OpenID4VCI wallets expect."""

    @property
    def algorithm(self) -> str:
        """The JOSE ``alg`` of signatures by such a key (RFC 7518, RFC 8037)."""
        return {"ed25519": "EdDSA", "rsa2048": "RS256", "p256": "ES256"}[self.value]


def base64url(data: bytes) -> str:
    """Unpadded base64url (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass(frozen=True)
class PublicKey:
    """The half of a key that everybody may see; all that is left of a retired one."""

    kind: KeyKind
    raw: RawPublicKey

    @property
    def multikey(self) -> str | None:
        """Multibase public key (``z6Mk…`` Ed25519, ``zDn…`` P-256); RSA has no use for one."""
        if isinstance(self.raw, ed25519.Ed25519PublicKey):
            return _multibase(_ED25519_HEADER + self.raw.public_bytes_raw())
        if isinstance(self.raw, ec.EllipticCurvePublicKey):
            point = self.raw.public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
            )
            return _multibase(_P256_HEADER + point)
        return None

    @property
    def jwk(self) -> dict[str, str]:
        """The public JSON Web Key, required members only (RFC 7517, RFC 8037)."""
        if isinstance(self.raw, ed25519.Ed25519PublicKey):
            x = base64url(self.raw.public_bytes_raw())
            return {"kty": "OKP", "crv": "Ed25519", "x": x}
        if isinstance(self.raw, ec.EllipticCurvePublicKey):
            point = self.raw.public_numbers()
            return {
                "kty": "EC",
                "crv": "P-256",
                "x": _coordinate(point.x),
                "y": _coordinate(point.y),
            }
        numbers = self.raw.public_numbers()
        return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}

    @property
    def thumbprint(self) -> str:
        """RFC 7638 thumbprint of the JWK."""
        text = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return base64url(hashlib.sha256(text.encode("ascii")).digest())

    @cached_property
    def fragment(self) -> str:
        """The part after ``#`` in the key's id; worked out once, since each signature names it.

        The key itself for Ed25519 and P-256, because the 1EdTech validator can then read the key
        straight from the id; the JWK thumbprint for RSA.
        """
        return self.multikey or self.thumbprint

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> PublicKey:
        """The key in a public JWK; members other than the key itself are ignored.

        :raises Invalid: a key of another kind, or values that are not one (code ``bad-key``).
        """
        try:
            raw = _raw_public(jwk)
        except (KeyError, ValueError, TypeError):
            raise Invalid("bad-key", "This is not a public JWK of a kind that can sign.") from None
        return cls(_kind_of(raw), raw)

    @classmethod
    def of(cls, raw: object) -> PublicKey:
        """The same around a key of ``cryptography``; raises Invalid for one that cannot sign."""
        if not isinstance(raw, RawPublicKey):
            raise Invalid("bad-key", "This is not a public key of a kind that can sign.")
        return cls(_kind_of(raw), raw)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (JOSE form: raw r||s for P-256) is this key's over ``data``."""
        try:
            if isinstance(self.raw, ed25519.Ed25519PublicKey):
                self.raw.verify(signature, data)
            elif isinstance(self.raw, rsa.RSAPublicKey):
                self.raw.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                self.raw.verify(_der(signature), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


class Signer(Protocol):
    """Something that signs with one key: in memory today, a vault or hardware module later."""

    @property
    def public(self) -> PublicKey:
        """The public half."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data`` in JOSE form. May raise ``UpstreamError`` if remote."""
        ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A :class:`Signer` whose private key is in memory. Load it once, sign many times."""

    private: PrivateKey
    public: PublicKey

    def __repr__(self) -> str:
        """Name the public half only, so that no log ever shows the private one."""
        return f"SigningKey({self.kind.value}, {self.fragment})"

    @property
    def kind(self) -> KeyKind:
        """What the key is."""
        return self.public.kind

    @property
    def fragment(self) -> str:
        """See :attr:`PublicKey.fragment`."""
        return self.public.fragment

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data`` in JOSE form."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_P256_BYTES) + s.to_bytes(_P256_BYTES)

    def to_pem(self) -> bytes:
        """PKCS 8 PEM, not encrypted: encrypt before it touches a disk."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """The key in a PKCS 8 PEM.

        :raises Invalid: not a PEM, or a key of another kind (code ``bad-key``).
        """
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            raise Invalid(
                "bad-key", "This is not an unencrypted private key in PEM form."
            ) from None
        return cls._of(private)  # type: ignore[arg-type]

    @classmethod
    def _of(cls, private: PrivateKey) -> SigningKey:
        raw = private.public_key()
        return cls(private, PublicKey(_kind_of(raw), raw))


def generate(kind: KeyKind) -> SigningKey:
    """A new random key of ``kind``."""
    private: PrivateKey
    if kind is KeyKind.ED25519:
        private = ed25519.Ed25519PrivateKey.generate()
    elif kind is KeyKind.RSA_2048:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey._of(private)


def _kind_of(raw: object) -> KeyKind:
    if isinstance(raw, ed25519.Ed25519PublicKey):
        return KeyKind.ED25519
    if isinstance(raw, rsa.RSAPublicKey) and raw.key_size >= 2048:
        return KeyKind.RSA_2048
    if isinstance(raw, ec.EllipticCurvePublicKey) and isinstance(raw.curve, ec.SECP256R1):
        return KeyKind.P256
    raise Invalid("bad-key", "Only Ed25519, P-256 and RSA keys of 2048 bits or more can sign.")


def _raw_public(jwk: Mapping[str, Any]) -> RawPublicKey:
    if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_unbase64url(jwk["x"]))
    if jwk["kty"] == "EC" and jwk["crv"] == "P-256":
        x, y = (int.from_bytes(_unbase64url(jwk[name])) for name in "xy")
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    if jwk["kty"] == "RSA":
        n, e = (int.from_bytes(_unbase64url(jwk[name])) for name in "ne")
        return rsa.RSAPublicNumbers(e, n).public_key()
    raise ValueError(jwk["kty"])


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _multibase(data: bytes) -> str:
    return "z" + base58.b58encode(data).decode("ascii")


def _coordinate(value: int) -> str:
    return base64url(value.to_bytes(_P256_BYTES))


def _integer(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8))


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _P256_BYTES:
        raise InvalidSignature
    r, s = signature[:_P256_BYTES], signature[_P256_BYTES:]
    return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
