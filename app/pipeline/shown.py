"""What a credential tells about how it was earned: by the badge's rule and by the learner's choice.

The badge says whether assessments are named; the learner may refuse. Results are told only when the
learner asks for it, and only where the badge describes the marks. A change of mind is a new
credential that stands in for the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials.details import Details, asked
from app.credentials.document import EvidenceFacts, ResultFacts
from app.credentials.issuing import Shown
from app.models import (
    AchievementVersion,
    Assessment,
    Attainment,
    AttainmentEvidence,
    Award,
    Result,
    ResultVersion,
)

Counted = tuple[str, str, ResultVersion]
"""Assessment's id and title, and the version of the result that counted."""


def of(
    session: Session, awards: Iterable[tuple[Award, AchievementVersion]], public_url: str
) -> dict[str, Shown]:
    """Award id to what its credential tells. Awards of badges that tell nothing are left out."""
    telling = {
        award.id: (award, version, details)
        for award, version in awards
        for details in [Details.from_json(version.details)]
        if _names(award, details) or _tells(award, details)
    }
    counted = _counted(session, list(telling)) if telling else {}
    return {
        key: Shown(
            _evidence(counted.get(key, [])) if _names(award, details) else (),
            _results(counted.get(key, []), details, _address(version, public_url))
            if _tells(award, details)
            else (),
        )
        for key, (award, version, details) in telling.items()
    }


def sample(version: AchievementVersion, public_url: str, day: datetime) -> Shown:
    """Everything that a credential of this wording could tell, for nobody."""
    details = Details.from_json(version.details)
    named = EvidenceFacts("Assessment", narrative=_day(day))
    address = _address(version, public_url)
    return Shown(
        (named,) if details.evidence == "assessments" else (),
        tuple(ResultFacts(one.id, Decimal("87.5")) for one in asked(details, address)),
    )


def _names(award: Award, details: Details) -> bool:
    return details.evidence == "assessments" and not award.hides_evidence


def _tells(award: Award, details: Details) -> bool:
    return bool(details.results) and award.shows_results


def _address(version: AchievementVersion, public_url: str) -> str:
    return f"{public_url}/achievements/{version.achievement_id}"


def _counted(session: Session, award_ids: list[str]) -> Mapping[str, list[Counted]]:
    query = (
        select(Attainment.award_id, Assessment.id, Assessment.title, ResultVersion)
        .join(AttainmentEvidence, AttainmentEvidence.attainment_id == Attainment.id)
        .join(ResultVersion, ResultVersion.id == AttainmentEvidence.result_version_id)
        .join(Result, Result.id == ResultVersion.result_id)
        .join(Assessment, Assessment.id == Result.assessment_id)
        .where(Attainment.award_id.in_(award_ids))
        .order_by(Assessment.position, Assessment.title, Assessment.id)
    )
    found: dict[str, list[Counted]] = {}
    seen = set()
    for award_id, assessment_id, title, version in session.execute(query):
        # One assessment may show several competencies; it is named once.
        if (award_id, assessment_id) not in seen:
            seen.add((award_id, assessment_id))
            found.setdefault(award_id, []).append((assessment_id, title, version))
    return found


def _evidence(counted: list[Counted]) -> tuple[EvidenceFacts, ...]:
    return tuple(
        EvidenceFacts(title, narrative=_day(version.graded_at) if version.graded_at else None)
        for _, title, version in counted
    )


def _day(moment: datetime) -> str:
    """The day in UTC, as ISO 8601 writes it: it reads alike in every language."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def _results(counted: list[Counted], details: Details, address: str) -> tuple[ResultFacts, ...]:
    ids = {
        result.assessment: described.id
        for result, described in zip(details.results, asked(details, address), strict=True)
    }
    return tuple(
        ResultFacts(ids[assessment_id], version.raw * 100 / version.maximum)
        for assessment_id, _, version in counted
        if assessment_id in ids and version.raw is not None and version.maximum
    )
