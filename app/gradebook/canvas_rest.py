"""Grades through Canvas's own REST interface: every published assignment, with a teacher's rights.

A whole reading sweeps ``students/submissions`` in groups of columns and notes each finished group in
its cursor, so that a failure costs one group. Later readings ask for what was graded since, by the
server's own clock with an overlap. What that cannot show (a grade that was hidden again, an excuse, a
deleted submission) the next whole reading brings: once a day, or when somebody asks for everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from app.gradebook import canvas_answers as answers
from app.gradebook.canvas_client import SCOPES, Answer, CanvasClient, strange
from app.gradebook.grants import Access, Grants, Tokens
from app.gradebook.port import (
    Asked,
    CourseRef,
    Listing,
    Page,
    SourceColumn,
    Unit,
)

KEY = "canvas_rest"
PER_PAGE = 100
GROUP_ROWS = 3000
"""Rows of one group of columns: what a failure may cost again."""
OVERLAP = timedelta(minutes=5)
"""Changes this much older than the last reading are asked for again."""
WHOLE_EVERY = timedelta(hours=24)
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the time of a server that tells none: changes since then are all there are."""


@dataclass
class _Cursor:
    """What is kept already; times are the server's."""

    since: datetime | None = None
    whole_at: datetime | None = None
    columns: frozenset[str] = frozenset()
    """Columns that have been read from the beginning; any other one is read so first."""
    started: datetime | None = None
    """A whole reading that has not come to its end began then."""
    done: frozenset[str] = frozenset()
    """Columns that it has finished."""

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None) -> _Cursor:
        found = stored or {}
        return cls(
            answers.moment(found.get("since")),
            answers.moment(found.get("whole_at")),
            frozenset(found.get("columns", ())),
            answers.moment(found.get("started")),
            frozenset(found.get("done", ())),
        )

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "whole_at": self.whole_at.isoformat() if self.whole_at else None,
            "columns": sorted(self.columns),
            "started": self.started.isoformat() if self.started else None,
            "done": sorted(self.done),
        }


