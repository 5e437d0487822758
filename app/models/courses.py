"""Courses, their sections and terms, and the gradebook columns that Tassel owns in them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
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
    """From the verified launch only: ``lineitems`` (URL), ``ags_scopes`` (list), ``memberships`` (URL)."""
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
    maximum: Mapped[Decimal]
    url: Mapped[str | None] = mapped_column(String(1000))
    """Line item URL; empty until it has been created or found there."""


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
