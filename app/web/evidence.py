"""What an award was decided on: the assessments, and the very versions of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.mastery.rules import RuleDefinition
from app.models import (
    Assessment,
    Attainment,
    AttainmentEvidence,
    Award,
    Competency,
    Result,
    ResultVersion,
    RuleVersion,
)


@dataclass(frozen=True)
class Evidence:
    """One assessment that counted. ``version``: number of the result's version at that time."""

    assessment: str
    competency: str
    raw: Decimal | None
    maximum: Decimal | None
    pass_mark: Decimal
    version: int
    graded_at: datetime | None
    superseded: bool
    """The result has changed since."""

    @property
    def percent(self) -> Decimal | None:
        """Share of the maximum in percent."""
        if self.raw is None or not self.maximum:
            return None
        return self.raw * 100 / self.maximum


def of_award(session: Session, award: Award) -> Sequence[Evidence]:
    """In the order of the rule; empty when the award was made without results."""
    marks = _marks(session, award)
    query = (
        select(Assessment, Competency, ResultVersion, Result.version)
        .select_from(Attainment)
        .join(AttainmentEvidence, AttainmentEvidence.attainment_id == Attainment.id)
        .join(ResultVersion, ResultVersion.id == AttainmentEvidence.result_version_id)
        .join(Result, Result.id == ResultVersion.result_id)
        .join(Assessment, Assessment.id == Result.assessment_id)
        .join(Competency, Competency.id == Attainment.competency_id)
        .where(Attainment.award_id == award.id)
        .order_by(Assessment.position, Assessment.title, Competency.position)
    )
    return [
        Evidence(
            assessment=assessment.title,
            competency=competency.statement,
            raw=version.raw,
            maximum=version.maximum,
            pass_mark=marks.get((assessment.id, competency.id), Decimal(0)),
            version=version.number,
            graded_at=version.graded_at,
            superseded=version.number != current,
        )
        for assessment, competency, version, current in session.execute(query)
    ]


def _marks(session: Session, award: Award) -> dict[tuple[str, str], Decimal]:
    """Pass marks of the rule version that the award names, by assessment and competency."""
    version = session.scalar(
        select(RuleVersion).where(
            RuleVersion.rule_id == award.rule_id, RuleVersion.number == award.rule_version
        )
    )
    definition = RuleDefinition.from_json(version.definition if version else {})
    return {(c.assessment, c.competency): c.pass_mark for c in definition.clauses}
