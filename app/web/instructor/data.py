"""What the instructor's pages read: a fixed number of queries per page, however large the course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import NotFound
from app.mastery.rules import Reason, ReasonState
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    CollectRun,
    Competency,
    Connection,
    CourseColumn,
    Decision,
    Delivery,
    Enrolment,
    Framework,
    Person,
    Rule,
    RuleVersion,
)
from app.web.instructor import ending
from app.web.paging import Page, page_of

LIVING = ("waiting", "needs_recipient", "issued")
"""States of an award that counts as earned."""


@dataclass(frozen=True)
class BadgeLine:
    """One badge of the course home: how many have it and how many are one step away."""

    achievement: Achievement
    version: AchievementVersion
    rule_state: str
    has_changes: bool
    earned: int
    close: int


@dataclass(frozen=True)
class Seen:
    """What Tassel can see of the course's grades."""

    assessments: Sequence[Assessment]
    learners: int
    run: CollectRun | None

    @property
    def busy(self) -> bool:
        """Whether the grades are being read now."""
        return self.run is not None and self.run.state in ("waiting", "running")


def _learns(course_id: str) -> ColumnElement[bool]:
    """Enrolments of people who learn in the course now; preview users left out."""
    return (
        (Enrolment.course_id == course_id)
        & (Enrolment.role == "learner")
        & (Enrolment.state == "active")
        & Person.is_test.is_(False)
    )


def enrolled(course_id: str) -> Select[str]:
    """Ids of the people who learn in the course now."""
    return (
        select(Enrolment.person_id)
        .join(Person, Person.id == Enrolment.person_id)
        .where(_learns(course_id))
    )


def seen(session: Session, course_id: str) -> Seen:
    """Assessments, number of learners and the latest reading."""
    found = assessments(session, course_id)
    return Seen(found, _count(session, enrolled(course_id)), last_run(session, course_id))


def last_run(session: Session, course_id: str) -> CollectRun | None:
    """The latest reading of the course's grades."""
    return session.scalar(runs(course_id).limit(1))


def runs(course_id: str) -> Select[CollectRun]:
    """Every reading, latest first."""
    return (
        select(CollectRun)
        .where(CollectRun.course_id == course_id)
        .order_by(CollectRun.created_at.desc())
    )


def assessments(
    session: Session, course_id: str, mapped: Sequence[str] = ()
) -> Sequence[Assessment]:
    """Assessments that the course has now, and those in ``mapped`` even when they are gone."""
    query = (
        select(Assessment)
        .where(
            Assessment.course_id == course_id,
            or_(Assessment.state == "active", Assessment.id.in_(mapped)),
        )
        .order_by(Assessment.position, Assessment.title)
    )
    return session.scalars(query).all()


def titles(session: Session, course_id: str) -> dict[str, str]:
    """Assessment id to title, those that are gone from the LMS included."""
    query = select(Assessment.id, Assessment.title).where(Assessment.course_id == course_id)
    return dict(session.execute(query).all())


def badges(session: Session, course_id: str) -> list[BadgeLine]:
    """Every badge of the course by its latest wording, published ones first, then by name."""
    latest = (
        select(AchievementVersion.achievement_id, func.max(AchievementVersion.number).label("n"))
        .group_by(AchievementVersion.achievement_id)
        .subquery()
    )
    rule_latest = (
        select(RuleVersion.rule_id, func.max(RuleVersion.number).label("n"))
        .group_by(RuleVersion.rule_id)
        .subquery()
    )
    query = (
        select(Achievement, AchievementVersion, Rule, rule_latest.c.n)
        .join(latest, latest.c.achievement_id == Achievement.id)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Achievement.id)
            & (AchievementVersion.number == latest.c.n),
        )
        .join(Rule, Rule.achievement_id == Achievement.id)
        .join(rule_latest, rule_latest.c.rule_id == Rule.id)
        .where(Rule.course_id == course_id)
        .order_by(Achievement.state != "published", AchievementVersion.name)
    )
    holders, close = earned(session, course_id), _close(session, course_id)
    return [
        BadgeLine(
            achievement,
            version,
            rule.state,
            achievement.published_version is not None
            and (version.number, newest) != (achievement.published_version, rule.published_version),
            holders.get(achievement.id, 0),
            close.get(rule.id, 0),
        )
        for achievement, version, rule, newest in session.execute(query)
    ]


