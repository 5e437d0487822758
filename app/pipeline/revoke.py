"""Take an award back: the status list says so at once, every target that got it is told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers
from app.errors import Conflict, Invalid, NotFound
from app.models import Award, StatusList
from app.pipeline import outbox
from app.pipeline.campus import Campus

MIN_REASON = 3


def revoke(campus: Campus, award_id: str, reason: str, actor: str) -> None:
    """Revoke one award. Raises NotFound, Conflict when it is revoked already, Invalid."""
    reason = " ".join(reason.split())
    if len(reason) < MIN_REASON:
        raise Invalid(
            "revoke-reason", "Say why; the learner reads it.", fields={"reason": "missing"}
        )
    with campus.db.transaction() as session:
        query = select(Award).where(Award.id == award_id).with_for_update()
        award = session.scalar(query)
        if award is None:
            raise NotFound("award-unknown", "There is no such award.")
        if award.revoked_at is not None:
            raise Conflict("award-revoked", "This award has been revoked already.")
        revoke_in(campus, session, award, reason[:1000], actor, campus.clock())


def revoke_in(
    campus: Campus, session: Session, award: Award, reason: str, actor: str, now: datetime
) -> None:
    """The same inside the caller's transaction; ``award`` is not revoked yet."""
    award.state = "revoked"
    award.lease_until = None
    award.revoked_at = now
    award.revoke_reason = reason
    award.revoked_by = actor
    session.flush()
    if award.status_list_id is not None:
        query = select(StatusList).where(StatusList.id == award.status_list_id)
        status_list = session.scalars(query.with_for_update()).one()
        status_list.revision += 1
        issuers.sign_status_list(session, campus.box, campus.settings.public_url, status_list, now)
    outbox.queue_revocations(session, award, now)
    audit.record(session, actor, "award.revoked", f"award:{award.id}", {}, now)
