"""What an erasure takes away, and what it leaves: the rows of one learner, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import ColumnElement, and_, delete, false, func, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers
from app.db import Base, Database, insert_new, new_id
from app.errors import NotFound
from app.models import (
    Award,
    Course,
    CourseSource,
    Delivery,
    Deployment,
    Enrolment,
    ErasedEntry,
    Erasure,
    GradeGrant,
    GradeUpload,
    IdempotencyKey,
    Installation,
    Learner,
    Person,
    Platform,
    SpentEntry,
    StatusList,
    UnjoinedResult,
)
from app.pipeline import tombstones
from app.pipeline.campus import Campus
from app.pipeline.fates import GONE, LOOSENED, ROOT, children_first, doomed, points_to_doomed
from app.pipeline.tombstones import Ids, Tombstones

T = TypeVar("T")
Badges = Literal["kept", "revoked"]
TRIES: Final = 8
DEADLOCKS: Final = ("40P01", "40001")
"""SQLSTATE of PostgreSQL: deadlock, serialization failure. Somebody else was not willing to wait."""


@dataclass(frozen=True)
class Erased:
    """How much went: LMS accounts and awards."""

    erasure_id: str
    accounts: int
    awards: int


def patiently(db: Database, work: Callable[[Session], T]) -> T:
    """Do ``work`` in a transaction, again when another one crossed it: nothing is half done then."""
    for _ in range(1, TRIES):
        try:
            with db.transaction() as session:
                return work(session)
        except IntegrityError:
            continue
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in DEADLOCKS:
                raise
    with db.transaction() as session:
        return work(session)


def erase_in(
    campus: Campus, session: Session, learner_id: str, actor: str, badges: Badges, now: datetime
) -> Erased:
    """The same inside the caller's transaction."""
    tombstones.alone(session)
    family = family_of(session, learner_id)
    if not family:
        raise NotFound("learner-unknown", "There is no such learner here.")
    erasure = Erasure(id=new_id(), at=now, badges=badges)
    session.add(erasure)
    session.flush()
    tombstones.key_for(session, campus.box, now)
    known = ids_of(session, family)
    marks = Tombstones[str](session, campus.box)
    for ids in known:
        tombstones.put_up(session, erasure.id, marks.marks(ids))
    accounts = len({(ids.installation_id, ids.sub) for ids in known})
    awards = take_away(campus, session, family, known, badges, now)
    detail = {"accounts": accounts, "awards": awards, "badges": badges}
    audit.record(session, actor, "learner.erased", f"learner:{learner_id}", detail, now)
    return Erased(erasure.id, accounts, awards)


def family_of(session: Session, learner_id: str) -> set[str]:
    """The learner with those that were joined into it or that it was joined into; empty: unknown."""
    found: set[str] = set()
    todo = {learner_id}
    while todo:
        rows = session.execute(
            select(Learner.id, Learner.joined_into_id).where(
                or_(Learner.id.in_(todo), Learner.joined_into_id.in_(todo))
            )
        ).all()
        met = {name for row in rows for name in row if name is not None}
        todo = met - found
        found |= met
    return found


def ids_of(session: Session, family: Collection[str]) -> list[Ids]:
    """What the LMSs call the learners: once per account, once more for each number of the campus."""
    query = (
        select(Person, Installation.sis_authoritative)
        .join(Installation, Installation.id == Person.installation_id)
        .where(Person.learner_id.in_(family))
    )
    people = [(one, trusted) for one, trusted in session.execute(query)]
    numbers = session.scalars(
        select(Learner.sis_id).where(Learner.id.in_(family), Learner.sis_id.is_not(None))
    )
    campus_wide = sorted({number for number in numbers if number})
    own = [
        Ids(
            one.installation_id,
            one.sub,
            one.lms_user_id,
            one.sis_id,
            one.lti11_user_id,
            campus_sis=trusted,
        )
        for one, trusted in people
    ]
    return own + [
        Ids(one.installation_id, one.sub, sis=number, campus_sis=True)
        for one, trusted in people
        for number in campus_wide
        if not trusted or number != one.sis_id
    ]


def take_away(
    campus: Campus,
    session: Session,
    family: Collection[str],
    accounts: Sequence[Ids],
    badges: Badges,
    now: datetime,
) -> int:
    """Every row about the learners goes; returns how many awards there were."""
    awards = session.scalars(select(Award).where(doomed("award", family)).with_for_update()).all()
    _keep_entries(campus, session, awards, badges, now)
    _drop_answers(session, family)
    _drop_previews(session, family)
    _drop_unjoined(session, accounts)
    _forget_places(session, family, accounts)
    _give_up_grants(session, family)
    for name, column in LOOSENED:
        table = Base.metadata.tables[name]
        where = points_to_doomed(table.c[column], family)
        session.execute(update(table).where(where).values({column: None}))
    for award in awards:
        session.expunge(award)
    for table in children_first():
        session.execute(delete(table).where(doomed(table.name, family)))
    return len(awards)


# --- what stays --------------------------------------------------------------------------------


