"""Badges that a later grade no longer supports and whose teacher wants to look at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Achievement, AchievementVersion, Award, Decision, Person

SHOWN = 20


@dataclass(frozen=True)
class ToReview:
    """One award with what a teacher calls it."""

    award_id: str
    learner: str
    badge: str


def to_review(session: Session, course_id: str) -> Sequence[ToReview]:
    """Standing awards of the policy "review" whose decision has lapsed, latest first; SHOWN at most."""
    query = (
        select(Award.id, Person.name, AchievementVersion.name)
        .join(Person, Person.id == Award.person_id)
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(
            Decision,
            (Decision.rule_id == Award.rule_id) & (Decision.person_id == Award.person_id),
        )
        .where(
            Award.course_id == course_id,
            Award.revoked_at.is_(None),
            Achievement.regrade == "review",
            Decision.state == "lapsed",
        )
        .order_by(Decision.decided_at.desc(), Award.id)
        .limit(SHOWN)
    )
    return [ToReview(*row) for row in session.execute(query)]
