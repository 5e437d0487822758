"""What became of a batch, written down: the rows, their attempts, disclosures, the connection."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import insert_new, new_id
from app.delivery.port import RAW_LIMIT, AwardFacts, Outcome
from app.models import Attempt, Connection, Delivery, Disclosure
from app.pipeline.campus import Campus

MAX_ATTEMPTS = 12
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=6)
PROBE_DELAY = timedelta(minutes=10)
"""Between two tries at a connection that needs somebody."""


@dataclass(frozen=True)
class Item:
    """One leased delivery. ``attempt_id`` proves that the lease is still ours when writing."""

    delivery_id: str
    attempt_id: int
    operation: str
    facts: AwardFacts


def write(
    campus: Campus, connection_id: str, items: Sequence[Item], outcomes: Mapping[str, Outcome]
) -> None:
    """Keep what became of the rows whose lease is still ours."""
    if not items:
        return
    now = campus.clock()
    with campus.db.transaction() as session:
        connection = session.get_one(Connection, connection_id, with_for_update=True)
        rows = _still_ours(session, items)
        newest = {item.attempt_id: item for item in items if item.delivery_id in rows}
        for attempt in session.scalars(select(Attempt).where(Attempt.id.in_(newest))):
            item = newest[attempt.id]
            outcome = outcomes[item.delivery_id]
            _close(attempt, outcome, now)
            _settle(rows[item.delivery_id], outcome, now)
        _disclose(session, connection, items, rows, now)
        kept = [outcomes[name] for name in rows]
        _judge_connection(session, connection, kept, now)


def _still_ours(session: Session, items: Sequence[Item]) -> dict[str, Delivery]:
    """Delivery id to row, without those that were taken back and claimed anew meanwhile."""
    rows = session.scalars(
        select(Delivery)
        .where(Delivery.id.in_([item.delivery_id for item in items]), Delivery.state == "sending")
        .with_for_update()
    ).all()
    newest = newest_attempts(session, [row.id for row in rows])
    mine = {item.delivery_id: item.attempt_id for item in items}
    return {row.id: row for row in rows if newest[row.id] == mine[row.id]}


def _close(attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    attempt.finished_at = now
    attempt.outcome = outcome.kind
    attempt.code = outcome.code[:60]
    attempt.status = outcome.status
    attempt.raw = outcome.raw[:RAW_LIMIT] or None


def _settle(row: Delivery, outcome: Outcome, now: datetime) -> None:
    """The row's next state. What is not the row's own fault does not use up its attempts."""
    row.code, row.message = outcome.code[:60], outcome.message
    row.fix, row.who = outcome.fix or None, outcome.who[:100] or None
    row.remote_ref = (outcome.remote_ref or row.remote_ref or "")[:1000] or None
    row.lease_until = row.next_at = None
    if outcome.kind == "sent":
        row.state, row.sent_at = "sent", now
    elif outcome.attention:
        row.state, row.next_at = "waiting", now + PROBE_DELAY
        row.attempts -= 1
    elif outcome.kind == "held":
        row.state = "held"
        row.attempts -= 1
    elif outcome.kind == "never" or (outcome.tried and row.attempts >= MAX_ATTEMPTS):
        row.state = "dead"
    else:
        row.state = "waiting"
        row.next_at = now + backoff(row.attempts, outcome.retry_after)
        row.attempts -= 0 if outcome.tried else 1


def backoff(attempts: int, retry_after: float | None = None) -> timedelta:
    """How long to wait after ``attempts`` tries: doubling from 30 s to 6 h, spread by a fifth.

    A peer's own wish (seconds) is honoured when it is longer, up to a day.
    """
    doubled = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempts, 20))
    spread = doubled * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, hides nothing
    return max(spread, timedelta(seconds=min(retry_after or 0, 86400)))


def _disclose(
    session: Session,
    connection: Connection,
    items: Sequence[Item],
    rows: Mapping[str, Delivery],
    now: datetime,
) -> None:
    """Every award that went out is a row that its learner can list."""
    kind = connection.kind if connection.kind in ("course", "mail") else "sis"
    new = [
        {
            "id": new_id(),
            "award_id": item.facts.award_id,
            "kind": kind,
            "target": connection.name,
            "at": now,
        }
        for item in items
        if item.operation == "create"
        and item.delivery_id in rows
        and rows[item.delivery_id].state == "sent"
    ]
    insert_new(session, Disclosure, new)


def _judge_connection(
    session: Session, connection: Connection, outcomes: Sequence[Outcome], now: datetime
) -> None:
    """Put the connection in or out of "attention"; everything of it waits while it is in."""
    why = next((outcome for outcome in outcomes if outcome.attention), None)
    waiting = update(Delivery).where(
        Delivery.connection_id == connection.id, Delivery.state == "waiting"
    )
    if why is not None and connection.state != "paused":
        connection.problem = {
            "code": why.code,
            "message": why.message,
            "fix": why.fix,
            "who": why.who,
        }
        connection.state = "attention"
        later = now + PROBE_DELAY
        session.execute(waiting.where(Delivery.next_at < later).values(next_at=later))
    elif connection.state == "attention" and any(o.kind == "sent" for o in outcomes):
        code = (connection.problem or {}).get("code")
        connection.state, connection.problem = "active", None
        session.execute(waiting.where(Delivery.code == code).values(next_at=now))


def newest_attempts(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """Delivery id to the id of its newest attempt."""
    rows = session.execute(
        select(Attempt.delivery_id, func.max(Attempt.id))
        .where(Attempt.delivery_id.in_(ids))
        .group_by(Attempt.delivery_id)
    )
    return {row[0]: row[1] for row in rows}
