"""What the LMS holds in memory: people, courses, columns, grades, tools. One lock guards it all."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from app.demo.lms.framing import Framing
from app.demo.lms.keys import KeyRing
from app.demo.lms.rest_state import RestApi
from app.errors import NotFound

if TYPE_CHECKING:
    from app.demo.lms.config import LmsConfig
    from app.demo.lms.vendors.base import Vendor

Role = Literal["teacher", "assistant", "learner"]
ColumnKind = Literal["linked", "native", "tool"]


@dataclass(slots=True)
class Person:
    """An account of the LMS. ``uuid`` is the opaque id that some vendors send instead of ``id``.

    ``visits`` says whether the unattended story lets this person ever open the tool.
    """

    id: int
    uuid: str
    given: str
    family: str
    username: str
    email: str = ""
    sis_id: str = ""
    is_admin: bool = False
    is_test: bool = False
    visits: bool = False

    @property
    def name(self) -> str:
        """The full name as pages show it."""
        return f"{self.given} {self.family}"


@dataclass(slots=True)
class Enrolment:
    """One person in one course; ``sections`` are ids of the course's sections."""

    person_id: int
    role: Role
    sections: list[int] = field(default_factory=list)
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A class of a course, known to the SIS by ``sis_id``."""

    id: int
    name: str
    sis_id: str


@dataclass(frozen=True, slots=True)
class Term:
    """When a course runs; dates are ISO 8601 days in ``zone``."""

    name: str
    sis_id: str
    start: str
    end: str
    zone: str


@dataclass(slots=True)
class Grade:
    """What one cell of the gradebook holds. ``value`` is in points of the column; None: no grade.

    ``out_of`` is the maximum that came with the score, where the vendor keeps it.
    ``author`` is "teacher" or the tool's name; ``overridden`` means that a person changed what the
    tool had sent; ``comments`` grows where the vendor adds comments instead of replacing them.
    """

    value: float | None
    timestamp: datetime
    author: str = "teacher"
    comments: list[str] = field(default_factory=list)
    overridden: bool = False
    hidden: bool = False
    late: bool = False
    attempts: int = 1
    out_of: float | None = None
    locked: bool = False
    excluded: bool = False


@dataclass(slots=True)
class Column:
    """One gradebook column.

    ``linked``: the column of an activity that a teacher made with the tool; ``tool``: created by
    the tool through AGS; ``native``: everything else, which AGS never shows to any tool.
    ``home`` is the link in whose collection it stands, where collections belong to links.
    """

    id: int
    course_id: int
    label: str
    maximum: float
    kind: ColumnKind
    tool_id: int | None = None
    link_id: int | None = None
    tag: str = ""
    resource_id: str | None = ""
    home: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    grades: dict[int, Grade] = field(default_factory=dict)


@dataclass(slots=True)
class Link:
    """A resource link: an activity of a course, or its item in the course navigation."""

    id: int
    uuid: str
    course_id: int
    title: str
    description: str = ""
    url: str = ""
    custom: dict[str, str] = field(default_factory=dict)
    tool_id: int | None = None
    navigation: bool = False
    copied_from: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Course:
    """A course with its people. ``uuid`` is the opaque context id that some vendors send.

    ``copied_from``: the courses that it was copied from, newest first.
    """

    id: int
    uuid: str
    label: str
    title: str
    sis_id: str
    term: Term
    sections: list[Section]
    enrolments: dict[int, Enrolment] = field(default_factory=dict)
    copied_from: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Tool:
    """A registered LTI tool. Only an ``active`` one can be launched or get tokens."""

    id: int
    client_id: str
    deployment_id: str
    name: str
    login_url: str
    redirect_uris: list[str]
    keyset_url: str
    target_url: str
    deep_link_url: str = ""
    scopes: list[str] = field(default_factory=list)
    custom: dict[str, str] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    description: str = ""
    logo: str = ""
    active: bool = False
    handlers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Launch:
    """One started launch, waiting for the tool's authentication request."""

    key: str
    person_id: int
    course_id: int
    tool_id: int
    link_id: int | None
    message_type: str
    document_target: str


@dataclass(frozen=True, slots=True)
class ScorePost:
    """One score that the LMS accepted, in the order of arrival; ``body`` is exactly what came."""

    column_id: int
    person_id: int
    tool_id: int
    at: datetime
    body: dict[str, Any]


@dataclass(slots=True)
class Invite:
    """One registration token handed to a tool; ``tool_id`` is set when it updates that tool."""

    client_id: str
    tool_id: int | None = None
    used: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """A service access token."""

    tool_id: int
    scopes: frozenset[str]
    expires: datetime


@dataclass(slots=True)
class Session:
    """A browser at the LMS; ``sesskey`` goes into return URLs as Moodle does it."""

    person_id: int
    sesskey: str


