"""One human, several LMS accounts: joining learners by an equal SIS id.

Only installations that an operator marked authoritative do this. A learner who already has
attainments or awards is never joined by the machine: an operator decides about those.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app import audit
from app.models import Attainment, Award, Learner, Person


def claim_sis_id(session: Session, person: Person, sis_id: str, now: datetime) -> None:
    """Give the person's learner this SIS id, or join it to the learner who has it.

    Audited and reversible (``Learner.joined_into_id``). A learner with another SIS id stays.
    """
    own = session.get_one(Learner, person.learner_id)
    if own.sis_id is not None:
        return
    other = session.scalar(
        select(Learner)
        .where(Learner.sis_id == sis_id, Learner.joined_into_id.is_(None), Learner.id != own.id)
        .order_by(Learner.created_at, Learner.id)
        .limit(1)
    )
    if other is None:
        own.sis_id = sis_id
        return
    join(session, person, other.id, "sis-id", now)


def join(session: Session, person: Person, learner_id: str, why: str, now: datetime) -> None:
    """Give the person another learner, unless its own has a history. Audited and reversible."""
    own = session.get_one(Learner, person.learner_id)
    if own.id == learner_id or _has_history(session, own.id):
        return
    own.joined_into_id = learner_id
    person.learner_id = learner_id
    detail = {"into": learner_id, "person": person.id, "by": why}
    audit.record(session, "system", "learner.joined", f"learner:{own.id}", detail, now)


def _has_history(session: Session, learner_id: str) -> bool:
    attained = exists().where(Attainment.learner_id == learner_id)
    awarded = exists().where(Award.learner_id == learner_id)
    return bool(session.scalar(select(attained | awarded)))
