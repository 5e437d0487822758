"""COLLECT: read a course's roster and grades, keep what changed, decide those whom it concerns.

A run is a row: the schedule, a button or a publication asks for one, a worker carries it out, the
page shows its progress. A source that fails never stops another one; one that asks to wait puts the
run off, and it goes on where it stopped (see ``reading``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import AppError, NotFound, UpstreamError
from app.gradebook.columns import Ranks
from app.gradebook.port import GradeSource, Page
from app.models import CollectRun, Course, CourseSource, Deployment, Platform
from app.pipeline import reading
from app.pipeline.campus import Batch, Campus
from app.pipeline.decide import decide_course
from app.pipeline.notices import keep_subscribed
from app.pipeline.roster import sync_roster
from app.pipeline.token_sources import attach_site

log = structlog.get_logger()
LEASE = timedelta(minutes=15)
MAX_ATTEMPTS = 20
"""Workers that may die over one reading before it is given up (the next one is due anyway)."""
RUNNING = ("waiting", "running")
CONCLUDED = "course-concluded"
"""Code of an error that means: the LMS has closed the course."""
REFUSALS = ("lti-not-allowed", "lti-gone", reading.LOST)
"""Codes of errors that a course closed to us gives; when nothing else has come for CLOSED_AFTER, it is."""
CLOSED_AFTER = timedelta(days=7)
MAX_DELAYS = 60
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=30)
"""Bounds of how long a source may put a run off."""


def request(campus: Campus, course_id: str, trigger: str, *, whole: bool = False) -> str:
    """Ask for a reading; returns the id of the run, which may be one that is under way.

    ``whole``: from the beginning, whatever was read before. A closed course is opened again: that
    somebody asks is reason enough to look.
    """
    with campus.db.transaction() as session:
        course = session.scalar(select(Course).where(Course.id == course_id).with_for_update())
        if course is None:
            raise NotFound("course-unknown", "There is no such course.")
        if course.state == "concluded":
            course.state, course.next_collect_at = "active", campus.clock()
        return request_in(session, course, trigger, campus.clock(), whole=whole)


def request_in(
    session: Session, course: Course, trigger: str, now: datetime, *, whole: bool = False
) -> str:
    """The same inside the caller's transaction.

    A publication needs a run that begins after it, so a running one is not enough then.
    """
    states = ("waiting",) if trigger == "publish" else RUNNING
    present = session.scalar(
        select(CollectRun).where(CollectRun.course_id == course.id, CollectRun.state.in_(states))
    )
    if present is not None and (present.state == "waiting" or not whole):
        present.whole = present.whole or whole
        return present.id
    run = CollectRun(id=new_id(), course_id=course.id, trigger=trigger, whole=whole, created_at=now)
    session.add(run)
    session.flush()
    return run.id


def schedule(campus: Campus, limit: int = 100) -> int:
    """Turn courses that are due into waiting runs; returns how many."""
    now = campus.clock()
    with campus.db.transaction() as session:
        query = (
            select(Course)
            .join(Deployment, Deployment.id == Course.deployment_id)
            .join(Platform, Platform.id == Deployment.platform_id)
            .where(
                Course.next_collect_at <= now,
                Course.state == "active",
                Platform.state == "active",
            )
            .order_by(Course.next_collect_at)
            .limit(limit)
            .with_for_update(of=Course, skip_locked=True)
        )
        due = list(session.scalars(query))
        for course in due:
            course.next_collect_at = now + timedelta(minutes=campus.settings.collect_minutes)
            request_in(session, course, "schedule", now)
        return len(due)


def claim(campus: Campus, limit: int = 50) -> list[Batch]:
    """Take waiting runs, one per course at a time; due courses get theirs first."""
    schedule(campus)
    now = campus.clock()
    with campus.db.transaction() as session:
        busy = select(CollectRun.course_id).where(CollectRun.state == "running")
        query = (
            select(CollectRun, Deployment.platform_id)
            .join(Course, Course.id == CollectRun.course_id)
            .join(Deployment, Deployment.id == Course.deployment_id)
            .where(
                CollectRun.state == "waiting",
                CollectRun.course_id.not_in(busy),
                or_(CollectRun.next_at.is_(None), CollectRun.next_at <= now),
            )
            .order_by(CollectRun.created_at)
            .limit(limit)
            .with_for_update(of=CollectRun, skip_locked=True)
        )
        batches = []
        taken: set[str] = set()
        for run, platform_id in session.execute(query):
            if run.course_id in taken:
                continue
            taken.add(run.course_id)
            run.state, run.lease_until, run.attempts = "running", now + LEASE, run.attempts + 1
            run.started_at = run.started_at or now
            batches.append(Batch("collect", platform_id, (run.id,), run.attempts))
        return batches


def reap(campus: Campus) -> int:
    """Runs whose lease has passed wait again; returns how many."""
    now = campus.clock()
    with campus.db.transaction() as session:
        query = select(CollectRun).where(
            CollectRun.state == "running", CollectRun.lease_until < now
        )
        expired = list(session.scalars(query.with_for_update(skip_locked=True)))
        _give_back(expired, now)
        return len(expired)


def leased(campus: Campus) -> list[str]:
    """Runs that are being carried out."""
    with campus.db.reading() as session:
        return list(session.scalars(select(CollectRun.id).where(CollectRun.state == "running")))


def release(campus: Campus, ids: Sequence[str]) -> int:
    """Runs among ``ids`` whose worker is known to be dead wait again."""
    with campus.db.transaction() as session:
        query = select(CollectRun).where(CollectRun.id.in_(ids), CollectRun.state == "running")
        held = list(session.scalars(query.with_for_update()))
        _give_back(held, campus.clock())
        return len(held)


def _give_back(runs: Iterable[CollectRun], now: datetime) -> None:
    """The worker died over these; after MAX_ATTEMPTS a run is shown as failed instead."""
    for run in runs:
        run.lease_until, run.done = None, 0
        run.state = "waiting" if run.attempts < MAX_ATTEMPTS else "failed"
        if run.state == "failed":
            run.finished_at = now
            run.problem = {
                "code": "collect-died",
                "message": "Reading this course stopped the worker several times.",
                "fix": "The operator finds the cause in the log of the worker.",
            }


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Carry out runs. Outside failures end in the run's row, never in an exception."""
    for run_id in ids:
        with campus.db.reading() as session:
            row = session.get(CollectRun, run_id)
            going = row if row and row.state == "running" else None
        if going is None:
            continue
        keep_subscribed(campus, going.course_id)
        try:
            failures = _read_course(campus, going)
        except AppError as error:
            failures = [error]
        for failure in failures:
            log.warning("collect-failed", course=going.course_id, code=failure.code)
        _finish(campus, going, failures)


