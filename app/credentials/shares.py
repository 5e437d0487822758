"""Public links: a learner opens one award to whoever has the link, and closes it again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Award, Disclosure, Share
from app.secrets import new_token


def living(session: Session, award_id: str) -> Share | None:
    """The open link of an award, if the learner shares it."""
    return session.scalar(select(Share).where(Share.award_id == award_id, Share.ended_at.is_(None)))


def share(session: Session, award_id: str, show_name: bool, now: datetime) -> str:
    """Open the award to strangers; the same link as long as it stays open. Returns the token."""
    # Two clicks at once stand in line here, else each would open a link of its own.
    session.execute(select(Award.id).where(Award.id == award_id).with_for_update())
    found = living(session, award_id)
    if found is None:
        found = Share(award_id=award_id, token=new_token(18), created_at=now)
        session.add(found)
        session.add(
            Disclosure(award_id=award_id, kind="share", target="Public page by link", at=now)
        )
    found.show_name = show_name
    session.flush()
    return found.token


def unshare(session: Session, award_id: str, now: datetime) -> None:
    """Close the link for good; sharing again makes another one."""
    found = living(session, award_id)
    if found is not None:
        found.ended_at = now
        session.flush()


def by_token(session: Session, token: str) -> Share | None:
    """The open share behind a public address."""
    return session.scalar(select(Share).where(Share.token == token, Share.ended_at.is_(None)))
