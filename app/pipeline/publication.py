"""Whether a badge may be published by its teacher, or is looked at by its issuer first.

Rows and judgements only; what people do with them are the verbs of ``badges`` and ``approvals``.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials.issuers import DEFAULT_SLUG
from app.errors import Conflict
from app.models import Achievement, Issuer, PublicationRequest


def admits(issuer: Issuer) -> bool:
    """Whether teachers publish in the name of ``issuer`` themselves; the campus's first lets them."""
    return issuer.admits_instructors or issuer.slug == DEFAULT_SLUG


def issuer_of(session: Session, achievement: Achievement) -> Issuer:
    """Who stands behind a badge."""
    return session.get_one(Issuer, achievement.issuer_id)


def all_issuers(session: Session) -> list[Issuer]:
    """Every issuer, the campus's first at the top."""
    return list(session.scalars(select(Issuer).order_by(Issuer.created_at, Issuer.id)))


def latest(session: Session, achievement_id: str) -> PublicationRequest | None:
    """The last request about a badge, whatever became of it."""
    query = select(PublicationRequest).where(PublicationRequest.achievement_id == achievement_id)
    newest = query.order_by(PublicationRequest.asked_at.desc(), PublicationRequest.id)
    return session.scalar(newest.limit(1))


def waiting(session: Session, achievement_id: str) -> PublicationRequest | None:
    """The request that waits for an answer, if there is one."""
    found = latest(session, achievement_id)
    return found if found is not None and found.state == "waiting" else None


def asked_in(session: Session, course_id: str) -> set[str]:
    """The badges of a course that wait for an answer."""
    query = select(PublicationRequest.achievement_id).where(
        PublicationRequest.course_id == course_id, PublicationRequest.state == "waiting"
    )
    return set(session.scalars(query))


def refuse_while_waiting(session: Session, achievement_id: str) -> None:
    """Raises Conflict while somebody looks at the badge: what is approved is what was asked for."""
    if waiting(session, achievement_id) is not None:
        raise Conflict(
            "badge-waits",
            "This badge lies with its issuer for approval, so it stays as it is.",
            fix="Take the request back to change the badge, then ask again.",
        )
