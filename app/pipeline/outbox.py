"""The ledger of deliveries as its callers see it: put in, take back, retry, drop.

``queue`` and ``queue_revocations`` run inside the transaction that signs or revokes, so a delivery
exists exactly when its award does. The other verbs are what an operator does on the ledger page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from app import audit
from app.db import insert_new, new_id
from app.delivery import COURSE, MAIL, TARGETS
from app.errors import Conflict, NotFound
from app.lti.vocabulary import LINE_ITEM_SCOPE, SCORE_SCOPE
from app.models import (
    Achievement,
    Attempt,
    Award,
    Connection,
    Course,
    CourseColumn,
    Credential,
    Delivery,
    Deployment,
    Enrolment,
    Installation,
    Learner,
    OptOut,
    Person,
    Platform,
)
from app.pipeline import renewals
from app.pipeline.campus import Campus

_NAMES = UUID("6f7cbb4f-2d0f-4a3c-9a55-0a4f6f6a4f57")
MAIL_OFF = "mail-off"
"""Problem code of the mail connection while no mail server is configured."""
COLUMN_GONE = "column-gone"
"""Code of a delivery whose column somebody deleted in the LMS."""
WITHDRAWABLE = ("waiting", "held", "dead")


def queue(session: Session, awards: Sequence[Award], now: datetime) -> None:
    """One delivery per award and fitting target, in the caller's transaction; safe to repeat."""
    if not awards:
        return
    fits = _Fitting.load(session, awards, now)
    rows = [
        _new(award.id, connection_id, "create", now)
        for award in awards
        for connection_id in fits.connections(award)
    ]
    insert_new(session, Delivery, rows)


def queue_mails(
    session: Session, operations: Mapping[str, str], awards: Sequence[Award], now: datetime
) -> int:
    """One mail of ``operations[award id]`` to each learner who takes mails; safe to repeat.

    An operation happens once per award, so its name tells occasions of a kind apart: ``replace-2``.
    Returns how many are new."""
    if not awards:
        return 0
    fits = _Fitting.load(session, awards, now)
    wanted = [award for award in awards if fits.mail and award.person_id in fits.mailable]
    rows = [_new(a.id, str(fits.mail), operations[a.id], now) for a in wanted]
    return len(insert_new(session, Delivery, rows))


def _new(award_id: str, connection_id: str, operation: str, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "award_id": award_id,
        "connection_id": connection_id,
        "operation": operation,
        "state": "waiting",
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }


@dataclass(frozen=True)
class _Fitting:
    """What decides where the awards of one batch go."""

    always: list[str]
    mail: str | None
    columns: dict[str, str]
    """Course id to the connection of its LMS, for courses that admit a column."""
    wanting: set[str]
    """Achievements that want a column."""
    mailable: set[str]
    """People who have an address and did not opt out."""

    @classmethod
    def load(cls, session: Session, awards: Sequence[Award], now: datetime) -> _Fitting:
        """Read everything once; makes the course connection of an LMS that has none yet."""
        connections = session.scalars(select(Connection).order_by(Connection.id)).all()
        mail = [c for c in connections if c.kind == MAIL and not _is_off(c)]
        always = [c.id for c in connections if c.kind in TARGETS and c.kind not in (COURSE, MAIL)]
        return cls(
            always=always,
            mail=mail[0].id if mail else None,
            columns=_column_connections(session, {a.course_id for a in awards}, now),
            wanting=set(
                session.scalars(
                    select(Achievement.id).where(
                        Achievement.id.in_({a.achievement_id for a in awards}),
                        Achievement.course_column,
                    )
                )
            ),
            mailable=_mailable(session, {a.person_id for a in awards}) if mail else set(),
        )

    def connections(self, award: Award) -> list[str]:
        """Ids of the connections that this award goes to."""
        found = list(self.always)
        if award.achievement_id in self.wanting and award.course_id in self.columns:
            found.append(self.columns[award.course_id])
        if self.mail and award.person_id in self.mailable:
            found.append(self.mail)
        return found


def _is_off(connection: Connection) -> bool:
    return (connection.problem or {}).get("code") == MAIL_OFF


def _column_connections(
    session: Session, course_ids: Iterable[str], now: datetime
) -> dict[str, str]:
    """Course id to connection id, for the courses whose launch offered line items and scores."""
    rows = session.execute(
        select(Course, Installation)
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .join(Installation, Installation.id == Platform.installation_id)
        .where(Course.id.in_(course_ids))
    ).all()
    found: dict[str, str] = {}
    for course, installation in rows:
        scopes = course.services.get("ags_scopes") or ()
        if course.services.get("lineitems") and {LINE_ITEM_SCOPE, SCORE_SCOPE} <= set(scopes):
            found[course.id] = _course_connection(session, installation, now)
    return found