@dataclass(slots=True)
class WebService:
    """The LMS's own web service, where it has one that goes by token (Moodle).

    ``tokens`` name the account each acts as; ``missing`` are functions that the
    service does not hold; ``narrow`` are courses
    with separate groups; ``failures`` are errors to answer next, by function; ``calls`` counts.
    """

    tokens: dict[str, int] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    narrow: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    """Accounts that may not use it any more."""
    wants_agent: bool = False
    seconds_per_student: float = 0.0
    failures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    busiest: int = 0
    """Most requests that were answered at the same time."""


class Campus:
    """All state of one LMS. Every reader and writer holds ``lock``; no network call inside it."""

    def __init__(self, config: LmsConfig, vendor: Vendor) -> None:
        self.config = config
        self.vendor = vendor
        self.lock = threading.RLock()
        self.base_url = config.base_url.rstrip("/")
        self.keys = KeyRing()
        self.skew = timedelta()
        self.clear()

    def clear(self) -> None:
        """Forget everything but the configuration, the keys and the address."""
        self.people: dict[int, Person] = {}
        self.courses: dict[int, Course] = {}
        self.columns: dict[int, Column] = {}
        self.links: dict[int, Link] = {}
        self.tools: dict[int, Tool] = {}
        self.launches: dict[str, Launch] = {}
        self.invites: dict[str, Invite] = {}
        self.access: dict[str, Access] = {}
        self.sessions: dict[str, Session] = {}
        self.posts: list[ScorePost] = []
        self.post_counts: Counter[tuple[int, int]] = Counter()
        self.used_assertions: set[str] = set()
        self.web_service = WebService()
        self.rest = RestApi()
        self.forge_next: dict[str, Any] | None = None
        self.throttled = 0
        self.framing = Framing()
        self._numbers: Counter[str] = Counter()
        self._subjects: dict[str, int] = {}

    def now(self) -> datetime:
        """The LMS's clock, aware UTC, with the skew that a test may have set."""
        return datetime.now(UTC) + self.skew

    def number(self, kind: str, start: int = 1) -> int:
        """The next small integer id of a kind."""
        self._numbers[kind] = max(self._numbers[kind] + 1, start)
        return self._numbers[kind]

    def add_person(self, person: Person) -> Person:
        """Keep a person and make both of the person's ids findable."""
        self.people[person.id] = person
        self._subjects[str(person.id)] = person.id
        self._subjects[person.uuid] = person.id
        return person

    def person_by_subject(self, subject: str) -> Person | None:
        """The person behind a number or an opaque id."""
        found = self._subjects.get(subject)
        return None if found is None else self.people[found]

    def course(self, course_id: int) -> Course:
        """The course, or ``NotFound``."""
        if course_id not in self.courses:
            raise NotFound("no-course", "There is no such course.")
        return self.courses[course_id]

    def person(self, person_id: int) -> Person:
        """The person, or ``NotFound``."""
        if person_id not in self.people:
            raise NotFound("no-person", "There is no such person.")
        return self.people[person_id]

    def course_columns(self, course_id: int) -> list[Column]:
        """Every column of the course, native ones included, in the order they were made."""
        return [column for column in self.columns.values() if column.course_id == course_id]

    def tool_columns(self, course_id: int, tool_id: int) -> list[Column]:
        """What AGS shows to a tool: its own columns and nothing else."""
        return [
            column
            for column in self.course_columns(course_id)
            if column.tool_id == tool_id and column.kind != "native"
        ]

    def course_links(self, course_id: int) -> list[Link]:
        """The resource links of a course, the navigation item first."""
        links = [link for link in self.links.values() if link.course_id == course_id]
        return sorted(links, key=lambda link: (not link.navigation, link.id))

    def active_tools(self) -> list[Tool]:
        """The tools that can be launched."""
        return [tool for tool in self.tools.values() if tool.active]

    def tool_by_client(self, client_id: str) -> Tool | None:
        """The tool with this client id."""
        return next((tool for tool in self.tools.values() if tool.client_id == client_id), None)

    def activate(self, tool: Tool) -> None:
        """Let a tool be used; the first one takes over the activities that teachers had made."""
        tool.active = True
        for link in self.links.values():
            if link.tool_id is None:
                link.tool_id = tool.id
        for column in self.columns.values():
            if column.kind == "linked" and column.tool_id is None:
                column.tool_id = tool.id
        for course in self.courses.values():
            mine = [link for link in self.course_links(course.id) if link.tool_id == tool.id]
            if not any(link.navigation for link in mine):
                number = self.number("link")
                self.links[number] = Link(
                    number, course.uuid, course.id, "", tool_id=tool.id, navigation=True
                )
