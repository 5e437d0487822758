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
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.delivery import course_answers as say
from app.delivery.columns import FULL, Cell, ColumnBook, Place, Written
from app.delivery.port import AwardFacts, Outcome, Planned, TestLine
from app.errors import AppError, UpstreamError
from app.http import HttpClient
from app.lti.services import AgsResult, LtiServices

PARALLEL = 4
"""Posts at a time to one LMS (measured: more does not help a real one)."""
_GONE = "lti-gone"

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
            return say.no_column()
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
                outcomes[delivery_id] = say.no_column()
            else:
                columns[cell.place, operation].append((delivery_id, cell, operation))
        for (place, operation), rows in columns.items():
            stopped = next((why for why in outcomes.values() if say.stops(why)), None)
            by_person = self._one_column(place, operation, [cell for _, cell, _ in rows], stopped)
            outcomes |= {name: by_person[cell.person_id] for name, cell, _ in rows}
        return outcomes

    def _one_column(
        self, place: Place, operation: str, cells: Sequence[Cell], stopped: Outcome | None
    ) -> dict[str, Outcome]:
        """Outcome by person id; nothing is tried any more once the LMS itself fails us."""
        people = {cell.person_id: cell for cell in cells}
        if stopped is not None:
            return dict.fromkeys(people, replace(stopped, kind="later", tried=False))
        if operation == "create" and self._book.is_gone(place):
            return dict.fromkeys(people, say.column_gone())
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
        again = {who: cells[who] for who, error in failed.items() if say.is_doubtful(error)}
        if again and place.readable:
            outcomes |= self._look_again(place, url, again, written)
        fine = [who for who in todo if who not in failed]
        outcomes |= {who: say.written("posted", place, url, cells[who]) for who in fine}
        ours = [who for who in cells if who in fine or say.is_ours(outcomes.get(who))]
        self._book.settle(place, ours, FULL)
        return {who: outcomes.get(who) or say.outcome_of(failed[who]) for who in cells}

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
                code = "already-there" if say.is_full(result) else "teacher-value-kept"
                outcomes[who] = say.written(code, place, url, cell)
            elif not place.readable and who in written and written[who].value is not None:
                outcomes[who] = say.written("already-there", place, url, cell)
        return outcomes, {who: cell for who, cell in cells.items() if who not in outcomes}

    def _column(self, place: Place) -> str:
        """The column's address; found by its tag or made when we do not know it."""
        known = self._book.url(place)
        if known is not None:
            self._rename(place)
            return known
        item = self._lti.find_or_create_line_item(
            place.platform_id,
            place.line_items,
            place.label,
            FULL,
            place.tag,
            place.achievement_id,
            place.link,
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
        brake = say.Brake()

        def post_some(people: Sequence[str]) -> dict[str, UpstreamError]:
            failed: dict[str, UpstreamError] = {}
            try:
                for who in people:
                    first = who not in written or written[who].value is None
                    comment = "Badge earned." if value is not None and first else None
                    error = brake.left() or self._try(
                        place, url, cells[who].user, value, stamps[who], comment
                    )
                    brake.note(error)
                    if error is not None:
                        failed[who] = error
            finally:
                self._http.close()
            return failed

        people = [who for who in cells if who not in late]
        failed = {who: say.overtaken() for who in late}
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
            who: say.done("nothing-there", "Nothing was ever written for this person.")
            for who in cells
            if url is None or who not in tried
        }
        if url is None or not tried:
            return outcomes
        if not place.readable:
            return outcomes | dict.fromkeys(tried, say.unreadable())
        shown = self._read(place, url, tried)
        ours = {w: c for w, c in tried.items() if c.user in shown and say.is_full(shown[c.user])}
        failed = self._post(place, url, ours, None, written, shown)
        after = self._read(place, url, ours) if ours else {}
        for who, cell in tried.items():
            left = after.get(cell.user) if who in ours else None
            if left is not None and say.is_full(left):
                outcomes[who] = say.outcome_of(failed[who]) if who in failed else say.still_there()
            else:
                outcomes[who] = say.taken_back(shown.get(cell.user), mine=who in ours)
        self._book.settle(place, [w for w in tried if outcomes[w].kind == "sent"], None)
        return outcomes

    def _rename(self, place: Place) -> None:
        """Follow the badge's new name, unless a teacher gave the column another one.

        A name is not worth a delivery: what the LMS refuses here is tried once and let be.
        """
        ours = self._book.label(place)
        if ours is None or ours == place.label[:300]:
            return
        try:
            item = self._lti.find_line_item(
                place.platform_id, place.line_items, place.tag, place.achievement_id
            )
            if item is not None and item.label == ours:
                self._lti.rename_line_item(place.platform_id, item, place.label)
        except UpstreamError as error:
            if not error.permanent:
                return
        self._book.keep_label(place)

    def _failed(self, place: Place, error: AppError) -> Outcome:
        """A whole column failed. Where it is not any more, it has moved or somebody deleted it."""
        url = self._book.url(place)
        if error.code != _GONE or url is None:
            return say.outcome_of(error)
        try:
            item = self._lti.find_line_item(
                place.platform_id, place.line_items, place.tag, place.achievement_id
            )
        except AppError:
            return say.outcome_of(error)
        if item is None:
            self._book.mark_gone(place, self._clock())
            return say.column_gone()
        if item.url == url:
            return say.outcome_of(error)
        self._book.keep_url(place, item.url)
        return say.column_moved()