def _course_connection(session: Session, installation: Installation, now: datetime) -> str:
    """The connection for the columns of one LMS; its id follows from the LMS, so one exists."""
    wanted = str(uuid5(_NAMES, f"course:{installation.id}"))
    if session.get(Connection, wanted) is None:
        row = {
            "id": wanted,
            "kind": COURSE,
            "name": f"Course columns in {installation.name}"[:200],
            "config": {"installation_id": installation.id},
            "state": "active",
            "created_at": now,
        }
        insert_new(session, Connection, [row])
    return wanted


def _mailable(session: Session, person_ids: Iterable[str]) -> set[str]:
    opted_out = select(OptOut.learner_id).where(OptOut.kind == "mail")
    return set(
        session.scalars(
            select(Person.id).where(
                Person.id.in_(person_ids),
                Person.email.is_not(None),
                Person.learner_id.not_in(opted_out),
            )
        )
    )


def queue_revocations(session: Session, award: Award, now: datetime) -> None:
    """Take an award back everywhere: drop what was never tried, send a revocation for the rest.

    A delivery that was tried but has no certain answer may have arrived, so it gets a revocation
    too; targets answer "nothing there" as done. The course column is that of all awards of the badge:
    it stays while one of them stands. Who was told of the badge by mail is told of the end.
    """
    rows = session.execute(
        select(Delivery, Connection.kind)
        .join(Connection, Connection.id == Delivery.connection_id)
        .where(Delivery.award_id == award.id, Delivery.operation == "create")
        .with_for_update(of=Delivery)
    ).all()
    tried = set(
        session.scalars(
            select(Attempt.delivery_id)
            .where(Attempt.delivery_id.in_([delivery.id for delivery, _ in rows]))
            .where(Attempt.outcome.is_(None) | (Attempt.outcome != "held"))
        )
    )
    wanted, stays = [], renewals.stands_beside(session, award)
    for delivery, kind in rows:
        if delivery.state in WITHDRAWABLE:
            _set_dropped(delivery)
        keeps = kind == MAIL or (kind == COURSE and stays)
        if not keeps and (delivery.state in ("sent", "sending") or delivery.id in tried):
            wanted.append(delivery.connection_id)
    places = {*wanted, *([] if stays else renewals.sent_beside(session, award, COURSE))}
    insert_new(session, Delivery, [_new(award.id, place, "revoke", now) for place in places])
    signed = select(Credential.id).where(Credential.award_id == award.id)
    if session.scalar(signed.limit(1)) is not None:
        queue_mails(session, {award.id: "revoke"}, [award], now)


def _set_dropped(delivery: Delivery) -> None:
    delivery.state = "dropped"
    delivery.next_at = delivery.lease_until = None


def ensure_mail(session: Session, on: bool, now: datetime) -> None:
    """Make the mail connection follow the settings: there when a server is named, off when not."""
    wanted = str(uuid5(_NAMES, "mail"))
    row = session.get(Connection, wanted)
    if row is None and on:
        fields = {"id": wanted, "kind": MAIL, "name": "Mail to learners", "config": {}}
        insert_new(session, Connection, [fields | {"state": "active", "created_at": now}])
    elif row is not None and on and _is_off(row):
        row.state, row.problem = "active", None
    elif row is not None and not on and not _is_off(row):
        row.state = "paused"
        row.problem = {
            "code": MAIL_OFF,
            "message": "No mail server is configured, so no mail is sent.",
            "fix": "Set TASSEL_SMTP_URL and TASSEL_MAIL_FROM.",
            "who": "the operator of this server",
        }


