"""The audit log: append only, each entry holds the hash of the one before it.

Ids and codes only: names, mails and grades never enter, so the log survives an erasure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditEntry, Lease

GENESIS = "0" * 64
_LOCK = "audit"


def record(
    session: Session, actor: str, action: str, subject: str, detail: dict[str, Any], now: datetime
) -> AuditEntry:
    """Append one entry in the caller's transaction, so that it stands or falls with the act."""
    _serialize(session, now)
    last = session.scalar(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1))
    entry = AuditEntry(
        id=(last.id if last else 0) + 1,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        previous_hash=last.hash if last else GENESIS,
        hash="",
    )
    entry.hash = _hash(entry)
    session.add(entry)
    session.flush()
    return entry


def _serialize(session: Session, now: datetime) -> None:
    """One writer at a time: on PostgreSQL by locking one row; SQLite has a single writer anyway."""
    row = session.get(Lease, _LOCK, with_for_update=True)
    if row is None:
        session.merge(Lease(name=_LOCK, holder="", until=now))
        session.flush()


def broken_at(session: Session) -> int | None:
    """The id of the first entry whose hash or predecessor is wrong, or None when all is well."""
    previous = GENESIS
    for expected, entry in enumerate(_entries(session), 1):
        if entry.id != expected or entry.previous_hash != previous or entry.hash != _hash(entry):
            return entry.id
        previous = entry.hash
    return None


def _entries(session: Session) -> Iterator[AuditEntry]:
    yield from session.scalars(select(AuditEntry).order_by(AuditEntry.id)).yield_per(1000)


def _hash(entry: AuditEntry) -> str:
    """SHA-256 over a canonical JSON of everything but the hash itself."""
    content = [
        entry.id,
        entry.at.isoformat(),
        entry.actor,
        entry.action,
        entry.subject,
        entry.detail,
        entry.previous_hash,
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
