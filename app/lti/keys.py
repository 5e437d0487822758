"""Our own signing keys for LTI: RSA 2048, private halves sealed, public halves in our key set.

A key is published first and signs later: LMSs keep our key set for up to an hour, and one that
meets an unknown key may refuse it. A key that signed stays listed for a day, so that what it
signed can still be checked; its private half is destroyed as soon as it signs no more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app import audit
from app.db import Database
from app.http import USER_AGENT
from app.models import SystemFact, ToolKey
from app.secrets import SecretBox, new_token

ALGORITHM = "RS256"
LISTED_BEFORE = timedelta(hours=2)
"""How long a new key is published before it signs: twice what our key set may be kept for."""
LISTED_AFTER = timedelta(days=1)
"""How long a key stays listed after it last signed; what it signs lives for minutes."""

OWN_READER = USER_AGENT.partition("/")[0]
_FETCHED = "tool_keys_fetched"
_NOTED = timedelta(minutes=1)


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
        """The key of ``row``; the others are forgotten."""
        with self._lock:
            found = self._keys.get(row.kid)
            if found is None:
                private = load_pem_private_key(box.open(row.sealed), None)
                assert isinstance(private, rsa.RSAPrivateKey)
                found = SigningKey(row.kid, private)
                self._keys = {row.kid: found}
            return found


def ensure_key(db: Database, box: SecretBox, now: datetime) -> None:
    """Make the first signing key unless there is one."""
    with db.reading() as session:
        known = session.scalar(_signing(now)) is not None
    if known:
        return
    fresh = _new_row(box, now, signs_from=now)
    with db.transaction() as session:
        if session.scalar(_signing(now)) is None:
            session.add(fresh)


def signing_key(db: Database, box: SecretBox, cache: KeyCache, now: datetime) -> SigningKey:
    """The key that signs now; made on first use."""
    ensure_key(db, box, now)
    with db.reading() as session:
        row = session.scalar(_signing(now))
    assert row is not None
    return cache.open(row, box)


def rotate_key(db: Database, box: SecretBox, actor: str, now: datetime) -> ToolKey:
    """Publish the next key; it signs after ``LISTED_BEFORE``. One that waits already is returned."""
    ensure_key(db, box, now)
    fresh = _new_row(box, now, signs_from=now + LISTED_BEFORE)
    with db.transaction() as session:
        waiting = session.scalar(select(ToolKey).where(ToolKey.state == "next"))
        if waiting is not None:
            return waiting
        return _publish(session, fresh, actor, "tool-key.published", now)


def replace_key(db: Database, box: SecretBox, actor: str, now: datetime) -> ToolKey:
    """For a key that leaked: a new one signs at once, every other one is taken out and destroyed.

    LMSs that still hold the old key set refuse us until they fetch it again, an hour at most.
    """
    fresh = _new_row(box, now, signs_from=now)
    with db.transaction() as session:
        for row in session.scalars(select(ToolKey).where(ToolKey.state != "dropped")):
            row.state, row.sealed, row.retired_at = "dropped", "", row.retired_at or now
        return _publish(session, fresh, actor, "tool-key.replaced", now)


def advance_keys(db: Database, box: SecretBox, longest_days: int, now: datetime) -> None:
    """What time brings: the next key takes over, retired ones leave the key set, an old one is
    followed by another. ``longest_days``: how long a key may sign; 0 = until somebody rotates it.
    """
    with db.transaction() as session:
        signing = session.scalar(_signing(now))
        listed = session.scalars(select(ToolKey).where(ToolKey.state.in_(("active", "retired"))))
        for row in listed:
            if row.state == "retired" and row.retired_at and row.retired_at <= now - LISTED_AFTER:
                _change(session, row, "dropped", now)
            elif row.state == "active" and signing is not None and row.kid != signing.kid:
                row.retired_at, row.sealed = now, ""
                _change(session, row, "retired", now)
        if signing is not None and signing.state == "next":
            _change(session, signing, "active", now)
        age = now - signing.signs_from if signing is not None else timedelta()
    if longest_days and age >= timedelta(days=longest_days):
        rotate_key(db, box, "system", now)


def public_jwks(db: Database) -> dict[str, Any]:
    """Our public key set (RFC 7517): the key that signs, the one that will, those that did lately."""
    with db.reading() as session:
        chosen = select(ToolKey).where(ToolKey.state != "dropped")
        rows = session.scalars(chosen.order_by(ToolKey.created_at.desc())).all()
    return {"keys": [row.public_jwk for row in rows]}


def note_fetch(db: Database, reader: str, now: datetime) -> None:
    """Remember who read our key set last (at most once a minute): the only sign that an LMS can.

    ``reader``: what it calls itself. Our own look from outside does not count.
    """
    if reader.startswith(OWN_READER):
        return
    name = "".join(letter for letter in reader if letter.isprintable())[:100]
    with db.reading() as session:
        known = session.get(SystemFact, _FETCHED)
    if known is not None and now - known.at < _NOTED:
        return
    with db.transaction() as session:
        session.merge(SystemFact(key=_FETCHED, value=name, at=now))


def last_fetch(db: Database) -> tuple[str, datetime] | None:
    """Who read our key set last, and when."""
    with db.reading() as session:
        known = session.get(SystemFact, _FETCHED)
        return (known.value, known.at) if known else None


def _signing(now: datetime) -> Select[ToolKey]:
    """The newest key whose time has come: right at every moment, also when no worker runs."""
    return (
        select(ToolKey)
        .where(ToolKey.state.in_(("next", "active")), ToolKey.signs_from <= now)
        .order_by(ToolKey.signs_from.desc(), ToolKey.kid)
        .limit(1)
    )


def _publish(session: Session, row: ToolKey, actor: str, action: str, now: datetime) -> ToolKey:
    session.add(row)
    session.flush()
    audit.record(session, actor, action, f"tool-key:{row.kid}", {}, now)
    return row


def _change(session: Session, row: ToolKey, state: str, now: datetime) -> None:
    row.state = state
    audit.record(session, "system", f"tool-key.{state}", f"tool-key:{row.kid}", {}, now)


def _new_row(box: SecretBox, now: datetime, signs_from: datetime) -> ToolKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kid = new_token(12)
    public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    jwk = {"kty": "RSA", "alg": ALGORITHM, "use": "sig", "kid": kid}
    jwk |= {name: public[name] for name in ("n", "e")}
    return ToolKey(
        kid=kid,
        sealed=box.seal(pem),
        public_jwk=jwk,
        state="active" if signs_from <= now else "next",
        signs_from=signs_from,
        created_at=now,
    )
