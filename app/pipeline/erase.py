"""ERASE: everything about one learner goes, from every account of theirs; what stays names nobody.

One transaction takes the rows away and puts up the tombstones, so a process that is killed has
erased all or nothing. What stays: the marks (``tombstones``), the entries of the status lists, and
the audit log, which holds random ids only. Copies elsewhere (the course's gradebook, the SIS,
wallets, files) are out of reach and are not asked back: revoke first where they should go.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import update

from app import audit
from app.errors import NotFound
from app.models import Erasure, Learner, Person
from app.pipeline import erasure_journal, taking_away
from app.pipeline.campus import Campus
from app.pipeline.taking_away import Badges, Erased

__all__ = ["Badges", "Erased", "erase", "learner_of", "lift"]

log = structlog.get_logger()


def erase(campus: Campus, learner_id: str, actor: str, badges: Badges = "kept") -> Erased:
    """Erase a learner with all accounts. ``badges``: whether what others hold stays valid.

    Raises NotFound for somebody who is not (or no longer) here: erasing twice changes nothing.
    """
    now = campus.clock()
    done = taking_away.patiently(
        campus.db,
        lambda session: taking_away.erase_in(campus, session, learner_id, actor, badges, now),
    )
    taking_away.settle_file(campus.db)
    erasure_journal.note(campus)
    log.info("learner-erased", erasure=done.erasure_id, badges=badges)
    return done


def lift(campus: Campus, erasures: Collection[str]) -> int:
    """Somebody who was erased begins afresh; returns how many erasures count no more.

    Nothing comes back: the next launch or list brings the person in as somebody new.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        lifted = session.scalars(
            update(Erasure)
            .where(Erasure.id.in_(erasures), Erasure.lifted_at.is_(None))
            .values(lifted_at=now)
            .returning(Erasure.id)
        ).all()
        for name in sorted(lifted):
            audit.record(session, "system", "erasure.lifted", f"erasure:{name}", {}, now)
    if lifted:
        erasure_journal.note(campus)
    return len(lifted)


def learner_of(campus: Campus, name: str) -> str:
    """The learner of a learner's or a person's id. NotFound for anybody else."""
    with campus.db.reading() as session:
        person = session.get(Person, name)
        if person is not None:
            return person.learner_id
        if session.get(Learner, name) is None:
            raise NotFound(
                "learner-unknown",
                "There is no such learner here.",
                fix="The id stands in the address of the learner's page and in the audit log.",
            )
        return name
