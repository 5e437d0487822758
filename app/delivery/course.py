"""Target "course": full marks in a column of our own for whoever earned the badge.

Not-yet is never sent. Before anything is written the column is read: what already says full marks
is done, and a value that somebody else put there is left alone. So a repeat after a lost answer
posts again only when the read-back shows that nothing arrived, and then with a later time stamp
(AGS 2.0: a score with a time stamp that is not newer is refused or ignored).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.delivery.columns import FULL, Cell, ColumnBook, Place, Written
from app.delivery.port import RAW_LIMIT, AwardFacts, Outcome, Planned, TestLine
from app.errors import AppError, UpstreamError
from app.http import HttpClient
from app.lti.services import AgsResult, LtiServices

PARALLEL = 4
"""Posts at a time to one LMS (measured: more does not help a real one)."""
TEACHER = "the teacher of the course"
LMS_ADMIN = "the administrator of the LMS"
_STALE = "ags-stale-timestamp"
_GONE = "lti-gone"
_REFUSED = "lti-token-refused"

Row = tuple[str, Cell, str]
"""Delivery id, the cell that it is about, operation."""


@dataclass(frozen=True, slots=True)
class Gradebook:
    """What the target works with; ``clock`` returns aware UTC."""

    lti: LtiServices
    http: HttpClient
    book: ColumnBook
    clock: Callable[[], datetime]


class CourseTarget:
    """The columns of ours in the courses of one LMS."""

    kind = "course"

    def __init__(self, gradebook: Gradebook) -> None:
        """Holds no state between batches."""
        self._lti, self._http = gradebook.lti, gradebook.http
        self._book, self._clock = gradebook.book, gradebook.clock

    def test(self) -> list[TestLine]:
        """Nothing to ask without a course: the launch of each course brings its own addresses."""
        return [
            TestLine(
                "Course columns",
                "green",
                "Each course brings its own address with every launch; the first badge sent to a"
                " course tests it.",
            )
        ]

    def preview(self, facts: AwardFacts, operation: str) -> Planned | Outcome:
        """The score message that would be posted (AGS 2.0, 3.2), before any read-back."""
        cell = self._book.cells([facts.award_id]).get(facts.award_id)
        if cell is None:
            return _no_column()
        url = self._book.url(cell.place)
        summary = f"Full marks in the column “{cell.place.label}”"
        payload: dict[str, Any] = {"userId": cell.user, "scoreMaximum": int(FULL)}
        if operation == "create":
            payload |= {"scoreGiven": int(FULL), "gradingProgress": "FullyGraded"}
            payload["activityProgress"] = "Completed"
        else:
            summary = f"Take our mark back from the column “{cell.place.label}”"
        warnings = () if url else ("The column does not exist yet; it is made first.",)
        return Planned(
            "revoke" if operation == "revoke" else "create",
            "POST",
            url or cell.place.line_items,
            payload,
            summary,
            warnings,
        )

    def fetch(self, remote_ref: str) -> dict[str, Any] | None:
        """The person's result as the LMS holds it; ``remote_ref`` is as ``send_many`` gave it."""
        platform_id, _, rest = remote_ref.partition(" ")
        url, _, user = rest.rpartition(" ")
        for result in self._lti.results(platform_id, url):
            if result.user_id == user and result.score is not None:
                return {"score": str(result.score), "maximum": str(result.maximum)}
        return None

    def send_many(self, batch: Sequence[tuple[str, AwardFacts, str]]) -> Mapping[str, Outcome]:
        """One outcome per delivery id; columns one after the other, people four at a time."""
        cells = self._book.cells([facts.award_id for _, facts, _ in batch])
        outcomes: dict[str, Outcome] = {}
        columns: dict[tuple[Place, str], list[Row]] = defaultdict(list)
        for delivery_id, facts, operation in batch:
            cell = cells.get(facts.award_id)
            if cell is None:
                outcomes[delivery_id] = _no_column()
            else:
                columns[cell.place, operation].append((delivery_id, cell, operation))
        for (place, operation), rows in columns.items():
            stopped = next((why for why in outcomes.values() if why.attention), None)
            by_person = self._one_column(place, operation, [cell for _, cell, _ in rows], stopped)
            outcomes |= {name: by_person[cell.person_id] for name, cell, _ in rows}
        return outcomes

    def _one_column(
        self, place: Place, operation: str, cells: Sequence[Cell], stopped: Outcome | None
    ) -> dict[str, Outcome]:
        """Outcome by person id; nothing is tried any more once somebody is needed."""
        people = {cell.person_id: cell for cell in cells}
        if stopped is not None:
            return dict.fromkeys(people, stopped)
        try:
            return (self._write if operation == "create" else self._take_back)(place, people)
        except AppError as error:
            return dict.fromkeys(people, self._failed(place, error))

    # --- full marks --------------------------------------------------------------------------

    def _write(self, place: Place, cells: Mapping[str, Cell]) -> dict[str, Outcome]:
        """Full marks for everyone in ``cells`` whose cell is empty; outcome by person id."""
        url = self._column(place)
        written = self._book.written(place, cells)
        shown = self._read(place, url, cells)
        outcomes, todo = self._judge(place, url, cells, shown, written)
        failed = self._post(place, url, todo, FULL, written, shown)
        again = {who: cells[who] for who, error in failed.items() if _is_doubtful(error)}
        if again and place.readable:
            outcomes |= self._look_again(place, url, again, written)
        fine = [who for who in todo if who not in failed]
        outcomes |= {who: _sent("posted", place, url, cells[who]) for who in fine}
        ours = [who for who in cells if who in fine or _is_ours(outcomes.get(who))]
        self._book.settle(place, ours, FULL)
        return {who: outcomes.get(who) or outcome_of(failed[who]) for who in cells}

    def _look_again(
        self, place: Place, url: str, cells: Mapping[str, Cell], written: Mapping[str, Written]
    ) -> dict[str, Outcome]:
        """What read-back shows of posts without a clear answer; nothing if it cannot be read now."""
        try:
            shown = self._read(place, url, cells)
        except UpstreamError:
            return {}
        return self._judge(place, url, cells, shown, written)[0]

    def _judge(
        self,
        place: Place,
        url: str,
        cells: Mapping[str, Cell],
        shown: Mapping[str, AgsResult],
        written: Mapping[str, Written],
    ) -> tuple[dict[str, Outcome], dict[str, Cell]]:
        """What needs no post, by what the LMS shows, and the cells that do."""
        outcomes: dict[str, Outcome] = {}
        for who, cell in cells.items():
            result = shown.get(cell.user)
            if result is not None and result.score is not None:
                code = "already-there" if is_full(result) else "teacher-value-kept"
                outcomes[who] = _sent(code, place, url, cell)
            elif not place.readable and who in written and written[who].value is not None:
                outcomes[who] = _sent("already-there", place, url, cell)
        return outcomes, {who: cell for who, cell in cells.items() if who not in outcomes}

    def _column(self, place: Place) -> str:
        """The column's address; found by its tag or made when we do not know it."""
        known = self._book.url(place)
        if known is not None:
            return known
        item = self._lti.find_or_create_line_item(
            place.platform_id, place.line_items, place.label, FULL, place.tag, place.achievement_id
        )
        self._book.keep_url(place, item.url)
        return item.url

    def _read(self, place: Place, url: str, cells: Mapping[str, Cell]) -> dict[str, AgsResult]:
        """LTI user to the grade that stands there, for the people of ``cells`` only."""
        if not place.readable:
            return {}
        wanted = {cell.user for cell in cells.values()}
        results = self._lti.results(place.platform_id, url)
        return {result.user_id: result for result in results if result.user_id in wanted}

    # --- posting -----------------------------------------------------------------------------

    def _post(
        self,
        place: Place,
        url: str,
        cells: Mapping[str, Cell],
        value: Decimal | None,
        written: Mapping[str, Written],
        shown: Mapping[str, AgsResult],
    ) -> dict[str, UpstreamError]:
        """Post ``value`` for everyone in ``cells``; returns whose post did not surely arrive."""
        stamps = self._stamps(place, cells, written, shown)
        late = cells.keys() - self._book.stamp(place, stamps)
        brake = _Brake()

        def post_some(people: Sequence[str]) -> dict[str, UpstreamError]:
            failed: dict[str, UpstreamError] = {}
            try:
                for who in people:
                    first = who not in written or written[who].value is None
                    comment = "Badge earned." if value is not None and first else None
                    error = brake.stopped or self._try(
                        place, url, cells[who].user, value, stamps[who], comment
                    )
                    brake.note(error)
                    if error is not None:
                        failed[who] = error
            finally:
                self._http.close()
            return failed

        people = [who for who in cells if who not in late]
        failed = {who: _overtaken() for who in late}
        with ThreadPoolExecutor(PARALLEL) as pool:
            for part in pool.map(post_some, (people[n::PARALLEL] for n in range(PARALLEL))):
                failed |= part
        return failed

    def _stamps(
        self,
        place: Place,
        cells: Mapping[str, Cell],
        written: Mapping[str, Written],
        shown: Mapping[str, AgsResult],
    ) -> dict[str, datetime]:
        """The time stamp for each person: now, or just after the last one known on either side."""
        now = self._clock()
        stamps: dict[str, datetime] = {}
        for who, cell in cells.items():
            result = shown.get(cell.user)
            known = [written[who].timestamp] if who in written else []
            known += [result.timestamp] if result is not None and result.timestamp else []
            stamps[who] = self._lti.score_timestamp(
                place.platform_id, now, max(known, default=None)
            )
        return stamps

    def _try(
        self,
        place: Place,
        url: str,
        user: str,
        value: Decimal | None,
        stamp: datetime,
        comment: str | None,
    ) -> UpstreamError | None:
        try:
            self._lti.post_score(place.platform_id, url, user, value, FULL, stamp, comment)
        except UpstreamError as error:
            return error
        return None

    # --- taking back -------------------------------------------------------------------------

    def _take_back(self, place: Place, cells: Mapping[str, Cell]) -> dict[str, Outcome]:
        """Empty the cells that read-back shows to hold our full marks; outcome by person id."""
        url = self._book.url(place)
        written = self._book.written(place, cells)
        tried = {who: cell for who, cell in cells.items() if who in written}
        outcomes = {
            who: _done("nothing-there", "Nothing was ever written for this person.")
            for who in cells
            if url is None or who not in tried
        }
        if url is None or not tried:
            return outcomes
        if not place.readable:
            return outcomes | dict.fromkeys(tried, _unreadable())
        shown = self._read(place, url, tried)
        ours = {w: c for w, c in tried.items() if c.user in shown and is_full(shown[c.user])}
        failed = self._post(place, url, ours, None, written, shown)
        after = self._read(place, url, ours) if ours else {}
        for who, cell in tried.items():
            left = after.get(cell.user) if who in ours else None
            if left is not None and is_full(left):
                outcomes[who] = outcome_of(failed[who]) if who in failed else _not_taken()
            else:
                outcomes[who] = _taken(shown.get(cell.user), mine=who in ours)
        self._book.settle(place, [w for w in tried if outcomes[w].kind == "sent"], None)
        return outcomes

    def _failed(self, place: Place, error: AppError) -> Outcome:
        """A whole column failed. One that is gone is forgotten, so that Retry makes it again."""
        if error.code == _GONE and self._book.url(place) is not None:
            self._book.keep_url(place, None)
            return Outcome(
                "never",
                "column-gone",
                "The column for this badge was deleted in the LMS.",
                fix="If it should exist, press Retry: Tassel makes it again.",
                who=TEACHER,
            )
        return outcome_of(error)


