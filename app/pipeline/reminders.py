"""REMIND: tell learners in good time that a badge of theirs ends and can be renewed.

A reminder is a delivery of the award to the mail server like any other, so its row says by itself
that it was sent: one per award and number of days before the end. Which one is due follows from the
clock alone, and only the newest: after weeks of standstill nobody gets two mails at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from app.models import Achievement, AchievementVersion, Award, Course, Delivery, Rule
from app.pipeline import outbox
from app.pipeline.campus import Campus
from app.pipeline.renewals import is_renewed

GROUP: Final = 500
REMIND: Final = "remind"


def operation(days: int) -> str:
    """The name of the reminder so many days before the end; unique per award."""
    return f"{REMIND}-{days}"


def queue_due(campus: Campus) -> int:
    """Queue what is due and was not queued yet; returns how many mails. Safe to repeat.

    Each reminder is due from its day on until the next one is, or until the badge has ended.
    """
    if not campus.settings.smtp_url:
        return 0
    count, later = 0, timedelta(0)
    for days in sorted(campus.settings.reminder_days):
        count += _queue_between(campus, later, days)
        later = timedelta(days=days)
    return count


def _queue_between(campus: Campus, later: timedelta, days: int) -> int:
    """The reminder of awards that end in more than ``later`` and at most ``days`` days."""
    now, count, last = campus.clock(), 0, ""
    while True:
        with campus.db.transaction() as session:
            query = _candidates(now + later, now + timedelta(days=days), operation(days))
            rows = session.scalars(query.where(Award.id > last).order_by(Award.id).limit(GROUP))
            group = rows.all()
            count += _queue(session, group, days, now)
        if len(group) < GROUP:
            return count
        last = group[-1].id


def _queue(session: Session, awards: Sequence[Award], days: int, now: datetime) -> int:
    """Awards that are younger than the reminder's day are not reminded of what was just said."""
    ahead = timedelta(days=days)
    due = [a for a in awards if a.expires_at is not None and a.awarded_at < a.expires_at - ahead]
    return outbox.queue_mails(session, {a.id: operation(days) for a in due}, due, now)


def _candidates(after: datetime, until: datetime, name: str) -> Select[Award]:
    """Awards that end then, are worth a reminder, and did not get this one."""
    sent = aliased(Delivery)
    return select(Award).where(
        Award.expires_at > after,
        Award.expires_at <= until,
        is_worth_it(),
        ~exists().where(sent.award_id == Award.id, sent.operation == name),
    )


def is_worth_it() -> ColumnElement[bool]:
    """Signed, not on hold, not renewed, and of a badge that its holder can still renew."""
    return and_(
        Award.state == "issued",
        Award.held_at.is_(None),
        ~is_renewed(),
        exists().where(
            Rule.achievement_id == Award.achievement_id,
            Rule.course_id == Award.course_id,
            Rule.state == "published",
            Course.id == Rule.course_id,
            Course.state == "active",
            Achievement.id == Award.achievement_id,
            AchievementVersion.achievement_id == Achievement.id,
            AchievementVersion.number == Achievement.published_version,
            AchievementVersion.renewal != "none",
            # Until a later last day is published, a new award would end with the old one.
            or_(
                AchievementVersion.valid_kind != "date",
                AchievementVersion.number != Award.achievement_version,
            ),
        ),
    )


def is_stale(now: datetime) -> ColumnElement[bool]:
    """Queued reminders that nobody needs any more, among waiting ``Delivery`` rows."""
    useful = exists().where(Award.id == Delivery.award_id, Award.expires_at > now, is_worth_it())
    return and_(Delivery.operation.startswith(f"{REMIND}-"), ~useful)