def retry(campus: Campus, delivery_id: str, actor: str) -> None:
    """Make one delivery due now with a fresh budget of attempts.

    Raises NotFound, or Conflict when it is already sent, dropped or being sent.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        delivery = _locked(session, delivery_id, wake=True)
        if delivery.state not in WITHDRAWABLE:
            raise _refused(delivery)
        if delivery.code == COLUMN_GONE:
            award = session.get_one(Award, delivery.award_id)
            column_again(session, award.course_id, award.achievement_id, now)
        session.execute(_again(now).where(Delivery.id == delivery_id))
        _wake(session, delivery.connection_id)
        audit.record(session, actor, "delivery.retried", f"delivery:{delivery_id}", {}, now)


def column_again(session: Session, course_id: str, achievement_id: str, now: datetime) -> None:
    """Somebody asks for a column that was deleted in the LMS: it is made for all who have the badge.

    Nothing happens where the column is not gone.
    """
    back = session.execute(
        update(CourseColumn)
        .where(
            CourseColumn.course_id == course_id,
            CourseColumn.achievement_id == achievement_id,
            CourseColumn.gone_at.is_not(None),
        )
        .values(gone_at=None)
        .returning(CourseColumn.id)
    )
    if back.first() is None:
        return
    holders = select(Award.id).where(
        Award.course_id == course_id,
        Award.achievement_id == achievement_id,
        Award.state == "issued",
    )
    course = select(Connection.id).where(Connection.kind == COURSE)
    session.execute(
        _again(now).where(
            Delivery.award_id.in_(holders),
            Delivery.connection_id.in_(course),
            Delivery.operation == "create",
            Delivery.state.in_(("sent", "dead", "held")),
        )
    )


def retry_all(campus: Campus, connection_id: str, actor: str) -> int:
    """Make everything of a connection that is dead, held or put off due now; returns how many.

    The connection leaves "attention": whoever asks says that it was mended.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        if session.get(Connection, connection_id, with_for_update=True) is None:
            raise NotFound("no-connection", "There is no such connection.")
        ids = session.scalars(
            _again(now)
            .where(Delivery.connection_id == connection_id, Delivery.state.in_(WITHDRAWABLE))
            .returning(Delivery.id)
        ).all()
        _wake(session, connection_id)
        detail = {"deliveries": len(ids)}
        subject = f"connection:{connection_id}"
        audit.record(session, actor, "deliveries.retried", subject, detail, now)
    return len(ids)


def mended(session: Session) -> Sequence[str]:
    """Ids of the deliveries that were held for a fact which has come in since."""
    student = func.coalesce(Person.sis_id, Learner.sis_id, "") != ""
    facts = (
        and_(Delivery.code == "no-sis-id", student),
        and_(Delivery.code == "no-class-id", Enrolment.section_id.is_not(None)),
        and_(Delivery.code == "no-address", func.coalesce(Person.email, "") != ""),
    )
    query = (
        select(Delivery.id)
        .join(Award, Award.id == Delivery.award_id)
        .join(Person, Person.id == Award.person_id)
        .join(Learner, Learner.id == Award.learner_id)
        .outerjoin(
            Enrolment,
            (Enrolment.course_id == Award.course_id) & (Enrolment.person_id == Award.person_id),
        )
        .where(Delivery.state == "held", or_(*facts))
    )
    return session.scalars(query.limit(500)).all()


def release_held(session: Session, ids: Sequence[str], now: datetime) -> None:
    """Held deliveries are due again."""
    session.execute(_again(now).where(Delivery.id.in_(ids), Delivery.state == "held"))


def drop(campus: Campus, delivery_id: str, actor: str) -> None:
    """Give one delivery up for good. Raises NotFound, or Conflict when it is past dropping."""
    now = campus.clock()
    with campus.db.transaction() as session:
        delivery = _locked(session, delivery_id)
        if delivery.state not in WITHDRAWABLE:
            raise _refused(delivery)
        _set_dropped(delivery)
        audit.record(session, actor, "delivery.dropped", f"delivery:{delivery_id}", {}, now)


def _again(now: datetime) -> Any:
    """An UPDATE that makes deliveries due with a fresh budget; the caller says which."""
    return (
        update(Delivery)
        .values(
            state="waiting",
            attempts=0,
            next_at=now,
            code=None,
            message=None,
            fix=None,
            who=None,
        )
        .execution_options(synchronize_session=False)
    )


def _wake(session: Session, connection_id: str) -> None:
    session.execute(
        update(Connection)
        .where(Connection.id == connection_id, Connection.state == "attention")
        .values(state="active", problem=None)
    )


def _locked(session: Session, delivery_id: str, *, wake: bool = False) -> Delivery:
    """The delivery, kept from other writers. ``wake``: its connection too, and that first, as the
    worker does, so that neither waits for what the other holds."""
    if wake:
        owner = select(Delivery.connection_id).where(Delivery.id == delivery_id)
        session.execute(
            select(Connection.id).where(Connection.id == owner.scalar_subquery()).with_for_update()
        )
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None:
        raise NotFound("no-delivery", "There is no such delivery.")
    return delivery


def _refused(delivery: Delivery) -> Conflict:
    return Conflict(
        "delivery-not-open",
        f"This delivery is {delivery.state}; only one that waits, is held or has failed can change.",
    )
