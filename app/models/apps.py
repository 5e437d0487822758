"""Apps that read a learner's record over the Open Badges API: registrations, consents, tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class AppClient(Base):
    """An app as it described itself (RFC 7591). Nobody has vouched for anything that it says."""

    __tablename__ = "app_client"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    """The ``client_id``."""
    name: Mapped[str] = mapped_column(String(100))
    uri: Mapped[str | None] = mapped_column(String(500))
    """Its home page; never fetched."""
    redirect_uris: Mapped[list[str]]
    """Where answers may go: compared as they stand."""
    scopes: Mapped[list[str]]
    """What it may ask for."""
    auth_method: Mapped[str] = mapped_column(String(30))
    """client_secret_basic | client_secret_post | none."""
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    """First consent of anybody; registrations that nobody used go after a day."""
    ended_at: Mapped[datetime | None]
    """Ended by an operator: it proves nothing and asks nobody any more."""


class AppConsent(Base):
    """A learner lets an app read: one row per app and account, begun anew when given again."""

    __tablename__ = "app_consent"
    __table_args__ = (UniqueConstraint("client_id", "person_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    """What the app knows the learner by; no other app is told the same."""
    client_id: Mapped[str] = mapped_column(ForeignKey("app_client.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    scopes: Mapped[list[str]]
    place: Mapped[str] = mapped_column(String(500))
    """Host that the code was sent to: what an app says of itself may be anything, this was used."""
    started_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    """When the app came last, to the minute."""
    ended_at: Mapped[datetime | None]
    """Withdrawn by the learner, given up by the app, or ended because a token was stolen."""


class AppToken(Base):
    """A code or token of a consent, by its hash. Used ones stay for a while: whoever brings one again
    has stolen it, or was stolen from."""

    __tablename__ = "app_token"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    consent_id: Mapped[str] = mapped_column(ForeignKey("app_consent.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    """code | access | refresh."""
    scopes: Mapped[list[str]]
    redirect_uri: Mapped[str | None] = mapped_column(String(500))
    """Of a code: where it was sent."""
    challenge: Mapped[str | None] = mapped_column(String(43))
    """Of a code: SHA-256 of the verifier, base64url (RFC 7636, S256)."""
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
