"""Our own signing keys for LTI: RSA 2048, private halves sealed, public halves in our key set."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models import ToolKey
from app.secrets import SecretBox, new_token

ALGORITHM = "RS256"


@dataclass(frozen=True)
class SigningKey:
    """A private key ready for use, and the ``kid`` under which its public half is published."""

    kid: str
    private: rsa.RSAPrivateKey


class KeyCache:
    """Opened private keys by kid, so that no signature pays for decrypting and parsing again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}

    def open(self, row: ToolKey, box: SecretBox) -> SigningKey:
        """The key of ``row``."""
        with self._lock:
            found = self._keys.get(row.kid)
            if found is None:
                private = load_pem_private_key(box.open(row.sealed), None)
                assert isinstance(private, rsa.RSAPrivateKey)
                found = self._keys[row.kid] = SigningKey(row.kid, private)
            return found


def ensure_key(db: Database, box: SecretBox, now: datetime) -> None:
    """Make the first signing key unless there is one."""
    with db.reading() as session:
        known = _newest(session) is not None
    if known:
        return
    fresh = _new_row(box, now)
    with db.transaction() as session:
        if _newest(session) is None:
            session.add(fresh)


def signing_key(db: Database, box: SecretBox, cache: KeyCache, now: datetime) -> SigningKey:
    """The key that signs now; made on first use."""
    ensure_key(db, box, now)
    with db.reading() as session:
        row = _newest(session)
    assert row is not None
    return cache.open(row, box)


def rotate_key(db: Database, box: SecretBox, now: datetime) -> str:
    """A new signing key beside the old ones, which stay published; returns its kid.

    LMSs fetch our key set again when they see a new kid.
    """
    fresh = _new_row(box, now)
    with db.transaction() as session:
        for row in session.scalars(select(ToolKey).where(ToolKey.state == "active")):
            row.state, row.retired_at = "retired", now
        session.add(fresh)
    return fresh.kid


def public_jwks(db: Database) -> dict[str, Any]:
    """Our public key set (RFC 7517), retired keys included."""
    with db.reading() as session:
        rows = session.scalars(select(ToolKey).order_by(ToolKey.created_at.desc())).all()
    return {"keys": [row.public_jwk for row in rows]}


def _newest(session: Session) -> ToolKey | None:
    chosen = select(ToolKey).where(ToolKey.state == "active").order_by(ToolKey.created_at.desc())
    return session.scalar(chosen.limit(1))


def _new_row(box: SecretBox, now: datetime) -> ToolKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kid = new_token(12)
    public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    jwk = {"kty": "RSA", "alg": ALGORITHM, "use": "sig", "kid": kid}
    jwk |= {name: public[name] for name in ("n", "e")}
    return ToolKey(kid=kid, sealed=box.seal(pem), public_jwk=jwk, state="active", created_at=now)
