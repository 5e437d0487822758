"""Grades from a file: look at it and choose. ``pipeline.taken`` stores them and takes them back.

Nothing is stored before the preview was seen: until then the file lies sealed in its row and goes
when the preview is applied, dropped or an hour old.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import NotFound
from app.gradebook import csv_upload, store
from app.gradebook.csv_people import Cell, Known, Match, match_rows, read_cells
from app.gradebook.csv_upload import KEY, Column, Kind, Table, Value
from app.gradebook.port import SourceScore
from app.models import Assessment, Enrolment, GradeUpload, Person, Result
from app.pipeline.campus import Campus

LIVES = timedelta(hours=1)


@dataclass(frozen=True)
class Choices:
    """What the teacher chose: by column its kind, maximum and assessment; by row the person."""

    kinds: Mapping[int, str]
    maximums: Mapping[int, Decimal]
    targets: Mapping[int, str]
    people: Mapping[int, str]

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kinds": {str(place): kind for place, kind in self.kinds.items()},
            "maximums": {str(place): str(top) for place, top in self.maximums.items()},
            "targets": {str(place): target for place, target in self.targets.items()},
            "people": {str(row): person for row, person in self.people.items()},
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Choices:
        """From JSON."""
        return cls(
            {int(place): kind for place, kind in stored["kinds"].items()},
            {int(place): Decimal(top) for place, top in stored["maximums"].items()},
            {int(place): target for place, target in stored["targets"].items()},
            {int(row): person for row, person in stored["people"].items()},
        )


@dataclass(frozen=True)
class Preview:
    """What an upload would do. ``states`` belong to ``cells``: taken, unchanged or the problem."""

    upload: GradeUpload
    table: Table
    columns: Sequence[Column]
    targets: Mapping[int, str]
    """Column to the id of an assessment of another source that the teacher chose for it."""
    matches: Sequence[Match]
    cells: Sequence[Cell]
    states: Sequence[str]
    others: Sequence[Assessment]
    """Assessments of the course that other sources brought."""

    def count(self, state: str) -> int:
        """Cells in a state."""
        return sum(1 for one in self.states if one == state)

    @property
    def problems(self) -> list[tuple[Cell, str]]:
        """Cells that cannot be read."""
        pairs = zip(self.cells, self.states, strict=True)
        return [(cell, state) for cell, state in pairs if state not in ("taken", "unchanged")]

    @property
    def strangers(self) -> list[Match]:
        """Rows that are left out."""
        return [match for match in self.matches if match.found not in ("certain", "suggested")]

    @property
    def suggested(self) -> list[Match]:
        """Rows whose person somebody has to confirm."""
        return [match for match in self.matches if match.found == "suggested"]


def receive(campus: Campus, course_id: str, content: bytes, person_id: str | None) -> str:
    """Keep a file for its preview; earlier previews of the same person are deleted.

    Raises ``Invalid`` when it is no table. Returns the upload's id.
    """
    csv_upload.read_table(content)
    now = campus.clock()
    upload = GradeUpload(
        id=new_id(),
        course_id=course_id,
        person_id=person_id,
        sealed=campus.box.seal(content),
        expires_at=now + LIVES,
        created_at=now,
    )
    with campus.db.transaction() as session:
        session.execute(
            delete(GradeUpload).where(
                GradeUpload.course_id == course_id,
                GradeUpload.person_id == person_id,
                GradeUpload.state == "preview",
            )
        )
        session.add(upload)
    return upload.id


def preview(campus: Campus, session: Session, course_id: str, upload_id: str) -> Preview:
    """What the upload would do now. Raises NotFound when the preview is over."""
    return preview_of(campus, session, course_id, session.get(GradeUpload, upload_id))


def preview_of(
    campus: Campus, session: Session, course_id: str, upload: GradeUpload | None
) -> Preview:
    """The same for a row that is held already; None stands for one that is gone."""
    if upload is None or upload.course_id != course_id or not upload.sealed:
        raise _over()
    if upload.expires_at is None or upload.expires_at <= campus.clock():
        raise _over()
    table = csv_upload.read_table(campus.box.open(upload.sealed))
    columns = csv_upload.guess(table)
    choices = Choices.load(upload.choices) if upload.choices else None
    if choices:
        columns = [_chosen(place, column, choices) for place, column in enumerate(columns)]
    others = _others(session, course_id)
    ids = {item.id for item in others}
    targets = {
        place: target
        for place, target in (choices.targets.items() if choices else ())
        if target in ids and columns[place].kind == "grade"
    }
    people = known_people(session, course_id)
    matches = match_rows(table, columns, people, choices.people if choices else {})
    cells = read_cells(table, columns, matches)
    known = known_results(session, course_id, columns, targets)
    states = [_state(cell, known) for cell in cells]
    return Preview(upload, table, columns, targets, matches, cells, states, others)


def _over() -> NotFound:
    return NotFound(
        "upload-over",
        "This file is not kept any more: a preview lives for one hour.",
        fix="Upload the file again.",
    )


def _chosen(place: int, column: Column, choices: Choices) -> Column:
    """The teacher's word over the guess."""
    kind = cast(Kind, choices.kinds.get(place, column.kind))
    top = choices.maximums.get(place, None if column.percent else column.maximum)
    return replace(column, kind=kind, maximum=Decimal(100) if column.percent else top)


