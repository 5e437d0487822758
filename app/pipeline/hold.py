"""Put an award on hold and let it go again: on our own pages only, and nothing of it is final.

While it is on hold its public page says so and no file of it is handed out. The status list does
not change: a credential has one status entry, and its bit is for what is taken back for good.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from app import audit
from app.errors import Conflict, NotFound
from app.models import Award
from app.pipeline import revoke
from app.pipeline.campus import Campus
from app.pipeline.decide import mark_stale


def hold(campus: Campus, award_id: str, reason: str, actor: str) -> None:
    """Hold one award; the learner reads ``reason``, strangers do not.

    Raises NotFound, Invalid without a reason, Conflict when it is held or revoked already.
    """
    reason = revoke.good_reason(reason)
    now = campus.clock()
    with campus.db.transaction() as session:
        award = _locked(session, award_id)
        if award.revoked_at is not None or award.state == "superseded":
            raise Conflict("award-not-in-force", "This award does not stand any more.")
        if award.held_at is not None:
            raise Conflict("award-held", "This award is on hold already.")
        award.held_at, award.hold_reason, award.held_by = now, reason, actor
        audit.record(session, actor, "award.held", f"award:{award_id}", {}, now)


def release(campus: Campus, award_id: str, actor: str) -> None:
    """End the hold. Raises NotFound, Conflict when there is none."""
    now = campus.clock()
    with campus.db.transaction() as session:
        award = _locked(session, award_id)
        if award.held_at is None:
            raise Conflict("award-not-held", "This award is not on hold.")
        award.held_at = award.hold_reason = award.held_by = None
        mark_stale(session, award.course_id, [award.person_id])  # a renewal may have waited for it
        audit.record(session, actor, "award.released", f"award:{award_id}", {}, now)


def _locked(session: Session, award_id: str) -> Award:
    award = session.get(Award, award_id, with_for_update=True)
    if award is None:
        raise NotFound("award-unknown", "There is no such award.")
    return award
