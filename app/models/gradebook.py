"""What was scored: assessments, current results, every version of them, and the reading runs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, new_id


class Assessment(Base):
    """One gradebook column of a course, from one source. A column of ours is never one."""

    __tablename__ = "assessment"
    __table_args__ = (UniqueConstraint("course_id", "source", "external_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    source: Mapped[str] = mapped_column(String(40))
    """Key of the grade source: "ags", later "canvas_rest", "moodle_ws", "csv"."""
    external_id: Mapped[str] = mapped_column(String(1000))
    """The source's id; for AGS the line item URL."""
    title: Mapped[str] = mapped_column(String(300))
    maximum: Mapped[Decimal | None]
    position: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | gone (not listed any more; results stay)."""
    seen_at: Mapped[datetime]


class Result(Base):
    """The current result of a person in an assessment."""

    __tablename__ = "result"
    __table_args__ = (UniqueConstraint("assessment_id", "person_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessment.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    version: Mapped[int]
    """Number of the current ResultVersion."""
    raw: Mapped[Decimal | None]
    """As given, in units of ``maximum``; empty = no grade (any more)."""
    maximum: Mapped[Decimal | None]
    posted: Mapped[bool] = mapped_column(default=True)
    """False: hidden from the learner, does not count."""
    excused: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime]


class ResultVersion(Base):
    """Every state a result was ever seen in; append only."""

    __tablename__ = "result_version"
    __table_args__ = (UniqueConstraint("result_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"))
    number: Mapped[int]
    raw: Mapped[Decimal | None]
    maximum: Mapped[Decimal | None]
    scale: Mapped[str | None] = mapped_column(String(100))
    attempt: Mapped[int | None]
    posted: Mapped[bool]
    excused: Mapped[bool] = mapped_column(default=False)
    graded_at: Mapped[datetime | None]
    """When the source says it was graded."""
    source: Mapped[str] = mapped_column(String(40))
    seen_at: Mapped[datetime]


class CollectRun(Base):
    """One reading of one course's grades; also the progress bar of "Refresh now"."""

    __tablename__ = "collect_run"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"), index=True)
    trigger: Mapped[str] = mapped_column(String(20))
    """schedule | button | publish | launch."""
    state: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    """waiting | running | done | failed."""
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    """Columns read so far."""
    total: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    """Results that differed from what was known."""
    awarded: Mapped[int] = mapped_column(default=0)
    problem: Mapped[dict[str, Any] | None]
    """``{code, message, fix}`` when it failed or was incomplete; earlier data stay."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
