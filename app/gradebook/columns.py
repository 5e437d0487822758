"""Keep the columns that sources list: one assessment per real column, however many sources show it.

An assessment is the column itself; ``ColumnSource`` rows say through which sources it is seen, and one
of them leads. Rules point to the assessment, so a richer source that is connected later joins the row
that is there (same LTI resource link) and takes the lead: the mapping goes on working.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.gradebook.port import OWN_TAG, SourceColumn
from app.models import Assessment, ColumnSource, CourseColumn

CALCULATED = ("quiz", "assignment", "discussion")
"""Kinds that a teacher makes: such a column is never ours, whatever it is called."""


@dataclass(frozen=True)
class OwnColumns:
    """By what the columns that Tassel made in a course are known."""

    urls: frozenset[str]
    items: frozenset[str]
    """``item:<id>`` identities: the LMS's own ids, read from the line item URLs."""
    labels: frozenset[str]

    def holds(self, column: SourceColumn) -> bool:
        """Whether Tassel made this column: such a one is no assessment, in no source.

        Tag and resource id are ours alone. A source without both (the LMS's own interface) is told by
        the column's id; where the LMS has none in common, by the label on a column without an
        activity. That may leave out a column that a teacher named exactly like a badge, which is the
        safe side: a badge that earns itself is not.
        """
        marks = (column.tag or "", column.resource_id or "")
        if any(mark.startswith(OWN_TAG) for mark in marks):
            return True
        if column.external_id in self.urls or column.identities & self.items:
            return True
        return column.kind not in CALCULATED and column.title.strip() in self.labels


def own_columns(
    session: Session, course_id: str, native_id: Callable[[str], str | None]
) -> OwnColumns:
    """The columns that Tassel made in a course; ``native_id`` reads the LMS's id from a line item URL."""
    query = select(CourseColumn.url, CourseColumn.label).where(CourseColumn.course_id == course_id)
    rows = session.execute(query).all()
    urls = frozenset(url for url, _ in rows if url)
    items = (native_id(url) for url in urls)
    return OwnColumns(
        urls,
        frozenset(f"item:{item}" for item in items if item),
        frozenset(label.strip() for _, label in rows),
    )


@dataclass(frozen=True)
class Ranks:
    """The sources that serve a course now, the richest with the highest number."""

    ranks: Mapping[str, int]

    def leads(self, source: str, over: str) -> bool:
        """Whether ``source`` takes a column over from ``over``: it is richer, or the other is gone."""
        return source == over or self.ranks[source] > self.ranks.get(over, -1)


@dataclass
class _Shelf:
    """The columns of one course as they are known."""

    rows: dict[tuple[str, str], ColumnSource]
    assessments: dict[str, Assessment]
    by_identity: dict[str, set[str]] = field(default_factory=dict)
    """Identity to assessment ids, columns of other sources only."""

    @classmethod
    def of(cls, session: Session, course_id: str, source: str) -> _Shelf:
        rows = session.scalars(select(ColumnSource).where(ColumnSource.course_id == course_id))
        held = session.scalars(select(Assessment).where(Assessment.course_id == course_id))
        shelf = cls(
            {(row.source, row.external_id): row for row in rows}, {one.id: one for one in held}
        )
        for row in shelf.rows.values():
            if row.source != source:
                for identity in row.identities:
                    shelf.by_identity.setdefault(identity, set()).add(row.assessment_id)
        return shelf

    def same(self, column: SourceColumn, shared: frozenset[str]) -> Assessment | None:
        """The assessment that this column is in another source; None when that is not certain."""
        found = {
            assessment_id
            for identity in column.identities - shared
            for assessment_id in self.by_identity.get(identity, ())
        }
        return self.assessments[found.pop()] if len(found) == 1 else None


def keep_columns(
    session: Session,
    course_id: str,
    source: str,
    columns: Sequence[SourceColumn],
    ranks: Ranks,
    now: datetime,
) -> dict[str, str]:
    """Upsert columns that ``source`` lists; columns of ours must have been taken out.

    Returns ``{external_id: assessment_id}`` of those that it leads. A richer source that is kept later
    may take some over: ``led`` tells when all have been kept.
    """
    shelf = _Shelf.of(session, course_id, source)
    counted = Counter(identity for column in columns for identity in column.identities)
    shared = frozenset(identity for identity, number in counted.items() if number > 1)
    found: dict[str, str] = {}
    for column in columns:
        assessment = _place(session, shelf, course_id, source, column, shared, now)
        if ranks.leads(source, assessment.source):
            _describe(assessment, source, column, now)
            found[column.external_id] = assessment.id
    session.flush()
    return found


