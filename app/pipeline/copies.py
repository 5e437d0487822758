"""A copied course gets the badges of the course that it was copied from.

What may be brought follows from the LMS alone: it says which course this one was copied from
(``Course.history``), and both must stand in the same installation. Wording and mappings come along,
never a person, a grade or an award. A brought badge is an achievement of its own that remembers
which one it continues (``Achievement.continues_id``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import audit
from app.db import new_id
from app.errors import Conflict, Invalid, NotFound
from app.mastery import frameworks
from app.mastery.rematch import Column, Match, rematch
from app.mastery.rules import RuleDefinition
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Course,
    CourseCopy,
    Deployment,
    LinkHistory,
    Platform,
    Rule,
    RuleVersion,
)
from app.pipeline import badges
from app.pipeline.campus import Campus
from app.pipeline.freeze import AUTHORED

GIVEN = ("published", "stopped")
"""States of a rule that can be brought: drafts are unfinished and stay where they are."""
OUT = ""
"""Decision about a column: left out."""


@dataclass(frozen=True)
class Ancestor:
    """An older course of the same LMS with badges that can be brought."""

    course: Course
    badges: int
    copy: CourseCopy | None

    @property
    def open(self) -> bool:
        """Whether it is still to be offered."""
        return self.copy is None


@dataclass(frozen=True)
class OldBadge:
    """A badge of the older course: its wording and its rule as they are in force there."""

    achievement: Achievement
    version: AchievementVersion
    rule_state: str
    definition: RuleDefinition


@dataclass(frozen=True)
class Plan:
    """What would be brought. ``old``: the mapped columns there by id; ``new``: all columns here."""

    origin: Course
    badges: tuple[OldBadge, ...]
    old: Mapping[str, Assessment]
    new: Mapping[str, Assessment]
    matches: Mapping[str, Match]

    @property
    def unsure(self) -> list[str]:
        """Old columns that a person has to decide about."""
        return [key for key in self.old if not self.matches[key].certain]


@dataclass(frozen=True)
class Brought:
    """Ids of the new badges; ``incomplete`` ones lost a column and stay drafts."""

    published: list[str] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


def ancestors(session: Session, course: Course) -> list[Ancestor]:
    """Courses that this one was copied from and that have badges to bring, newest copy first."""
    if not course.history:
        return []
    here = _installation(course.deployment_id)
    query = (
        select(Course, func.count(Rule.id))
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .join(Rule, (Rule.course_id == Course.id) & Rule.state.in_(GIVEN))
        .where(
            Platform.installation_id == here.scalar_subquery(),
            Course.context_id.in_(course.history),
            Course.id != course.id,
        )
        .group_by(Course.id)
    )
    copies = select(CourseCopy).where(CourseCopy.course_id == course.id)
    known = {row.origin_id: row for row in session.scalars(copies)}
    found = [Ancestor(old, count, known.get(old.id)) for old, count in session.execute(query)]
    place = {context: n for n, context in enumerate(course.history)}
    return sorted(found, key=lambda one: (place[one.course.context_id], one.course.id))


def _installation(deployment_id: str) -> Select[str]:
    return (
        select(Platform.installation_id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .where(Deployment.id == deployment_id)
    )


def plan(session: Session, course: Course, origin_id: str) -> Plan:
    """How each badge of the older course would be mapped here. NotFound for any other course."""
    origin = next((a.course for a in ancestors(session, course) if a.course.id == origin_id), None)
    if origin is None:
        raise NotFound("copy-unknown", "This course was not copied from there.")
    found = _old_badges(session, origin.id, course.id)
    mapped = {clause.assessment for badge in found for clause in badge.definition.clauses}
    old = _assessments(session, origin.id, mapped)
    new = _assessments(session, course.id)
    history = {
        row.link_id: tuple(row.previous)
        for row in session.scalars(select(LinkHistory).where(LinkHistory.course_id == course.id))
    }
    matches = rematch(
        [_column(item, {}) for item in old.values()],
        [_column(item, history) for item in new.values()],
    )
    return Plan(origin, tuple(found), old, new, matches)


def _old_badges(session: Session, origin_id: str, course_id: str) -> list[OldBadge]:
    """Badges in force there, without those that were brought already."""
    brought = (
        select(Achievement.continues_id)
        .join(Rule, Rule.achievement_id == Achievement.id)
        .where(Rule.course_id == course_id, Achievement.continues_id.is_not(None))
    )
    query = (
        select(Achievement, AchievementVersion, Rule.state, RuleVersion.definition)
        .join(Rule, Rule.achievement_id == Achievement.id)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Achievement.id)
            & (AchievementVersion.number == Achievement.published_version),
        )
        .join(
            RuleVersion,
            (RuleVersion.rule_id == Rule.id) & (RuleVersion.number == Rule.published_version),
        )
        .where(Rule.course_id == origin_id, Rule.state.in_(GIVEN), Achievement.id.not_in(brought))
        .order_by(AchievementVersion.name, Achievement.id)
    )
    return [
        OldBadge(achievement, version, state, RuleDefinition.from_json(definition))
        for achievement, version, state, definition in session.execute(query)
    ]


def _assessments(
    session: Session, course_id: str, only: Iterable[str] | None = None
) -> dict[str, Assessment]:
    """Columns by id in their order: those in ``only`` even when they are gone, else present ones."""
    query = select(Assessment).where(Assessment.course_id == course_id)
    if only is None:
        query = query.where(Assessment.state == "active")
    else:
        query = query.where(Assessment.id.in_(only))
    ordered = query.order_by(Assessment.position, Assessment.title, Assessment.id)
    return {item.id: item for item in session.scalars(ordered)}


def _column(item: Assessment, history: Mapping[str, tuple[str, ...]]) -> Column:
    links = history.get(item.link_id or "", ())
    return Column(
        item.id, item.title, item.maximum, item.tag, item.resource_id, item.link_id, links
    )


def resolve(found: Plan, decisions: Mapping[str, str]) -> dict[str, str]:
    """Old column to new one ("" = left out), the certain matches and what a person decided.

    Raises Invalid with a message per column that is undecided, foreign or taken twice.
    """
    chosen = {key: match.new or OUT for key, match in found.matches.items() if match.certain}
    fields: dict[str, str] = {}
    for key in found.unsure:
        answer = decisions.get(key)
        if answer is None or (answer != OUT and answer not in found.new):
            fields[key] = "undecided"
        else:
            chosen[key] = answer
    for key in found.unsure:
        answer = chosen.get(key)
        if answer and list(chosen.values()).count(answer) > 1:
            fields[key] = "twice"
    if fields:
        raise Invalid("copy-columns", "Some columns have to be decided.", fields=fields)
    return chosen


def bring(
    campus: Campus,
    course_id: str,
    origin_id: str,
    wanted: Sequence[str],
    decisions: Mapping[str, str],
    *,
    publish: bool,
    actor: str,
    person_id: str | None,
) -> Brought:
    """Bring the badges ``wanted`` (ids there), as drafts or published. Raises Invalid.

    One that lost a column means something else than before, so it always stays a draft.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        course = session.scalars(
            select(Course).where(Course.id == course_id).with_for_update()
        ).one()
        found = plan(session, course, origin_id)
        columns = resolve(found, decisions)
        chosen = [badge for badge in found.badges if badge.achievement.id in wanted]
        if not chosen:
            raise Invalid("copy-nothing", "Choose at least one badge to bring.")
        made = {
            _bring_one(session, course_id, badge, columns, person_id, now): _is_whole(
                badge, columns
            )
            for badge in chosen
        }
        _note(session, course_id, origin_id, "taken", list(made), now)
        detail = {"origin": origin_id, "badges": sorted(made)}
        audit.record(session, actor, "copy.taken", f"course:{course_id}", detail, now)
    return _published(campus, course_id, made, actor) if publish else _as_drafts(made)


