"""Keep what a source read: columns, current results and every version of them.

Unchanged rows cost one comparison in memory and no write, so that nothing moves on downstream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.gradebook.port import OWN_TAG, SourceColumn, SourceScore
from app.models import Assessment, CourseColumn, Result, ResultVersion

CHUNK = 1000


@dataclass(frozen=True)
class Stored:
    """What one column brought: how many results changed, of whom, and scores of unknown people."""

    changed: frozenset[str]
    unknown: frozenset[str]


def is_own(column: SourceColumn, own_urls: frozenset[str]) -> bool:
    """Whether Tassel made this column (its tag, or its address): such a one is no assessment."""
    return (column.tag or "").startswith(OWN_TAG) or column.external_id in own_urls


def own_urls(session: Session, course_id: str) -> frozenset[str]:
    """Addresses of the columns that Tassel made in a course."""
    query = select(CourseColumn.url).where(
        CourseColumn.course_id == course_id, CourseColumn.url.is_not(None)
    )
    return frozenset(url for url in session.scalars(query) if url)


def store_columns(
    session: Session, course_id: str, source: str, columns: Sequence[SourceColumn], now: datetime
) -> dict[str, str]:
    """Upsert the columns of one source; return ``{external_id: assessment_id}``.

    Columns that are not listed any more become "gone"; their results stay.
    """
    query = select(Assessment).where(Assessment.course_id == course_id, Assessment.source == source)
    known = {item.external_id: item for item in session.scalars(query)}
    ids: dict[str, str] = {}
    for column in columns:
        item = known.pop(column.external_id, None)
        if item is None:
            item = Assessment(
                id=new_id(), course_id=course_id, source=source, external_id=column.external_id
            )
            session.add(item)
        item.title = column.title[:300]
        item.maximum = column.maximum
        item.position = column.position
        item.state = "active"
        item.seen_at = now
        ids[column.external_id] = item.id
    for item in known.values():
        item.state = "gone"
    session.flush()
    return ids


def store_scores(
    session: Session,
    assessment_id: str,
    source: str,
    scores: Iterable[SourceScore],
    people: Mapping[str, str],
    now: datetime,
) -> Stored:
    """Compare a complete reading of one column with what is known and keep the differences.

    ``people`` maps LTI user ids to person ids. A grade that was there and is missing now becomes
    an empty one. Returns the persons whose result changed.
    """
    known = {
        row.person_id: row
        for row in session.scalars(select(Result).where(Result.assessment_id == assessment_id))
    }
    unknown: set[str] = set()
    fresh: dict[str, SourceScore] = {}
    for score in scores:
        person_id = people.get(score.user)
        if person_id is None:
            unknown.add(score.user)
        else:
            fresh[person_id] = score
    for person_id, row in known.items():
        if person_id not in fresh and row.raw is not None:
            fresh[person_id] = SourceScore("", "", None, row.maximum)
    changed = {
        person_id: score
        for person_id, score in fresh.items()
        if _differs(known.get(person_id), score)
    }
    _write(session, assessment_id, source, changed, known, now)
    return Stored(frozenset(changed), frozenset(unknown))


def _differs(row: Result | None, score: SourceScore) -> bool:
    if row is None:
        return score.raw is not None or score.excused
    return (row.raw, row.maximum, row.posted, row.excused) != (
        score.raw,
        score.maximum,
        score.posted,
        score.excused,
    )


def _write(
    session: Session,
    assessment_id: str,
    source: str,
    changed: Mapping[str, SourceScore],
    known: Mapping[str, Result],
    now: datetime,
) -> None:
    """New rows in bulk, existing ones updated, one version for each."""
    numbers = {p: known[p].version + 1 if p in known else 1 for p in changed}
    ids = {person: known[person].id for person in changed if person in known}
    new, old = [], []
    for person, score in changed.items():
        values = {"version": numbers[person]} | _values(score, now)
        if person in known:
            old.append({"id": ids[person]} | values)
        else:
            new.append({"assessment_id": assessment_id, "person_id": person} | values)
    for start in range(0, len(new), CHUNK):
        rows = session.execute(
            insert(Result).returning(Result.id, Result.person_id), new[start : start + CHUNK]
        )
        ids.update({person: result_id for result_id, person in rows})
    if old:
        session.execute(update(Result), old)
    versions = [
        _version(ids[person], numbers[person], source, score, now)
        for person, score in changed.items()
    ]
    for start in range(0, len(versions), CHUNK):
        session.execute(insert(ResultVersion), versions[start : start + CHUNK])


def _values(score: SourceScore, now: datetime) -> dict[str, Any]:
    return {
        "raw": score.raw,
        "maximum": score.maximum,
        "posted": score.posted,
        "excused": score.excused,
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
        "graded_at": score.graded_at,
        "source": source,
        "seen_at": now,
    }