def _place(
    session: Session,
    shelf: _Shelf,
    course_id: str,
    source: str,
    column: SourceColumn,
    shared: frozenset[str],
    now: datetime,
) -> Assessment:
    """The assessment of a listed column: its own, the same one in another source, or a new one."""
    row = shelf.rows.get((source, column.external_id))
    assessment = shelf.assessments[row.assessment_id] if row else shelf.same(column, shared)
    if assessment is None:
        assessment = Assessment(
            id=new_id(),
            course_id=course_id,
            source=source,
            external_id=column.external_id,
            title=column.title[:300],
            seen_at=now,
        )
        session.add(assessment)
        session.flush()
        shelf.assessments[assessment.id] = assessment
    if row is None:
        row = ColumnSource(
            course_id=course_id,
            source=source,
            external_id=column.external_id,
            assessment_id=assessment.id,
        )
        session.add(row)
        shelf.rows[(source, column.external_id)] = row
    row.state, row.seen_at = "active", now
    identities = sorted(column.identities)
    if row.identities != identities:
        row.identities = identities
    return assessment


def _describe(assessment: Assessment, source: str, column: SourceColumn, now: datetime) -> None:
    """What the leading source says of the column."""
    assessment.source, assessment.external_id = source, column.external_id
    assessment.title = column.title[:300]
    assessment.maximum = column.maximum
    assessment.position = column.position
    _mark(assessment, column)
    assessment.kind = column.kind[:40]
    assessment.hidden = column.hidden
    assessment.scale = column.scale[:100] if column.scale else None
    assessment.state = "active"
    assessment.seen_at = now


def _mark(assessment: Assessment, column: SourceColumn) -> None:
    """What finds the column again in a copy of the course; a source that does not tell changes nothing."""
    links = (one.removeprefix("link:") for one in column.identities if one.startswith("link:"))
    assessment.tag = (column.tag or "")[:300] or assessment.tag
    assessment.resource_id = (column.resource_id or "")[:300] or assessment.resource_id
    assessment.link_id = min(links, default="")[:300] or assessment.link_id


def led(session: Session, course_id: str, source: str) -> dict[str, str]:
    """``{external_id: assessment_id}`` of the present columns whose grades come from ``source``."""
    query = select(Assessment.external_id, Assessment.id).where(
        Assessment.course_id == course_id,
        Assessment.source == source,
        Assessment.state == "active",
    )
    return dict(session.execute(query).all())


def drop_unlisted(
    session: Session, course_id: str, source: str, listed: frozenset[str], ranks: Ranks
) -> None:
    """Columns that ``source`` does not list any more are gone there; their results stay.

    One that another source still shows is led by that one from now on.
    """
    query = select(ColumnSource).where(
        ColumnSource.course_id == course_id,
        ColumnSource.source == source,
        ColumnSource.state == "active",
    )
    gone = [row for row in session.scalars(query) if row.external_id not in listed]
    for row in gone:
        row.state = "gone"
    session.flush()
    for row in gone:
        assessment = session.get_one(Assessment, row.assessment_id)
        if (assessment.source, assessment.external_id) == (source, row.external_id):
            _hand_over(session, assessment, ranks)


def _hand_over(session: Session, assessment: Assessment, ranks: Ranks) -> None:
    others = session.scalars(
        select(ColumnSource).where(
            ColumnSource.assessment_id == assessment.id, ColumnSource.state == "active"
        )
    )
    serving = [row for row in others if row.source in ranks.ranks]
    if not serving:
        assessment.state = "gone"
        return
    best = max(serving, key=lambda row: ranks.ranks[row.source])
    assessment.source, assessment.external_id = best.source, best.external_id


def release_source(session: Session, course_id: str, source: str) -> None:
    """The course is disconnected from ``source``: the columns that it led are gone, results stay.

    The next reading brings back those that another source shows.
    """
    session.execute(
        update(ColumnSource)
        .where(ColumnSource.course_id == course_id, ColumnSource.source == source)
        .values(state="gone")
    )
    session.execute(
        update(Assessment)
        .where(Assessment.course_id == course_id, Assessment.source == source)
        .values(state="gone")
    )
