"""AWARD: the rows of what somebody earned, and what it was decided on."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.db import insert_new, new_id
from app.mastery.renewal import Terms
from app.mastery.rules import Decision as Verdict
from app.mastery.rules import RuleDefinition, Score
from app.models import (
    Achievement,
    Attainment,
    AttainmentEvidence,
    Award,
    Person,
    Rule,
    RuleVersion,
)


@dataclass(frozen=True)
class Published:
    """A rule in force with its achievement."""

    rule: Rule
    version: RuleVersion
    definition: RuleDefinition
    achievement: Achievement
    occurrence: str
    terms: Terms
    """How long an award by it is valid, and how it is renewed."""


@dataclass(frozen=True)
class Earned:
    """A rule that is met by a person, for the first time or once more."""

    item: Published
    person: Person
    verdict: Verdict
    occurrence: str
    ends: datetime | None

    @property
    def award_id(self) -> str:
        """Follows from what makes an award unique, so that a repetition names the same one."""
        name = f"{self.person.learner_id}:{self.occurrence}"
        return str(uuid.uuid5(uuid.UUID(self.item.achievement.id), name))


def insert_awards(session: Session, met: Sequence[Earned], now: datetime) -> set[str]:
    """Insert an award for each met rule unless the learner has it; returns the ids of new ones."""
    return insert_new(session, Award, [_award_row(earned, now) for earned in met])


def _award_row(earned: Earned, now: datetime) -> dict[str, Any]:
    item = earned.item
    return {
        "id": earned.award_id,
        "learner_id": earned.person.learner_id,
        "person_id": earned.person.id,
        "course_id": item.rule.course_id,
        "achievement_id": item.achievement.id,
        "achievement_version": item.achievement.published_version,
        "occurrence": earned.occurrence,
        "rule_id": item.rule.id,
        "rule_version": item.version.number,
        "state": "waiting",
        "awarded_at": now.replace(microsecond=0),
        "expires_at": earned.ends,
        "subject_id": f"urn:uuid:{uuid.uuid4()}",
        "salt": secrets.token_hex(16),
    }


def keep_evidence(
    session: Session,
    met: Sequence[Earned],
    new: set[str],
    scores: Mapping[str, Mapping[str, Score]],
    now: datetime,
) -> None:
    """Attainments of new awards, with the result versions that they were decided on."""
    attainments: list[dict[str, Any]] = []
    evidence: dict[str, set[int]] = {}
    for earned in met:
        if earned.award_id not in new:
            continue
        reasons = [reason for reason in earned.verdict.reasons if reason.state == "met"]
        for competency in sorted({reason.competency for reason in reasons}):
            row = _attainment_row(earned, competency, now)
            attainments.append(row)
            evidence[row["id"]] = {
                version
                for reason in reasons
                if reason.competency == competency
                for version in [scores[earned.person.id][reason.assessment].version_id]
                if version is not None
            }
    kept = insert_new(session, Attainment, attainments)
    pairs = [
        {"attainment_id": attainment, "result_version_id": version}
        for attainment in kept
        for version in sorted(evidence[attainment])
    ]
    if pairs:
        session.execute(insert(AttainmentEvidence), pairs)


def _attainment_row(earned: Earned, competency: str, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "learner_id": earned.person.learner_id,
        "competency_id": competency,
        "rule_id": earned.item.rule.id,
        "rule_version": earned.item.version.number,
        "award_id": earned.award_id,
        "attained_at": now,
    }
