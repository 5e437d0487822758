"""DECIDE, AWARD and SIGN: rules over what changed, awards that are unique, credentials once.

Deciding and awarding are one transaction per group of learners. Signing is a job of its own:
``claim`` reserves everything that the bytes depend on, ``run`` signs outside any transaction and
keeps the credential together with its deliveries.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from app.credentials import endorsed, issuers, issuing
from app.credentials.keys import KeyKind
from app.credentials.proofs import data_integrity
from app.db import insert_new
from app.errors import AppError, Invalid
from app.models import (
    Achievement,
    AchievementVersion,
    Award,
    Credential,
    Issuer,
    IssuerKey,
    Person,
    StatusList,
    SystemFact,
)
from app.pipeline import holders, keepers, lists, outbox, shown
from app.pipeline.campus import Batch, Campus

log = structlog.get_logger()
GROUP = 100
LEASE = timedelta(minutes=5)
AHEAD = 300
"""So many awards at most are jobs of the engine: others can sign the rest beside it, and none waits
there until its lease runs out."""
FREE: dict[str, None] = {"lease_until": None, "lease_by": None}
RESTS = "rest"
"""Holder of what waits for the next try of a key that did not sign."""
UNUSABLE = timedelta(hours=6)
"""How long an award rests whose recipient's address cannot be signed."""


def claim(
    campus: Campus,
    limit: int = 500,
    *,
    holder: str | None = None,
    without: Collection[str] = (),
) -> list[Batch]:
    """Take awards to be signed: those waiting, and those whose missing e-mail has arrived.

    Reserves their status entries. Awards without an e-mail move to "needs_recipient", unless they
    are made out to a wallet.

    :param holder: the process that signs them by itself; without it they are jobs of the engine, of
        which there are never more than :data:`AHEAD` awards.
    :param without: ids of issuers to leave alone.
    """
    now = campus.clock()
    groups: dict[str, list[Award]] = defaultdict(list)
    with campus.db.transaction() as session:
        room = limit if holder else min(limit, AHEAD - _engines(session, now))
        # Any number of awards without an address may stand before the first that has one.
        while not groups and (due := _due(session, now, room, without)):
            for award, issuer_id, email in due:
                if not email and not award.in_wallet:
                    award.state, award.lease_until, award.lease_by = "needs_recipient", None, None
                    continue
                award.state, award.lease_until, award.lease_by = "waiting", now + LEASE, holder
                groups[issuer_id].append(award)
            session.flush()
        for issuer_id, awards in groups.items():
            issuers.reserve_status(session, session.get_one(Issuer, issuer_id), awards)
        return [
            Batch("sign", key, tuple(a.id for a in part), int(now.timestamp() * 1000))
            for key, awards in groups.items()
            for part in _parts(awards)
        ]


def _engines(session: Session, now: datetime) -> int:
    """How many awards are jobs of the engine."""
    held = select(func.count()).select_from(Award).where(_of_the_engine(now))
    return session.scalar(held) or 0


def _of_the_engine(now: datetime) -> ColumnElement[bool]:
    return and_(Award.state == "waiting", Award.lease_until > now, Award.lease_by.is_(None))


def _parts(awards: list[Award]) -> list[list[Award]]:
    return [awards[start : start + GROUP] for start in range(0, len(awards), GROUP)]


def _due(
    session: Session, now: datetime, limit: int, without: Collection[str]
) -> list[tuple[Award, str, str | None]]:
    if limit <= 0:
        return []
    query = (
        select(Award, Achievement.issuer_id, Person.email)
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Person, Person.id == Award.person_id)
        .where(
            or_(
                Award.state == "waiting",
                and_(Award.state == "needs_recipient", _recipient_known()),
            ),
            or_(Award.lease_until.is_(None), Award.lease_until < now),
            Achievement.issuer_id.not_in(without),
        )
        .order_by(Award.awarded_at, Award.id)
        .limit(limit)
        .with_for_update(of=Award, skip_locked=True)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def _recipient_known() -> ColumnElement[bool]:
    """An address of the person, or a wallet that the badge went to."""
    return or_(Person.email.like("%_@_%"), Award.subject_id.like("did:%"))


