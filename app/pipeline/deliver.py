"""SEND: take what is due from the outbox, hand it to its target, write down what became of it.

Every network call stands between two transactions, never inside one. A process that dies in
between leaves rows that are leased; they come back and the target makes the repeat harmless.
``app.pipeline.outbox`` puts rows in and is what operators use; its verbs are offered here too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, Select, exists, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from app.delivery import MAIL, TARGETS, Room
from app.delivery.port import Outcome, Target
from app.errors import AppError
from app.models import Attempt, Award, Connection, Delivery, OptOut
from app.pipeline import facts, reminders
from app.pipeline.campus import Batch, Campus
from app.pipeline.outbox import (
    drop,
    ensure_mail,
    mended,
    queue,
    queue_revocations,
    release_held,
    retry,
    retry_all,
)
from app.pipeline.outcomes import Item, newest_attempts, write

__all__ = [
    "claim",
    "drop",
    "ensure_mail",
    "leased",
    "queue",
    "queue_revocations",
    "reap",
    "release",
    "retry",
    "retry_all",
    "run",
    "target_of",
]

LEASE = timedelta(seconds=60)
"""Renewed while a batch is being sent, so it is only the time until a death is noticed."""
MAX_DEATHS = 30
"""Workers that may die over one row before it is set aside."""
_log = structlog.get_logger(__name__)


# --- claim -------------------------------------------------------------------------------------


def claim(campus: Campus, limit: int = 500) -> list[Batch]:
    """Lease what is due: one batch per connection, and none while one of its batches is out."""
    now = campus.clock()
    with campus.db.reading() as session:
        if not session.scalars(_free_connections(now).limit(1)).first():
            return []
    with campus.db.transaction() as session:
        free = _free_connections(now).with_for_update(of=Connection, skip_locked=True)
        found = [_lease(session, row, now, limit) for row in session.scalars(free).all()]
    return [batch for batch in found if batch is not None]


def _free_connections(now: datetime) -> Select[Connection]:
    """Connections with something due and nothing out."""
    due, out = aliased(Delivery), aliased(Delivery)
    return (
        select(Connection)
        .where(Connection.state != "paused", Connection.kind.in_(TARGETS))
        .where(
            exists().where(
                due.connection_id == Connection.id, due.state == "waiting", due.next_at <= now
            )
        )
        .where(
            ~exists().where(
                out.connection_id == Connection.id, out.state == "sending", out.lease_until > now
            )
        )
        .order_by(Connection.id)
    )


def _lease(session: Session, connection: Connection, now: datetime, limit: int) -> Batch | None:
    """Lease the due rows of one connection; only one, as a probe, while it needs somebody."""
    _drop_unwanted(session, connection, now)
    size = 1 if connection.state == "attention" else min(limit, TARGETS[connection.kind].batch)
    rows = session.scalars(
        select(Delivery)
        .where(
            Delivery.connection_id == connection.id,
            Delivery.state == "waiting",
            Delivery.next_at <= now,
        )
        .order_by(Delivery.next_at, Delivery.created_at, Delivery.id)
        .limit(size)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return None
    numbers = _next_numbers(session, [row.id for row in rows])
    for row in rows:
        row.state, row.lease_until, row.next_at = "sending", now + LEASE, None
        row.attempts += 1
        session.add(Attempt(delivery_id=row.id, number=numbers[row.id], started_at=now))
    return Batch("send", connection.id, tuple(row.id for row in rows), max(numbers.values()))


def _drop_unwanted(session: Session, connection: Connection, now: datetime) -> None:
    """A revoked award is not sent any more (where it may have arrived, a revocation follows), and
    no mail goes to somebody who opted out after it was queued, or reminds of what is past.
    """
    gone = select(Award.id).where(Award.state.in_(("revoked", "superseded")))
    unwanted: ColumnElement[bool] = (Delivery.operation != "revoke") & Delivery.award_id.in_(gone)
    if connection.kind == MAIL:
        opted_out = select(OptOut.learner_id).where(OptOut.kind == "mail")
        theirs = select(Award.id).where(Award.learner_id.in_(opted_out))
        unwanted = or_(unwanted, Delivery.award_id.in_(theirs), reminders.is_stale(now))
    session.execute(
        update(Delivery)
        .where(
            Delivery.connection_id == connection.id,
            Delivery.state == "waiting",
            unwanted,
        )
        .values(state="dropped", next_at=None)
        .execution_options(synchronize_session=False)
    )


def _next_numbers(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """Delivery id to the number of its next attempt (numbers never repeat, budgets do)."""
    rows = session.execute(
        select(Attempt.delivery_id, func.max(Attempt.number))
        .where(Attempt.delivery_id.in_(ids))
        .group_by(Attempt.delivery_id)
    )
    return dict.fromkeys(ids, 1) | {row[0]: row[1] + 1 for row in rows}


# --- send --------------------------------------------------------------------------------------


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Send the leased rows among ``ids``. Safe to repeat at any point; never raises for a peer."""
    connection, items = _load(campus, ids)
    if connection is None or not items:
        return
    chunk = TARGETS[connection.kind].chunk
    with _kept_leased(campus, [item.delivery_id for item in items]):
        try:
            target = target_of(campus, connection)
        except AppError as error:
            write(campus, connection.id, items, dict.fromkeys(_ids(items), _unbuildable(error)))
            return
        for start in range(0, len(items), chunk):
            part = items[start : start + chunk]
            outcomes = _send(target, part)
            write(campus, connection.id, part, outcomes)
            why = next((o for o in outcomes.values() if o.attention or not o.tried), None)
            if why is not None:
                rest = items[start + chunk :]
                left = replace(why, kind="later", tried=False)
                write(campus, connection.id, rest, dict.fromkeys(_ids(rest), left))
                return