def _read_course(campus: Campus, run: CollectRun) -> list[AppError]:
    """Roster, columns of every source, then their grades; returns what went wrong on the way."""
    course_id, failures = run.course_id, list[AppError]()
    attach_site(campus, course_id)
    with campus.db.reading() as session:
        course = reading.course_ref(session, course_id)
        done = _done_already(session, run)
        kept = _holding(session, course_id)
    # A run that was put off before it came to a source was put off by the roster.
    if course.services.get("memberships") and (not run.delays or run.source is None):
        sync_roster(campus, course_id)
    serving = [source for source in campus.sources.values() if source.serves(course)]
    ranks = _ranks(campus, serving, kept)
    begun = []
    for source in sorted(serving, key=lambda one: one.rank):
        if source.key not in done:
            # A reading that was put off goes on; one that never began is still to be whole.
            whole = run.whole and not (run.delays and run.source == source.key)
            with _caught(campus, course_id, source, failures):
                begun.append(reading.begin(campus, source, course, ranks, whole=whole))
    for one in begun:
        with _caught(campus, course_id, one.source, failures):
            if reading.carry_out(campus, one, _toucher(campus, run.id)):
                _close(campus, course_id)
    awarded = decide_course(campus, course_id)
    with campus.db.transaction() as session:
        _progress(session, campus, run.id, {CollectRun.awarded: CollectRun.awarded + awarded})
    return failures


@contextmanager
def _caught(
    campus: Campus, course_id: str, source: GradeSource, failures: list[AppError]
) -> Iterator[None]:
    """A source that fails is noted and does not stop the others."""
    try:
        yield
    except AppError as error:
        failures.append(error)
        if not _asks_to_wait(error):
            reading.note_problem(campus, course_id, source.key, error)


