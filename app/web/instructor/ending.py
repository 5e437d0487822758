"""Badges of the course that run out soon and that nobody has renewed yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from app.models import Award
from app.pipeline.renewals import is_renewed
from app.web.validity_words import SOON

KEY: Final = "ending"
"""The filter's name beside those of the states."""


def is_ending(now: datetime) -> ColumnElement[bool]:
    """Awards in force that end within ``SOON`` days."""
    return and_(
        Award.expires_at > now,
        Award.expires_at <= now + timedelta(days=SOON),
        Award.revoked_at.is_(None),
        Award.state != "superseded",
        ~is_renewed(),
    )


def count(session: Session, course_id: str, now: datetime) -> int:
    """How many of the course end soon."""
    query = select(func.count()).select_from(Award)
    return session.scalar(query.where(Award.course_id == course_id, is_ending(now))) or 0
