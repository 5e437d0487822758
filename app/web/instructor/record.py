"""One learner of the course as staff see them: badges with every reason, awards, results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.mastery.rules import Reason
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    Decision,
    Enrolment,
    Person,
    Result,
    Rule,
)
from app.web import wording
from app.web.course_page import frame, picture, show
from app.web.instructor import data
from app.web.instructor.blueprint import bp
from app.web.instructor.data import LIVING, AwardLine
from app.web.paging import Page, page_of
from app.web.session import campus


@dataclass(frozen=True)
class Standing:
    """Where the learner stands towards one badge that can be earned here. ``earned``: has it."""

    version: AchievementVersion
    decision: Decision | None
    reasons: Sequence[Reason]
    earned: bool


@dataclass(frozen=True)
class Mark:
    """One result as the rules see it; empty without a grade."""

    assessment: Assessment
    result: Result | None

    @property
    def percent(self) -> Decimal | None:
        """Share of the maximum in percent."""
        found = self.result
        if found is None or found.raw is None or not found.maximum:
            return None
        return found.raw * 100 / found.maximum


@bp.get("/learners/<person_id>")
def learner(course_id: str, person_id: str) -> Response:
    """What somebody has, what is missing for the rest, and the results behind it."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        person, enrolment = _enrolled(session, course_id, person_id)
        standings = _standings(session, course_id, person)
        awards = _awards(session, course_id, person)
        marks, page = _marks(session, course_id, person)
        titles = data.titles(session, course_id)
    return show(
        around,
        "instructor/learner.html",
        "learners",
        person=person,
        enrolment=enrolment,
        standings=standings,
        awards=awards,
        marks=marks,
        page=page,
        titles=titles,
        reason=wording.reason,
        step=wording.step,
        award_state=wording.award_state,
        delivery_state=wording.delivery_state,
        target=wording.target,
        picture=picture,
    )


def _enrolled(session: Session, course_id: str, person_id: str) -> tuple[Person, Enrolment]:
    """A learner of this course, also one who left. NotFound for everybody else."""
    row = session.execute(
        select(Person, Enrolment)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .where(
            Person.id == person_id,
            Enrolment.course_id == course_id,
            Enrolment.role == "learner",
        )
    ).one_or_none()
    if row is None:
        raise NotFound("learner-unknown", "There is no such learner in this course.")
    return row[0], row[1]


def _standings(session: Session, course_id: str, person: Person) -> list[Standing]:
    """Every badge in force here, earned ones first, then the closest."""
    have = select(Award.achievement_id).where(
        Award.learner_id == person.learner_id, Award.state.in_(LIVING)
    )
    earned = set(session.scalars(have))
    query = (
        select(AchievementVersion, Decision)
        .join(Achievement, Achievement.id == AchievementVersion.achievement_id)
        .join(Rule, Rule.achievement_id == Achievement.id)
        .outerjoin(Decision, (Decision.rule_id == Rule.id) & (Decision.person_id == person.id))
        .where(
            Rule.course_id == course_id,
            Rule.state == "published",
            AchievementVersion.number == Achievement.published_version,
        )
    )
    found = [
        Standing(
            version,
            decision,
            [data.reason_of(item) for item in decision.reasons] if decision else [],
            version.achievement_id in earned,
        )
        for version, decision in session.execute(query)
    ]
    return sorted(found, key=lambda one: (not one.earned, _missing(one), one.version.name))


def _missing(standing: Standing) -> int:
    return standing.decision.missing if standing.decision else 1_000


def _awards(session: Session, course_id: str, person: Person) -> list[AwardLine]:
    """The learner's awards in this course, latest first, with where each went."""
    query = (
        data.awards_of(course_id)
        .where(Award.learner_id == person.learner_id)
        .order_by(Award.awarded_at.desc(), Award.id)
    )
    rows = session.execute(query).all()
    sent = data.deliveries(session, [award.id for award, _, _ in rows])
    return [AwardLine(one, who, version, sent.get(one.id, [])) for one, who, version in rows]


def _marks(session: Session, course_id: str, person: Person) -> tuple[list[Mark], Page]:
    """One page of the course's assessments with this learner's results."""
    wanted = Assessment.course_id == course_id, Assessment.state == "active"
    total = session.scalar(select(func.count()).select_from(Assessment).where(*wanted)) or 0
    page = page_of(total)
    query = (
        select(Assessment, Result)
        .outerjoin(
            Result, (Result.assessment_id == Assessment.id) & (Result.person_id == person.id)
        )
        .where(*wanted)
        .order_by(Assessment.position, Assessment.title, Assessment.id)
        .limit(page.per)
        .offset(page.offset)
    )
    return [Mark(*row) for row in session.execute(query)], page
