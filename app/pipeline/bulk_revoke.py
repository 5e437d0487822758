"""Take many awards back: counted first, begun after a time in which it can be undone, in parts.

What was counted is kept as rows, so exactly those awards are revoked, however long it takes and
whoever dies over it. Each part is one transaction: the awards, their status lists (each signed
once), what the targets and the learners are told, and how far it has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from app import audit
from app.db import insert_new, new_id
from app.errors import Conflict, Invalid, NotFound
from app.models import Award, BulkRevocation, BulkRevocationAward
from app.pipeline import revoke
from app.pipeline.campus import Batch, Campus

UNDO: Final = timedelta(minutes=10)
"""Between saying it and doing it; nothing has left the house until then."""
GROUP: Final = 100
LEASE: Final = timedelta(minutes=2)
MOST_CHOSEN: Final = 5000


@dataclass(frozen=True)
class Choice:
    """Which awards: of a badge, of a course, some by id, or what these have in common."""

    badge: str = ""
    course: str = ""
    awards: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises Invalid for no choice at all, which would mean every award, and for too many ids."""
        if not (self.badge or self.course or self.awards):
            raise Invalid("bulk-empty", "Choose a badge, a course or awards.")
        if len(self.awards) > MOST_CHOSEN:
            raise Invalid("bulk-many", f"Choose at most {MOST_CHOSEN} awards by id.")


@dataclass(frozen=True)
class Count:
    """What a bulk revocation would do; nothing is changed."""

    awards: int
    learners: int
    signed: int
    """Of the awards: signed, so their status bits are set."""
    revoked: int
    """Chosen, but revoked already: they stay as they are."""


def count(campus: Campus, choice: Choice) -> Count:
    """The dry run. Raises Invalid."""
    choice.check()
    with campus.db.reading() as session:
        row = session.execute(
            select(
                func.count(Award.id),
                func.count(func.distinct(Award.learner_id)),
                func.count(Award.status_list_id),
            ).where(*_standing(choice))
        ).one()
        gone = select(func.count(Award.id)).where(*_chosen(choice), Award.revoked_at.is_not(None))
        return Count(row[0], row[1], row[2], session.scalar(gone) or 0)


def _chosen(choice: Choice) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if choice.badge:
        found.append(Award.achievement_id == choice.badge)
    if choice.course:
        found.append(Award.course_id == choice.course)
    if choice.awards:
        found.append(Award.id.in_(choice.awards))
    return found


def _standing(choice: Choice) -> list[ColumnElement[bool]]:
    return [*_chosen(choice), Award.revoked_at.is_(None), Award.state != "superseded"]


def begin(campus: Campus, choice: Choice, reason: str, actor: str, counted: int) -> str:
    """Have the awards revoked after :data:`UNDO`; returns the id of the undertaking.

    ``counted`` is what the dry run said: raises Conflict when it would be another number by now.
    Raises Invalid for a missing reason or choice.
    """
    choice.check()
    reason = revoke.good_reason(reason)
    now = campus.clock()
    with campus.db.transaction() as session:
        ids = list(session.scalars(select(Award.id).where(*_standing(choice)).order_by(Award.id)))
        if len(ids) != counted or not ids:
            raise Conflict(
                "bulk-changed",
                f"It would be {len(ids)} awards by now, not {counted}.",
                fix="Look at the new number, then confirm again.",
            )
        bulk = BulkRevocation(
            id=new_id(),
            badge_id=choice.badge or None,
            course_id=choice.course or None,
            reason=reason,
            actor=actor,
            total=len(ids),
            starts_at=now + UNDO,
            created_at=now,
        )
        session.add(bulk)
        session.flush()
        insert_new(session, BulkRevocationAward, [_row(bulk.id, one) for one in ids])
        detail = {"awards": len(ids), "badge": choice.badge, "course": choice.course}
        audit.record(session, actor, "bulk-revocation.asked", f"bulk:{bulk.id}", detail, now)
        return bulk.id


