"""LMS installations, our registrations with them, and the short-lived rows of a launch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id


class Installation(Base):
    """One LMS of the campus. People are unique within it."""

    __tablename__ = "installation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    """Shown to people, for example "Campus Moodle"."""
    lms: Mapped[str] = mapped_column(String(40))
    """Key of the quirk table in ``lti.platforms``; "generic" when unknown."""
    origin: Mapped[str] = mapped_column(String(300))
    """Where the LMS's pages live; may frame us."""
    guid: Mapped[str | None] = mapped_column(String(300))
    """``tool_platform.guid`` of the launches, once seen."""
    sis_authoritative: Mapped[bool] = mapped_column(default=False)
    """Equal SIS ids from authoritative installations join people into one learner."""
    created_at: Mapped[datetime]


class Platform(Base):
    """One registration of Tassel: issuer plus client id (LTI 1.3 core 3.1.1)."""

    __tablename__ = "platform"
    __table_args__ = (UniqueConstraint("issuer", "client_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    installation_id: Mapped[str] = mapped_column(ForeignKey("installation.id"), index=True)
    continues_id: Mapped[str | None] = mapped_column(ForeignKey("platform.id"))
    """The older registration that this one replaces."""
    issuer: Mapped[str] = mapped_column(String(300))
    client_id: Mapped[str] = mapped_column(String(300))
    auth_url: Mapped[str] = mapped_column(String(500))
    token_url: Mapped[str] = mapped_column(String(500))
    token_audience: Mapped[str | None] = mapped_column(String(500))
    """``aud`` of our client assertions where it is not the token URL."""
    jwks_url: Mapped[str] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(20), default="pending")
    """pending | active | disabled. Only active ones launch."""
    scopes_asked: Mapped[list[str]] = mapped_column(default=list)
    scopes_granted: Mapped[list[str]] = mapped_column(default=list)
    """What the registration answer claimed; the token answer is the truth."""
    jwks: Mapped[dict[str, Any] | None]
    """Last good key set."""
    jwks_fetched_at: Mapped[datetime | None]
    jwks_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    installation: Mapped[Installation] = relationship()


class Deployment(Base):
    """One deployment of a registration; unknown ones arrive as pending."""

    __tablename__ = "deployment"
    __table_args__ = (UniqueConstraint("platform_id", "deployment_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform_id: Mapped[str] = mapped_column(ForeignKey("platform.id"))
    deployment_id: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20), default="pending")
    """pending | active."""
    created_at: Mapped[datetime]
    platform: Mapped[Platform] = relationship()


class Invitation(Base):
    """A single-use registration link, fixed to one LMS origin."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    lms_origin: Mapped[str] = mapped_column(String(300))
    """The only origin that may frame the page and whose configuration is fetched."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    platform_id: Mapped[str | None] = mapped_column(ForeignKey("platform.id"))
    """The registration that it led to."""


class LaunchState(Base):
    """One login initiation waiting for its launch; used once."""

    __tablename__ = "launch_state"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(100))
    platform_id: Mapped[str] = mapped_column(ForeignKey("platform.id"))
    target: Mapped[str] = mapped_column(String(1000))
    """``target_link_uri`` of the login, already checked to be ours."""
    binding_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the secret that the browser has to show again."""
    storage: Mapped[str] = mapped_column(String(20), default="cookie")
    """How the browser keeps the secret: cookie | platform | session."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class AccessToken(Base):
    """Service tokens by registration and scopes: two tenants of one issuer never share one."""

    __tablename__ = "access_token"
    __table_args__ = (UniqueConstraint("platform_id", "scopes"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform_id: Mapped[str] = mapped_column(ForeignKey("platform.id"))
    scopes: Mapped[str] = mapped_column(String(1000))
    """Sorted, space separated."""
    sealed: Mapped[str]
    expires_at: Mapped[datetime]


class ToolKey(Base):
    """Our own LTI signing keys (RSA). Retired ones stay in the key set during the overlap."""

    __tablename__ = "tool_key"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kid: Mapped[str] = mapped_column(String(100), unique=True)
    sealed: Mapped[str]
    """PKCS 8 PEM under the master key."""
    public_jwk: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | retired."""
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