def known_people(session: Session, course_id: str) -> list[Known]:
    """The learners of a course with every id that a file may name; preview users left out."""
    query = (
        select(Person)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .where(
            Enrolment.course_id == course_id,
            Enrolment.role == "learner",
            Person.is_test.is_(False),
        )
    )
    return [
        Known(
            row.id,
            row.name,
            row.sis_id,
            frozenset(filter(None, (row.sub, row.lms_user_id, row.lti11_user_id))),
            row.email,
        )
        for row in session.scalars(query)
    ]


def _others(session: Session, course_id: str) -> Sequence[Assessment]:
    query = select(Assessment).where(
        Assessment.course_id == course_id, Assessment.source != KEY, Assessment.state == "active"
    )
    return session.scalars(query.order_by(Assessment.position, Assessment.title)).all()


def known_results(
    session: Session, course_id: str, columns: Sequence[Column], targets: Mapping[int, str]
) -> dict[int, dict[str, Result]]:
    """Column to person to what is known already."""
    ids = _assessment_ids(session, course_id)
    wanted = {
        place: targets.get(place) or ids.get(column.key)
        for place, column in enumerate(columns)
        if column.kind == "grade"
    }
    found: dict[str, dict[str, Result]] = defaultdict(dict)
    present = [one for one in wanted.values() if one]
    for row in session.scalars(select(Result).where(Result.assessment_id.in_(present))):
        found[row.assessment_id][row.person_id] = row
    return {place: found[one] if one else {} for place, one in wanted.items()}


def _assessment_ids(session: Session, course_id: str) -> dict[str, str]:
    """Key of a column of an earlier file to its assessment."""
    query = select(Assessment.external_id, Assessment.id).where(
        Assessment.course_id == course_id, Assessment.source == KEY
    )
    return dict(session.execute(query).all())


def _state(cell: Cell, known: Mapping[int, Mapping[str, Result]]) -> str:
    if not isinstance(cell.value, Value):
        return cell.value
    row = known[cell.column].get(cell.person_id)
    return "taken" if store.differs(row, score_of(cell.value, row)) else "unchanged"


def score_of(value: Value, row: Result | None) -> SourceScore:
    """An empty cell takes an earlier grade back and keeps its maximum, so that it changes once."""
    top = row.maximum if row is not None and value.raw is None else value.maximum
    return SourceScore("", "", value.raw, top, excused=value.excused)


def choose(campus: Campus, course_id: str, upload_id: str, choices: Choices) -> bool:
    """Keep what the teacher chose. False when it was what the preview showed already."""
    with campus.db.transaction() as session:
        upload = session.get(GradeUpload, upload_id, with_for_update=True)
        if upload is None or upload.course_id != course_id or upload.state != "preview":
            raise _over()
        changed = upload.choices != choices.stored()
        upload.choices = choices.stored()
        return changed


def drop(campus: Campus, course_id: str, upload_id: str) -> None:
    """Delete a preview with its file."""
    with campus.db.transaction() as session:
        session.execute(
            delete(GradeUpload).where(
                GradeUpload.id == upload_id,
                GradeUpload.course_id == course_id,
                GradeUpload.state == "preview",
            )
        )


def purge(campus: Campus) -> int:
    """Delete previews whose hour is over; returns how many."""
    with campus.db.transaction() as session:
        gone = session.scalars(
            delete(GradeUpload)
            .where(GradeUpload.state == "preview", GradeUpload.expires_at <= campus.clock())
            .returning(GradeUpload.id)
        )
        return len(gone.all())
