"""Who may come in: browser sessions and their grants, operator links, permissions, API tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class BrowserSession(Base):
    """One browser. The cookie (or bearer) holds only a random token; no personal data."""

    __tablename__ = "browser_session"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SessionCode(Base):
    """A single-use way to a session for a document or tab that has no cookie: one minute."""

    __tablename__ = "session_code"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("browser_session.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(500))
    """The page of Tassel that opens, query included."""
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Grant(Base):
    """What a session may do: one row per course entered, one for the operator's area.

    The course id stands in every path, so two tabs with two roles never mix.
    """

    __tablename__ = "grant"
    __table_args__ = (UniqueConstraint("session_id", "scope"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("browser_session.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(60))
    """``course:<id>`` or ``operator``."""
    course_id: Mapped[str | None] = mapped_column(ForeignKey("course.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str | None] = mapped_column(String(100))
    """Name given at ``tassel admin link``; stands in the audit log."""
    role: Mapped[str] = mapped_column(String(20))
    """learner | assistant | instructor | observer | administrator | operator | sis_administrator."""
    locale: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AdminLink(Base):
    """A single-use way in for operators, 15 minutes."""

    __tablename__ = "admin_link"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20), default="operator")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OperatorLogin(Base):
    """One sign-in at the campus's identity provider that waits for its answer; used once."""

    __tablename__ = "operator_login"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(100))
    """What the provider's token has to repeat; it passes through the browser and opens nothing."""
    verifier: Mapped[str] = mapped_column(String(200))
    """PKCE code verifier (RFC 7636) under the master key."""
    binding_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the secret in the cookie of the browser that began it."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class Permission(Base):
    """Standing permissions beyond the role of a launch, per issuer, connection or course."""

    __tablename__ = "permission"
    __table_args__ = (UniqueConstraint("person_id", "role", "scope"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    role: Mapped[str] = mapped_column(String(20))
    """issuer_manager | approver | evaluator | sis_administrator | operator."""
    scope: Mapped[str] = mapped_column(String(60))
    """``issuer:<id>``, ``connection:<id>``, ``course:<id>`` or ``campus``."""
    granted_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]


class ApiToken(Base):
    """A scoped bearer token for the API; only its hash is kept."""

    __tablename__ = "api_token"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The answer to an API write, kept so that a repeat gets the same one."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("token_id", "key"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_id: Mapped[str] = mapped_column(ForeignKey("api_token.id"))
    key: Mapped[str] = mapped_column(String(200))
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
