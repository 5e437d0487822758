"""What an app reads of a learner's record: the badges that stand, page by page, and the profile.

What was handed out is noted among the disclosures of each badge, once per consent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.models import AppClient, AppConsent, Award, Credential, Disclosure, Person
from app.pipeline.campus import Campus
from app.wallet import app_tokens
from app.wallet.app_clients import PROFILE, READ

DISCLOSED: Final = "app"
"""Kind of the disclosure of a badge that an app was given."""
READ_MARK: Final = timedelta(minutes=1)
LONGEST: Final = 200
"""Characters of what a disclosure names."""


@dataclass(frozen=True)
class Wanted:
    """Which part of the record is asked for."""

    limit: int
    offset: int
    since: datetime | None
    """Only what was signed after it."""


@dataclass(frozen=True)
class Part:
    """Signed badges in the order of their signing, and how many there are in all."""

    credentials: Sequence[Credential]
    total: int


@dataclass(frozen=True)
class Holder:
    """Who a token stands for, as far as the learner agreed to tell."""

    id: str
    name: str | None
    given_name: str | None
    family_name: str | None
    email: str | None


def read(campus: Campus, access: str, wanted: Wanted) -> Part:
    """A part of the record that an access token opens. Raises WalletRefused."""
    now = campus.clock()

    def look(session: Session) -> Part:
        # Two readings at once stand in line here, else both would note the same.
        consent = app_tokens.by_access(session, access, READ, now, lock=True)
        standing = _standing(session.get_one(Person, consent.person_id).learner_id, now)
        if wanted.since is not None:
            standing = standing.where(Credential.issued_at > wanted.since)
        total = _count(session, standing)
        page = standing.order_by(Credential.issued_at, Credential.id)
        found = session.scalars(page.limit(wanted.limit).offset(wanted.offset)).all()
        _note(session, consent, [one.award_id for one in found], now)
        session.expunge_all()
        return Part(found, total)

    # The learner may be erased meanwhile: the second look then finds no consent.
    return campus.db.settle(look)


def count(session: Session, learner_id: str, now: datetime) -> int:
    """How many badges of a learner an app could read today."""
    return _count(session, _standing(learner_id, now))


def _count(session: Session, standing: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(standing.subquery())) or 0


def _standing(learner_id: str, now: datetime) -> Select[Any]:
    """The newest credential of each award that counts today: not revoked, on hold or over."""
    newer = aliased(Credential)
    replaced = exists().where(
        newer.award_id == Credential.award_id, newer.number > Credential.number
    )
    return (
        select(Credential)
        .join(Award, Award.id == Credential.award_id)
        .where(
            ~replaced,
            Award.learner_id == learner_id,
            Award.state == "issued",
            Award.revoked_at.is_(None),
            Award.held_at.is_(None),
            or_(Award.expires_at.is_(None), Award.expires_at > now),
        )
    )


def _note(session: Session, consent: AppConsent, award_ids: Sequence[str], now: datetime) -> None:
    """For the learner: which badges the app was given, and when it came last."""
    # With the place: apps of the same name are not taken for each other.
    name = session.get_one(AppClient, consent.client_id).name
    app = f"{name} ({consent.place})"[:LONGEST]
    known = select(Disclosure.award_id).where(
        Disclosure.award_id.in_(award_ids),
        Disclosure.kind == DISCLOSED,
        Disclosure.target == app,
        Disclosure.at >= consent.started_at,
    )
    for award_id in set(award_ids) - set(session.scalars(known)):
        session.add(Disclosure(award_id=award_id, kind=DISCLOSED, target=app, at=now))
    if consent.read_at is None or consent.read_at < now - READ_MARK:
        consent.read_at = now
    session.flush()


def holder(campus: Campus, access: str) -> Holder:
    """The profile that an access token opens. Raises WalletRefused."""
    with campus.db.reading() as session:
        consent = app_tokens.by_access(session, access, PROFILE, campus.clock())
        person = session.get_one(Person, consent.person_id)
        return Holder(
            f"urn:uuid:{consent.id}",
            person.name,
            person.given_name,
            person.family_name,
            person.email,
        )
