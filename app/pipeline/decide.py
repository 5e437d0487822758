"""DECIDE and AWARD: every published rule of a course over the learners whose results changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from app import audit
from app.mastery import renewal
from app.mastery.renewal import TERMS, Terms
from app.mastery.rules import Decision as Verdict
from app.mastery.rules import RuleDefinition, Score, evaluate
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    Course,
    Decision,
    Enrolment,
    Person,
    Result,
    ResultVersion,
    Rule,
    RuleVersion,
)
from app.pipeline import revoke, tombstones
from app.pipeline.campus import Campus
from app.pipeline.earned import Earned, Published, insert_awards, keep_evidence
from app.pipeline.renewals import Chains, in_force, last_of, outlook

GROUP = 500


def decide_course(campus: Campus, course_id: str) -> int:
    """Decide every stale learner of a course, group by group; returns how many awards are new."""
    total = 0
    while True:
        with campus.db.transaction() as session:
            tombstones.beside(session)
            people = _next_group(session, course_id)
            if not people:
                return total
            total += decide(campus, session, course_id, people)


def mark_stale(session: Session, course_id: str, person_ids: Sequence[str] | None = None) -> None:
    """To be decided again: the persons given, or (None) everybody in the course."""
    statement = update(Enrolment).where(Enrolment.course_id == course_id)
    if person_ids is None:
        session.execute(statement.values(stale=True))
        return
    for start in range(0, len(person_ids), GROUP):
        part = person_ids[start : start + GROUP]
        session.execute(statement.where(Enrolment.person_id.in_(part)).values(stale=True))


def _next_group(session: Session, course_id: str) -> list[Person]:
    """Up to GROUP learners who are stale; the mark is taken off in the same transaction.

    Staff and test users are never decided: only the role "learner" earns.
    """
    query = (
        select(Enrolment, Person)
        .join(Person, Person.id == Enrolment.person_id)
        .where(
            Enrolment.course_id == course_id,
            Enrolment.stale.is_(True),
            Enrolment.role == "learner",
            Enrolment.state == "active",
            Person.is_test.is_(False),
        )
        .order_by(Person.id)
        .limit(GROUP)
        .with_for_update(of=Enrolment, skip_locked=True)
    )
    people = []
    for enrolment, person in session.execute(query):
        enrolment.stale = False
        people.append(person)
    return people


def decide(campus: Campus, session: Session, course_id: str, people: Sequence[Person]) -> int:
    """Evaluate all rules for ``people`` in the caller's transaction. Returns the new awards."""
    rules = published(session, course_id)
    if not rules:
        return 0
    now = campus.clock()
    scores = load_scores(session, course_id, [p.id for p in people])
    known = _known_decisions(session, rules, people)
    chains = _chains(session, rules, people)
    met: list[Earned] = []
    for item in rules:
        for person in people:
            verdict = evaluate(item.definition, scores[person.id])
            if verdict.state == "met":
                met += _earned(campus, chains, item, person, verdict, scores[person.id], now)
            _note(session, known, item, person, verdict, now)
    new = insert_awards(session, met, now)
    _regraded(campus, session, rules, people, known, scores, chains, now)
    keep_evidence(session, met, new, scores, now)
    if new:
        detail = {"awards": sorted(new)}
        audit.record(session, "system", "awards.made", f"course:{course_id}", detail, now)
    return len(new)


def _chains(session: Session, rules: Sequence[Published], people: Sequence[Person]) -> Chains:
    """The awards that new results may follow, and the history of those results."""
    renewing = [item for item in rules if item.terms.renews]
    return Chains.load(
        session,
        {item.achievement.id for item in renewing},
        {person.learner_id for person in people},
        {clause.assessment for item in renewing for clause in item.definition.clauses},
        [person.id for person in people],
    )


def _earned(
    campus: Campus,
    chains: Chains,
    item: Published,
    person: Person,
    verdict: Verdict,
    scores: Mapping[str, Score],
    now: datetime,
) -> list[Earned]:
    """What a met rule leads to: a first award, one that follows another, or nothing (new)."""
    zone = campus.settings.zone
    ends = item.terms.validity.ends(now, zone)
    if ends is not None and ends <= now:
        return []
    last = chains.last(person.learner_id, item.achievement.id, item.occurrence)
    if last is None:
        return [Earned(item, person, verdict, item.occurrence, ends)]
    history = chains.of(person.id, item.definition)
    next_ = outlook(last, item.definition, item.terms, scores, history, now, zone)
    if next_.state != "met" or next_.decision is None or last.expires_at is None:
        return []
    occurrence = renewal.occurrence(item.occurrence, last.expires_at, zone)
    return [Earned(item, person, next_.decision, occurrence, ends)]


