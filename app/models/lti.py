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
    admin_role: Mapped[str | None] = mapped_column(String(20))
    """Role in the operator's area for administrators who launch from here; empty = none (default)."""
    lti11_key: Mapped[str | None] = mapped_column(String(300))
    """Consumer key of LTI 1.1 that this LMS used before, if its migration claims are to count."""
    lti11_secret: Mapped[str | None]
    """The secret that goes with it, sealed."""
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
    launched_at: Mapped[datetime | None]
    """Last verified launch (to the minute)."""
    launch_skew: Mapped[float | None]
    """Seconds by which that launch's ``iat`` was ahead of our clock."""
    scopes_given: Mapped[list[str] | None]
    """What the token answer granted at the last check; empty = not checked yet."""
    findings: Mapped[list[dict[str, Any]] | None]
    """Lines of the last self-test, see ``lti.selftest.Finding``."""
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    installation: Mapped[Installation] = relationship()

    @property
    def system_name(self) -> str:
        """The LMS's name for people."""
        return self.installation.name


class Deployment(Base):
    """One deployment of a registration; unknown ones arrive as pending."""

    __tablename__ = "deployment"
    __table_args__ = (UniqueConstraint("platform_id", "deployment_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform_id: Mapped[str] = mapped_column(ForeignKey("platform.id"))
    deployment_id: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20), default="pending")
    """pending | active."""
    notices_url: Mapped[str | None] = mapped_column(String(1000))
    """Notification service named by a launch that offers notices of copied courses."""
    notices_state: Mapped[str] = mapped_column(String(20), default="")
    """asked (we are subscribed) | refused; empty = not asked yet."""
    notices_tried_at: Mapped[datetime | None]
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


class AnsweredLogin(Base):
    """A login whose launch came and proved everything: its state serves no second time.

    What waits for a launch stands in the state itself, sealed (``lti.state``).
    """

    __tablename__ = "answered_login"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    platform_id: Mapped[str] = mapped_column(ForeignKey("platform.id"))
    storage: Mapped[str] = mapped_column(String(20))
    """How the browser showed the secret of the login: cookie | platform | session."""
    answered_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the state is too old to be sent again, and the row has no use any more."""


class ContentSelection(Base):
    """A place in an LMS course that waits for what somebody chooses (Deep Linking 2.0); used once.

    What the LMS asked for stays here; the form that chooses carries only this row's id.
    """

    __tablename__ = "content_selection"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    """Only this person may answer."""
    return_url: Mapped[str]
    data: Mapped[str | None]
    """Opaque to us, echoed in the answer."""
    accepts: Mapped[list[str]]
    """``accept_types``."""
    targets: Mapped[list[str]]
    """``accept_presentation_document_targets``."""
    multiple: Mapped[bool]
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
    """Our own LTI signing keys (RSA), published before they sign and for a time after."""

    __tablename__ = "tool_key"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kid: Mapped[str] = mapped_column(String(100), unique=True)
    sealed: Mapped[str]
    """PKCS 8 PEM under the master key; empty once it does not sign any more."""
    public_jwk: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20), default="active")
    """next (published, signs from ``signs_from`` on) | active | retired (still listed) | dropped."""
    signs_from: Mapped[datetime]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
