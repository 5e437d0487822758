"""Status lists whose key is kept elsewhere: signed outside transactions, a moment after a change.

Lists whose key is in memory are signed in the very transaction that changes them
(``credentials.issuers.sign_status_list``) and never come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update

from app.credentials import issuers
from app.credentials.keys import KeyKind
from app.credentials.proofs import data_integrity
from app.errors import AppError
from app.models import StatusList
from app.pipeline import keepers
from app.pipeline.campus import Batch, Campus

LEASE = timedelta(minutes=1)


def _due() -> ColumnElement[bool]:
    """The list says something else than what is served. One that nobody uses yet can wait."""
    return (StatusList.signed_revision != StatusList.revision) & (StatusList.used > 0)


def claim(campus: Campus, limit: int = 50) -> list[Batch]:
    """Take lists that have to be signed."""
    now = campus.clock()
    free = or_(StatusList.lease_until.is_(None), StatusList.lease_until < now)
    query = select(StatusList).where(_due(), free)
    with campus.db.reading() as session:
        if session.scalar(query.limit(1)) is None:
            return []
    with campus.db.transaction() as session:
        rows = session.scalars(query.limit(limit).with_for_update(skip_locked=True)).all()
        for row in rows:
            row.lease_until = now + LEASE
        attempt = int(now.timestamp() * 1000)
        return [Batch("lists", row.issuer_id, (row.id,), attempt) for row in rows]


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Sign the lists ``ids`` and serve them. Raises AppError of a keeper; safe to repeat."""
    publish(campus, ids)


def publish(campus: Campus, ids: Iterable[str]) -> None:
    """Sign those of ``ids`` that are due, each as it stands; a change meanwhile makes it due again.

    Raises AppError when the keeper of the key does not sign: the list stays due.
    """
    for list_id in ids:
        now = campus.clock()
        with campus.db.reading() as session:
            row = session.scalar(select(StatusList).where(StatusList.id == list_id, _due()))
            if row is None:
                continue
            document = issuers.list_document(session, campus.settings.public_url, row, now)
            key = issuers.key_row(session, row.issuer_id, KeyKind.ED25519, now)
        try:
            signed = data_integrity.sign(document, campus.keyring.signer(key), now=now)
        except AppError as error:
            keepers.note(campus, [key.id], error)
            raise
        _keep(campus, list_id, signed, row.revision, key.fragment, now)


def _keep(
    campus: Campus, list_id: str, signed: bytes, revision: int, fragment: str, now: datetime
) -> None:
    """Serve it, unless a newer one is served by now or its key has been given up since."""
    with campus.db.transaction() as session:
        row = session.get_one(StatusList, list_id, with_for_update=True)
        row.lease_until = None
        key = issuers.key_row(session, row.issuer_id, KeyKind.ED25519, campus.clock())
        if key.fragment == fragment and row.signed_revision < revision:
            issuers.keep_signed(row, signed, revision, now)
        keepers.clear(session, [key.id])


def reap(campus: Campus) -> int:
    """Nothing to give back: an expired lease is claimed again by itself."""
    del campus
    return 0


def leased(campus: Campus) -> list[str]:
    """Lists that are being signed."""
    with campus.db.reading() as session:
        query = select(StatusList.id).where(StatusList.lease_until > campus.clock())
        return list(session.scalars(query))


def release(campus: Campus, ids: Sequence[str]) -> int:
    """What a worker that is known to be dead held among ``ids`` can be claimed at once."""
    with campus.db.transaction() as session:
        held = update(StatusList).where(StatusList.id.in_(ids), StatusList.lease_until.is_not(None))
        freed = held.values(lease_until=None).returning(StatusList.id)
        return len(session.scalars(freed).all())
