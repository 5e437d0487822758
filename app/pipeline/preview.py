"""Who would earn a badge with today's grades, who is close, and why the others would not.

The same rule engine as the real decision, over the same rows; nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.mastery.rules import Decision, RuleDefinition, Score, evaluate
from app.models import Enrolment, Person, Result

BINS = 10


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


def preview(
    session: Session,
    course_id: str,
    definition: RuleDefinition,
    *,
    limit: int = 50,
    offset: int = 0,
) -> Preview:
    """Evaluate ``definition`` for every active learner. Lines: earners, then the closest first."""
    people = _learners(session, course_id)
    scores = _scores(session, definition, set(people))
    verdicts = {person: evaluate(definition, scores[person]) for person in people}
    order = sorted(people, key=lambda p: (verdicts[p].missing, people[p].casefold(), p))
    page = order[offset : offset + limit]
    graded, histogram = _spread(definition, scores)
    return Preview(
        total=len(people),
        earn=sum(v.state == "met" for v in verdicts.values()),
        close=sum(v.missing == 1 for v in verdicts.values()),
        lines=[PersonLine(p, people[p], verdicts[p]) for p in page],
        reached=_reached(verdicts),
        graded=graded,
        histogram=histogram,
    )


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


def _scores(
    session: Session, definition: RuleDefinition, people: set[str]
) -> defaultdict[str, dict[str, Score]]:
    """Only the assessments that the rule names, as plain tuples: this runs over whole courses."""
    wanted = {clause.assessment for clause in definition.clauses}
    query = select(
        Result.person_id,
        Result.assessment_id,
        Result.raw,
        Result.maximum,
        Result.posted,
        Result.excused,
    ).where(Result.assessment_id.in_(wanted))
    scores: defaultdict[str, dict[str, Score]] = defaultdict(dict)
    for person, assessment, raw, maximum, posted, excused in session.execute(query):
        if person in people:
            scores[person][assessment] = Score(raw, maximum, posted, excused)
    return scores


def _reached(verdicts: Mapping[str, Decision]) -> dict[str, int]:
    """By assessment: learners who reach at least one of its pass marks."""
    counts: defaultdict[str, int] = defaultdict(int)
    for verdict in verdicts.values():
        for assessment in {r.assessment for r in verdict.reasons if r.state == "met"}:
            counts[assessment] += 1
    return dict(counts)


def _spread(
    definition: RuleDefinition, scores: Mapping[str, Mapping[str, Score]]
) -> tuple[dict[str, int], dict[str, list[int]]]:
    """How many are graded and where the grades lie, by assessment."""
    histogram = {clause.assessment: [0] * BINS for clause in definition.clauses}
    graded = dict.fromkeys(histogram, 0)
    for row in scores.values():
        for assessment, score in row.items():
            percent = score.percent
            if percent is None or score.excused or not score.posted:
                continue
            graded[assessment] += 1
            histogram[assessment][_bin(percent)] += 1
    return graded, histogram


def _bin(percent: Decimal) -> int:
    return min(BINS - 1, max(0, int(percent // BINS)))
