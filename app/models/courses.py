"""Courses, their sections and terms, and the gradebook columns that Tassel owns in them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id
from app.models.lti import Deployment


class Term(Base):
    """An academic session of one installation."""

    __tablename__ = "term"
    __table_args__ = (UniqueConstraint("installation_id", "sis_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    installation_id: Mapped[str] = mapped_column(ForeignKey("installation.id"))
    sis_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    time_zone: Mapped[str | None] = mapped_column(String(60))


class Course(Base):
    """One LTI context of one deployment."""

    __tablename__ = "course"
    __table_args__ = (UniqueConstraint("deployment_id", "context_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployment.id"))
    context_id: Mapped[str] = mapped_column(String(300))
    term_id: Mapped[str | None] = mapped_column(ForeignKey("term.id"))
    title: Mapped[str] = mapped_column(String(300), default="")
    label: Mapped[str] = mapped_column(String(200), default="")
    """Short name, for example "STAT 101"."""
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | concluded. A concluded course keeps its awards and is not read any more."""
    time_zone: Mapped[str | None] = mapped_column(String(60))
    """Zone of windows; the campus's when empty."""
    services: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """From the verified launch only: ``lineitems`` (URL), ``ags_scopes`` (list), ``memberships`` (URL),
    ``lms_course_id`` (the LMS's own id, where a launch tells it)."""
    history: Mapped[list[str]] = mapped_column(default=list)
    """Context ids of the courses that this one was copied from, newest first (verified launches and
    notices only)."""
    next_collect_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the schedule reads it next; empty = not scheduled."""
    collected_at: Mapped[datetime | None]
    """When its grades were last read completely."""
    created_at: Mapped[datetime]
    deployment: Mapped[Deployment] = relationship()


class Section(Base):
    """A SIS class of a course."""

    __tablename__ = "section"
    __table_args__ = (UniqueConstraint("course_id", "sis_class_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    sis_class_id: Mapped[str] = mapped_column(String(200))


class CourseCopy(Base):
    """What a teacher did with the offer to bring the badges of an older course."""

    __tablename__ = "course_copy"
    __table_args__ = (UniqueConstraint("course_id", "origin_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    origin_id: Mapped[str] = mapped_column(ForeignKey("course.id"), index=True)
    state: Mapped[str] = mapped_column(String(20))
    """taken | dismissed. Without a row the offer stands."""
    brought: Mapped[list[str]] = mapped_column(default=list)
    """Ids of the achievements that were brought, for the undo."""
    at: Mapped[datetime]


class CopyNotice(Base):
    """A verified notice of an LMS that a context was copied; each notice counts once."""

    __tablename__ = "copy_notice"
    __table_args__ = (
        UniqueConstraint("platform_id", "notice_id"),
        Index("ix_copy_notice_context", "deployment_id", "context_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform_id: Mapped[str] = mapped_column(ForeignKey("platform.id"))
    notice_id: Mapped[str] = mapped_column(String(64))
    """Hash of the notice's id: ids of an LMS may be long."""
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployment.id"))
    context_id: Mapped[str] = mapped_column(String(300))
    """The new context; its course may not have been opened yet."""
    origins: Mapped[list[str]]
    """Context ids that it was copied from."""
    at: Mapped[datetime]


class LinkHistory(Base):
    """A resource link of a course and the links that it was copied from, as a launch named them."""

    __tablename__ = "link_history"
    __table_args__ = (UniqueConstraint("course_id", "link_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    link_id: Mapped[str] = mapped_column(String(300))
    previous: Mapped[list[str]]
    """Newest first."""


class CourseColumn(Base):
    """An AGS line item that Tassel made in a course: one per badge. Never an assessment."""

    __tablename__ = "course_column"
    __table_args__ = (UniqueConstraint("course_id", "achievement_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    achievement_id: Mapped[str] = mapped_column(ForeignKey("achievement.id"))
    tag: Mapped[str] = mapped_column(String(100))
    """Our mark on it in the LMS, so that it is found again and never read as an assessment."""
    label: Mapped[str] = mapped_column(String(300))
    """The name that we gave it; another one in the LMS is the teacher's, and stays."""
    maximum: Mapped[Decimal]
    url: Mapped[str | None] = mapped_column(String(1000))
    """Line item URL; empty until it has been created or found there."""
    gone_at: Mapped[datetime | None]
    """When it was seen to be deleted in the LMS. It is not made again until somebody asks."""


class CourseScore(Base):
    """What we last wrote for one person in one of our columns (timestamps must only rise)."""

    __tablename__ = "course_score"
    __table_args__ = (UniqueConstraint("column_id", "person_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    column_id: Mapped[str] = mapped_column(ForeignKey("course_column.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"))
    value: Mapped[Decimal | None]
    timestamp: Mapped[datetime]
    """``timestamp`` of the last score message that we sent."""
