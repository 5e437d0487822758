"""Grades that came in a file: the preview while somebody looks at it, and what it changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, new_id


class GradeUpload(Base):
    """One uploaded gradebook file. Its content lives only as long as its preview."""

    __tablename__ = "grade_upload"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"), index=True)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    """Who uploaded it."""
    state: Mapped[str] = mapped_column(String(20), default="preview")
    """preview | applied | undone. A dropped or expired preview is deleted."""
    sealed: Mapped[str | None]
    """The file under the master key; empty as soon as it is applied."""
    choices: Mapped[dict[str, Any] | None]
    """What the teacher chose per column, and which suggested people were confirmed."""
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the preview is deleted; empty once applied."""
    created_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    taken: Mapped[int] = mapped_column(default=0)
    """Results that it changed."""
    unchanged: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)
    """Rows of nobody that is known and cells that could not be read."""


class GradeUploadChange(Base):
    """One result that an upload changed; ``number`` is the version that it made."""

    __tablename__ = "grade_upload_change"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("grade_upload.id"), index=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"))
    number: Mapped[int]