def target_of(campus: Campus, connection: Connection) -> Target:
    """The target behind a connection. Raises AppError when its configuration does not do."""
    room = Room(campus.settings, campus.db, campus.box, campus.http, campus.lti, campus.clock)
    return TARGETS[connection.kind].build(room, connection)


def _load(campus: Campus, ids: Sequence[str]) -> tuple[Connection | None, list[Item]]:
    """The connection and those of ``ids`` that are leased, with their newest attempt."""
    with campus.db.reading() as session:
        rows = session.scalars(
            select(Delivery).where(Delivery.id.in_(ids), Delivery.state == "sending")
        ).all()
        if not rows:
            return None, []
        order = {name: position for position, name in enumerate(ids)}
        known = facts.load(
            session, [row.award_id for row in rows], campus.settings.public_url, campus.clock()
        )
        newest = newest_attempts(session, [row.id for row in rows])
        items = [
            Item(row.id, newest[row.id], row.operation, known[row.award_id])
            for row in sorted(rows, key=lambda row: order[row.id])
        ]
        return session.get_one(Connection, rows[0].connection_id), items


def _ids(items: Sequence[Item]) -> list[str]:
    return [item.delivery_id for item in items]


def _send(target: Target, items: Sequence[Item]) -> dict[str, Outcome]:
    """Outcome by delivery id. A defect that one row brings out does not stop the others."""
    try:
        sent = target.send_many([(i.delivery_id, i.facts, i.operation) for i in items])
    except Exception:
        _log.exception("target-failed", target=target.kind, rows=len(items))
        if len(items) == 1:
            return {items[0].delivery_id: _defect()}
        return {name: o for item in items for name, o in _send(target, [item]).items()}
    return {item.delivery_id: sent.get(item.delivery_id) or _defect() for item in items}


def _defect() -> Outcome:
    return Outcome(
        "later",
        "internal-error",
        "Tassel itself failed while sending this.",
        fix="The log of the worker says why; Tassel tries again by itself.",
        who="the operator of this server",
    )


def _unbuildable(error: AppError) -> Outcome:
    return Outcome(
        "later",
        error.code,
        error.message,
        fix=error.fix,
        who="the operator of this server",
        attention=True,
    )


@contextmanager
def _kept_leased(campus: Campus, ids: Sequence[str]) -> Iterator[None]:
    """Renew the lease of ``ids`` for as long as the block runs."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE.total_seconds() / 3):
            try:
                _renew(campus, ids)
            except SQLAlchemyError:
                _log.exception("lease-not-renewed", rows=len(ids))

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _renew(campus: Campus, ids: Sequence[str]) -> None:
    with campus.db.transaction() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids), Delivery.state == "sending")
            .values(lease_until=campus.clock() + LEASE)
            .execution_options(synchronize_session=False)
        )


# --- taking back -------------------------------------------------------------------------------


def reap(campus: Campus) -> int:
    """What can move again does: rows whose lease has passed and rows that were held for a fact
    which is known by now. Returns how many.
    """
    now = campus.clock()
    passed = select(Delivery).where(Delivery.state == "sending", Delivery.lease_until <= now)
    with campus.db.reading() as session:
        held = mended(session)
        if not held and not session.scalars(passed.limit(1)).first():
            return 0
    with campus.db.transaction() as session:
        rows = session.scalars(passed.with_for_update(skip_locked=True)).all()
        _take_back(session, rows, now)
        release_held(session, held, now)
        return len(rows) + len(held)


def leased(campus: Campus) -> list[str]:
    """Deliveries that are on their way."""
    with campus.db.reading() as session:
        return list(session.scalars(select(Delivery.id).where(Delivery.state == "sending")))


def release(campus: Campus, ids: Sequence[str]) -> int:
    """What a worker that is known to be dead held among ``ids`` becomes due again."""
    with campus.db.transaction() as session:
        rows = session.scalars(
            select(Delivery)
            .where(Delivery.id.in_(ids), Delivery.state == "sending")
            .with_for_update()
        ).all()
        _take_back(session, rows, campus.clock())
        return len(rows)


def _take_back(session: Session, rows: Sequence[Delivery], now: datetime) -> None:
    """The lost try does not count against the row, unless workers keep dying over it."""
    deaths = _deaths(session, [row.id for row in rows])
    for row in rows:
        row.lease_until = None
        row.attempts -= 1
        died = deaths.get(row.id, 1)
        if died >= MAX_DEATHS:
            row.state = "dead"
            row.code = "worker-died"
            row.message = f"The worker ended {died} times while sending this."
            row.fix, row.who = "Look into the log of the worker.", "the operator of this server"
        else:
            row.state = "waiting"
            row.next_at = now + timedelta(seconds=max(0, min(5, died - 3)))


def _deaths(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """Delivery id to the number of tries that never came to an end."""
    rows = session.execute(
        select(Attempt.delivery_id, func.count())
        .where(Attempt.delivery_id.in_(ids), Attempt.outcome.is_(None))
        .group_by(Attempt.delivery_id)
    )
    return {row[0]: row[1] for row in rows}
