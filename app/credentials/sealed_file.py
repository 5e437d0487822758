"""A file that only a passphrase opens: scrypt makes the key, AES-256-GCM seals and authenticates.

The numbers of scrypt stand in the clear head of the file and are authenticated with it, so a later
version can raise them and still open old files. Pure: bytes in, bytes out.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.errors import Invalid

FORMAT: Final = "tassel-sealed-1"
COST: Final = 2**16
"""scrypt N with r = 8: 64 MB and some tenths of a second for each guess."""
MOST_COST: Final = 2**20
LEAST_PASSPHRASE: Final = 12


def seal(plain: bytes, passphrase: str) -> bytes:
    """``plain`` sealed, as JSON text. Raises Invalid for a passphrase under 12 characters."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise Invalid("weak-passphrase", f"Use {LEAST_PASSPHRASE} characters or more.")
    head = {"format": FORMAT, "n": COST, "r": 8, "p": 1, "salt": _text(os.urandom(16))}
    nonce = os.urandom(12)
    sealed = AESGCM(_key(head, passphrase)).encrypt(nonce, plain, _bound(head))
    body = {**head, "nonce": _text(nonce), "sealed": _text(sealed)}
    return (json.dumps(body, indent=1) + "\n").encode("ascii")


def unseal(content: bytes, passphrase: str) -> bytes:
    """What was sealed. Raises Invalid: not such a file, changed since, or another passphrase."""
    try:
        body: dict[str, Any] = json.loads(content)
        nonce, sealed = _bytes(body.pop("nonce")), _bytes(body.pop("sealed"))
        if body["format"] != FORMAT or not 2 <= body["n"] <= MOST_COST or body["r"] != 8:
            raise _foreign()
        return AESGCM(_key(body, passphrase)).decrypt(nonce, sealed, _bound(body))
    except InvalidTag:
        raise Invalid(
            "cannot-unseal", "The passphrase is another one, or the file was changed."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _foreign() from None


def _key(head: dict[str, Any], passphrase: str) -> bytes:
    kdf = Scrypt(salt=_bytes(head["salt"]), length=32, n=head["n"], r=head["r"], p=head["p"])
    return kdf.derive(passphrase.encode("utf-8"))


def _bound(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode("ascii")


def _foreign() -> Invalid:
    return Invalid("not-a-sealed-file", "This is not a file that Tassel sealed.")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _foreign() from None