class CanvasRest:
    """Grade source "canvas_rest", and the one who obtains authorisations for it."""

    key = KEY
    label = "Canvas"
    rank = 30
    unit: Unit = "columns"
    lms = "canvas"
    scopes = SCOPES

    def __init__(self, client: CanvasClient, grants: Grants) -> None:
        """``grants`` keeps the tokens."""
        self._client, self._grants = client, grants

    # --- authorisation -----------------------------------------------------------------------

    def authorise_url(self, access: Access, redirect_uri: str, state: str) -> str:
        """Where the person gives consent."""
        return self._client.authorise_url(access, redirect_uri, state)

    def exchange(self, access: Access, code: str, redirect_uri: str) -> Tokens:
        """The tokens for a code. Raises Refused or UpstreamError."""
        values = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self._client.tokens(access, values)

    def refresh(self, access: Access, refresh_token: str) -> Tokens:
        """New tokens. Raises Refused or UpstreamError."""
        values = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._client.tokens(access, values)

    def revoke(self, access: Access, access_token: str) -> None:
        """Give the authorisation back. Raises UpstreamError."""
        self._client.revoke(access, access_token)

    # --- reading -----------------------------------------------------------------------------

    def serves(self, course: CourseRef) -> bool:
        """Once somebody connected the course, and the launch told its number."""
        setup = course.setups.get(KEY)
        return setup is not None and bool(setup.course_key) and setup.grant_id is not None

    def columns(self, course: CourseRef, asked: Asked) -> Listing:
        """The published, graded assignments."""
        query = urlencode({"per_page": PER_PAGE})
        rows = [row for page in self._pages(course, f"assignments?{query}") for row in _rows(page)]
        found = (answers.column(row, place) for place, row in enumerate(rows, 1))
        return Listing([column for column in found if column is not None])

    def read(
        self, course: CourseRef, columns: Sequence[SourceColumn], asked: Asked
    ) -> Iterator[Page]:
        """A whole reading, the rest of one, or what was graded since the last."""
        about = self._get(course, "")
        over = isinstance(about.body, dict) and answers.is_over(about.body)
        cursor = _Cursor.load(asked.cursor)
        now = about.at or cursor.whole_at or NEVER
        due = cursor.whole_at is None or now - cursor.whole_at >= WHOLE_EVERY
        if asked.whole or cursor.started or due or over:
            if asked.whole or cursor.started is None:
                cursor.started, cursor.done = now, frozenset()
            yield from self._whole(course, columns, cursor, over)
        else:
            yield from self._changes(course, columns, cursor, now)

    def _whole(
        self, course: CourseRef, columns: Sequence[SourceColumn], cursor: _Cursor, over: bool
    ) -> Iterator[Page]:
        learners = 0
        listed = {"enrollment_type[]": "student", "per_page": PER_PAGE}
        yield Page(done=len(cursor.done), total=len(columns), cursor=cursor.stored())
        for page in self._pages(course, f"users?{urlencode(listed)}"):
            people = [one for row in _rows(page) if (one := answers.person(row)) is not None]
            learners += len(people)
            yield Page(people=people, done=len(cursor.done), total=len(columns))
        left = [one for one in columns if one.external_id not in cursor.done]
        for group in _groups(left, learners):
            yield from self._group(course, group, cursor, len(columns))
        started = cursor.started
        end = _Cursor(
            since=started - OVERLAP if started else None,
            whole_at=started,
            columns=frozenset(one.external_id for one in columns),
        )
        yield Page(
            done=len(columns), total=len(columns), cursor=end.stored(), whole=True, closed=over
        )

    def _group(
        self, course: CourseRef, group: Sequence[SourceColumn], cursor: _Cursor, total: int
    ) -> Iterator[Page]:
        """Every submission of some columns; the last page completes them."""
        wanted = {column.external_id: column for column in group}
        query = [("student_ids[]", "all"), ("per_page", str(PER_PAGE))]
        query += [("assignment_ids[]", number) for number in wanted]
        for answer in self._pages(course, f"students/submissions?{urlencode(query)}"):
            scores, unsure = answers.scores(_rows(answer), wanted, empty=False)
            last = answer.next is None
            if last:
                cursor.done |= wanted.keys()
            yield Page(
                scores=scores,
                unsure=frozenset(unsure),
                complete_columns=frozenset(wanted) if last else frozenset(),
                done=len(cursor.done),
                total=total,
                cursor=cursor.stored() if last else None,
            )

    def _changes(
        self, course: CourseRef, columns: Sequence[SourceColumn], cursor: _Cursor, now: datetime
    ) -> Iterator[Page]:
        """New columns whole, then what was graded since the last reading in the others."""
        new = [one for one in columns if one.external_id not in cursor.columns]
        steps, done = len(new) + 1, 0
        for group in _groups(new, GROUP_ROWS):
            scratch = _Cursor()
            for page in self._group(course, group, scratch, steps):
                yield Page(
                    scores=page.scores,
                    unsure=page.unsure,
                    complete_columns=page.complete_columns,
                    done=done,
                    total=steps,
                )
            done += len(group)
        wanted = {one.external_id: one for one in columns}
        query = {"student_ids[]": "all", "per_page": str(PER_PAGE)}
        if cursor.since:
            query["graded_since"] = cursor.since.isoformat().replace("+00:00", "Z")
        for answer in self._pages(course, f"students/submissions?{urlencode(query)}"):
            scores, unsure = answers.scores(_rows(answer), wanted, empty=True)
            yield Page(scores=scores, unsure=frozenset(unsure), done=done, total=steps)
        cursor.since, cursor.columns = now - OVERLAP, frozenset(wanted)
        yield Page(done=steps, total=steps, cursor=cursor.stored())

    # --- requests ----------------------------------------------------------------------------

    def _get(self, course: CourseRef, path: str) -> Answer:
        return next(iter(self._pages(course, path)))

    def _pages(self, course: CourseRef, path: str) -> Iterator[Answer]:
        setup = course.setups[KEY]
        grant_id = setup.grant_id or ""
        slash = "/" if path else ""
        url = f"{setup.base_url}/api/v1/courses/{setup.course_key}{slash}{path}"

        def token(used: str | None) -> str:
            if used is None:
                return self._grants.token(grant_id, self)
            return self._grants.renew(grant_id, self, used)

        return self._client.pages(url, grant_id, token)


def _rows(answer: Answer) -> Sequence[dict[str, Any]]:
    """The objects of a list. UpstreamError when it is none: no row would mean that nobody has a grade."""
    listed = answer.body if isinstance(answer.body, list) else None
    rows = [row for row in listed or () if isinstance(row, dict)]
    if listed is None or (listed and not rows):
        raise strange("the request for a list", None)
    return rows


def _groups(columns: Sequence[SourceColumn], learners: int) -> Iterator[Sequence[SourceColumn]]:
    """Columns in groups of about GROUP_ROWS rows; fifty at most, so that addresses stay short."""
    size = min(50, max(1, GROUP_ROWS // max(1, learners)))
    for start in range(0, len(columns), size):
        yield columns[start : start + size]
