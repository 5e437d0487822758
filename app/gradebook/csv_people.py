"""Whose row is it? Rows of an uploaded file matched to the people of a course. Pure.

Only ids that both sides keep are certain: the student number and the LMS's own user id. A login or an
e-mail address is a suggestion that a person confirms, a name is never used: two people may share it,
and a grade on the wrong person may earn a badge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from app.gradebook.csv_upload import Column, Problem, Row, Table, Value, read_grade


@dataclass(frozen=True)
class Known:
    """A learner of the course; ``lms_ids`` are every id that the LMS uses for this person."""

    person_id: str
    name: str
    sis_id: str | None
    lms_ids: frozenset[str]
    email: str | None


Found = Literal["certain", "suggested", "unknown", "ambiguous", "twice", "no-id"]


@dataclass(frozen=True)
class Match:
    """One row and whom it is about. ``person`` is set for certain and suggested ones."""

    row: Row
    found: Found
    person: Known | None
    label: str
    """What the row says about the person, for the page only."""


@dataclass(frozen=True)
class Cell:
    """One grade of one row, readable or with its problem."""

    row: int
    column: int
    person_id: str
    value: Value | Problem
    text: str


@dataclass
class _Index:
    sis: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))
    lms: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))
    login: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))
    email: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, people: Iterable[Known]) -> _Index:
        index = cls()
        for person in people:
            if person.sis_id:
                index.sis[fold(person.sis_id)].append(person)
            for number in person.lms_ids:
                index.lms[fold(number)].append(person)
            if person.email:
                index.email[fold(person.email)].append(person)
                index.login[fold(person.email)].append(person)
                index.login[fold(person.email.partition("@")[0])].append(person)
        return index


def fold(text: str) -> str:
    """An id as it is compared: without case, outer blanks and the apostrophe of spreadsheets."""
    return text.strip().lstrip("'").strip().casefold()


def match_rows(
    table: Table,
    columns: Sequence[Column],
    people: Iterable[Known],
    confirmed: Mapping[int, str] | None = None,
) -> list[Match]:
    """Every row with its person. ``confirmed``: row number to person id, as a teacher ticked.

    A confirmation counts only where the suggestion still names the same person. The second row of
    one person is refused ("twice"): which of the two is right, only the teacher knows.
    """
    index, taken, found = _Index.of(people), set[str](), []
    confirmed = confirmed or {}
    for row in table.rows:
        match = _match(row, columns, index)
        person = match.person
        if match.found == "suggested" and person and confirmed.get(row.number) == person.person_id:
            match = Match(row, "certain", person, match.label)
        if match.found == "certain" and person:
            if person.person_id in taken:
                match = Match(row, "twice", None, match.label)
            taken.add(person.person_id)
        found.append(match)
    return found


def _match(row: Row, columns: Sequence[Column], index: _Index) -> Match:
    said = {
        kind: [
            cell.strip()
            for cell, column in zip(row.cells, columns, strict=False)
            if column.kind == kind and cell.strip()
        ]
        for kind in ("sis_id", "lms_id", "login", "email", "name")
    }
    label = " ".join(said["name"]) or next((one[0] for one in said.values() if one), "")
    certain = _named(index.sis, said["sis_id"]), _named(index.lms, said["lms_id"])
    both = {person.person_id: person for group in certain for person in group}
    if len(both) == 1:
        return Match(row, "certain", next(iter(both.values())), label[:200])
    if both:
        return Match(row, "ambiguous", None, label[:200])
    maybe = {
        person.person_id: person
        for group in (_named(index.login, said["login"]), _named(index.email, said["email"]))
        for person in group
    }
    if len(maybe) == 1:
        return Match(row, "suggested", next(iter(maybe.values())), label[:200])
    if maybe:
        return Match(row, "ambiguous", None, label[:200])
    named = any(said[kind] for kind in ("sis_id", "lms_id", "login", "email"))
    return Match(row, "unknown" if named else "no-id", None, label[:200])


def _named(index: Mapping[str, Sequence[Known]], ids: Iterable[str]) -> list[Known]:
    return [person for one in ids for person in index.get(fold(one), ())]


def read_cells(table: Table, columns: Sequence[Column], matches: Iterable[Match]) -> list[Cell]:
    """Every grade cell of the rows whose person is certain. A short row has empty cells."""
    wanted = [place for place, column in enumerate(columns) if column.kind == "grade"]
    cells = []
    for match in matches:
        if match.found != "certain" or match.person is None:
            continue
        for place in wanted:
            text = match.row.cells[place] if place < len(match.row.cells) else ""
            value = _value(text, columns[place], table.delimiter)
            cells.append(Cell(match.row.number, place, match.person.person_id, value, text[:60]))
    return cells


def _value(text: str, column: Column, delimiter: str) -> Value | Problem:
    maximum: Decimal | None = column.maximum
    return read_grade(text, maximum, delimiter, percent=column.percent)
