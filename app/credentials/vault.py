"""Keys that HashiCorp Vault makes, keeps and signs with (transit secrets engine, HTTP API v1).

The private half never leaves the vault. Each key of ours is a key of its own there, so its version
is always 1: rotation and retirement are ours, since retired keys have to stay listed in our DID
document whatever the vault keeps. Tested with Ed25519, P-256 and RSA-2048.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from app.credentials.keyring import Keyring
from app.credentials.keys import KeyKind, PublicKey
from app.errors import Invalid, UpstreamError
from app.http import HttpClient, Response
from app.secrets import SecretBox
from app.settings import Settings

VAULT: Final = "vault"
SYSTEM: Final = "The key vault"
TIMEOUT: Final = (3.0, 10.0)
"""Seconds to connect and to wait: a signature takes milliseconds."""

_TYPES: Final = {
    KeyKind.ED25519: "ed25519",
    KeyKind.P256: "ecdsa-p256",
    KeyKind.RSA_2048: "rsa-2048",
}
_FIXES: Final = {
    403: "Give TASSEL_VAULT_TOKEN a token whose policy allows create, read and update on the keys named tassel-*, and restart.",
    404: "Enable the transit engine at TASSEL_VAULT_MOUNT, or restore the key there.",
    503: "Unseal the vault. What waits is signed by itself within minutes.",
}


def keyring_of(settings: Settings, box: SecretBox, http: HttpClient) -> Keyring:
    """The keyring that the settings ask for: with a vault, new keys are made there."""
    if not settings.vault_url:
        return Keyring(box)
    vault = Vault(
        http,
        f"{settings.vault_url}/v1/{quote(settings.vault_mount.strip('/'))}",
        settings.vault_token,
        settings.vault_namespace,
    )
    return Keyring(box, {VAULT: vault}, making=VAULT)


class Vault:
    """A transit engine as a :class:`~app.credentials.keyring.Keeper`."""

    def __init__(self, http: HttpClient, base: str, token: str, namespace: str) -> None:
        """``base``: address of the engine, for example ``https://vault.example.edu/v1/transit``."""
        self._http, self._base = http, base
        self._headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
        if namespace:
            self._headers["X-Vault-Namespace"] = namespace

    def make(self, name: str, kind: KeyKind) -> PublicKey:
        """Create the key, which is no error when it is there, and read its public half."""
        place = f"keys/{quote(name, safe='')}"
        self._ask("POST", place, {"type": _TYPES[kind], "exportable": False})
        data = self._data(self._ask("GET", place))
        try:
            public = _public_key(str(data["keys"]["1"]["public_key"]))
        except (KeyError, TypeError, ValueError, Invalid):
            raise _odd("no public key") from None
        if public.kind is not kind:
            raise _odd(f"a key of another kind under the name {name}")
        return public

    def signer(self, name: str, public: PublicKey) -> VaultKey:
        """What signs with the key called ``name``."""
        return VaultKey(self, name, public)

    def sign(self, name: str, kind: KeyKind, data: bytes) -> bytes:
        """The signature in JOSE form. Raises UpstreamError when the vault does not give one."""
        asked: dict[str, Any] = {"input": base64.b64encode(data).decode("ascii"), "key_version": 1}
        if kind is not KeyKind.ED25519:
            asked |= {"hash_algorithm": "sha2-256", "marshaling_algorithm": "jws"}
        if kind is KeyKind.RSA_2048:
            asked["signature_algorithm"] = "pkcs1v15"
        answer = self._data(self._ask("POST", f"sign/{quote(name, safe='')}", asked))
        version, _, text = str(answer.get("signature", "")).removeprefix("vault:").partition(":")
        if version != "v1":
            raise _odd("no signature by the first version of the key")
        return _bytes(text)

    def _ask(self, method: str, place: str, body: dict[str, Any] | None = None) -> Response:
        try:
            return self._http.request(
                method,
                f"{self._base}/{place}",
                system=SYSTEM,
                headers=self._headers,
                json=body,
                timeout=TIMEOUT,
            )
        except UpstreamError as error:
            if not error.fix or error.status in _FIXES:
                error.fix = _FIXES.get(error.status or 0, error.fix)
            raise

    def _data(self, answer: Response) -> dict[str, Any]:
        body = answer.json()
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise _odd("no data")
        return data


@dataclass(frozen=True)
class VaultKey:
    """A :class:`~app.credentials.keys.Signer` whose private half stays in the vault."""

    vault: Vault
    name: str
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data`` in JOSE form, checked before anybody relies on it.

        Raises UpstreamError: the vault cannot be reached, is sealed, refuses, or signs with
        another key than the one that is listed.
        """
        signature = self.vault.sign(self.name, self.public.kind, data)
        if not self.public.verifies(signature, data):
            raise _odd(f"a signature by another key than the listed one as {self.name}")
        return signature


def _public_key(text: str) -> PublicKey:
    """Transit gives PEM, except for Ed25519: the 32 bytes in base64."""
    if text.startswith("-----BEGIN"):
        return PublicKey.of(serialization.load_pem_public_key(text.encode("ascii")))
    raw = base64.b64decode(text, validate=True)
    return PublicKey.of(ed25519.Ed25519PublicKey.from_public_bytes(raw))


def _bytes(text: str) -> bytes:
    """Transit writes base64, and base64url without padding where it was asked for ``jws``."""
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _odd("a signature that is not base64") from None


def _odd(what: str) -> UpstreamError:
    return UpstreamError(
        "vault-odd-answer",
        f"{SYSTEM} answered with {what}.",
        system=SYSTEM,
        permanent=False,
        fix="Check that TASSEL_VAULT_URL and TASSEL_VAULT_MOUNT name a transit engine.",
    )