def _close(campus: Campus, course_id: str) -> None:
    """The LMS has closed the course: it keeps its awards and is read again only when asked."""
    with campus.db.transaction() as session:
        course = session.get_one(Course, course_id)
        course.state, course.next_collect_at = "concluded", None


def _asks_to_wait(error: AppError) -> bool:
    if not isinstance(error, UpstreamError) or error.permanent:
        return False
    return error.retry_after is not None or error.code == "lti-throttled"


def _done_already(session: Session, run: CollectRun) -> frozenset[str]:
    """Sources that this run, which was put off, has read to the end before."""
    if not run.delays or run.started_at is None:
        return frozenset()
    query = select(CourseSource.source).where(
        CourseSource.course_id == run.course_id, CourseSource.read_at >= run.started_at
    )
    return frozenset(session.scalars(query))


def _holding(session: Session, course_id: str) -> frozenset[str]:
    """Sources that keep their columns though they cannot be read now: what they said still counts."""
    query = select(CourseSource.source).where(
        CourseSource.course_id == course_id, CourseSource.state != "off"
    )
    return frozenset(session.scalars(query))


def _ranks(campus: Campus, serving: Iterable[GradeSource], kept: frozenset[str]) -> Ranks:
    keys = {source.key for source in serving} | (kept & campus.sources.keys())
    return Ranks({key: campus.sources[key].rank for key in keys})


def _toucher(campus: Campus, run_id: str) -> reading.Touch:
    """Progress and lease, written with each page."""

    def touch(session: Session, source: GradeSource, page: Page, changed: int) -> None:
        values = {
            CollectRun.source: source.key,
            CollectRun.unit: source.unit,
            CollectRun.done: page.done,
            CollectRun.total: page.total,
            CollectRun.changed: CollectRun.changed + changed,
        }
        _progress(session, campus, run_id, values)

    return touch


def _progress(session: Session, campus: Campus, run_id: str, values: Mapping[Any, object]) -> None:
    lease = {CollectRun.lease_until: campus.clock() + LEASE}
    session.execute(update(CollectRun).where(CollectRun.id == run_id).values({**values, **lease}))


def _finish(campus: Campus, run: CollectRun, failures: Sequence[AppError]) -> None:
    """Done, failed with its first reason, or put off until a source wants to be asked again."""
    now = campus.clock()
    waits = [error for error in failures if _asks_to_wait(error)]
    errors = [error for error in failures if error not in waits]
    with campus.db.transaction() as session:
        row = session.get_one(CollectRun, run.id)
        course = session.get_one(Course, run.course_id)
        row.lease_until = None
        if errors:
            worst = errors[0]
            row.problem = {"code": worst.code, "message": worst.message, "fix": worst.fix}
        closed = any(error.code == CONCLUDED for error in errors)
        if closed or (errors and _refused_for_long(session, course.id, now)):
            course.state, course.next_collect_at = "concluded", None
        if waits and row.delays < MAX_DELAYS:
            row.state, row.delays = "waiting", row.delays + 1
            row.next_at = now + _delay(waits)
            return
        if waits and not errors:
            worst = waits[0]
            row.problem = {"code": worst.code, "message": worst.message, "fix": worst.fix}
        row.state = "failed" if row.problem else "done"
        row.finished_at = now
        if row.state == "done":
            course.collected_at = now


def _refused_for_long(session: Session, course_id: str, now: datetime) -> bool:
    """Whether every source of the course has refused us for days: then asking on is only noise."""
    query = select(CourseSource.problem).where(
        CourseSource.course_id == course_id, CourseSource.state != "off"
    )
    problems = [found or {} for found in session.scalars(query)]
    return bool(problems) and all(
        found.get("code") in REFUSALS
        and datetime.fromisoformat(found["since"]) <= now - CLOSED_AFTER
        for found in problems
    )


def _delay(waits: Sequence[AppError]) -> timedelta:
    """The longest that a source asked for, within bounds."""
    asked = (error.retry_after or 0 for error in waits if isinstance(error, UpstreamError))
    return min(max(timedelta(seconds=max(asked)), SHORTEST), LONGEST)