def _keep_entries(
    campus: Campus, session: Session, awards: Sequence[Award], badges: Badges, now: datetime
) -> None:
    """The entries of the status lists stay taken: set for what is revoked, else never to be set."""
    set_ones, others, changed = [], [], set[str]()
    for award in awards:
        if award.status_list_id is None or award.status_index is None:
            continue
        entry = {
            "id": new_id(),
            "status_list_id": award.status_list_id,
            "status_index": award.status_index,
        }
        if award.revoked_at is not None or badges == "revoked":
            set_ones.append(entry | {"reason": "erased", "at": now})
        else:
            others.append(entry)
        if award.revoked_at is None and badges == "revoked":
            changed.add(award.status_list_id)
    insert_new(session, SpentEntry, set_ones)
    insert_new(session, ErasedEntry, others)
    query = select(StatusList).where(StatusList.id.in_(changed)).order_by(StatusList.id)
    for row in session.scalars(query.with_for_update()):
        row.revision += 1
        issuers.sign_status_list(session, campus.keyring, campus.settings.public_url, row, now)


# --- what goes though no key leads to it ---------------------------------------------------------


def _drop_answers(session: Session, family: Collection[str]) -> None:
    """Answers of the API about the learner's deliveries, which are kept for repeats."""
    ids = session.scalars(select(Delivery.id).where(doomed("delivery", family))).all()
    rows = session.execute(
        select(IdempotencyKey.id, IdempotencyKey.body).where(IdempotencyKey.body.is_not(None))
    )
    about = [
        name for name, body in rows if any(one.encode("ascii") in (body or b"") for one in ids)
    ]
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.id.in_(about)))


def _drop_previews(session: Session, family: Collection[str]) -> None:
    """Files with grades that somebody is looking at just now: sealed, so all of these courses go."""
    courses = select(Enrolment.course_id).where(doomed("enrolment", family))
    mine = GradeUpload.person_id.in_(select(Person.id).where(doomed("person", family)))
    session.execute(
        delete(GradeUpload)
        .where(GradeUpload.state == "preview", or_(GradeUpload.course_id.in_(courses), mine))
        .execution_options(synchronize_session=False)
    )


def _drop_unjoined(session: Session, accounts: Iterable[Ids]) -> None:
    statement = delete(UnjoinedResult).where(waiting_for(accounts))
    session.execute(statement.execution_options(synchronize_session=False))


def waiting_for(accounts: Iterable[Ids]) -> ColumnElement[bool]:
    """Grades that wait for somebody with one of these ids, as a condition on UnjoinedResult."""
    return or_(false(), *(_waiting_for(ids) for ids in accounts))


def _waiting_for(ids: Ids) -> ColumnElement[bool]:
    courses = (
        select(Course.id)
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .where(Platform.installation_id == ids.installation_id)
    )
    named: list[ColumnElement[bool]] = [
        and_(UnjoinedResult.kind == kind, UnjoinedResult.user == value)
        for kind, value in (("sub", ids.sub), ("lms", ids.lms), ("sis", ids.sis))
        if value
    ]
    if ids.sis:
        named.append(UnjoinedResult.sis_id == ids.sis)
    return and_(UnjoinedResult.course_id.in_(courses), or_(false(), *named))


def _forget_places(session: Session, family: Collection[str], accounts: Iterable[Ids]) -> None:
    """A reading that was put off may remember this very person as the last one that it read."""
    names = {name for ids in accounts for name in (ids.sub, ids.lms, ids.sis) if name}
    courses = select(Enrolment.course_id).where(doomed("enrolment", family))
    for row in session.scalars(select(CourseSource).where(CourseSource.course_id.in_(courses))):
        if names & {str(value) for value in (row.cursor or {}).values()}:
            row.cursor = None
    session.flush()


def _give_up_grants(session: Session, family: Collection[str]) -> None:
    """Courses that were read with the learner's own rights (of staff): somebody connects them again."""
    grants = select(GradeGrant.id).where(doomed("grade_grant", family))
    session.execute(
        update(CourseSource)
        .where(CourseSource.grant_id.in_(grants), CourseSource.state == "active")
        .values(state="lost")
        .execution_options(synchronize_session=False)
    )


# --- the file of the database --------------------------------------------------------------------


def settle_file(db: Database) -> bool:
    """Whether nothing of what was deleted stays in SQLite's log beside the database file.

    Deleted rows are overwritten where they stood (``secure_delete``, see ``app.db``). The log cannot
    be emptied while somebody reads; the worker tries again each hour.
    """
    if not db.is_sqlite:
        return True
    with db.looking() as connection:
        patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        connection.exec_driver_sql("PRAGMA busy_timeout=1000")
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        connection.exec_driver_sql(f"PRAGMA busy_timeout={patience}")
        return not busy


def count(session: Session, learner_id: str) -> dict[str, int]:
    """How many rows of each kind would go; for the question before."""
    family = family_of(session, learner_id)
    tables = {name: Base.metadata.tables[name] for name in GONE if name != ROOT}
    found: dict[str, int] = {}
    for name, table in tables.items():
        query: Any = select(func.count()).select_from(table).where(doomed(name, family))
        found[name] = session.scalar(query) or 0
    return {name: number for name, number in found.items() if number}