class _Brake:
    """Stops posting to an LMS that answers no more: the rest is put off without trying."""

    limit = 3

    def __init__(self) -> None:
        self._row = 0
        self.stopped: UpstreamError | None = None

    def note(self, error: UpstreamError | None) -> None:
        """Count failures in a row that are not about one person."""
        if error is None or error.permanent or error.code == _STALE:
            self._row = 0
            return
        self._row += 1
        if self._row >= self.limit or error.status == 429 or error.retry_after:
            self.stopped = error


def is_full(result: AgsResult) -> bool:
    """Whether a result says full marks, whatever maximum the LMS scaled it to."""
    return result.score is not None and result.score == (result.maximum or FULL)


def outcome_of(error: AppError) -> Outcome:
    """What a failed call to the LMS means for a delivery."""
    if not isinstance(error, UpstreamError):
        return Outcome("held", error.code, error.message, error.fix, LMS_ADMIN)
    return Outcome(
        "never" if error.permanent else "later",
        error.code,
        error.message,
        fix=error.fix,
        who=TEACHER if error.code == "ags-user-refused" else LMS_ADMIN,
        status=error.status,
        retry_after=error.retry_after,
        raw=error.body[:RAW_LIMIT],
        attention=error.code == _REFUSED,
    )


def _is_doubtful(error: UpstreamError) -> bool:
    """Whether the score may stand there although the answer says nothing of the kind."""
    return error.code == _STALE or error.status is None or error.status >= 500


