"""The port of every grade source: what a source must deliver and what it raises. Pure.

A source reads over the network in pages of any shape: a column at a time (AGS), many people by many
columns (Canvas), a person at a time (Moodle), a whole file (CSV). It says of each page what is now
complete, and gives a cursor that means "all up to here is kept". The caller keeps every page at once,
with its cursor, in one transaction; so a failure half-way loses nothing, and the next reading goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

OWN_TAG = "tassel-badge"
"""Our mark begins so: the tag of a column that Tassel made, or its resource id."""

IdKind = Literal["sub", "lms", "sis", "person"]
"""Which id a source names people by: LTI ``sub`` (also Moodle's user id), the LMS's own number where
that is another one (Canvas; ``Person.lms_user_id``), the student number, or our own row (CSV)."""

User = tuple[IdKind, str]
Unit = Literal["columns", "people"]


@dataclass(frozen=True)
class SourceColumn:
    """One gradebook column: ``external_id`` is stable at the source; ``maximum`` in points."""

    external_id: str
    title: str
    maximum: Decimal | None
    position: int
    tag: str | None = None
    """The source's mark on the column; ours begins with ``OWN_TAG``."""
    resource_id: str | None = None
    """The maker's own id of the column, where the source tells; ours begins with ``OWN_TAG``."""
    kind: str = ""
    """quiz | assignment | discussion | manual | lti, or "" where the source does not tell."""
    identities: frozenset[str] = frozenset()
    """What makes it the same column in another source of this course: ``link:<LTI resource link
    id>`` and ``item:<the LMS's own id of the gradebook column>``."""
    hidden: bool = False
    """The whole column is hidden from learners now."""
    scale: str | None = None
    """Set where grades are words of a scale: ``maximum`` is then the number of its words and a
    grade the place of its word, from 1."""


@dataclass(frozen=True)
class Listing:
    """The columns of a course. ``complete``: whatever is not listed is gone at the source.

    A source that learns of its columns while it reads gives what it knows now and ``complete=False``;
    the rest comes with its pages, and columns are gone when a complete reading has not met them.
    """

    columns: Sequence[SourceColumn]
    complete: bool = True


@dataclass(frozen=True)
class SourceScore:
    """One person's grade in one column. ``raw`` empty = no grade; ``user`` is an id of ``kind``."""

    external_id: str
    user: str
    raw: Decimal | None
    maximum: Decimal | None
    posted: bool = True
    """False: hidden from the learner; does not count."""
    excused: bool = False
    graded_at: datetime | None = None
    scale: str | None = None
    attempt: int | None = None
    overridden: bool = False
    """A person changed what a tool or the LMS had computed."""
    locked: bool = False
    kind: IdKind = "sub"


@dataclass(frozen=True)
class SourcePerson:
    """What a source knows of a person besides the id that its scores carry: other ids, never a name."""

    user: str
    kind: IdKind
    sis_id: str | None = None
    sub: str | None = None


@dataclass(frozen=True)
class Page:
    """Part of a reading, kept in one transaction with its cursor.

    Missing means emptied only for what is complete: ``complete_columns`` (external ids whose last
    rows have come, over all pages of this reading) and ``complete_people`` (those whose every grade is
    in this very page). ``unsure`` are cells (external id and user) that the source could not tell now:
    they stay as they were.
    """

    scores: Sequence[SourceScore] = ()
    columns: Sequence[SourceColumn] = ()
    """Columns that the listing did not know."""
    people: Sequence[SourcePerson] = ()
    complete_columns: frozenset[str] = frozenset()
    complete_people: frozenset[User] = frozenset()
    unsure: frozenset[tuple[str, User]] = frozenset()
    done: int = 0
    """Columns or people read so far in this reading, of ``total``."""
    total: int = 0
    cursor: Mapping[str, Any] | None = None
    """JSON; None = the cursor before it still stands."""
    whole: bool = False
    """The last page of a reading from the beginning: columns that it has not met are gone."""
    closed: bool = False
    """With the last page: the LMS has closed the course, so this was its last reading."""


@dataclass(frozen=True)
class Setup:
    """How a course is connected to a source that needs more than the launch."""

    base_url: str
    """Where the LMS's own interface stands, from the operator; no trailing slash."""
    course_key: str
    """The LMS's own course id."""
    grant_id: str | None
    """Row of ``GradeGrant``: whose authorisation is used. None = no authorisation is needed."""


@dataclass(frozen=True)
class CourseRef:
    """What a source may know of a course: row id, registration and the launch's service claims."""

    course_id: str
    platform_id: str
    context_id: str
    services: dict[str, Any]
    setups: Mapping[str, Setup] = field(default_factory=dict)
    """By source key: the sources that this course is connected to."""


@dataclass(frozen=True)
class Asked:
    """What is wanted of a reading: ``cursor`` of the last kept page; ``whole`` = from the beginning."""

    cursor: Mapping[str, Any] | None = None
    whole: bool = False


class GradeSource(Protocol):
    """Reads one course.

    Raises ``UpstreamError``; what was read before stays valid. One with ``retry_after`` means that
    the source asks to wait: the reading goes on from its cursor after that time. Code
    ``source-lost``: the authorisation is gone and a person must connect again. Code
    ``course-concluded``: the LMS has closed the course; it is not read any more until somebody asks.
    """

    key: str
    label: str
    rank: int
    """The richer source of one column has the higher rank; its grades count."""
    unit: Unit
    """What ``Page.done`` counts."""

    def serves(self, course: CourseRef) -> bool:
        """Whether this source can see anything of the course."""

    def columns(self, course: CourseRef, asked: Asked) -> Listing:
        """Every column that the source lists (ours are filtered out by the caller)."""

    def read(
        self, course: CourseRef, columns: Sequence[SourceColumn], asked: Asked
    ) -> Iterator[Page]:
        """The grades of ``columns``: all of them, or what has changed since ``asked.cursor``."""
