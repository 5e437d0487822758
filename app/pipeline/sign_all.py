"""Everything that waits for its signature, batch after batch, and how far that is.

At the end of a term many thousand badges are earned at once. Any number of processes work them off
beside the worker: each takes a batch, signs it outside any transaction and keeps it in a short one, so
that on SQLite they write in turns. Whoever dies is followed by whoever finds what he held.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from app.errors import AppError
from app.models import Achievement, AchievementVersion, Award
from app.pipeline import award, holders
from app.pipeline.campus import Campus

LATER = 0.5
"""Seconds until somebody who has nothing to sign looks again at what others are signing."""


def run(
    campus: Campus, go_on: Callable[[], bool], pause: Callable[[float], object] = time.sleep
) -> list[AppError]:
    """Sign what waits until nothing does, also what others let fall, or until ``go_on`` says no.

    Any number of processes may run this at the same time. Returns why keys did not sign; the awards
    of their issuers are left for later.
    """
    me = holders.process_name()
    failures: dict[str, AppError] = {}
    while go_on():
        batches = award.claim(campus, award.GROUP, holder=me, without=failures)
        for batch in batches:
            try:
                award.run(campus, batch.ids)
            except AppError as error:
                failures[batch.key] = error
        if not batches and not award.reap(campus):
            if not _others(campus, me):
                break
            pause(LATER)
    return list(failures.values())


def _others(campus: Campus, me: str) -> bool:
    """Whether somebody else is signing, who may die at it."""
    theirs = or_(Award.lease_by.is_(None), Award.lease_by.not_in((me, award.RESTS)))
    held = and_(Award.state == "waiting", Award.lease_until > campus.clock(), theirs)
    with campus.db.reading() as session:
        return session.scalar(select(Award.id).where(held).limit(1)) is not None


@dataclass(frozen=True)
class Progress:
    """How many awards of some set are signed, and how many wait for it."""

    signed: int
    waiting: int

    @property
    def total(self) -> int:
        """Both."""
        return self.signed + self.waiting

    def __sub__(self, before: Progress) -> Progress:
        """What was signed since ``before``, and what still waits."""
        return Progress(max(0, self.signed - before.signed), self.waiting)


def progress(session: Session, *which: ColumnElement[bool]) -> Progress:
    """How far the signing of the awards is that fulfil ``which``; of all without it."""
    query = (
        select(Award.state, func.count())
        .where(Award.state.in_(("issued", "waiting")), *which)
        .group_by(Award.state)
    )
    counts: dict[str, int] = dict(session.execute(query).all())
    return Progress(counts.get("issued", 0), counts.get("waiting", 0))


@dataclass(frozen=True)
class BadgeProgress:
    """The same of one badge."""

    name: str
    progress: Progress
    resting: bool
    """Whether a key did not sign and is tried again later."""


def by_badge(session: Session, *which: ColumnElement[bool], limit: int = 20) -> list[BadgeProgress]:
    """The badges of which most waits, with how far each is; empty when nothing waits."""
    waiting, resting = func.count(), func.max(case((Award.lease_by == award.RESTS, 1), else_=0))
    query = (
        select(Award.achievement_id, waiting, resting)
        .where(Award.state == "waiting", *which)
        .group_by(Award.achievement_id)
        .order_by(waiting.desc(), Award.achievement_id)
        .limit(limit)
    )
    rows = session.execute(query).all()
    ids = [row[0] for row in rows]
    signed = _signed(session, ids, which) if ids else {}
    names = _names(session, ids) if ids else {}
    return [
        BadgeProgress(names.get(key, ""), Progress(signed.get(key, 0), count), bool(rests))
        for key, count, rests in rows
    ]


def _signed(
    session: Session, ids: list[str], which: tuple[ColumnElement[bool], ...]
) -> dict[str, int]:
    query = (
        select(Award.achievement_id, func.count())
        .where(Award.state == "issued", Award.achievement_id.in_(ids), *which)
        .group_by(Award.achievement_id)
    )
    return dict(session.execute(query).all())


def _names(session: Session, ids: list[str]) -> dict[str, str]:
    query = (
        select(Achievement.id, AchievementVersion.name)
        .join(AchievementVersion, AchievementVersion.achievement_id == Achievement.id)
        .where(Achievement.id.in_(ids))
        .where(AchievementVersion.number == Achievement.published_version)
    )
    return dict(session.execute(query).all())