def _is_ours(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.code in ("posted", "already-there")


_MESSAGES = {
    "posted": "Full marks stand in the course column.",
    "already-there": "Full marks already stood in the course column.",
    "teacher-value-kept": "Another value stands in the course column; it was left as it is.",
}


def _sent(code: str, place: Place, url: str, cell: Cell) -> Outcome:
    where = f"{place.platform_id} {url} {cell.user}"
    return Outcome("sent", code, _MESSAGES[code], remote_ref=where[:1000])


def _done(code: str, message: str) -> Outcome:
    return Outcome("sent", code, message)


def _taken(before: AgsResult | None, *, mine: bool) -> Outcome:
    if mine:
        return _done("taken-back", "Our mark was taken back from the course column.")
    if before is None or before.score is None:
        return _done("nothing-there", "No mark stands in the course column.")
    return _done("teacher-value-kept", _MESSAGES["teacher-value-kept"])


def _not_taken() -> Outcome:
    return Outcome(
        "never",
        "not-taken-back",
        "The LMS accepted the request but still shows the mark.",
        fix="Remove the mark by hand in the gradebook.",
        who=TEACHER,
    )


def _unreadable() -> Outcome:
    return Outcome(
        "never",
        "no-read-back",
        "The LMS does not let Tassel read results, so the mark cannot be known to be ours.",
        fix="Remove the mark by hand in the gradebook.",
        who=TEACHER,
    )


def _no_column() -> Outcome:
    return Outcome(
        "held",
        "no-line-items",
        "The course does not offer the grade service to Tassel (any more).",
        fix="Allow the tool to manage columns, then open it once from the course and press Retry.",
        who=LMS_ADMIN,
    )


def _overtaken() -> UpstreamError:
    return UpstreamError(
        "overtaken",
        "Another worker is writing this score at the moment.",
        system="Tassel",
        permanent=False,
    )