def _is_whole(badge: OldBadge, columns: Mapping[str, str]) -> bool:
    return all(columns[clause.assessment] != OUT for clause in badge.definition.clauses)


def _as_drafts(made: Mapping[str, bool]) -> Brought:
    return Brought(drafts=list(made), incomplete=[key for key, whole in made.items() if not whole])


def _published(campus: Campus, course_id: str, made: Mapping[str, bool], actor: str) -> Brought:
    """Publish one by one: what cannot be published stays a draft, for its teacher to see why."""
    brought = Brought(incomplete=[key for key, whole in made.items() if not whole])
    for key, whole in made.items():
        done = whole
        if whole:
            try:
                badges.publish(campus, course_id, key, actor)
            except (Conflict, Invalid):
                done = False
        (brought.published if done else brought.drafts).append(key)
    return brought


def _bring_one(
    session: Session,
    course_id: str,
    badge: OldBadge,
    columns: Mapping[str, str],
    person_id: str | None,
    now: datetime,
) -> str:
    """A draft here with the wording and the re-matched rule of a badge there; returns its id."""
    old = badge.achievement
    achievement = Achievement(
        id=new_id(),
        issuer_id=old.issuer_id,
        course_id=course_id,
        continues_id=old.id,
        occurrence_by=old.occurrence_by,
        regrade=old.regrade,
        course_column=old.course_column,
        created_at=now,
    )
    session.add(achievement)
    session.flush()
    session.add(
        AchievementVersion(
            achievement_id=achievement.id,
            number=1,
            alignments=[],
            created_at=now,
            **{name: getattr(badge.version, name) for name in AUTHORED},
        )
    )
    rule = Rule(id=new_id(), course_id=course_id, achievement_id=achievement.id)
    session.add(rule)
    session.flush()
    definition = _definition(session, course_id, badge, columns, now)
    session.add(
        RuleVersion(
            rule_id=rule.id,
            number=1,
            definition=definition.to_json(),
            created_by=person_id,
            created_at=now,
        )
    )
    return achievement.id


