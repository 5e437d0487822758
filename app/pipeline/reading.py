"""One reading of one grade source: its columns listed, its pages kept one by one with their cursor.

The network is used between transactions only. Whatever fails, the pages that came stay, and so does
the cursor of the last one: the next reading goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import AppError
from app.gradebook import columns as shelf
from app.gradebook import store, unjoined
from app.gradebook.columns import OwnColumns, Ranks
from app.gradebook.port import (
    Asked,
    CourseRef,
    GradeSource,
    Listing,
    Page,
    Setup,
    SourceColumn,
    SourceScore,
)
from app.lti.platforms import lms_for
from app.models import (
    Assessment,
    Course,
    CourseSource,
    Deployment,
    GradeAccess,
    GradeGrant,
    Installation,
    Platform,
)
from app.pipeline.campus import Campus
from app.pipeline.decide import mark_stale
from app.pipeline.joining import People
from app.pipeline.tombstones import beside

T = TypeVar("T")
LOST = "source-lost"
"""Code of an error that means: somebody must connect again."""
Touch = Callable[[Session, GradeSource, Page, int], None]
"""Called in the transaction of each page with how many results changed: progress and lease."""


def course_ref(session: Session, course_id: str) -> CourseRef:
    """What grade sources may know of a course."""
    course = session.get_one(Course, course_id)
    platform_id = session.scalars(
        select(Platform.id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .where(Deployment.id == course.deployment_id)
    ).one()
    setups = {
        row.source: Setup(base_url, row.course_key, row.grant_id)
        for row, base_url in session.execute(_connected(course_id))
    }
    return CourseRef(course.id, platform_id, course.context_id, dict(course.services), setups)


def _connected(course_id: str) -> Select[CourseSource, str]:
    """Sources that somebody connected and whose access the operator has not paused."""
    return (
        select(CourseSource, GradeAccess.base_url)
        .join(GradeGrant, GradeGrant.id == CourseSource.grant_id)
        .join(GradeAccess, GradeAccess.id == GradeGrant.access_id)
        .where(
            CourseSource.course_id == course_id,
            CourseSource.state == "active",
            GradeAccess.state == "active",
        )
    )


@dataclass
class Reading:
    """One source in one run."""

    source: GradeSource
    course: CourseRef
    asked: Asked
    listing: Listing
    own: OwnColumns
    ranks: Ranks
    targets: dict[str, str] = field(default_factory=dict)
    """External id to assessment id of the columns that this source leads."""
    met: set[str] = field(default_factory=set)
    """External ids that were listed or came with a page."""
    seen: dict[str, set[str]] = field(default_factory=dict)
    """People met so far in columns that are not complete yet."""


def begin(
    campus: Campus, source: GradeSource, course: CourseRef, ranks: Ranks, *, whole: bool
) -> Reading:
    """List a source's columns and keep them. Raises what the source raises."""
    with campus.db.transaction() as session:
        row = source_row(session, course.course_id, source.key, campus.clock())
        asked = Asked(row.cursor, whole)
        own = _own(session, course.course_id)
    listing = source.columns(course, asked)
    reading = Reading(source, course, asked, listing, own, ranks)
    real = [column for column in listing.columns if not own.holds(column)]
    reading.met |= {column.external_id for column in real}
    now = campus.clock()

    def keep(session: Session) -> None:
        shelf.keep_columns(session, course.course_id, source.key, real, ranks, now)
        if listing.complete:
            met = frozenset(reading.met)
            shelf.drop_unlisted(session, course.course_id, source.key, met, ranks)

    campus.db.settle(keep)
    return reading


