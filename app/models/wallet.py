"""Credentials on their way into a wallet: offers and exchanges, and the nonces that were answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class WalletOffer(Base):
    """One award offered to one wallet. Its secrets are kept as hashes, or sealed."""

    __tablename__ = "wallet_offer"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    issuer_id: Mapped[str] = mapped_column(ForeignKey("issuer.id"))
    door: Mapped[str] = mapped_column(String(20), default="openid4vci")
    """openid4vci | vc-api: the protocol by which a wallet may take it."""
    reference_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the token in ``credential_offer_uri``, or in the address of the exchange."""
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the pre-authorized code or the challenge, which follow from the token."""
    tx_code: Mapped[str | None] = mapped_column(Text)
    """The digits that the learner types, under the master key (a hash of six digits hides nothing).
    None for an exchange, which has none."""
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong ``tx_code``; the offer closes after a few."""
    state: Mapped[str] = mapped_column(String(20), default="open")
    """open | redeemed (code used up, or the wallet's key proven) | claimed (credential handed out) |
    locked | revoked."""
    expires_at: Mapped[datetime]
    """End of the code, later of the access token."""
    access_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    holder: Mapped[str | None] = mapped_column(Text)
    """DID of the wallet, after it proved that it holds the key."""
    credential_id: Mapped[str | None] = mapped_column(ForeignKey("credential.id"))
    """What was signed for this wallet."""
    notification_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    outcome: Mapped[str | None] = mapped_column(String(30))
    """What the wallet said last: credential_accepted | credential_failure | credential_deleted."""
    created_at: Mapped[datetime]


class SpentNonce(Base):
    """A nonce that was used in a proof. Those not yet used are nowhere: they carry themselves."""

    __tablename__ = "spent_nonce"

    nonce_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
