"""FIND a learner by what the LMS, the SIS or Tassel calls them, letter by letter: for an erasure.

Nobody is found by a part of a name: whoever asks knows whom they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app import audit
from app.delivery import MAIL
from app.models import Award, Connection, Delivery, Learner, Person
from app.pipeline.campus import Campus
from app.pipeline.taking_away import family_of

LONGEST = 300
"""Signs of a name that is looked up; no id is longer."""


@dataclass(frozen=True)
class Sent:
    """What one target holds of a learner: values that an erasure here does not reach."""

    connection: str
    kind: str
    there: int
    """Awards that were sent there and not taken back."""
    under_way: int
    """Deliveries that are still on their way there, of either direction."""


def look_up(campus: Campus, name: str, actor: str) -> list[str]:
    """The same as :func:`learners` for an operator: who was found is written into the audit log."""
    now = campus.clock()
    with campus.db.transaction() as session:
        found = learners(session, name)
        for learner_id in found:
            audit.record(session, actor, "learner.looked-up", f"learner:{learner_id}", {}, now)
    return found


def learners(session: Session, name: str) -> list[str]:
    """Ids of the learners who are called exactly ``name``; those who are one stand for one.

    By the id of the learner or of an account here, the LMS's id (LTI 1.3 or 1.1) or own number, the
    student number, or the e-mail address whatever its case.
    """
    name = name.strip()
    if not name or len(name) > LONGEST:
        return []
    people = select(Person.learner_id).where(
        or_(
            Person.id == name,
            Person.sub == name,
            Person.lms_user_id == name,
            Person.lti11_user_id == name,
            Person.sis_id == name,
            func.lower(Person.email) == name.lower(),
        )
    )
    numbered = select(Learner.id).where(or_(Learner.id == name, Learner.sis_id == name))
    found: list[str] = []
    covered: set[str] = set()
    for learner_id in sorted({*session.scalars(people), *session.scalars(numbered)}):
        if learner_id not in covered:
            found.append(learner_id)
            covered |= family_of(session, learner_id)
    return found


def standing_awards(session: Session, learner_id: str) -> Sequence[str]:
    """Awards of a learner that could still be revoked, so that what was sent is taken back."""
    family = family_of(session, learner_id)
    query = select(Award.id).where(
        Award.learner_id.in_(family), Award.revoked_at.is_(None), Award.state != "superseded"
    )
    return session.scalars(query.order_by(Award.awarded_at, Award.id)).all()


def sent(session: Session, learner_id: str) -> list[Sent]:
    """Where values of a learner are, by connection; mails, which nobody takes back, left out."""
    family = family_of(session, learner_id)
    rows = session.execute(
        select(
            Connection.name, Connection.kind, Delivery.award_id, Delivery.operation, Delivery.state
        )
        .join(Delivery, Delivery.connection_id == Connection.id)
        .join(Award, Award.id == Delivery.award_id)
        .where(Award.learner_id.in_(family), Connection.kind != MAIL)
        .order_by(Connection.name, Connection.id)
    ).all()
    found = []
    for place in dict.fromkeys((row.name, row.kind) for row in rows):
        here = [row for row in rows if (row.name, row.kind) == place]
        arrived = {(row.award_id, row.operation) for row in here if row.state == "sent"}
        there = sum(
            1 for award, what in arrived if what == "create" and (award, "revoke") not in arrived
        )
        under_way = sum(row.state in ("waiting", "sending") for row in here)
        found.append(Sent(*place, there, under_way))
    return found
