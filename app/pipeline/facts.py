"""What targets may know of awards, read for a whole batch with a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from app.credentials import shares
from app.delivery.port import AwardFacts, CompetencyFact
from app.mastery.renewal import is_renewal
from app.models import (
    AchievementVersion,
    Award,
    Competency,
    Course,
    Credential,
    Enrolment,
    Learner,
    Person,
    Section,
    Share,
    SpentEntry,
)


def load(
    session: Session, award_ids: Sequence[str], public_url: str, now: datetime
) -> dict[str, AwardFacts]:
    """Award id to its facts. ``public_url`` is the address under which people reach us."""
    rows = session.execute(_query().where(Award.id.in_(award_ids))).all()
    case_ids = _case_ids(session, [row.AchievementVersion for row in rows])
    links = _shares(session, award_ids, now)
    causes = _causes(session, award_ids)
    return {
        row.Award.id: replace(
            _facts(row, case_ids, links, public_url), replaced_for=causes.get(row.Award.id, "")
        )
        for row in rows
    }


def _query() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Award,
            AchievementVersion,
            Course,
            Person,
            func.coalesce(Person.sis_id, Learner.sis_id).label("sis_id"),
            Section.sis_class_id.label("class_id"),
        )
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(Course, Course.id == Award.course_id)
        .join(Person, Person.id == Award.person_id)
        .join(Learner, Learner.id == Award.learner_id)
        .outerjoin(
            Enrolment,
            (Enrolment.course_id == Award.course_id) & (Enrolment.person_id == Award.person_id),
        )
        .outerjoin(Section, Section.id == Enrolment.section_id)
    )


def _facts(
    row: Row[Any], case_ids: dict[str, str], links: dict[str, str], public_url: str
) -> AwardFacts:
    award, version, course, person = row.Award, row.AchievementVersion, row.Course, row.Person
    token = links.get(award.id)
    return AwardFacts(
        award_id=award.id,
        achievement_id=award.achievement_id,
        achievement_name=version.name,
        achievement_description=version.description,
        awarded_at=award.awarded_at,
        course_title=course.title,
        course_label=course.label,
        revoked_at=award.revoked_at,
        revoke_reason=award.revoke_reason,
        learner_sis_id=row.sis_id or None,
        lms_user_id=person.sub,
        email=person.email,
        locale=person.locale,
        class_sis_id=row.class_id,
        credential_url=f"{public_url}/b/{token}" if token else None,
        competencies=tuple(_competency(entry, case_ids) for entry in version.alignments),
        page_url=f"{public_url}/courses/{course.id}/me",
        expires_at=award.expires_at,
        renews=is_renewal(award.occurrence),
    )


def _competency(entry: dict[str, Any], case_ids: dict[str, str]) -> CompetencyFact:
    return CompetencyFact(
        code=str(entry.get("code") or ""),
        statement=str(entry.get("statement") or ""),
        uri=str(entry.get("uri") or ""),
        case_id=case_ids.get(str(entry.get("competency"))),
    )


def _case_ids(session: Session, versions: Sequence[AchievementVersion]) -> dict[str, str]:
    ids = {str(entry.get("competency")) for version in versions for entry in version.alignments}
    rows = session.execute(
        select(Competency.id, Competency.case_id).where(
            Competency.id.in_(ids), Competency.case_id.is_not(None)
        )
    )
    return {row[0]: str(row[1]) for row in rows}


def _shares(session: Session, award_ids: Sequence[str], now: datetime) -> dict[str, str]:
    """Award id to the token of a link that the learner has open."""
    rows = session.execute(
        select(Share.award_id, Share.token)
        .where(Share.award_id.in_(award_ids), shares.is_open(now))
        .order_by(Share.created_at)
    )
    return {row[0]: row[1] for row in rows}


def _causes(session: Session, award_ids: Sequence[str]) -> dict[str, str]:
    """Award id to why its credential was replaced last."""
    rows = session.execute(
        select(Credential.award_id, SpentEntry.reason)
        .join(SpentEntry, SpentEntry.credential_id == Credential.id)
        .where(Credential.award_id.in_(award_ids))
        .order_by(Credential.number)
    )
    return {row[0]: row[1] for row in rows}