def earned(session: Session, course_id: str) -> dict[str, int]:
    """Living awards by badge."""
    query = (
        select(Award.achievement_id, func.count())
        .where(Award.course_id == course_id, Award.state.in_(LIVING))
        .group_by(Award.achievement_id)
    )
    return dict(session.execute(query).all())


def _close(session: Session, course_id: str) -> dict[str, int]:
    """Enrolled learners who miss exactly one assessment, by rule."""
    query = (
        select(Decision.rule_id, func.count())
        .join(Rule, Rule.id == Decision.rule_id)
        .where(Rule.course_id == course_id, Decision.state == "not_yet", Decision.missing == 1)
        .where(Decision.person_id.in_(enrolled(course_id)))
        .group_by(Decision.rule_id)
    )
    return dict(session.execute(query).all())


def column_gone(session: Session, course_id: str, achievement_id: str) -> bool:
    """Whether somebody deleted the badge's column in the LMS."""
    query = select(CourseColumn.gone_at).where(
        CourseColumn.course_id == course_id, CourseColumn.achievement_id == achievement_id
    )
    return session.scalar(query) is not None


def _count(session: Session, query: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


# People

Standing = Literal["earned", "close", "others"]


def reason_of(stored: Mapping[str, Any]) -> Reason:
    """A reason as ``Decision.reasons`` keeps it."""
    return Reason(
        stored["assessment"],
        stored["competency"],
        cast(ReasonState, stored["state"]),
        None if stored["percent"] is None else Decimal(stored["percent"]),
        Decimal(stored["pass_mark"]),
    )


def _decisions(course_id: str, rule_id: str) -> ColumnElement[bool]:
    """Decisions of one rule about people who learn in the course now."""
    return (Decision.rule_id == rule_id) & Decision.person_id.in_(enrolled(course_id))


def standing_counts(session: Session, course_id: str, rule_id: str) -> dict[Standing, int]:
    """How many reach the rule in force, how many miss one assessment, how many more."""
    query = (
        select(Decision.missing, func.count())
        .where(_decisions(course_id, rule_id))
        .group_by(Decision.missing)
    )
    counts: dict[Standing, int] = {"earned": 0, "close": 0, "others": 0}
    for missing, count in session.execute(query):
        name: Standing = "earned" if missing == 0 else "close" if missing == 1 else "others"
        counts[name] += count
    return counts


def standing_lines(
    session: Session, course_id: str, rule_id: str, group: Standing, page: Page
) -> list[tuple[str, list[Reason]]]:
    """One page of a group: names and reasons, the closest first."""
    groups: dict[Standing, ColumnElement[bool]] = {
        "earned": Decision.missing == 0,
        "close": Decision.missing == 1,
        "others": Decision.missing > 1,
    }
    query = (
        select(Person.name, Decision.reasons)
        .join(Decision, Decision.person_id == Person.id)
        .where(_decisions(course_id, rule_id), groups[group])
        .order_by(Decision.missing, *by_name())
        .limit(page.per)
        .offset(page.offset)
    )
    return [
        (name, [reason_of(item) for item in reasons]) for name, reasons in session.execute(query)
    ]


def by_name() -> tuple[ColumnElement[str] | InstrumentedAttribute[str], ...]:
    """The order of every list of people."""
    return (func.lower(Person.family_name), func.lower(Person.name), Person.id)


@dataclass(frozen=True)
class PersonRow:
    """A learner in the list of all."""

    person: Person
    earned: int
    launched: bool


def people(session: Session, course_id: str, find: str) -> tuple[list[PersonRow], Page]:
    """One page of the course's learners whose name holds ``find``."""
    awards = (
        select(Award.person_id, func.count().label("n"))
        .where(Award.course_id == course_id, Award.state.in_(LIVING))
        .group_by(Award.person_id)
        .subquery()
    )
    query = (
        select(Person, func.coalesce(awards.c.n, 0), Enrolment.launched_at)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .outerjoin(awards, awards.c.person_id == Person.id)
        .where(_learns(course_id))
    )
    wanted = enrolled(course_id)
    if find:
        named = Person.name.icontains(find, autoescape=True)
        query, wanted = query.where(named), wanted.where(named)
    page = page_of(_count(session, wanted))
    query = query.order_by(*by_name()).limit(page.per).offset(page.offset)
    rows = [
        PersonRow(person, earned, launched is not None)
        for person, earned, launched in session.execute(query)
    ]
    return rows, page


# Competencies


def competencies(session: Session, course_id: str) -> list[tuple[Framework, list[Competency]]]:
    """By framework: the course's own first, then those of the campus."""
    query = (
        select(Framework, Competency)
        .join(Competency, Competency.framework_id == Framework.id)
        .where(or_(Framework.course_id == course_id, Framework.course_id.is_(None)))
        .order_by(Framework.course_id.is_(None), Framework.title, Framework.id, Competency.position)
    )
    groups: dict[str, tuple[Framework, list[Competency]]] = {}
    for framework, competency in session.execute(query):
        groups.setdefault(framework.id, (framework, []))[1].append(competency)
    return list(groups.values())


# Awards


@dataclass(frozen=True)
class AwardLine:
    """One award in the list, with where it went."""

    award: Award
    person: Person
    version: AchievementVersion
    deliveries: Sequence[tuple[Delivery, Connection]]


def awards_of(course_id: str) -> Select[Award, Person, AchievementVersion]:
    """Awards of the course with the person and the wording of each."""
    return (
        select(Award, Person, AchievementVersion)
        .join(Person, Person.id == Award.person_id)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .where(Award.course_id == course_id)
    )


def award_counts(session: Session, course_id: str) -> dict[str, int]:
    """Awards of the course by state."""
    query = (
        select(Award.state, func.count()).where(Award.course_id == course_id).group_by(Award.state)
    )
    return dict(session.execute(query).all())


def awards(
    session: Session, course_id: str, state: str, total: int, now: datetime
) -> tuple[list[AwardLine], Page]:
    """One page of the awards in ``state`` (empty: all), latest first; ``total`` from the counts.

    ``ending.KEY`` for those that run out soon, the first of them on top.
    """
    query = awards_of(course_id)
    order: ColumnElement[Any] = Award.awarded_at.desc()
    if state == ending.KEY:
        query, order = query.where(ending.is_ending(now)), Award.expires_at.asc()
    elif state:
        query = query.where(Award.state == state)
    page = page_of(total)
    query = query.order_by(order, Award.id).limit(page.per).offset(page.offset)
    found = session.execute(query).all()
    sent = deliveries(session, [award.id for award, _, _ in found])
    lines = [
        AwardLine(award, person, version, sent.get(award.id, []))
        for award, person, version in found
    ]
    return lines, page


def deliveries(
    session: Session, award_ids: Sequence[str]
) -> dict[str, list[tuple[Delivery, Connection]]]:
    """Where awards went or should go, by award."""
    query = (
        select(Delivery, Connection)
        .join(Connection, Connection.id == Delivery.connection_id)
        .where(Delivery.award_id.in_(award_ids))
        .order_by(Delivery.created_at, Delivery.id)
    )
    found: dict[str, list[tuple[Delivery, Connection]]] = {}
    for delivery, connection in session.execute(query):
        found.setdefault(delivery.award_id, []).append((delivery, connection))
    return found


def award(session: Session, course_id: str, award_id: str) -> AwardLine:
    """One award of this course; raises NotFound for any other."""
    found = session.execute(awards_of(course_id).where(Award.id == award_id)).one_or_none()
    if found is None:
        raise NotFound("award-unknown", "There is no such award in this course.")
    row, person, version = found
    return AwardLine(row, person, version, deliveries(session, [row.id]).get(row.id, []))
