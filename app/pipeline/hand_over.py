"""HAND OVER: an award goes into a wallet as a new credential that is bound to the wallet's key.

It is signed once, outside any transaction, and kept; a wallet that asks again, or for the other
format, gets the same bytes. The credential before it stays valid: both share the status entry, so
they are revoked together. Whatever is signed for the award later is made out to the same wallet.
By OpenID4VCI here; the VC-API way (:mod:`exchange`) ends in the same verbs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers, issuing
from app.credentials.keys import KeyKind
from app.db import insert_new
from app.errors import Conflict, NotFound
from app.models import (
    Achievement,
    AchievementVersion,
    Award,
    Credential,
    Disclosure,
    Issuer,
    IssuerKey,
    StatusList,
    WalletOffer,
)
from app.pipeline import shown
from app.pipeline.campus import Campus
from app.secrets import new_token, token_hash
from app.wallet import exchanges, holder, metadata, nonces, offers
from app.wallet.errors import WalletRefused, invalid_token
from app.words import Said, say


@dataclass(frozen=True)
class Door:
    """One protocol by which wallets come."""

    name: str
    """In the learner's list of disclosures."""
    states: tuple[str, ...]
    """Of an offer, in which the credential may be handed out."""
    over: Callable[[], WalletRefused]
    """What a wallet is told in any other."""


DOORS: Final = {
    offers.DOOR: Door("OpenID4VCI", ("redeemed", "claimed"), invalid_token),
    exchanges.DOOR: Door("VC-API", ("redeemed",), exchanges.gone),
}


@dataclass(frozen=True)
class Offered:
    """An offer as the learner's page shows it."""

    link: str
    tx_code: str
    expires_at: datetime


@dataclass(frozen=True)
class Handed:
    """A credential with the id under which the wallet may say what became of it."""

    credential: Credential
    notification_id: str


def offer(campus: Campus, award_id: str, actor: str) -> Offered:
    """Make an offer of a signed award. Raises Conflict when it is not in force."""
    now = campus.clock()
    with campus.db.transaction() as session:
        award, issuer = standing(session, award_id, now)
        made = offers.make(session, campus.box, award.id, issuer.id, now)
        audit.record(session, actor, "wallet.offered", f"award:{award.id}", {}, now)
        link = metadata.offer_link(campus.settings.public_url, issuer.slug, made.reference)
    return Offered(link, made.tx_code, made.expires_at)


def withdraw(campus: Campus, award_id: str, actor: str) -> None:
    """End the offers of an award that no wallet has taken yet."""
    now = campus.clock()
    with campus.db.transaction() as session:
        if offers.revoke(session, award_id):
            audit.record(session, actor, "wallet.withdrawn", f"award:{award_id}", {}, now)


def redeem(campus: Campus, slug: str, code: str, tx_code: str) -> str:
    """A pre-authorized code against an access token. Raises WalletRefused (``invalid_grant``)."""
    with campus.db.transaction() as session:
        issuer = issuers.by_slug(session, slug)
        token = offers.redeem(session, campus.box, issuer, code, tx_code, campus.clock())
    if token is None:
        raise WalletRefused("invalid_grant", "The transaction code is wrong.")
    return token


def hand_over(campus: Campus, slug: str, token: str, proof: str) -> Handed:
    """The credential for the holder of ``token`` who proves to hold a key. Raises WalletRefused."""
    now = campus.clock()
    with campus.db.transaction() as session:
        row = offers.by_access(session, issuers.by_slug(session, slug), token, now)
        address = metadata.issuer_address(campus.settings.public_url, slug)
        proven = holder.prove(proof, address, now)
        nonces.spend(session, campus.box, slug, proven.nonce, now)
        award_id, offer_id = row.award_id, bind(session, row, proven.did)
    fresh = sign_for(campus, award_id, proven.did, now)
    with campus.db.transaction() as session:
        row, credential = keep(campus, session, offer_id, fresh)
        notification = new_token(16)
        row.notification_hash = token_hash(notification)
    return Handed(credential, notification)


def notified(campus: Campus, slug: str, token: str, notification: str, event: str) -> None:
    """Keep what a wallet says became of its credential. Raises WalletRefused."""
    now = campus.clock()
    with campus.db.transaction() as session:
        row = offers.by_access(session, issuers.by_slug(session, slug), token, now)
        offers.heard(session, row, notification, event)


def bind(session: Session, row: WalletOffer, did: str) -> str:
    """One offer serves one wallet, in either format. Returns the offer's id; raises WalletRefused."""
    if row.holder not in (None, did):
        raise WalletRefused("credential_request_denied", "This offer went to another key already.")
    row.holder = did
    session.flush()
    return row.id


def standing(session: Session, award_id: str, now: datetime) -> tuple[Award, Issuer]:
    """A signed award that is in force, and who signs it; locked until the end of the transaction.

    Raises NotFound when there is no such award, Conflict when no wallet may take it.
    """
    query = (
        select(Award, Issuer)
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Issuer, Issuer.id == Achievement.issuer_id)
        .where(Award.id == award_id)
    )
    found = session.execute(query.with_for_update(of=Award)).one_or_none()
    if found is None:
        raise NotFound("award-unknown", say("There is no such badge any more."))
    why_not = _why_not(found[0], now)
    if why_not is not None:
        raise Conflict("not-standing", why_not)
    return found[0], found[1]