def reap(campus: Campus) -> int:
    """Free what processes held that have ended. An expired lease is claimed again by itself."""
    with campus.db.reading() as session:
        held = select(Award.lease_by).where(Award.state == "waiting", Award.lease_by.is_not(None))
        ended = [name for name in session.scalars(held.distinct()) if name and holders.gone(name)]
    return _free(campus, Award.lease_by.in_(ended)) if ended else 0


def leased(campus: Campus) -> list[str]:
    """Awards that are jobs of the engine."""
    with campus.db.reading() as session:
        return list(session.scalars(select(Award.id).where(_of_the_engine(campus.clock()))))


def release(campus: Campus, ids: Sequence[str]) -> int:
    """What a worker that is known to be dead held among ``ids`` can be claimed at once."""
    return _free(campus, and_(Award.id.in_(ids), Award.lease_by.is_(None)))


def _free(campus: Campus, which: ColumnElement[bool]) -> int:
    with campus.db.transaction() as session:
        held = update(Award).where(which, Award.state == "waiting")
        return len(session.scalars(held.values(FREE).returning(Award.id)).all())


@dataclass(frozen=True)
class _Work:
    """One award with everything that its credential says."""

    award: Award
    version: AchievementVersion
    issuer: Issuer
    list_number: int
    email: str
    number: int
    """Of the credential: 1, or one more than the last when that one has to be replaced."""
    shown: issuing.Shown | None
    endorsements: tuple[dict[str, Any], ...]
    """Of its wording, to stand inside."""

    @property
    def keys(self) -> tuple[str, bool]:
        """Which keys seal it: whose, and whether it is for a wallet."""
        return self.issuer.id, self.award.in_wallet


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Sign the awards ``ids`` and queue their deliveries. Safe to repeat at any point.

    Raises AppError when a key does not sign: what was signed before that is kept, and the rest
    waits until its lease has passed.
    """
    now = campus.clock()
    with campus.db.reading() as session:
        work = _load(session, ids, campus.settings.public_url)
        chosen = {keys: _keys(session, *keys, now) for keys in {w.keys for w in work}}
    done = _Done()
    failure: AppError | None = None
    try:
        _sign(campus, work, chosen, now, done)
    except AppError as error:
        failure = error
    _settle(campus, done, chosen, now)
    if failure is not None:
        _rest(campus, ids)
        keepers.note(campus, {key.id for pair in chosen.values() for key in pair}, failure)
        raise failure


def _rest(campus: Campus, ids: Sequence[str]) -> None:
    """What a key did not sign waits until its lease has passed, and is nobody's until then."""
    with campus.db.transaction() as session:
        left = update(Award).where(Award.id.in_(ids), Award.state == "waiting")
        session.execute(left.values(lease_by=RESTS))


@dataclass
class _Done:
    """What one run has brought about so far."""

    sealed: dict[str, dict[str, object]] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)


_Chosen = dict[tuple[str, bool], tuple[IssuerKey, IssuerKey]]
"""Issuer and whether it is for a wallet -> the rows of the two keys that seal such a badge."""


def _keys(
    session: Session, issuer_id: str, in_wallet: bool, now: datetime
) -> tuple[IssuerKey, IssuerKey]:
    """Wallets read tokens with ES256, as the issuer's metadata tells them."""
    token = KeyKind.P256 if in_wallet else KeyKind.RSA_2048
    return (
        issuers.key_row(session, issuer_id, KeyKind.ED25519, now),
        issuers.key_row(session, issuer_id, token, now),
    )


def _sign(
    campus: Campus,
    work: Sequence[_Work],
    chosen: _Chosen,
    now: datetime,
    done: _Done,
) -> None:
    """Seal each award; one whose recipient's address cannot be signed is put aside."""
    ring = campus.keyring
    keys = {i: issuing.Signers(ring.signer(a), ring.signer(b)) for i, (a, b) in chosen.items()}
    first = {str(w.award.status_list_id) for w in work}
    lists.publish(campus, sorted(first))
    alike: dict[str, bool] = {}
    for item in work:
        try:
            done.sealed[item.award.id] = _seal(campus, item, keys[item.keys], now, alike)
        except Invalid as error:
            log.warning("award-not-signable", award=item.award.id, code=error.code)
            done.unusable.append(item.award.id)


