"""DECIDE, AWARD and SIGN: rules over what changed, awards that are unique, credentials once.

Deciding and awarding are one transaction per group of learners. Signing is a job of its own:
``claim`` reserves everything that the bytes depend on, ``run`` signs outside any transaction and
keeps the credential together with its deliveries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from app.credentials import issuers, issuing
from app.credentials.keys import KeyKind
from app.db import insert_new
from app.errors import AppError, Invalid
from app.models import (
    Achievement,
    Award,
    Credential,
    Issuer,
    IssuerKey,
    Person,
    SystemFact,
)
from app.pipeline import holders, keepers, lists, outbox, sealing
from app.pipeline.campus import Batch, Campus

log = structlog.get_logger()
GROUP = 100
LEASE = timedelta(minutes=5)
AHEAD = 300
"""So many awards at most are jobs of the engine: others can sign the rest beside it, and none waits
there until its lease runs out."""
FREE: dict[str, None] = {"lease_until": None, "lease_by": None}
RESTS = "rest"
"""Holder of what was not signed and waits for the next try."""
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


def run(campus: Campus, ids: Sequence[str]) -> None:
    """Sign the awards ``ids`` and queue their deliveries. Safe to repeat at any point.

    Raises AppError when a key does not sign: what was signed before that is kept. Whatever is raised,
    the rest waits until its lease has passed, in nobody's way.
    """
    try:
        _run(campus, ids)
    except Exception:
        _rest(campus, ids)
        raise


def _run(campus: Campus, ids: Sequence[str]) -> None:
    now = campus.clock()
    with campus.db.reading() as session:
        work = sealing.load(session, ids, campus.settings.public_url)
        chosen = {keys: _keys(session, *keys, now) for keys in {w.keys for w in work}}
    done = _Done()
    failure: AppError | None = None
    try:
        _sign(campus, work, chosen, now, done)
    except AppError as error:
        failure = error
    _settle(campus, done, chosen, now)
    if failure is not None:
        keepers.note(campus, {key.id for pair in chosen.values() for key in pair}, failure)
        raise failure


def _rest(campus: Campus, ids: Sequence[str]) -> None:
    """What was not signed waits until its lease has passed, and is nobody's until then."""
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
    work: Sequence[sealing.Work],
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
            done.sealed[item.award.id] = sealing.seal(campus, item, keys[item.keys], now, alike)
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