def _why_not(award: Award, now: datetime) -> Said | None:
    """Why no wallet may take an award; None when one may."""
    if award.state == "superseded":
        return say("Another badge stands in for this one: put that one into your wallet.")
    if award.revoked_at is not None:
        return say("This badge was revoked, so no wallet can take it any more.")
    if award.held_at is not None:
        return say("This badge is on hold. A wallet can take it when it is released.")
    if award.state != "issued":
        return say("This badge is not signed yet. Come back in a few minutes.")
    if award.expires_at is not None and award.expires_at <= now:
        return say("This badge has ended, so no wallet can take it any more.")
    return None


def _kept(session: Session, award_id: str, did: str) -> str | None:
    """The newest credential of the award, if it is bound to this wallet already."""
    query = (
        select(Credential.id)
        .join(Award, Award.id == Credential.award_id)
        .where(Award.id == award_id, Award.subject_id == did)
    )
    return session.scalar(query.order_by(Credential.number.desc()).limit(1))


def _last_number(award_id: str) -> Select[int]:
    return select(func.max(Credential.number)).where(Credential.award_id == award_id)


def sign_for(campus: Campus, award_id: str, did: str, now: datetime) -> dict[str, object] | None:
    """The row of a new credential for ``did``; None if the newest one is bound to it already.

    Raises WalletRefused for an award that does not stand, and what a keeper of keys raises.
    """
    with campus.db.reading() as session:
        if _kept(session, award_id, did):
            return None
        query = (
            select(Award, AchievementVersion, Issuer, StatusList.number)
            .join(
                AchievementVersion,
                (AchievementVersion.achievement_id == Award.achievement_id)
                & (AchievementVersion.number == Award.achievement_version),
            )
            .join(Achievement, Achievement.id == Award.achievement_id)
            .join(Issuer, Issuer.id == Achievement.issuer_id)
            .join(StatusList, StatusList.id == Award.status_list_id)
            .where(Award.id == award_id)
        )
        found = session.execute(query).one_or_none()
        why_not = _why_not(found[0], now) if found else say("There is no such badge any more.")
        if found is None or why_not:
            raise WalletRefused("credential_request_denied", str(why_not))
        award, version, issuer, number = found
        count = session.scalar(_last_number(award_id)) or 0
        kinds = (KeyKind.ED25519, KeyKind.P256)
        rows = [issuers.key_row(session, issuer.id, kind, now) for kind in kinds]
        told = shown.of(session, [(award, version)], campus.settings.public_url)
    # A keeper may be far away, so the keys are asked outside the transaction.
    keys = issuing.Signers(*(campus.keyring.signer(row) for row in rows))
    credential_id = str(uuid.uuid4())
    facts = issuing.compose(
        credential_id=credential_id,
        award=award,
        version=version,
        issuer=issuer,
        list_number=number,
        email="",
        public_url=campus.settings.public_url,
        holder=did,
        shown=told.get(award_id),
    )
    sealed = issuing.seal(facts, keys, now, fast=version.fast)
    return {
        "id": credential_id,
        "award_id": award_id,
        "number": count + 1,
        "document": sealed.document,
        "sha256": sealed.sha256,
        "jwt": sealed.jwt,
        "contexts": sealed.contexts,
        "embedded_key": sealed.embedded_key,
        "token_key": sealed.token_key,
        "issued_at": now,
    }


def keep(
    campus: Campus,
    session: Session,
    offer_id: str,
    fresh: dict[str, object] | None,
) -> tuple[WalletOffer, Credential]:
    """Credential, disclosure and the state of the offer, in the caller's transaction.

    Raises WalletRefused when the offer or the badge has ended meanwhile.
    """
    now = campus.clock()
    row = session.get(WalletOffer, offer_id)
    if row is None:  # the learner was erased while we signed
        raise WalletRefused("credential_request_denied", "This badge does not stand any more.")
    award, _ = _standing_still(session, row, now)
    session.refresh(row, with_for_update=True)
    door = DOORS[row.door]
    if row.state not in door.states:
        raise door.over()
    # Two requests of one wallet at once: the second takes what the first has kept.
    kept = _kept(session, award.id, row.holder or "")
    credential_id = kept or _insert(session, award, row.holder or "", fresh)
    if row.state == "redeemed":
        session.add(Disclosure(award_id=award.id, kind="wallet", target=door.name, at=now))
        detail = {"door": row.door}
        audit.record(session, "wallet", "wallet.handed-over", f"award:{award.id}", detail, now)
    row.state, row.credential_id = "claimed", credential_id
    session.flush()
    credential = session.get_one(Credential, credential_id)
    session.expunge(credential)
    return row, credential


def _standing_still(session: Session, row: WalletOffer, now: datetime) -> tuple[Award, Issuer]:
    """As it stands now: it may have been revoked while we signed."""
    try:
        return standing(session, row.award_id, now)
    except (NotFound, Conflict) as gone:
        raise WalletRefused("credential_request_denied", gone.message) from None


def _insert(session: Session, award: Award, did: str, fresh: dict[str, object] | None) -> str:
    """Keep a signed credential as the newest of its award, whose row the caller has locked."""
    number = (session.scalar(_last_number(award.id)) or 0) + 1
    # Was it replaced while we signed, what we signed points to an entry that is spent.
    if fresh is None or fresh["number"] != number:
        raise WalletRefused("credential_request_denied", "The badge changed just now; ask again.")
    held = select(IssuerKey).where(
        IssuerKey.fragment.in_((fresh["embedded_key"], fresh["token_key"]))
    )
    if any(k.state == "compromised" for k in session.scalars(held.with_for_update(read=True))):
        raise WalletRefused("credential_request_denied", "The issuer's key changed; ask again.")
    insert_new(session, Credential, [fresh])
    award.subject_id = did
    return str(fresh["id"])
