"""Fix a badge's wording for ever at publication: competencies, criteria, and the verifiers' consent.

A wording says which competencies the badge shows and how it is earned, so a rule that says something
else needs a wording of its own, even when its author changed no word.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import issuing
from app.credentials.drift import lint
from app.credentials.proofs import data_integrity
from app.errors import Invalid
from app.mastery.rules import RuleDefinition
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    Competency,
    Framework,
    Issuer,
)
from app.pipeline.campus import Campus

_AUTHORED = (
    "name",
    "description",
    "criteria",
    "criteria_made",
    "design",
    "palette",
    "image",
    "image_alt",
)


def freeze(
    campus: Campus,
    session: Session,
    achievement: Achievement,
    version: AchievementVersion,
    definition: RuleDefinition,
    now: datetime,
) -> None:
    """Publish ``version``, or a successor when it is frozen and says what the rule no longer does.

    Raises Invalid for a wording that some verifiers would refuse.
    """
    alignments = _alignments(session, definition)
    criteria = _criteria(session, definition)
    if version.published_at is not None and not _fits(version, alignments, criteria):
        version = _successor(session, version, now)
    if version.published_at is None:
        version.alignments = alignments
        if version.criteria_made or not version.criteria:
            version.criteria, version.criteria_made = criteria, True
        sample = _sample(campus, session, achievement, version)
        findings = lint(sample)
        if findings:
            raise Invalid(
                "badge-drift", "Some verifiers would refuse this badge: " + str(findings[0])
            )
        version.fast = data_integrity.check_trim(sample)
        version.published_at = now
    achievement.published_version = version.number


def _fits(version: AchievementVersion, alignments: list[dict[str, Any]], criteria: str) -> bool:
    return version.alignments == alignments and (
        not version.criteria_made or version.criteria == criteria
    )


def _successor(session: Session, version: AchievementVersion, now: datetime) -> AchievementVersion:
    """The same words as a draft with the next number."""
    made = AchievementVersion(
        achievement_id=version.achievement_id,
        number=version.number + 1,
        alignments=[],
        created_at=now,
        **{name: getattr(version, name) for name in _AUTHORED},
    )
    session.add(made)
    return made


def _alignments(session: Session, definition: RuleDefinition) -> list[dict[str, Any]]:
    """The competencies of the rule as they are worded today."""
    wanted = list(dict.fromkeys(clause.competency for clause in definition.clauses))
    query = (
        select(Competency, Framework)
        .join(Framework, Framework.id == Competency.framework_id)
        .where(Competency.id.in_(wanted))
    )
    rows = {c.id: (c, f) for c, f in session.execute(query)}
    return [
        {
            "competency": competency.id,
            "code": competency.code,
            "statement": competency.statement,
            "uri": competency.uri,
            "case_id": competency.case_id,
            "framework": framework.title,
        }
        for competency, framework in (rows[item] for item in wanted)
    ]


def _criteria(session: Session, definition: RuleDefinition) -> str:
    """The rule in words, for a badge whose author wrote no criteria."""
    query = select(Assessment.id, Assessment.title).where(
        Assessment.id.in_({clause.assessment for clause in definition.clauses})
    )
    titles = dict(session.execute(query).all())
    parts = [f"{titles[c.assessment]}: at least {c.pass_mark:f} %" for c in definition.clauses]
    if len(parts) == 1:
        return f"{parts[0]}."
    head = {"all": "All of these", "any": "One of these"}.get(
        str(definition.needs), f"At least {definition.required} of these"
    )
    return f"{head}:\n" + "\n".join(f"- {part}" for part in parts)


def _sample(
    campus: Campus, session: Session, achievement: Achievement, version: AchievementVersion
) -> dict[str, Any]:
    """A credential of this wording for nobody, to be held against the verifiers' rules."""
    session.flush()
    award = Award(
        subject_id="urn:uuid:00000000-0000-4000-8000-000000000000",
        salt="0" * 32,
        status_index=0,
        awarded_at=campus.clock().replace(microsecond=0),
    )
    return issuing.compose(
        credential_id="00000000-0000-4000-8000-000000000000",
        award=award,
        version=version,
        issuer=session.get_one(Issuer, achievement.issuer_id),
        list_number=1,
        email="nobody@example.edu",
        public_url=campus.settings.public_url,
    )
