"""DECIDE, AWARD and SIGN: rules over what changed, awards that are unique, credentials once.

Deciding and awarding are one transaction per group of learners. Signing is a job of its own:
``claim`` reserves everything that the bytes depend on, ``run`` signs outside any transaction and
keeps the credential together with its deliveries.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from app.credentials import issuers, issuing
from app.db import insert_new
from app.errors import Invalid
from app.models import (
    Achievement,
    AchievementVersion,
    Award,
    Credential,
    Issuer,
    Person,
    StatusList,
    SystemFact,
)
from app.pipeline import outbox
from app.pipeline.campus import Batch, Campus

log = structlog.get_logger()
GROUP = 100
LEASE = timedelta(minutes=5)
UNUSABLE = timedelta(hours=6)
"""How long an award rests whose recipient's address cannot be signed."""


def claim(campus: Campus, limit: int = 500) -> list[Batch]:
    """Take awards to be signed: those waiting, and those whose missing e-mail has arrived.

    Reserves their status entries. Awards without an e-mail move to "needs_recipient".
    """
    now = campus.clock()
    groups: dict[str, list[Award]] = defaultdict(list)
    with campus.db.transaction() as session:
        for award, issuer_id, email in _due(session, now, limit):
            if not email:
                award.state, award.lease_until = "needs_recipient", None
                continue
            award.state, award.lease_until = "waiting", now + LEASE
            groups[issuer_id].append(award)
        for issuer_id, awards in groups.items():
            issuers.reserve_status(session, session.get_one(Issuer, issuer_id), awards)
        return [
            Batch("sign", key, tuple(a.id for a in part), int(now.timestamp() * 1000))
            for key, awards in groups.items()
            for part in _parts(awards)
        ]


def _parts(awards: list[Award]) -> list[list[Award]]:
    return [awards[start : start + GROUP] for start in range(0, len(awards), GROUP)]


def _due(session: Session, now: datetime, limit: int) -> list[tuple[Award, str, str | None]]:
    query = (
        select(Award, Achievement.issuer_id, Person.email)
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Person, Person.id == Award.person_id)
        .where(
            or_(
                Award.state == "waiting",
                and_(Award.state == "needs_recipient", Person.email.like("%_@_%")),
            ),
            or_(Award.lease_until.is_(None), Award.lease_until < now),
        )
        .order_by(Award.awarded_at, Award.id)
        .limit(limit)
        .with_for_update(of=Award, skip_locked=True)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def reap(campus: Campus) -> int:
    """Nothing to give back: an expired lease is claimed again by itself."""
    del campus
    return 0


def leased(campus: Campus) -> list[str]:
    """Awards that are being signed."""
    with campus.db.reading() as session:
        query = select(Award.id).where(Award.state == "waiting", Award.lease_until > campus.clock())
        return list(session.scalars(query))


def release(campus: Campus, ids: Sequence[str]) -> int:
    """What a worker that is known to be dead held among ``ids`` can be claimed at once."""
    with campus.db.transaction() as session:
        held = update(Award).where(Award.id.in_(ids), Award.state == "waiting")
        freed = held.values(lease_until=None).returning(Award.id)
        return len(session.scalars(freed).all())


@dataclass(frozen=True)
class _Work:
    """One award with everything that its credential says."""

    award: Award
    version: AchievementVersion
    issuer: Issuer
    list_number: int
    email: str


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Sign the awards ``ids`` and queue their deliveries. Safe to repeat at any point."""
    with campus.db.reading() as session:
        work = _load(session, ids)
        keys = {w.issuer.id: issuing.signers(session, campus.box, w.issuer.id) for w in work}
    now = campus.clock()
    sealed: dict[str, dict[str, object]] = {}
    unusable: list[str] = []
    for item in work:
        try:
            sealed[item.award.id] = _seal(campus, item, keys[item.issuer.id], now)
        except Invalid as error:
            log.warning("award-not-signable", award=item.award.id, code=error.code)
            unusable.append(item.award.id)
    with campus.db.transaction() as session:
        _keep(campus, session, sealed, now)
        session.execute(
            update(Award)
            .where(Award.id.in_(unusable), Award.state == "waiting")
            .values(state="needs_recipient", lease_until=now + UNUSABLE)
        )


def _load(session: Session, ids: Sequence[str]) -> list[_Work]:
    query = (
        select(Award, AchievementVersion, Issuer, StatusList.number, Person.email)
        .join(
            AchievementVersion,
            and_(
                AchievementVersion.achievement_id == Award.achievement_id,
                AchievementVersion.number == Award.achievement_version,
            ),
        )
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Issuer, Issuer.id == Achievement.issuer_id)
        .join(StatusList, StatusList.id == Award.status_list_id)
        .join(Person, Person.id == Award.person_id)
        .where(Award.id.in_(ids), Award.state == "waiting", Person.email.is_not(None))
    )
    return [
        _Work(award, version, issuer, number, email or "")
        for award, version, issuer, number, email in session.execute(query)
    ]


def _seal(campus: Campus, item: _Work, keys: issuing.Signers, now: datetime) -> dict[str, object]:
    """The row of the signed credential; its id follows from the award's."""
    credential_id = str(uuid.uuid5(uuid.UUID(item.award.id), "credential-1"))
    facts = issuing.compose(
        credential_id=credential_id,
        award=item.award,
        version=item.version,
        issuer=item.issuer,
        list_number=item.list_number,
        email=item.email,
        public_url=campus.settings.public_url,
    )
    sealed = issuing.seal(facts, keys, now, fast=item.version.fast)
    return {
        "id": credential_id,
        "award_id": item.award.id,
        "number": 1,
        "document": sealed.document,
        "sha256": sealed.sha256,
        "jwt": sealed.jwt,
        "contexts": sealed.contexts,
        "issued_at": now,
    }


def _keep(
    campus: Campus, session: Session, sealed: dict[str, dict[str, object]], now: datetime
) -> None:
    """Credential, state and deliveries of each award, in one transaction."""
    query = select(Award).where(Award.id.in_(sealed), Award.state == "waiting").with_for_update()
    awards = {award.id: award for award in session.scalars(query)}
    new = insert_new(session, Credential, [sealed[award_id] for award_id in awards])
    issued = [awards[a] for a in awards if sealed[a]["id"] in new]
    for award in issued:
        award.state, award.lease_until = "issued", None
    if not issued:
        return
    _record_public_url(session, campus.settings.public_url, now)
    _first_lists(campus, session, {str(a.status_list_id) for a in issued}, now)
    outbox.queue(session, issued, now)


def _record_public_url(session: Session, public_url: str, now: datetime) -> None:
    """From the first credential on the address is part of what verifiers rely on."""
    if session.get(SystemFact, "public_url") is None:
        session.add(SystemFact(key="public_url", value=public_url, at=now))


def _first_lists(campus: Campus, session: Session, ids: set[str], now: datetime) -> None:
    """A credential never goes out before its status list can be fetched."""
    query = select(StatusList).where(StatusList.id.in_(ids), StatusList.signed.is_(None))
    for status_list in session.scalars(query.with_for_update()):
        issuers.sign_status_list(session, campus.box, campus.settings.public_url, status_list, now)
