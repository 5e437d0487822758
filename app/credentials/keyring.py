"""Where private keys of issuers live: in this database under the master key, or with a keeper elsewhere.

Door: :class:`Keyring`. It makes new keys and turns a row of ``issuer_key`` into something that
signs. A keeper that is reached over the network (:class:`Keeper`) is asked outside transactions
only: :meth:`Keyring.make` and :meth:`Signer.sign` of such a key may take seconds and may fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from app.credentials.keys import KeyKind, PublicKey, Signer, SigningKey, generate
from app.errors import ConfigurationError
from app.models import IssuerKey
from app.secrets import SecretBox, new_token

FILE = "file"


class Keeper(Protocol):
    """Something elsewhere that makes keys, never gives them away, and signs with them."""

    def make(self, name: str, kind: KeyKind) -> PublicKey:
        """A new key called ``name``; a repeat finds the one that is there. Raises UpstreamError."""
        ...

    def signer(self, name: str, public: PublicKey) -> Signer:
        """What signs with the key called ``name``. Does not go out yet."""
        ...


@dataclass(frozen=True)
class NewKey:
    """A key that was made and has no row yet."""

    public: PublicKey
    keeper: str
    sealed: str
    remote: str


class Keyring:
    """Makes keys at the keeper in force, and finds the signer of any key ever made."""

    def __init__(
        self, box: SecretBox, keepers: Mapping[str, Keeper] | None = None, making: str = FILE
    ) -> None:
        """``keepers`` by name, besides ``file``; new keys are made at ``making``."""
        self._box, self._keepers, self._making = box, dict(keepers or {}), making

    def make(self, slug: str, kind: KeyKind) -> NewKey:
        """A new key of an issuer. Raises UpstreamError when the keeper does not make one."""
        if self._making == FILE:
            key = generate(kind)
            return NewKey(key.public, FILE, self._box.seal(key.to_pem()), "")
        name = f"tassel-{slug}-{kind.value}-{new_token(6).lower().replace('_', '-').strip('-')}"
        public = self._keepers[self._making].make(name, kind)
        return NewKey(public, self._making, "", name)

    def signer(self, row: IssuerKey) -> Signer:
        """What signs with the key of ``row``; a key in memory is loaded once per process.

        Raises ConfigurationError when the master key or the keeper's settings are missing.
        """
        if row.keeper == FILE:
            return _loaded(self._box, row.sealed)
        keeper = self._keepers.get(row.keeper)
        if keeper is None:
            raise ConfigurationError(
                [f"the key {row.fragment} is kept by {row.keeper}, which is not set up here"]
            )
        return keeper.signer(row.remote, PublicKey.from_jwk(row.public_jwk))


@lru_cache(maxsize=64)
def _loaded(box: SecretBox, sealed: str) -> SigningKey:
    """An RSA key costs 37 ms to load."""
    return SigningKey.from_pem(box.open(sealed))
