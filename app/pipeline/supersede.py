"""Replace the credential of an award by a newly signed one; the award and its date stay.

The old credential's status bit is set for ever, its bytes stay where they were, and the new one
gets an entry, a salt and an id of its own. Spending the old entry and queueing the award are one
transaction, so whoever dies in between leaves an award that the worker signs by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import files, issuers
from app.db import new_id
from app.errors import AppError, Conflict, Invalid, NotFound
from app.models import (
    Achievement,
    Award,
    Credential,
    Issuer,
    Person,
    SpentEntry,
    StatusList,
)
from app.pipeline import award as signing
from app.pipeline import sealing
from app.pipeline.campus import Campus

KEY_COMPROMISED: Final = "key-compromised"
REASONS: Final = (
    "recipient",
    "regrade",
    "endorsement",
    "wallet",
    "disclosure",
    KEY_COMPROMISED,
)
"""Why: the holder's name or address changed; a result did; somebody endorsed the badge; it is bound
to a wallet; the learner chose what it tells; a key that signed it was given up."""


def supersede(
    campus: Campus,
    award_id: str,
    reason: str,
    actor: str,
    *,
    replaces: str | None = None,
    subject_id: str | None = None,
) -> str:
    """Sign the award anew; returns the id of the credential that counts from now on.

    ``replaces`` is the id of the credential that the caller looked at. However many ask at once to
    replace the same one, it is replaced once and all get the id of its successor. Without it the
    credential of this moment is meant. ``subject_id`` binds the new one to a wallet: its DID, of
    which the caller has seen the proof. Without it a badge that a wallet took stays bound to that
    wallet. ``validFrom`` stays the time of the award.

    Signs before it returns unless a worker is at it already, or the key does not answer: then the
    worker signs it, and the id is that of the credential to come.

    Raises NotFound; Conflict for an award that is not in force, is being signed, or whose recipient
    has no address; Invalid for an unknown reason.
    """
    with campus.db.transaction() as session:
        award = _locked(session, award_id)
        present = _newest(session, award_id)
        if replaces is not None and (present is None or present.id != replaces):
            return _successor(session, award_id, replaces)
        if replaces is not None and award.state == "waiting":
            return sealing.credential_id(award_id, _number(present) + 1)
        number = _replace(campus, session, award, reason, actor, subject_id)
    return _signed(campus, award_id, number)


def supersede_if(
    campus: Campus, award_id: str, reason: str, actor: str, change: Callable[[Award], bool]
) -> str | None:
    """The same after ``change`` of the locked award; nothing is signed when it returns False.

    The change and the replacement are one transaction. Raises as :func:`supersede` does.
    """
    with campus.db.transaction() as session:
        award = _locked(session, award_id)
        if not change(award):
            return None
        number = _replace(campus, session, award, reason, actor, None)
    return _signed(campus, award_id, number)


def _locked(session: Session, award_id: str) -> Award:
    award = session.get(Award, award_id, with_for_update=True)
    if award is None:
        raise NotFound("award-unknown", "There is no such award.")
    return award


def _replace(
    campus: Campus,
    session: Session,
    award: Award,
    reason: str,
    actor: str,
    subject_id: str | None,
) -> int:
    """Spend the present entry and reserve another; returns the number of the credential to come."""
    present = _newest(session, award.id)
    _check(session, award, reason, subject_id)
    supersede_in(campus, session, [award], reason, actor, campus.clock(), subject_id=subject_id)
    achievement = session.get_one(Achievement, award.achievement_id)
    issuers.reserve_status(session, session.get_one(Issuer, achievement.issuer_id), [award])
    award.lease_until = campus.clock() + signing.LEASE
    return _number(present) + 1


def _signed(campus: Campus, award_id: str, number: int) -> str:
    with suppress(AppError):  # noted on the issuer's page; the worker tries again
        signing.run(campus, [award_id])
    return sealing.credential_id(award_id, number)


def _newest(session: Session, award_id: str) -> Credential | None:
    query = select(Credential).where(Credential.award_id == award_id)
    return session.scalar(query.order_by(Credential.number.desc()).limit(1))


def _number(credential: Credential | None) -> int:
    return credential.number if credential else 0


def _successor(session: Session, award_id: str, replaced: str) -> str:
    """What stands in for a credential of this award that is not the newest any more."""
    old = session.get(Credential, replaced)
    if old is None or old.award_id != award_id:
        raise NotFound("credential-unknown", "This award has no such credential.")
    return files.current(session, award_id).id


def _check(session: Session, award: Award, reason: str, subject_id: str | None) -> None:
    if reason not in REASONS:
        raise Invalid("supersede-reason", f"{reason!r} is no reason to replace a credential.")
    if award.state == "waiting":
        raise Conflict(
            "award-being-signed", "This badge is being signed.", fix="Try again in a minute."
        )
    if award.state != "issued":
        raise Conflict("award-not-in-force", f"This award is {award.state}; nothing replaces it.")
    bound = award.in_wallet or subject_id is not None
    if not bound and not session.get_one(Person, award.person_id).email:
        raise Conflict(
            "no-address",
            "No e-mail address is known for this learner, so nothing new can be signed.",
            fix="Let the LMS share addresses with the tool.",
        )


def supersede_in(
    campus: Campus,
    session: Session,
    awards: Sequence[Award],
    reason: str,
    actor: str,
    now: datetime,
    *,
    subject_id: str | None = None,
    note: Mapping[str, str] | None = None,
) -> list[str]:
    """The same for many inside the caller's transaction; returns the ids of those it concerned.

    ``awards`` are locked. Only issued ones are replaced: their entries are spent, each status list
    is signed once, and the worker signs the awards as it finds them. Nobody's address is needed for
    this, so an award without one ends in "needs_recipient". ``note`` goes into the audit log (ids
    and codes only). Safe to repeat.
    """
    todo = [award for award in awards if award.state == "issued"]
    makers = select(Achievement.issuer_id).where(
        Achievement.id.in_({award.achievement_id for award in todo})
    )
    issuers.lock(session, session.scalars(makers))
    lists = {str(award.status_list_id) for award in todo}
    for award in todo:
        old = _spend(session, award, reason, now)
        award.salt = secrets.token_hex(16)
        award.subject_id = subject_id or award.subject_id
        detail = {"reason": reason, "credential": old, **(note or {})}
        audit.record(session, actor, "credential.replaced", f"award:{award.id}", detail, now)
    session.flush()
    query = select(StatusList).where(StatusList.id.in_(lists)).order_by(StatusList.id)
    for status_list in session.scalars(query.with_for_update()):
        status_list.revision += 1
        issuers.sign_status_list(
            session, campus.keyring, campus.settings.public_url, status_list, now
        )
    return [award.id for award in todo]


def _spend(session: Session, award: Award, reason: str, now: datetime) -> str:
    """The entry of the present credential is set for ever, and the award waits for another.

    Returns the id of that credential.
    """
    assert award.status_list_id is not None
    assert award.status_index is not None
    old = files.current(session, award.id).id
    session.add(
        SpentEntry(
            id=new_id(),
            status_list_id=award.status_list_id,
            status_index=award.status_index,
            credential_id=old,
            reason=reason,
            at=now,
        )
    )
    award.state, award.lease_until, award.lease_by = "waiting", None, None
    award.status_list_id = award.status_index = None
    return old
