"""Who would earn a badge with today's grades, who is close, and why the others would not.

The same rule engine as the real decision, over the same rows; nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import String, select, type_coerce
from sqlalchemy.orm import Session

from app.mastery.rules import Clause, Decision, RuleDefinition, Score, evaluate
from app.models import Enrolment, Person, Result

BINS = 10
Group = Literal["earned", "close", "others"]


@dataclass(frozen=True)
class PersonLine:
    """One learner and what the rule would say."""

    person_id: str
    name: str
    decision: Decision


@dataclass(frozen=True)
class Preview:
    """Counts over all learners and one page of them; per assessment: reached, graded, histogram.

    ``close`` counts learners who lack exactly one assessment. A histogram has ten bins of ten
    percent (100 % and more in the last).
    """

    total: int
    earn: int
    close: int
    lines: list[PersonLine]
    reached: dict[str, int]
    graded: dict[str, int]
    histogram: dict[str, list[int]]


@dataclass(frozen=True)
class _Fact:
    """What one distinct result means; a course has far fewer of these than results."""

    score: Score
    bin: int | None
    met: int
    """Clauses of its assessment that it meets."""


def preview(
    session: Session,
    course_id: str,
    definition: RuleDefinition,
    *,
    limit: int = 50,
    offset: int = 0,
    group: Group | None = None,
) -> Preview:
    """Evaluate ``definition`` for every active learner. Lines: earners, then the closest first.

    ``group`` keeps only the lines of those who earn it ("earned"), lack one assessment ("close")
    or more ("others"); ``limit`` and ``offset`` count within it.
    """
    people = _learners(session, course_id)
    facts = _facts(session, definition, people)
    missing = {
        person: max(0, definition.required - sum(fact.met for fact in facts[person].values()))
        for person in people
    }
    chosen = [p for p in people if group is None or _group(missing[p]) == group]
    chosen.sort(key=lambda p: (missing[p], people[p].casefold(), p))
    return Preview(
        total=len(people),
        earn=sum(count == 0 for count in missing.values()),
        close=sum(count == 1 for count in missing.values()),
        lines=[_line(p, people[p], definition, facts[p]) for p in chosen[offset : offset + limit]],
        **_spread(definition, facts),
    )


def _group(missing: int) -> Group:
    return "earned" if missing == 0 else "close" if missing == 1 else "others"


def _line(
    person: str, name: str, definition: RuleDefinition, facts: Mapping[str, _Fact]
) -> PersonLine:
    scores = {assessment: fact.score for assessment, fact in facts.items()}
    return PersonLine(person, name, evaluate(definition, scores))


def _learners(session: Session, course_id: str) -> dict[str, str]:
    query = (
        select(Person.id, Person.name)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .where(
            Enrolment.course_id == course_id,
            Enrolment.role == "learner",
            Enrolment.state == "active",
            Person.is_test.is_(False),
        )
    )
    return dict(session.execute(query).all())


def _facts(
    session: Session, definition: RuleDefinition, people: Mapping[str, str]
) -> defaultdict[str, dict[str, _Fact]]:
    """By person and assessment, only for what the rule names. This runs over whole courses, so
    numbers stay text until a result is seen that was not seen before."""
    clauses: defaultdict[str, list[Clause]] = defaultdict(list)
    for clause in definition.clauses:
        clauses[clause.assessment].append(clause)
    query = select(
        Result.person_id,
        Result.assessment_id,
        type_coerce(Result.raw, String),
        type_coerce(Result.maximum, String),
        Result.posted,
        Result.excused,
    ).where(Result.assessment_id.in_(clauses))
    known: dict[tuple[Any, ...], _Fact] = {}
    found: defaultdict[str, dict[str, _Fact]] = defaultdict(dict)
    for person, assessment, raw, maximum, posted, excused in session.connection().execute(query):
        if person in people:
            key = (assessment, raw, maximum, posted, excused)
            fact = known.get(key)
            if fact is None:
                fact = known[key] = _fact(clauses[assessment], raw, maximum, posted, excused)
            found[person][assessment] = fact
    return found


def _fact(
    clauses: Sequence[Clause], raw: str | None, maximum: str | None, posted: bool, excused: bool
) -> _Fact:
    score = Score(_number(raw), _number(maximum), posted, excused)
    own = RuleDefinition("all", tuple(clauses))
    reasons = evaluate(own, {clauses[0].assessment: score}).reasons
    percent = score.percent
    counts = percent is not None and posted and not excused
    return _Fact(
        score,
        _bin(percent) if percent is not None and counts else None,
        sum(reason.state == "met" for reason in reasons),
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _spread(definition: RuleDefinition, facts: Mapping[str, Mapping[str, _Fact]]) -> dict[str, Any]:
    """By assessment: who reaches at least one of its marks, how many are graded, and where."""
    histogram = {clause.assessment: [0] * BINS for clause in definition.clauses}
    reached = dict.fromkeys(histogram, 0)
    for row in facts.values():
        for assessment, fact in row.items():
            reached[assessment] += fact.met > 0
            if fact.bin is not None:
                histogram[assessment][fact.bin] += 1
    graded = {assessment: sum(bins) for assessment, bins in histogram.items()}
    return {"graded": graded, "histogram": histogram, "reached": reached}


def _bin(percent: Decimal) -> int:
    return min(BINS - 1, max(0, int(percent // BINS)))