def _own(session: Session, course_id: str) -> OwnColumns:
    """What is known of our columns; the LMS's quirks say how its ids stand in its addresses."""
    key = session.scalars(
        select(Installation.lms)
        .join(Platform, Platform.installation_id == Installation.id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .join(Course, Course.deployment_id == Deployment.id)
        .where(Course.id == course_id)
    ).one()
    return shelf.own_columns(session, course_id, lms_for(key).column_id)


def source_row(session: Session, course_id: str, source: str, now: datetime) -> CourseSource:
    """The row of a source in a course, made when it is read for the first time."""
    row = session.scalar(
        select(CourseSource).where(
            CourseSource.course_id == course_id, CourseSource.source == source
        )
    )
    if row is None:
        row = CourseSource(
            id=new_id(), course_id=course_id, source=source, state="active", created_at=now
        )
        session.add(row)
        session.flush()
    return row


def carry_out(campus: Campus, reading: Reading, touch: Touch) -> bool:
    """Read to the end; returns whether the LMS has closed the course.

    Raises what the source raises, after what came before was kept.
    """
    source, course_id = reading.source, reading.course.course_id
    with campus.db.reading() as session:
        reading.targets = shelf.led(session, course_id, source.key)
        people = People.of(session, course_id, campus.box)
    now = campus.clock()
    _settle(campus, people, lambda session: _join_waiting(session, reading, people, now))
    led = [column for column in reading.listing.columns if column.external_id in reading.targets]
    last = Page()
    for page in source.read(reading.course, led, reading.asked):
        keep_page(campus, reading, people, page, touch)
        last = page
    _end(campus, reading, last)
    return last.closed


def keep_page(
    campus: Campus, reading: Reading, people: People, page: Page, touch: Touch
) -> frozenset[str]:
    """Keep one page with its cursor, in one transaction; returns whose results changed."""
    now = campus.clock()
    course_id, met = reading.course.course_id, dict[str, set[str]]()

    def keep(session: Session) -> frozenset[str]:
        _late_columns(session, reading, page.columns, now)
        changed = _keep_scores(session, reading, people, page, met, now)
        mark_stale(session, course_id, sorted(changed))
        if page.cursor is not None:
            source_row(session, course_id, reading.source.key, now).cursor = dict(page.cursor)
        touch(session, reading.source, page, len(changed))
        return changed

    people.learn(page.people)
    changed = _settle(campus, people, keep)
    _remember_met(reading, page, met)
    return changed


def _settle(campus: Campus, people: People, work: Callable[[Session], T]) -> T:
    """A first launch at the same moment may bring the same person in: then look again."""
    tries = 0

    def attempt(session: Session) -> T:
        nonlocal tries
        beside(session)
        if tries:
            people.load(session)
        tries += 1
        return work(session)

    return campus.db.settle(attempt)


def _late_columns(
    session: Session, reading: Reading, columns: Sequence[SourceColumn], now: datetime
) -> None:
    """Columns that the source has only now met."""
    real = [one for one in columns if not reading.own.holds(one)]
    if real:
        reading.met |= {one.external_id for one in real}
        reading.targets |= shelf.keep_columns(
            session, reading.course.course_id, reading.source.key, real, reading.ranks, now
        )


def _keep_scores(
    session: Session,
    reading: Reading,
    people: People,
    page: Page,
    met: dict[str, set[str]],
    now: datetime,
) -> frozenset[str]:
    """Scores to results, those of unknown people to rows that wait, and what is missing emptied.

    ``met`` is filled with whom each column of the page is about.
    """
    course_id, source = reading.course.course_id, reading.source.key
    scores = [score for score in page.scores if score.external_id in reading.targets]
    users = {(one.kind, one.user) for one in scores}
    people.join(session, users, now)
    cells, waiting = _placed(reading, people, scores)
    if waiting:
        unjoined.keep(session, course_id, source, waiting, people.sis_ids, now)
    met.clear()
    for assessment_id, person_id in (*cells, *_unsure(reading, people, page)):
        met.setdefault(assessment_id, set()).add(person_id)
    changed = store.keep_scores(session, source, cells, now)
    return changed | _empty(session, reading, people, page, met, now)


def _placed(
    reading: Reading, people: People, scores: Sequence[SourceScore]
) -> tuple[dict[store.Cell, SourceScore], list[tuple[str, SourceScore]]]:
    """Scores by cell, and those that nobody is known for as ``(assessment id, score)``."""
    cells: dict[store.Cell, SourceScore] = {}
    waiting: list[tuple[str, SourceScore]] = []
    for score in scores:
        assessment_id = reading.targets[score.external_id]
        user = (score.kind, score.user)
        person_id = people.find(user)
        if person_id is not None:
            cells[assessment_id, person_id] = score
        elif user not in people.erased:
            waiting.append((assessment_id, score))
    return cells, waiting


def _unsure(reading: Reading, people: People, page: Page) -> Iterator[store.Cell]:
    for external_id, user in page.unsure:
        person_id = people.find(user)
        if person_id is not None and external_id in reading.targets:
            yield reading.targets[external_id], person_id


def _empty(
    session: Session,
    reading: Reading,
    people: People,
    page: Page,
    met: Mapping[str, set[str]],
    now: datetime,
) -> frozenset[str]:
    """What is missing in a part that is complete now is no grade any more."""
    source, changed = reading.source.key, frozenset[str]()
    for external_id in page.complete_columns & reading.targets.keys():
        column = reading.targets[external_id]
        everybody = reading.seen.get(column, set()) | met.get(column, set())
        changed |= store.empty_column(session, source, column, everybody, now)
    persons = {found for user in page.complete_people if (found := people.find(user))}
    if persons:
        columns = frozenset(reading.targets.values())
        cells = {(column, one) for column, those in met.items() for one in those}
        changed |= store.empty_people(session, source, columns, persons, cells, now)
    return changed


def _remember_met(reading: Reading, page: Page, met: Mapping[str, set[str]]) -> None:
    """Whom the columns were about that are not complete yet."""
    if page.complete_people:
        return
    for column, people in met.items():
        reading.seen.setdefault(column, set()).update(people)
    for external_id in page.complete_columns & reading.targets.keys():
        reading.seen.pop(reading.targets[external_id], None)


def _join_waiting(session: Session, reading: Reading, people: People, now: datetime) -> None:
    """Grades of people who have become known since become results."""
    course_id, source = reading.course.course_id, reading.source.key
    waiting = unjoined.waiting(session, course_id, source)
    people.learn(waiting)
    people.join(session, {(one.kind, one.user) for one in waiting}, now)
    everybody = [(one.kind, one.user) for one in waiting]
    users = [user for user in everybody if user in people.erased or people.find(user)]
    cells = {}
    for assessment_id, score in unjoined.take(session, course_id, source, users):
        person_id = people.find((score.kind, score.user))
        if person_id is not None and assessment_id in reading.targets.values():
            cells[assessment_id, person_id] = score
    changed = store.keep_scores(session, source, cells, now)
    mark_stale(session, course_id, sorted(changed))


def _end(campus: Campus, reading: Reading, last: Page) -> None:
    """The reading came to its end: nothing is wrong with this source."""
    course_id, source, now = reading.course.course_id, reading.source.key, campus.clock()
    with campus.db.transaction() as session:
        row = source_row(session, course_id, source, now)
        row.state, row.read_at, row.problem = "active", now, None
        row.unjoined = unjoined.count(session, course_id, source)
        if last.whole:
            row.whole_at = now
            if not reading.listing.complete:
                met = frozenset(reading.met)
                shelf.drop_unlisted(session, course_id, source, met, reading.ranks)
        session.execute(
            update(Assessment)
            .where(
                Assessment.course_id == course_id,
                Assessment.source == source,
                Assessment.state == "active",
            )
            .values(read_at=now)
        )


def note_problem(campus: Campus, course_id: str, source: str, error: AppError) -> None:
    """A source failed: what came before stays, and the page says what is wrong and who can help."""
    now = campus.clock()
    with campus.db.transaction() as session:
        row = source_row(session, course_id, source, now)
        before = row.problem or {}
        since = before.get("since") if before.get("code") == error.code else None
        row.problem = {
            "code": error.code,
            "message": error.message,
            "fix": error.fix,
            "since": since or now.isoformat(),
        }
        row.unjoined = unjoined.count(session, course_id, source)
        if error.code == LOST:
            row.state = "lost"