def _row(bulk_id: str, award_id: str) -> dict[str, Any]:
    return {"id": new_id(), "bulk_id": bulk_id, "award_id": award_id}


def undo(campus: Campus, bulk_id: str, actor: str) -> None:
    """Call it off. Raises NotFound, or Conflict when it has begun."""
    now = campus.clock()
    with campus.db.transaction() as session:
        bulk = session.get(BulkRevocation, bulk_id, with_for_update=True)
        if bulk is None:
            raise NotFound("bulk-unknown", "There is no such bulk revocation.")
        if bulk.state != "waiting":
            raise Conflict(
                "bulk-begun", f"It is {bulk.state} and cannot be undone.", fix="Nothing to do."
            )
        bulk.state, bulk.finished_at = "undone", now
        audit.record(session, actor, "bulk-revocation.undone", f"bulk:{bulk_id}", {}, now)


def claim(campus: Campus, limit: int = 10) -> list[Batch]:
    """Take those whose time for an undo is over, and those that a dead worker left."""
    now = campus.clock()
    due = select(BulkRevocation).where(
        BulkRevocation.state.in_(("waiting", "running")),
        BulkRevocation.starts_at <= now,
        or_(BulkRevocation.lease_until.is_(None), BulkRevocation.lease_until < now),
    )
    with campus.db.reading() as session:
        if session.scalar(due.limit(1)) is None:
            return []
    with campus.db.transaction() as session:
        rows = session.scalars(due.limit(limit).with_for_update(skip_locked=True)).all()
        for row in rows:
            row.state, row.lease_until = "running", now + LEASE
        attempt = int(now.timestamp() * 1000)
        return [Batch("revoke", row.id, (row.id,), attempt) for row in rows]


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Revoke to the end, part by part. Safe to repeat at any point."""
    for bulk_id in ids:
        while _part(campus, bulk_id):
            pass


def _part(campus: Campus, bulk_id: str) -> bool:
    """Revoke the next awards; False at the end."""
    now = campus.clock()
    with campus.db.transaction() as session:
        bulk = session.get_one(BulkRevocation, bulk_id, with_for_update=True)
        if bulk.state != "running":
            return False
        rows = _next(session, bulk_id)
        if not rows:
            bulk.state, bulk.finished_at, bulk.lease_until = "done", now, None
            detail = {"awards": bulk.done}
            audit.record(
                session, bulk.actor, "bulk-revocation.done", f"bulk:{bulk_id}", detail, now
            )
            return False
        query = select(Award).where(Award.id.in_([row.award_id for row in rows]))
        awards = session.scalars(query.order_by(Award.id).with_for_update()).all()
        standing = [award for award in awards if award.revoked_at is None]
        revoke.revoke_some(campus, session, standing, bulk.reason, bulk.actor, now)
        for row in rows:
            row.done_at = now
        bulk.done += len(rows)
        bulk.lease_until = now + LEASE
    return True


def _next(session: Session, bulk_id: str) -> Sequence[BulkRevocationAward]:
    query = select(BulkRevocationAward).where(
        BulkRevocationAward.bulk_id == bulk_id, BulkRevocationAward.done_at.is_(None)
    )
    return session.scalars(query.order_by(BulkRevocationAward.award_id).limit(GROUP)).all()


def reap(campus: Campus) -> int:
    """Nothing to give back: an expired lease is claimed again by itself."""
    del campus
    return 0


def leased(campus: Campus) -> list[str]:
    """Undertakings that are being worked on."""
    with campus.db.reading() as session:
        query = select(BulkRevocation.id).where(BulkRevocation.lease_until > campus.clock())
        return list(session.scalars(query))


def release(campus: Campus, ids: Sequence[str]) -> int:
    """What a worker that is known to be dead held among ``ids`` can be claimed at once."""
    with campus.db.transaction() as session:
        held = update(BulkRevocation).where(
            BulkRevocation.id.in_(ids), BulkRevocation.lease_until.is_not(None)
        )
        return len(
            session.scalars(held.values(lease_until=None).returning(BulkRevocation.id)).all()
        )