def _settle(campus: Campus, done: _Done, chosen: _Chosen, now: datetime) -> None:
    """Keep what was sealed, unless one of its keys has been given up meanwhile."""
    ids = {key.id for pair in chosen.values() for key in pair}
    with campus.db.transaction() as session:
        held = select(IssuerKey).where(IssuerKey.id.in_(ids)).with_for_update(read=True)
        lost = {k.fragment for k in session.scalars(held) if k.state == "compromised"}
        usable = {
            award_id: row
            for award_id, row in done.sealed.items()
            if not lost & {row["embedded_key"], row["token_key"]}
        }
        _keep(campus, session, usable, now)
        session.execute(
            update(Award)
            .where(Award.id.in_(done.sealed.keys() - usable.keys()), Award.state == "waiting")
            .values(FREE)
        )
        session.execute(
            update(Award)
            .where(Award.id.in_(done.unusable), Award.state == "waiting")
            .values(state="needs_recipient", lease_until=now + UNUSABLE, lease_by=None)
        )
        if usable:
            keepers.clear(session, ids)


def _load(session: Session, ids: Sequence[str], public_url: str) -> list[_Work]:
    last = (
        select(func.coalesce(func.max(Credential.number), 0))
        .where(Credential.award_id == Award.id)
        .scalar_subquery()
    )
    query = (
        select(Award, AchievementVersion, Issuer, StatusList.number, Person.email, last)
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
        .where(
            Award.id.in_(ids),
            Award.state == "waiting",
            or_(Person.email.is_not(None), Award.subject_id.like("did:%")),
        )
    )
    rows = session.execute(query).all()
    told = shown.of(session, [(row[0], row[1]) for row in rows], public_url)
    inside = endorsed.carried(session, {_wording(row[1]) for row in rows})
    return [
        _Work(
            award,
            version,
            issuer,
            list_number,
            email or "",
            before + 1,
            told.get(award.id),
            inside.get(_wording(version), ()),
        )
        for award, version, issuer, list_number, email, before in rows
    ]


def _wording(version: AchievementVersion) -> endorsed.Wording:
    return version.achievement_id, version.number


def credential_id(award_id: str, number: int) -> str:
    """The uuid of an award's credential: it follows from the award, so a repetition names the same."""
    return str(uuid.uuid5(uuid.UUID(award_id), f"credential-{number}"))


def _fast(item: _Work, facts: dict[str, Any], alike: dict[str, bool]) -> bool:
    """Whether the fast way signs it as the reference does.

    Publication asked that of the wording; what strangers signed came later, so it is asked again,
    once for a wording and run.
    """
    if not item.endorsements or not item.version.fast:
        return item.version.fast
    if item.version.id not in alike:
        alike[item.version.id] = data_integrity.check_trim(facts)
    return alike[item.version.id]


def _seal(
    campus: Campus,
    item: _Work,
    keys: issuing.Signers,
    now: datetime,
    alike: dict[str, bool],
) -> dict[str, object]:
    """The row of the signed credential."""
    made = credential_id(item.award.id, item.number)
    facts = issuing.compose(
        credential_id=made,
        award=item.award,
        version=item.version,
        issuer=item.issuer,
        list_number=item.list_number,
        email=item.email,
        public_url=campus.settings.public_url,
        shown=item.shown,
        endorsements=item.endorsements,
    )
    sealed = issuing.seal(facts, keys, now, fast=_fast(item, facts, alike))
    return {
        "id": made,
        "award_id": item.award.id,
        "number": item.number,
        "document": sealed.document,
        "sha256": sealed.sha256,
        "jwt": sealed.jwt,
        "contexts": sealed.contexts,
        "embedded_key": sealed.embedded_key,
        "token_key": sealed.token_key,
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
        award.state, award.lease_until, award.lease_by = "issued", None, None
    if not issued:
        return
    _record_public_url(session, campus.settings.public_url, now)
    outbox.queue(session, [a for a in issued if sealed[a.id]["number"] == 1], now)
    replaced = {a.id: f"replace-{sealed[a.id]['number']}" for a in issued}
    again = [a for a in issued if sealed[a.id]["number"] != 1]
    outbox.queue_mails(session, replaced, again, now)


def _record_public_url(session: Session, public_url: str, now: datetime) -> None:
    """From the first credential on the address is part of what verifiers rely on."""
    if session.get(SystemFact, "public_url") is None:
        session.add(SystemFact(key="public_url", value=public_url, at=now))
