"""Keep what a source read: current results and every version of them.

Unchanged rows cost one comparison in memory and no write, so that nothing moves on downstream. Only
the rows that a page touches are looked at: memory stays flat however large the course is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from app.gradebook.port import SourceScore
from app.models import Result, ResultVersion

CHUNK = 1000
Cell = tuple[str, str]
"""Assessment id and person id."""


class _Known(NamedTuple):
    """The current result of a cell."""

    id: int
    version: int
    raw: Decimal | None
    maximum: Decimal | None
    posted: bool
    excused: bool
    attempt: int | None
    graded_at: datetime | None


def keep_scores(
    session: Session, source: str, scores: Mapping[Cell, SourceScore], now: datetime
) -> frozenset[str]:
    """Compare scores with what is known and keep the differences; returns whose result changed."""
    known = _known(session, scores.keys())
    changed = {cell: score for cell, score in scores.items() if differs(known.get(cell), score)}
    _write(session, source, changed, known, now)
    return frozenset(person_id for _, person_id in changed)


def empty_column(
    session: Session, source: str, assessment_id: str, seen: Collection[str], now: datetime
) -> frozenset[str]:
    """A column was read completely: a grade of anybody but ``seen`` is empty now."""
    query = select(Result.person_id, Result.maximum).where(
        Result.assessment_id == assessment_id, _given()
    )
    missing = {
        (assessment_id, person): SourceScore("", "", None, maximum)
        for person, maximum in session.execute(query)
        if person not in seen
    }
    return keep_scores(session, source, missing, now)


def empty_people(
    session: Session,
    source: str,
    assessment_ids: Collection[str],
    people: Collection[str],
    seen: Collection[Cell],
    now: datetime,
) -> frozenset[str]:
    """Everything of these people was read: a grade of theirs outside ``seen`` is empty now."""
    missing: dict[Cell, SourceScore] = {}
    for part in _parts(sorted(people)):
        query = select(Result.assessment_id, Result.person_id, Result.maximum).where(
            Result.person_id.in_(part), _given()
        )
        for assessment_id, person, maximum in session.execute(query):
            cell = (assessment_id, person)
            if assessment_id in assessment_ids and cell not in seen:
                missing[cell] = SourceScore("", "", None, maximum)
    return keep_scores(session, source, missing, now)


def _given() -> ColumnElement[bool]:
    return Result.raw.is_not(None) | Result.excused.is_(True)


def _known(session: Session, cells: Iterable[Cell]) -> dict[Cell, _Known]:
    """The current results of these cells, asked for by column."""
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for assessment_id, person_id in cells:
        wanted[assessment_id].append(person_id)
    columns = (
        Result.person_id, Result.id, Result.version,
        Result.raw, Result.maximum, Result.posted, Result.excused,
        Result.attempt, Result.graded_at,
    )  # fmt: skip
    found: dict[Cell, _Known] = {}
    for assessment_id, people in wanted.items():
        for part in _parts(people):
            query = select(*columns).where(
                Result.assessment_id == assessment_id, Result.person_id.in_(part)
            )
            for row in session.execute(query):
                found[assessment_id, row.person_id] = _Known(*row[1:])
    return found


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts small enough for one statement's parameters."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def differs(row: Result | _Known | None, score: SourceScore) -> bool:
    """Whether a score says anything new about what is known."""
    if row is None:
        return score.raw is not None or score.excused
    values = (row.raw, row.maximum, row.posted, row.excused)
    given = (score.raw, score.maximum, score.posted, score.excused)
    return values != given or _again(row, score)


def _again(row: Result | _Known, score: SourceScore) -> bool:
    """Whether the same value was earned once more: another attempt, or graded later.

    What a source does not tell, or told for the first time, is no difference.
    """
    if score.raw is None:
        return False
    attempts, times = (row.attempt, score.attempt), (row.graded_at, score.graded_at)
    if None not in attempts and row.attempt != score.attempt:
        return True
    return times[0] is not None and times[1] is not None and times[1] > times[0]


def _write(
    session: Session,
    source: str,
    changed: Mapping[Cell, SourceScore],
    known: Mapping[Cell, _Known],
    now: datetime,
) -> None:
    """New rows in bulk, existing ones updated, one version for each."""
    ids = {cell: known[cell].id for cell in changed if cell in known}
    numbers = {cell: known[cell].version + 1 if cell in known else 1 for cell in changed}
    new, old = [], []
    for cell, score in changed.items():
        values = {"version": numbers[cell]} | _values(score, now)
        if cell in ids:
            old.append({"id": ids[cell]} | values)
        else:
            new.append({"assessment_id": cell[0], "person_id": cell[1]} | values)
    for start in range(0, len(new), CHUNK):
        rows = session.execute(
            insert(Result).returning(Result.id, Result.assessment_id, Result.person_id),
            new[start : start + CHUNK],
        )
        ids.update({(assessment, person): result_id for result_id, assessment, person in rows})
    if old:
        session.execute(update(Result), old)
    versions = [
        _version(ids[cell], numbers[cell], source, score, now) for cell, score in changed.items()
    ]
    for start in range(0, len(versions), CHUNK):
        session.execute(insert(ResultVersion), versions[start : start + CHUNK])


def _values(score: SourceScore, now: datetime) -> dict[str, Any]:
    return {
        "raw": score.raw,
        "maximum": score.maximum,
        "posted": score.posted,
        "excused": score.excused,
        "attempt": score.attempt,
        "graded_at": score.graded_at,
        "changed_at": now,
    }


def _version(
    result_id: int, number: int, source: str, score: SourceScore, now: datetime
) -> dict[str, Any]:
    return {
        "result_id": result_id,
        "number": number,
        "raw": score.raw,
        "maximum": score.maximum,
        "scale": score.scale,
        "attempt": score.attempt,
        "posted": score.posted,
        "excused": score.excused,
        "overridden": score.overridden,
        "locked": score.locked,
        "graded_at": score.graded_at,
        "source": source,
        "seen_at": now,
    }
