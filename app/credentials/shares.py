"""Public links: a learner opens one award to whoever has the link, and closes it again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.models import Award, Disclosure, Share
from app.secrets import new_token


def is_open(now: datetime) -> ColumnElement[bool]:
    """Neither closed by the learner nor past its end."""
    running = or_(Share.expires_at.is_(None), Share.expires_at > now)
    return and_(Share.ended_at.is_(None), running)


def living(session: Session, award_id: str, now: datetime) -> Share | None:
    """The open link of an award, if the learner shares it."""
    return session.scalar(select(Share).where(Share.award_id == award_id, is_open(now)))


def share(
    session: Session,
    award_id: str,
    show_name: bool,
    now: datetime,
    expires_at: datetime | None = None,
) -> str:
    """Open the award to strangers; the same link as long as it stays open. Returns the token.

    ``expires_at`` is when the link closes by itself; None for never. Both choices replace those made
    before.
    """
    # Two clicks at once stand in line here, else each would open a link of its own.
    session.execute(select(Award.id).where(Award.id == award_id).with_for_update())
    found = living(session, award_id, now)
    if found is None:
        found = Share(award_id=award_id, token=new_token(18), created_at=now)
        session.add(found)
        session.add(
            Disclosure(award_id=award_id, kind="share", target="Public page by link", at=now)
        )
    found.show_name, found.expires_at = show_name, expires_at
    session.flush()
    return found.token


def unshare(session: Session, award_id: str, now: datetime) -> None:
    """Close the link for good; sharing again makes another one."""
    found = living(session, award_id, now)
    if found is not None:
        found.ended_at = now
        session.flush()


def by_token(session: Session, token: str, now: datetime) -> Share | None:
    """The open share behind a public address."""
    return session.scalar(select(Share).where(Share.token == token, is_open(now)))
