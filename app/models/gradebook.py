"""What was scored: assessments, current results, every version of them, and the reading runs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, new_id


class Assessment(Base):
    """One gradebook column of a course, through whichever sources. A column of ours is never one."""

    __tablename__ = "assessment"
    __table_args__ = (UniqueConstraint("course_id", "source", "external_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    source: Mapped[str] = mapped_column(String(40))
    """Key of the grade source that leads (its grades count): "ags", "canvas_rest", "moodle_ws", "csv"."""
    external_id: Mapped[str] = mapped_column(String(1000))
    """The leading source's id; for AGS the line item URL. All of them: ``ColumnSource``."""
    title: Mapped[str] = mapped_column(String(300))
    maximum: Mapped[Decimal | None]
    position: Mapped[int] = mapped_column(default=0)
    tag: Mapped[str | None] = mapped_column(String(300))
    """The maker's mark on the column; an LMS copies it with the course."""
    resource_id: Mapped[str | None] = mapped_column(String(300))
    """The maker's id of what is assessed; copied too."""
    link_id: Mapped[str | None] = mapped_column(String(300))
    """The resource link behind the column, where there is one."""
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | gone (not listed any more; results stay)."""
    kind: Mapped[str] = mapped_column(String(40), default="")
    """quiz | assignment | discussion | manual | lti; empty when the source does not tell."""
    hidden: Mapped[bool] = mapped_column(default=False)
    """The whole column is hidden from learners now."""
    scale: Mapped[str | None] = mapped_column(String(100))
    """Set where grades are places in a scale of ``maximum`` words, from 1."""
    seen_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    """When its grades were last brought up to date."""


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
    attempt: Mapped[int | None]
    """Of the current version, as are the next: another attempt may end with the same value."""
    graded_at: Mapped[datetime | None]
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
    overridden: Mapped[bool] = mapped_column(default=False)
    """A person changed what a tool or the LMS had computed."""
    locked: Mapped[bool] = mapped_column(default=False)
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
    whole: Mapped[bool] = mapped_column(default=False)
    """From the beginning ("Refresh everything"), whatever was read before."""
    next_at: Mapped[datetime | None]
    """Not before this time: a source asked to wait. What was read is kept, the rest follows."""
    delays: Mapped[int] = mapped_column(default=0)
    """How often it was put off."""
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    """Columns or people read so far in ``source``."""
    total: Mapped[int] = mapped_column(default=0)
    unit: Mapped[str] = mapped_column(String(20), default="columns")
    """What ``done`` and ``total`` count: columns | people."""
    source: Mapped[str | None] = mapped_column(String(40))
    """The source that is being read, or was read last."""
    changed: Mapped[int] = mapped_column(default=0)
    """Results that differed from what was known."""
    awarded: Mapped[int] = mapped_column(default=0)
    problem: Mapped[dict[str, Any] | None]
    """``{code, message, fix}`` when it failed or was incomplete; earlier data stay."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
