"""Encrypt and rotate what is stored: private keys, client secrets, access tokens.

Fernet (AES-128-CBC + HMAC) with key rotation, from the ``cryptography`` package. The first key
encrypts, every key decrypts.
"""

from __future__ import annotations

import hashlib
import os
import secrets as random
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.errors import ConfigurationError


class SecretBox:
    """Encrypts small byte strings under the master key."""

    def __init__(self, keys: list[str]) -> None:
        """``keys``: URL-safe base64 of 32 bytes each; raises ConfigurationError on a bad one."""
        try:
            self._box = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise ConfigurationError(
                ["TASSEL_MASTER_KEY: each key must be 32 bytes as URL-safe base64 (44 characters)"]
            ) from error

    def seal(self, plain: bytes) -> str:
        """Ciphertext as text."""
        return self._box.encrypt(plain).decode("ascii")

    def open(self, sealed: str) -> bytes:
        """Plain bytes; raises ConfigurationError when no key fits (wrong master key)."""
        try:
            return self._box.decrypt(sealed)
        except InvalidToken as error:
            raise ConfigurationError(
                ["TASSEL_MASTER_KEY does not open what the database holds: restore the old key"]
            ) from error

    def rotate(self, sealed: str) -> str:
        """The same plain bytes under the first key; raises as ``open``."""
        return self.seal(self.open(sealed))


def open_box(master_key: str, data_dir: Path) -> tuple[SecretBox, bool]:
    """The box of this campus and whether its key was generated here (worth a warning).

    Without a configured key one is made once, readable by the owner only, beside the data.
    """
    if master_key:
        return SecretBox([part.strip() for part in master_key.split(",") if part.strip()]), False
    path = data_dir / "master.key"
    if not path.exists():
        _write_private(path, Fernet.generate_key())
    return SecretBox([path.read_text(encoding="ascii").strip()]), True


def _write_private(path: Path, content: bytes) -> None:
    """Create ``path`` with mode 0600; a concurrent starter keeps the first one's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{random.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_bytes(content)
    with suppress(FileExistsError):
        os.link(part, path)
    part.unlink()


def new_token(size: int = 32) -> str:
    """An unguessable URL-safe token of ``size`` random bytes."""
    return random.token_urlsafe(size)


def token_hash(token: str) -> str:
    """What is stored of a token: SHA-256 as hex. Tokens are random, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()
