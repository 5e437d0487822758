"""The port of every grade source: what a source must deliver and what it raises. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol


@dataclass(frozen=True)
class SourceColumn:
    """One gradebook column: ``external_id`` is stable at the source; ``maximum`` in points."""

    external_id: str
    title: str
    maximum: Decimal | None
    position: int
    tag: str | None = None
    """The source's mark on the column; ours begins with ``OWN_TAG``."""


@dataclass(frozen=True)
class SourceScore:
    """One person's grade in one column. ``raw`` empty = no grade; ``user`` is the LTI ``sub``."""

    external_id: str
    user: str
    raw: Decimal | None
    maximum: Decimal | None
    posted: bool = True
    excused: bool = False
    graded_at: datetime | None = None
    scale: str | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class CourseRef:
    """What a source may know of a course: row id, registration and the launch's service claims."""

    course_id: str
    platform_id: str
    context_id: str
    services: dict[str, Any]


OWN_TAG = "tassel-badge"


class GradeSource(Protocol):
    """Reads one course. Raises ``UpstreamError``; what was read before stays valid."""

    key: str
    label: str

    def serves(self, course: CourseRef) -> bool:
        """Whether this source can see anything of the course."""

    def columns(self, course: CourseRef) -> Sequence[SourceColumn]:
        """Every column that the source lists (ours are filtered out by the caller)."""

    def scores(self, course: CourseRef, column: SourceColumn) -> Iterator[SourceScore]:
        """Every present grade of one column."""
