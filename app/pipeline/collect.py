"""COLLECT: read a course's roster and grades, keep what changed, decide those whom it concerns.

A run is a row: the schedule, a button or a publication asks for one, a worker carries it out, the
page shows its progress. The network is used between transactions only; every column is kept as
soon as it is read, so a failure half-way loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import AppError, NotFound
from app.gradebook import store
from app.gradebook.port import CourseRef, GradeSource, SourceColumn
from app.models import (
    CollectRun,
    Course,
    Deployment,
    Enrolment,
    EnrolmentChange,
    Learner,
    Person,
    Platform,
)
from app.pipeline.campus import Batch, Campus
from app.pipeline.decide import decide_course, mark_stale
from app.pipeline.roster import sync_roster

log = structlog.get_logger()
LEASE = timedelta(minutes=15)
MAX_ATTEMPTS = 20
"""Workers that may die over one reading before it is given up (the next one is due anyway)."""
RUNNING = ("waiting", "running")


def request(campus: Campus, course_id: str, trigger: str) -> str:
    """Ask for a reading; returns the id of the run, which may be one that is under way."""
    with campus.db.transaction() as session:
        course = session.scalar(select(Course).where(Course.id == course_id).with_for_update())
        if course is None:
            raise NotFound("course-unknown", "There is no such course.")
        return _request(session, course, trigger, campus.clock())


def _request(session: Session, course: Course, trigger: str, now: datetime) -> str:
    """A publication needs a run that begins after it, so a running one is not enough then."""
    states = ("waiting",) if trigger == "publish" else RUNNING
    present = session.scalar(
        select(CollectRun.id).where(CollectRun.course_id == course.id, CollectRun.state.in_(states))
    )
    if present is not None:
        return present
    run = CollectRun(id=new_id(), course_id=course.id, trigger=trigger, created_at=now)
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
            _request(session, course, "schedule", now)
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
            .where(CollectRun.state == "waiting", CollectRun.course_id.not_in(busy))
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
            course_id = row.course_id if row and row.state == "running" else None
        if course_id is None:
            continue
        try:
            _read_course(campus, run_id, course_id)
        except AppError as error:
            log.warning("collect-failed", course=course_id, code=error.code)
            _finish(campus, run_id, course_id, error)
        else:
            _finish(campus, run_id, course_id, None)


def _read_course(campus: Campus, run_id: str, course_id: str) -> None:
    with campus.db.reading() as session:
        course = course_ref(session, course_id)
    if course.services.get("memberships"):
        sync_roster(campus, course_id)
    sources = [source for source in campus.sources.values() if source.serves(course)]
    columns = {source.key: _columns(campus, source, course) for source in sources}
    _progress(campus, run_id, total=sum(len(found) for found in columns.values()))
    for source in sources:
        for column, assessment_id in columns[source.key]:
            changed = _read_column(campus, source, course, column, assessment_id)
            _progress(campus, run_id, done=1, changed=changed)
    _progress(campus, run_id, awarded=decide_course(campus, course_id))


def course_ref(session: Session, course_id: str) -> CourseRef:
    """What grade sources may know of a course."""
    course = session.get_one(Course, course_id)
    platform_id = session.scalars(
        select(Platform.id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .where(Deployment.id == course.deployment_id)
    ).one()
    return CourseRef(course.id, platform_id, course.context_id, dict(course.services))


def _columns(
    campus: Campus, source: GradeSource, course: CourseRef
) -> list[tuple[SourceColumn, str]]:
    """List a source's columns, leave ours out, keep the rest."""
    found = source.columns(course)
    with campus.db.transaction() as session:
        own = store.own_urls(session, course.course_id)
        real = [column for column in found if not store.is_own(column, own)]
        ids = store.store_columns(session, course.course_id, source.key, real, campus.clock())
    return [(column, ids[column.external_id]) for column in real]


def _read_column(
    campus: Campus,
    source: GradeSource,
    course: CourseRef,
    column: SourceColumn,
    assessment_id: str,
) -> int:
    """Read one column completely, then keep its differences; returns how many results changed."""
    scores = list(source.scores(course, column))
    now = campus.clock()

    def keep(session: Session) -> int:
        people = _people(session, course.course_id)
        unknown = {score.user for score in scores} - people.keys()
        people |= _admit(session, course.course_id, unknown, now)
        stored = store.store_scores(session, assessment_id, source.key, scores, people, now)
        mark_stale(session, course.course_id, sorted(stored.changed))
        return len(stored.changed)

    # A first launch at the same moment may bring the same person in.
    return campus.db.settle(keep)


def _people(session: Session, course_id: str) -> dict[str, str]:
    query = (
        select(Person.sub, Person.id)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .where(Enrolment.course_id == course_id)
    )
    return dict(session.execute(query).all())


def _admit(session: Session, course_id: str, subs: Iterable[str], now: datetime) -> dict[str, str]:
    """People who have a grade but stand on no roster that we may read: kept as learners.

    Only learners have results (AGS 2.0, 3.3), and a grade must not be lost because the roster
    service was not granted.
    """
    wanted = sorted(subs)
    if not wanted:
        return {}
    course = session.get_one(Course, course_id)
    installation_id = session.scalars(
        select(Platform.installation_id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .where(Deployment.id == course.deployment_id)
    ).one()
    query = select(Person).where(Person.installation_id == installation_id, Person.sub.in_(wanted))
    known = {person.sub: person for person in session.scalars(query)}
    for sub in wanted:
        person = known.get(sub) or _stranger(session, installation_id, sub, now)
        known[sub] = person
        enrolment = Enrolment(id=new_id(), course_id=course_id, person_id=person.id, role="learner")
        session.add(enrolment)
        session.flush()
        session.add(
            EnrolmentChange(
                enrolment_id=enrolment.id, at=now, role="learner", state="active", source="grades"
            )
        )
    session.flush()
    return {sub: known[sub].id for sub in wanted}


def _stranger(session: Session, installation_id: str, sub: str, now: datetime) -> Person:
    learner = Learner(id=new_id(), created_at=now)
    person = Person(
        id=new_id(),
        installation_id=installation_id,
        sub=sub,
        learner=learner,
        created_at=now,
    )
    session.add(person)
    return person


def _progress(
    campus: Campus,
    run_id: str,
    *,
    total: int | None = None,
    done: int = 0,
    changed: int = 0,
    awarded: int = 0,
) -> None:
    values: dict[object, object] = {
        CollectRun.done: CollectRun.done + done,
        CollectRun.changed: CollectRun.changed + changed,
        CollectRun.awarded: CollectRun.awarded + awarded,
        CollectRun.lease_until: campus.clock() + LEASE,
    }
    if total is not None:
        values |= {CollectRun.total: total, CollectRun.done: 0}
    with campus.db.transaction() as session:
        session.execute(update(CollectRun).where(CollectRun.id == run_id).values(values))


def _finish(campus: Campus, run_id: str, course_id: str, error: AppError | None) -> None:
    now = campus.clock()
    with campus.db.transaction() as session:
        row = session.get_one(CollectRun, run_id)
        row.state = "failed" if error else "done"
        row.finished_at, row.lease_until = now, None
        if error:
            row.problem = {"code": error.code, "message": error.message, "fix": error.fix}
        else:
            session.get_one(Course, course_id).collected_at = now