def _definition(
    session: Session, course_id: str, badge: OldBadge, columns: Mapping[str, str], now: datetime
) -> RuleDefinition:
    """The rule over the columns and competencies of this course."""
    kept = [clause for clause in badge.definition.clauses if columns[clause.assessment] != OUT]
    here = frameworks.bring(session, course_id, [clause.competency for clause in kept], now)
    clauses = tuple(
        replace(clause, assessment=columns[clause.assessment], competency=here[clause.competency])
        for clause in kept
    )
    needs = badge.definition.needs
    if isinstance(needs, int) and needs > len(clauses):
        needs = "all"
    return RuleDefinition(needs, clauses)


def _note(
    session: Session, course_id: str, origin_id: str, state: str, made: list[str], now: datetime
) -> None:
    row = session.scalar(
        select(CourseCopy).where(
            CourseCopy.course_id == course_id, CourseCopy.origin_id == origin_id
        )
    )
    if row is None:
        row = CourseCopy(course_id=course_id, origin_id=origin_id, brought=[])
        session.add(row)
    row.state, row.at = state, now
    row.brought = [*row.brought, *made]


def dismiss(campus: Campus, course_id: str, origin_id: str, actor: str) -> None:
    """Do not offer it on the course home any more; Settings goes on listing it."""
    now = campus.clock()
    with campus.db.transaction() as session:
        course = session.get_one(Course, course_id)
        if all(one.course.id != origin_id for one in ancestors(session, course)):
            raise NotFound("copy-unknown", "This course was not copied from there.")
        _note(session, course_id, origin_id, "dismissed", [], now)
        audit.record(
            session, actor, "copy.dismissed", f"course:{course_id}", {"origin": origin_id}, now
        )


def undo(campus: Campus, course_id: str, origin_id: str, actor: str) -> int:
    """Remove the brought badges that nobody has earned; returns how many stay.

    Without any that stays the offer stands again.
    """

    def work(session: Session) -> int:
        row = session.scalar(
            select(CourseCopy)
            .where(CourseCopy.course_id == course_id, CourseCopy.origin_id == origin_id)
            .with_for_update()
        )
        if row is None:
            raise NotFound("copy-unknown", "Nothing was brought from there.")
        kept = [key for key in row.brought if not badges.delete_unearned(session, course_id, key)]
        if kept:
            row.brought = kept
        else:
            session.delete(row)
        detail = {"origin": origin_id, "kept": kept}
        audit.record(session, actor, "copy.undone", f"course:{course_id}", detail, campus.clock())
        return len(kept)

    # A worker may award one at this moment; then the second look keeps it.
    return campus.db.settle(work)
