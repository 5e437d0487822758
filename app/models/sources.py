"""Where grades come from: access to an LMS's own interface, who authorised it, what each course reads."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, new_id


class GradeAccess(Base):
    """An operator's entry to the own interface of one installation, for one grade source."""

    __tablename__ = "grade_access"
    __table_args__ = (UniqueConstraint("installation_id", "source"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    installation_id: Mapped[str] = mapped_column(ForeignKey("installation.id"))
    source: Mapped[str] = mapped_column(String(40))
    """Key of the grade source: "canvas_rest", "moodle_ws"."""
    base_url: Mapped[str] = mapped_column(String(300))
    """Where the interface stands, without a trailing slash."""
    client_id: Mapped[str] = mapped_column(String(300), default="")
    """Id of the developer key; empty where a token is all."""
    sealed: Mapped[str] = mapped_column(default="")
    """JSON of the secrets (client secret, site-wide token) under the master key."""
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | paused (nothing is read through it)."""
    problem: Mapped[dict[str, Any] | None]
    """``{code, message, fix}`` of the last test."""
    tested_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class GradeGrant(Base):
    """One authorisation: somebody let Tassel read with their rights at the LMS."""

    __tablename__ = "grade_grant"
    __table_args__ = (UniqueConstraint("access_id", "lms_user_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    access_id: Mapped[str] = mapped_column(ForeignKey("grade_access.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who pressed the button in a course; empty for a service account set up by an operator."""
    lms_user_id: Mapped[str] = mapped_column(String(300))
    """Whose rights they are, as the LMS answered; one grant per account."""
    name: Mapped[str] = mapped_column(String(300), default="")
    """That account's name, so that the page can say who must reconnect."""
    sealed: Mapped[str]
    """JSON of ``access`` and ``refresh`` tokens under the master key. Whoever refreshes holds the
    lease of the row, so that a rotated refresh token is never lost."""
    expires_at: Mapped[datetime | None]
    """When the access token ends; empty = it does not."""
    refreshing_until: Mapped[datetime | None]
    """Lease of the worker that is refreshing now."""
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | lost (revoked, expired or without rights: somebody must connect again)."""
    problem: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    refreshed_at: Mapped[datetime | None]


class GradeConsent(Base):
    """One authorisation that waits for the LMS's answer; used once, by the browser that began it."""

    __tablename__ = "grade_consent"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    access_id: Mapped[str] = mapped_column(ForeignKey("grade_access.id"))
    course_id: Mapped[str | None] = mapped_column(ForeignKey("course.id"))
    """The course that it was begun in; empty for a service account."""
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    binding_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the secret in the cookie of the tab that goes to the LMS."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class CourseSource(Base):
    """One grade source of one course: how it is connected, how far it has read, what is wrong."""

    __tablename__ = "course_source"
    __table_args__ = (UniqueConstraint("course_id", "source"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    source: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | lost (somebody must connect again; what was read stays) | off (disconnected)."""
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("grade_grant.id"), index=True)
    course_key: Mapped[str] = mapped_column(String(300), default="")
    """The LMS's own course id, from the verified launch or an operator."""
    connected_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    cursor: Mapped[dict[str, Any] | None]
    """The source's own note of what is kept already."""
    read_at: Mapped[datetime | None]
    """When a reading last came to its end."""
    whole_at: Mapped[datetime | None]
    """When a reading from the beginning last came to its end."""
    problem: Mapped[dict[str, Any] | None]
    """``{code, message, fix}`` of the last reading; empty when it was fine."""
    unjoined: Mapped[int] = mapped_column(default=0)
    """People with grades there whom Tassel cannot tell apart yet; their rows are kept."""
    created_at: Mapped[datetime]


class ColumnSource(Base):
    """A column as one source lists it. Several may be the same assessment; one of them leads."""

    __tablename__ = "column_source"
    __table_args__ = (UniqueConstraint("course_id", "source", "external_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    source: Mapped[str] = mapped_column(String(40))
    external_id: Mapped[str] = mapped_column(String(1000))
    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessment.id"), index=True)
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | gone (not listed any more)."""
    identities: Mapped[list[str]] = mapped_column(default=list)
    """What makes it the same column elsewhere, see ``gradebook.port.SourceColumn``."""
    seen_at: Mapped[datetime]


class UnjoinedResult(Base):
    """A grade of somebody whom Tassel cannot tell apart yet; becomes a Result when it can."""

    __tablename__ = "unjoined_result"
    __table_args__ = (
        UniqueConstraint("assessment_id", "kind", "user"),
        Index("ix_unjoined_result_course_id_source", "course_id", "source"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessment.id"))
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    source: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(10))
    """Which kind of id ``user`` is, see ``gradebook.port.IdKind``."""
    user: Mapped[str] = mapped_column(String(300))
    sis_id: Mapped[str | None] = mapped_column(String(200))
    """The student number, where the source knows it."""
    raw: Mapped[Decimal | None]
    maximum: Mapped[Decimal | None]
    posted: Mapped[bool] = mapped_column(default=True)
    excused: Mapped[bool] = mapped_column(default=False)
    overridden: Mapped[bool] = mapped_column(default=False)
    locked: Mapped[bool] = mapped_column(default=False)
    scale: Mapped[str | None] = mapped_column(String(100))
    attempt: Mapped[int | None]
    graded_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]
