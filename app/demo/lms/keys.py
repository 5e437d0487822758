"""The LMS's own signing keys: RSA 2048, several at a time so that they can be rotated."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key and the ``kid`` under which its public half is published."""

    kid: str
    private: rsa.RSAPrivateKey


def new_key() -> SigningKey:
    """A fresh RSA 2048 key; the kid looks like the recorded Moodle one (20 hex digits)."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return SigningKey(secrets.token_hex(10), private)


class KeyRing:
    """The keys in force. The newest signs; the older ones stay published until dropped."""

    def __init__(self) -> None:
        self._keys = [new_key()]

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        return self._keys[-1]

    def rotate(self, *, keep_old: bool) -> str:
        """Make a new signing key and return its kid; without ``keep_old`` the others vanish."""
        fresh = new_key()
        self._keys = [*self._keys, fresh] if keep_old else [fresh]
        return fresh.kid

    def jwks(self) -> dict[str, Any]:
        """The public key set (RFC 7517)."""
        return {"keys": [_public_jwk(key) for key in self._keys]}

    def sign(self, claims: dict[str, Any]) -> str:
        """A compact RS256 JWT with ``kid`` and ``typ`` in its header."""
        key = self.current
        return jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.kid})

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a JWT that this LMS signed itself. Raises ``jwt.PyJWTError``."""
        kid = jwt.get_unverified_header(token).get("kid")
        for key in self._keys:
            if key.kid == kid:
                claims: dict[str, Any] = jwt.decode(
                    token, key.private.public_key(), algorithms=["RS256"], leeway=60
                )
                return claims
        raise jwt.InvalidTokenError("unknown key")


def _public_jwk(key: SigningKey) -> dict[str, Any]:
    public = RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": key.kid} | {
        name: public[name] for name in ("n", "e")
    }
