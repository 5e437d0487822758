"""Take an award back: the status list says so at once, every target that got it is told."""

from __future__ import annotations

from collections.abc import Sequence
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


def good_reason(text: str) -> str:
    """The reason as it is kept. Raises Invalid when there is none."""
    reason = " ".join(text.split())
    if len(reason) < MIN_REASON:
        raise Invalid(
            "revoke-reason", "Say why; the learner reads it.", fields={"reason": "missing"}
        )
    return reason[:1000]


def revoke(campus: Campus, award_id: str, reason: str, actor: str) -> None:
    """Revoke one award. Raises NotFound, Conflict when it is revoked already, Invalid."""
    reason = good_reason(reason)
    with campus.db.transaction() as session:
        query = select(Award).where(Award.id == award_id).with_for_update()
        award = session.scalar(query)
        if award is None:
            raise NotFound("award-unknown", "There is no such award.")
        if award.revoked_at is not None:
            raise Conflict("award-revoked", "This award has been revoked already.")
        revoke_some(campus, session, [award], reason, actor, campus.clock())


def revoke_some(
    campus: Campus,
    session: Session,
    awards: Sequence[Award],
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """The same inside the caller's transaction; ``awards`` are locked and not revoked yet.

    Every status list is signed once, however many of its entries are set.
    """
    for award in awards:
        award.state, award.lease_until, award.lease_by = "revoked", None, None
        award.revoked_at, award.revoke_reason, award.revoked_by = now, reason, actor
    session.flush()
    lists = {award.status_list_id for award in awards if award.status_list_id is not None}
    query = select(StatusList).where(StatusList.id.in_(lists)).order_by(StatusList.id)
    for status_list in session.scalars(query.with_for_update()):
        status_list.revision += 1
        issuers.sign_status_list(
            session, campus.keyring, campus.settings.public_url, status_list, now
        )
    for award in awards:
        outbox.queue_revocations(session, award, now)
        audit.record(session, actor, "award.revoked", f"award:{award.id}", {}, now)
