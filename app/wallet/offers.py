"""Offers: made on the learner's page, redeemed once for an access token, closed after mistakes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.models import Award, Issuer, WalletOffer
from app.secrets import SecretBox, new_token, token_hash
from app.wallet.errors import WalletRefused, invalid_token
from app.wallet.metadata import TX_CODE_DIGITS

DOOR: Final = "openid4vci"
OFFER_LIFE: Final = timedelta(minutes=15)
TOKEN_LIFE: Final = timedelta(minutes=10)
MOST_FAILURES: Final = 5
OUTCOMES: Final = ("credential_accepted", "credential_failure", "credential_deleted")
UNDER_WAY: Final = ("open", "redeemed")


@dataclass(frozen=True)
class Made:
    """What the learner's page shows once; the database keeps only hashes of it."""

    reference: str
    tx_code: str
    expires_at: datetime


def make(session: Session, box: SecretBox, award_id: str, issuer_id: str, now: datetime) -> Made:
    """A new offer of an award; an earlier one that nobody took ends."""
    revoke(session, award_id)
    reference = new_token(24)
    digits = f"{secrets.randbelow(10**TX_CODE_DIGITS):0{TX_CODE_DIGITS}d}"
    row = WalletOffer(
        id=new_id(),
        award_id=award_id,
        issuer_id=issuer_id,
        door=DOOR,
        reference_hash=token_hash(reference),
        code_hash=token_hash(code_of(reference)),
        tx_code=box.seal(digits.encode()),
        expires_at=now + OFFER_LIFE,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return Made(reference, digits, row.expires_at)


def code_of(reference: str) -> str:
    """The pre-authorized code of an offer: follows from its reference, so that no row holds it."""
    return token_hash(f"pre-authorized-code:{reference}")


def revoke(session: Session, award_id: str) -> int:
    """End every offer and exchange of an award that is under way; how many there were."""
    # Two clicks at once stand in line here, as for a share.
    session.execute(select(Award.id).where(Award.id == award_id).with_for_update())
    ended = (
        update(WalletOffer)
        .where(WalletOffer.award_id == award_id, WalletOffer.state.in_(UNDER_WAY))
        .values(state="revoked", access_hash=None)
        .returning(WalletOffer.id)
    )
    return len(session.scalars(ended).all())


def under_way(session: Session, award_id: str, now: datetime) -> WalletOffer | None:
    """The offer of an award that a wallet could still take."""
    query = select(WalletOffer).where(
        WalletOffer.award_id == award_id,
        WalletOffer.state.in_(UNDER_WAY),
        WalletOffer.expires_at > now,
    )
    return session.scalar(query.limit(1))


def taken(session: Session, award_id: str) -> Sequence[WalletOffer]:
    """The offers of an award by which wallets took it, latest first."""
    query = select(WalletOffer).where(
        WalletOffer.award_id == award_id, WalletOffer.state == "claimed"
    )
    return session.scalars(query.order_by(WalletOffer.created_at.desc())).all()


def code_behind(session: Session, issuer: Issuer, reference: str, now: datetime) -> str:
    """The code of an open offer of ``issuer``; raises WalletRefused with 404 for any other."""
    query = select(WalletOffer.id).where(
        WalletOffer.reference_hash == token_hash(reference),
        WalletOffer.issuer_id == issuer.id,
        WalletOffer.door == DOOR,
        WalletOffer.state == "open",
        WalletOffer.expires_at > now,
    )
    if session.scalar(query) is None:
        raise WalletRefused("invalid_request", "There is no such offer, or it is over.", 404)
    return code_of(reference)


def redeem(
    session: Session, box: SecretBox, issuer: Issuer, code: str, tx_code: str, now: datetime
) -> str | None:
    """Use a code up; returns the access token.

    None for a wrong ``tx_code``: the mistake is counted in the caller's transaction, which must
    therefore be kept. Raises WalletRefused (``invalid_grant``) for a code that is not open.
    """
    query = select(WalletOffer).where(
        WalletOffer.code_hash == token_hash(code),
        WalletOffer.issuer_id == issuer.id,
        WalletOffer.door == DOOR,
    )
    offer = session.scalar(query.with_for_update())
    if offer is None or offer.state != "open" or offer.expires_at <= now:
        raise WalletRefused("invalid_grant", "This code is unknown, used or over.")
    assert offer.tx_code is not None
    if not secrets.compare_digest(box.open(offer.tx_code), tx_code.encode()):
        offer.failures += 1
        if offer.failures >= MOST_FAILURES:
            offer.state = "locked"
        return None
    token = new_token(32)
    offer.state, offer.access_hash = "redeemed", token_hash(token)
    offer.expires_at = now + TOKEN_LIFE
    session.flush()
    return token


def by_access(session: Session, issuer: Issuer, token: str, now: datetime) -> WalletOffer:
    """The offer that an access token opens, locked. Raises WalletRefused (``invalid_token``)."""
    query = select(WalletOffer).where(
        WalletOffer.access_hash == token_hash(token),
        WalletOffer.issuer_id == issuer.id,
        WalletOffer.state.in_(("redeemed", "claimed")),
        WalletOffer.expires_at > now,
    )
    found = session.scalar(query.with_for_update())
    if found is None:
        raise invalid_token()
    return found


def heard(session: Session, offer: WalletOffer, notification: str, event: str) -> None:
    """Keep what the wallet says became of the credential. Raises WalletRefused."""
    if event not in OUTCOMES:
        raise WalletRefused("invalid_notification_request", "There is no such event.")
    if offer.notification_hash != token_hash(notification):
        raise WalletRefused("invalid_notification_id", "There is no such notification_id.")
    offer.outcome = event
    session.flush()
