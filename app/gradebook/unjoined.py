"""Grades of people whom Tassel cannot tell apart yet: kept as rows, turned into results when it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.gradebook.port import IdKind, SourcePerson, SourceScore, User
from app.models import UnjoinedResult

CHUNK = 500


def keep(
    session: Session,
    course_id: str,
    source: str,
    scores: Sequence[tuple[str, SourceScore]],
    sis_ids: Mapping[User, str],
    now: datetime,
) -> None:
    """Keep ``(assessment id, score)`` of unknown people; the last reading of a cell counts."""
    rows = {
        (assessment_id, score.kind, score.user): _row(
            course_id, source, assessment_id, score, sis_ids.get((score.kind, score.user)), now
        )
        for assessment_id, score in scores
    }
    found = list(rows.values())
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if on_sqlite else postgresql.insert
    for start in range(0, len(found), CHUNK):
        statement = insert(UnjoinedResult)
        changing = {
            name: statement.excluded[name]
            for name in found[0]
            if name not in ("assessment_id", "kind", "user")
        }
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["assessment_id", "kind", "user"], set_=changing
            ),
            found[start : start + CHUNK],
        )


def _row(
    course_id: str,
    source: str,
    assessment_id: str,
    score: SourceScore,
    sis_id: str | None,
    now: datetime,
) -> dict[str, Any]:
    return {
        "assessment_id": assessment_id,
        "course_id": course_id,
        "source": source,
        "kind": score.kind,
        "user": score.user[:300],
        "sis_id": sis_id[:200] if sis_id else None,
        "raw": score.raw,
        "maximum": score.maximum,
        "posted": score.posted,
        "excused": score.excused,
        "overridden": score.overridden,
        "locked": score.locked,
        "scale": score.scale,
        "attempt": score.attempt,
        "graded_at": score.graded_at,
        "seen_at": now,
    }


def waiting(session: Session, course_id: str, source: str) -> list[SourcePerson]:
    """Everybody of whom rows wait."""
    query = (
        select(UnjoinedResult.kind, UnjoinedResult.user, func.max(UnjoinedResult.sis_id))
        .where(UnjoinedResult.course_id == course_id, UnjoinedResult.source == source)
        .group_by(UnjoinedResult.kind, UnjoinedResult.user)
    )
    rows = session.execute(query).all()
    return [SourcePerson(user, cast(IdKind, kind), sis_id) for kind, user, sis_id in rows]


def take(
    session: Session, course_id: str, source: str, users: Sequence[User]
) -> list[tuple[str, SourceScore]]:
    """The rows of these people as ``(assessment id, score)``; they wait no more."""
    found: list[tuple[str, SourceScore]] = []
    for kind in {kind for kind, _ in users}:
        names = [user for other, user in users if other == kind]
        for start in range(0, len(names), CHUNK):
            mine = (
                (UnjoinedResult.course_id == course_id)
                & (UnjoinedResult.source == source)
                & (UnjoinedResult.kind == kind)
                & UnjoinedResult.user.in_(names[start : start + CHUNK])
            )
            rows = session.execute(select(UnjoinedResult.__table__).where(mine))
            found += [(row.assessment_id, _score(row, kind)) for row in rows]
            session.execute(delete(UnjoinedResult).where(mine))
    return found


def _score(row: Any, kind: IdKind) -> SourceScore:
    return SourceScore(
        "",
        row.user,
        row.raw,
        row.maximum,
        row.posted,
        row.excused,
        row.graded_at,
        row.scale,
        row.attempt,
        row.overridden,
        row.locked,
        kind,
    )


def count(session: Session, course_id: str, source: str) -> int:
    """How many people have rows that wait."""
    people = (
        select(UnjoinedResult.kind, UnjoinedResult.user)
        .where(UnjoinedResult.course_id == course_id, UnjoinedResult.source == source)
        .distinct()
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(people)) or 0
