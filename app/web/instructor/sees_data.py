"""What the page about grade sources reads: a fixed number of queries, however large the course."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.gradebook.csv_upload import KEY as FILE
from app.models import (
    Assessment,
    ColumnSource,
    CourseSource,
    GradeAccess,
    GradeGrant,
    Person,
    Rule,
    RuleVersion,
)
from app.pipeline import sources, token_sources
from app.pipeline.campus import Campus
from app.pipeline.sources import Connectable

AGS = "ags"


@dataclass(frozen=True)
class SourceLine:
    """One way to grades: ``way`` is launch (nothing to do), consent, token or file.

    ``state``: on | lost | off (never connected or disconnected) | unready (the operator's turn).
    """

    key: str
    label: str
    way: str
    state: str
    row: CourseSource | None
    who: str
    """Whose authorisation it is; may be empty."""
    columns: int
    """How many columns it leads."""


@dataclass(frozen=True)
class ColumnLine:
    """One assessment with the labels of all its sources, the leading one first."""

    assessment: Assessment
    labels: Sequence[str]
    used: bool
    """A rule counts it."""


def source_lines(campus: Campus, session: Session, course_id: str, lms: str) -> list[SourceLine]:
    """Every way that this LMS has, connected or not."""
    rows = {
        row.source: row
        for row in session.scalars(select(CourseSource).where(CourseSource.course_id == course_id))
    }
    names = _grant_names(session, rows)
    counts = dict(
        session.execute(
            select(Assessment.source, func.count())
            .where(Assessment.course_id == course_id, Assessment.state == "active")
            .group_by(Assessment.source)
        ).all()
    )
    token = token_sources.source_of(campus, lms)
    installation = token_sources.installation_of(session, course_id).id
    ways = [(one.key, one.label, "consent") for one in sources.offered(campus, lms)]
    ways += [(token.key, token.label, "token")] if token else []
    lines = [_launched(rows.get(AGS), counts.get(AGS, 0))]
    for key, label, way in ways:
        access = token_sources.access_of(session, installation, key)
        state = _state(rows.get(key), access, way)
        lines.append(
            SourceLine(
                key, label, way, state, rows.get(key), names.get(key, ""), counts.get(key, 0)
            )
        )
    state = "on" if counts.get(FILE) else "off"
    lines.append(SourceLine(FILE, "", "file", state, None, "", counts.get(FILE, 0)))
    return lines


def connected_line(session: Session, course_id: str, source: Connectable) -> SourceLine | None:
    """One source that somebody connected; None when nobody did."""
    row = session.scalar(
        select(CourseSource).where(
            CourseSource.course_id == course_id, CourseSource.source == source.key
        )
    )
    if row is None or row.grant_id is None:
        return None
    query = select(func.count()).where(
        Assessment.course_id == course_id,
        Assessment.source == source.key,
        Assessment.state == "active",
    )
    state = _state(row, None, "consent")
    columns = session.scalar(query) or 0
    return SourceLine(source.key, source.label, "consent", state, row, "", columns)


def _launched(row: CourseSource | None, columns: int) -> SourceLine:
    return SourceLine(AGS, "LTI", "launch", "on" if row else "off", row, "", columns)


def _state(row: CourseSource | None, access: GradeAccess | None, way: str) -> str:
    if access is not None and access.state != "active":
        return "unready"
    if row is not None and row.state in ("active", "lost") and row.grant_id is not None:
        return "on" if row.state == "active" else "lost"
    return "unready" if access is None and way == "consent" else "off"


def _grant_names(session: Session, rows: Mapping[str, CourseSource]) -> dict[str, str]:
    ids = {row.grant_id: key for key, row in rows.items() if row.grant_id}
    query = (
        select(GradeGrant.id, GradeGrant.name, Person.name)
        .outerjoin(Person, Person.id == GradeGrant.person_id)
        .where(GradeGrant.id.in_(ids))
    )
    return {ids[one]: name or other or "" for one, name, other in session.execute(query)}


def column_lines(session: Session, course_id: str, labels: Mapping[str, str]) -> list[ColumnLine]:
    """The present assessments in the order of the gradebook."""
    shown: defaultdict[str, list[str]] = defaultdict(list)
    query = select(ColumnSource.assessment_id, ColumnSource.source).where(
        ColumnSource.course_id == course_id, ColumnSource.state == "active"
    )
    for assessment_id, source in session.execute(query):
        shown[assessment_id].append(source)
    used = _used(session, course_id)
    assessments = session.scalars(
        select(Assessment)
        .where(Assessment.course_id == course_id, Assessment.state == "active")
        .order_by(Assessment.position, Assessment.title)
    )
    lines = []
    for one in assessments:
        others = sorted(set(shown[one.id]) - {one.source})
        names = [labels.get(key, key) for key in (one.source, *others)]
        lines.append(ColumnLine(one, names, one.id in used))
    return lines


def _used(session: Session, course_id: str) -> set[str]:
    """Assessments that a published or drafted rule counts."""
    query = (
        select(RuleVersion.definition)
        .join(Rule, Rule.id == RuleVersion.rule_id)
        .where(Rule.course_id == course_id, Rule.state != "stopped")
    )
    return {
        clause["assessment"]
        for definition in session.scalars(query)
        for clause in definition.get("clauses", ())
        if clause.get("assessment")
    }


def freshest(lines: Sequence[SourceLine]) -> datetime | None:
    """When anything was last read to its end."""
    times = [line.row.read_at for line in lines if line.row and line.row.read_at]
    return max(times, default=None)