def published(session: Session, course_id: str) -> list[Published]:
    """The rules in force of a course."""
    course = session.get_one(Course, course_id)
    query = (
        select(Rule, RuleVersion, Achievement, *(getattr(AchievementVersion, n) for n in TERMS))
        .join(
            RuleVersion,
            and_(RuleVersion.rule_id == Rule.id, RuleVersion.number == Rule.published_version),
        )
        .join(Achievement, Achievement.id == Rule.achievement_id)
        .join(
            AchievementVersion,
            and_(
                AchievementVersion.achievement_id == Achievement.id,
                AchievementVersion.number == Achievement.published_version,
            ),
        )
        .where(Rule.course_id == course_id, Rule.state == "published")
        .order_by(Rule.id)
    )
    return [
        Published(
            row.Rule,
            row.RuleVersion,
            RuleDefinition.from_json(row.RuleVersion.definition),
            row.Achievement,
            _occurrence(row.Achievement, course),
            Terms.of(row),
        )
        for row in session.execute(query)
    ]


def _occurrence(achievement: Achievement, course: Course) -> str:
    """Empty for a badge earned once; else what makes another earning a new award."""
    if achievement.occurrence_by == "term":
        return course.term_id or course.id
    return course.id if achievement.occurrence_by == "course" else ""


def load_scores(
    session: Session, course_id: str, person_ids: Sequence[str]
) -> defaultdict[str, dict[str, Score]]:
    """Current results of persons by assessment, as the rules read them."""
    query = (
        select(
            Result.person_id,
            Result.assessment_id,
            Result.raw,
            Result.maximum,
            Result.posted,
            Result.excused,
            ResultVersion.id,
        )
        .join(Assessment, Assessment.id == Result.assessment_id)
        .join(
            ResultVersion,
            and_(ResultVersion.result_id == Result.id, ResultVersion.number == Result.version),
        )
        .where(Assessment.course_id == course_id, Result.person_id.in_(person_ids))
    )
    scores: defaultdict[str, dict[str, Score]] = defaultdict(dict)
    for person, assessment, raw, maximum, posted, excused, version_id in session.execute(query):
        scores[person][assessment] = Score(raw, maximum, posted, excused, version_id)
    return scores


Key = tuple[str, str]


def _known_decisions(
    session: Session, rules: Sequence[Published], people: Sequence[Person]
) -> dict[Key, Decision]:
    query = select(Decision).where(
        Decision.rule_id.in_([item.rule.id for item in rules]),
        Decision.person_id.in_([person.id for person in people]),
    )
    return {(row.rule_id, row.person_id): row for row in session.scalars(query)}


def _note(
    session: Session,
    known: dict[Key, Decision],
    item: Published,
    person: Person,
    verdict: Verdict,
    now: datetime,
) -> None:
    """Write the decision unless it is what was already known."""
    key = (item.rule.id, person.id)
    reasons = [reason.to_json() for reason in verdict.reasons]
    row = known.get(key)
    if row is None:
        row = known[key] = Decision(rule_id=item.rule.id, person_id=person.id)
        session.add(row)
    lapsed = row.state in ("met", "lapsed") and verdict.state == "not_yet"
    state = "lapsed" if lapsed else verdict.state
    values = (item.version.number, state, verdict.missing, reasons)
    if (row.rule_version, row.state, row.missing, row.reasons) != values:
        row.rule_version, row.state, row.missing, row.reasons = values
        row.decided_at = now


def _regraded(
    campus: Campus,
    session: Session,
    rules: Sequence[Published],
    people: Sequence[Person],
    known: Mapping[Key, Decision],
    scores: Mapping[str, Mapping[str, Score]],
    chains: Chains,
    now: datetime,
) -> None:
    """Achievements whose policy is "revoke" take back what a regrade no longer supports.

    Each award is held against the rule that it was made by: a stricter rule of today takes nothing
    from those who earned the badge under an earlier one. An award that has run out is left alone,
    and so is one that somebody tried to renew: a new result that fails is no regrade of the old one.
    """
    strict = {item.rule.id: item.terms for item in rules if item.achievement.regrade == "revoke"}
    lapsed = [key for key, row in known.items() if row.state == "lapsed" and row.rule_id in strict]
    if not lapsed:
        return
    learner = {person.id: person.learner_id for person in people}
    for rule_id, person_id in lapsed:
        for award, definition in _standing(session, rule_id, learner[person_id], now):
            history = chains.of(person_id, definition)
            if renewal.is_tried(last_of(award), strict[rule_id], history):
                continue
            if evaluate(definition, scores[person_id]).state != "met":
                reason = "A later regrade no longer reaches the pass mark."
                revoke.revoke_some(campus, session, [award], reason, "system", now)


def _standing(
    session: Session, rule_id: str, learner_id: str, now: datetime
) -> list[tuple[Award, RuleDefinition]]:
    """Awards in force of a learner by a rule, each with the rule as it was then."""
    query = (
        select(Award, RuleVersion.definition)
        .join(
            RuleVersion,
            and_(RuleVersion.rule_id == Award.rule_id, RuleVersion.number == Award.rule_version),
        )
        .where(
            Award.rule_id == rule_id,
            Award.learner_id == learner_id,
            Award.revoked_at.is_(None),
            in_force(now),
        )
        .with_for_update(of=Award)
    )
    return [(award, RuleDefinition.from_json(text)) for award, text in session.execute(query)]
