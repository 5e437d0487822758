"""OneRoster 1.2 as files: one delta zip per batch, dropped where the SIS fetches it.

Name and content follow from the batch alone, so a batch that is repeated after a crash replaces
its file by the same one; rows carry ids of their own, so importing twice changes nothing.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.delivery.port import AwardFacts, Http, Outcome, Planned, TestLine
from app.delivery.sis.connection import CONNECTION_ID, DATA_DIR, incomplete, is_on, read
from app.delivery.sis.messages import LMS_ADMIN, OPERATOR, missing
from app.delivery.sis.oneroster_fields import CSV_FIELDS
from app.delivery.sis.oneroster_package import Row, files, is_formula, package, plain
from app.delivery.sis.oneroster_records import (
    case_uuid,
    comment,
    day,
    identifier,
    moment,
    shorten,
)


@dataclass(frozen=True, slots=True)
class CsvRecipe:
    """How one connection wants its rows. ``title_limit`` 0 means no limit."""

    connection_id: str
    category_id: str
    category_title: str
    school_id: str
    session_id: str
    text_score: str
    score: bool
    other_objectives: bool
    title_limit: int


@dataclass
class _Tables:
    """Rows by table and sourcedId, while a package is filled."""

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)

    def put(self, table: str, row: Row) -> None:
        """Add or replace a row."""
        self.rows.setdefault(table, {})[row["sourcedId"]] = row

    def texts(self) -> dict[str, str]:
        """The files of the package."""
        return files({name: list(rows.values()) for name, rows in self.rows.items()})


class OneRosterCsv:
    """Target ``oneroster_csv``."""

    kind = "oneroster_csv"

    def __init__(self, recipe: CsvRecipe, folder: Path, system: str) -> None:
        self.recipe = recipe
        self.folder = folder
        self.system = system

    def test(self) -> list[TestLine]:
        """Write a file into the drop folder and take it away again."""
        name, url = "Write to the drop folder", self.folder.as_uri()
        try:
            _write(self.folder / f".tassel-test-{os.getpid()}", b"test")
            (self.folder / f".tassel-test-{os.getpid()}").unlink()
        except OSError as error:
            outcome = _unwritable(error, self.folder)
            return [TestLine(name, "red", outcome.message, fix=outcome.fix, url=url)]
        detail = f"Files for {self.system} go to {self.folder}."
        ids = (
            "Category, school and term cannot be checked from here: the SIS checks them on import."
        )
        return [
            TestLine(name, "green", detail, url=url),
            TestLine("Ids", "amber", ids, fix="Compare them with the SIS once."),
        ]

    def preview(self, facts: AwardFacts, operation: str) -> Planned | Outcome:
        """The text of every file that a package with this award alone would have."""
        held = _held(facts)
        if held is not None:
            return held
        rows = [(facts.award_id, facts, operation)]
        return Planned(
            "revoke" if operation == "revoke" else "create",
            "FILE",
            (self.folder / _file_name(self.recipe, rows)).as_uri(),
            dict(_fill(self.recipe, rows).texts()),
            f"{facts.achievement_name}, learner {facts.learner_sis_id}",
            warnings=_warnings(self.recipe, facts),
        )

    def send_many(self, batch: Sequence[tuple[str, AwardFacts, str]]) -> Mapping[str, Outcome]:
        """One zip for all rows that are complete; see ``Target.send_many``."""
        outcomes = {delivery_id: _held(facts) for delivery_id, facts, _ in batch}
        ready = [row for row in batch if outcomes[row[0]] is None]
        if not ready:
            return {key: held for key, held in outcomes.items() if held is not None}
        name = _file_name(self.recipe, ready)
        try:
            _write(self.folder / name, package(_fill(self.recipe, ready).texts()))
        except OSError as error:
            failed = _unwritable(error, self.folder)
            return {key: held or failed for key, held in outcomes.items()}
        dropped = {key: self._dropped(name, facts) for key, facts, _ in ready}
        return {key: held or dropped[key] for key, held in outcomes.items()}

    def fetch(self, remote_ref: str) -> dict[str, Any] | None:
        """The row of results.csv in the dropped file; None once the SIS has taken the file away."""
        name, _, sourced_id = remote_ref.partition("#")
        path = self.folder / Path(name).name
        if not path.is_file():
            return None
        with zipfile.ZipFile(path) as archive:
            text = archive.read("results.csv").decode()
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return next((dict(row) for row in rows if row["sourcedId"] == sourced_id), None)

    def _dropped(self, name: str, facts: AwardFacts) -> Outcome:
        return Outcome(
            "sent",
            "file-dropped",
            f"The row stands in {name}, ready for {self.system} to fetch.",
            remote_ref=f"{name}#{_result_id(self.recipe, facts)}",
        )


def build_csv(config: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> OneRosterCsv:
    """Make the target from a stored connection; raises ``Invalid`` with a message per field.

    No request is ever made: ``http`` is taken because every adapter is made alike.
    """
    values = read(CSV_FIELDS, config, secrets)
    root = Path(config[DATA_DIR]).resolve()
    folder = (root / values["folder"]).resolve()
    if folder == root or not folder.is_relative_to(root):
        raise incomplete({"folder": "Drop folder must be a folder below the data directory."})
    recipe = CsvRecipe(
        connection_id=config[CONNECTION_ID],
        category_id=values["category_id"],
        category_title=values["category_title"],
        school_id=values["school_id"],
        session_id=values["session_id"],
        text_score=values["text_score"],
        score=is_on(values["score"]),
        other_objectives=values["other_objectives"] == "unknown",
        title_limit=int(values["title_limit"] or 0),
    )
    return OneRosterCsv(recipe, folder, values["name"])


def _held(facts: AwardFacts) -> Outcome | None:
    """Why this row cannot be written, if so."""
    held = missing(facts, needs_class=True)
    if held is not None:
        return held
    odd = next((i for i in (facts.learner_sis_id, facts.class_sis_id) if is_formula(i or "")), None)
    if odd is None:
        return None
    return Outcome(
        "held",
        "unsafe-sis-id",
        f"The SIS id “{odd}” starts like a spreadsheet formula, and changing an id would point at"
        " somebody else.",
        fix="Correct the id where the LMS gets it from, refresh the course, then press Retry.",
        who=LMS_ADMIN,
    )


def _fill(recipe: CsvRecipe, batch: Sequence[tuple[str, AwardFacts, str]]) -> _Tables:
    """The tables for a batch, whatever the order of its rows."""
    tables = _Tables()
    # Earliest award last among equals: a line item then has the same dates in every order.
    for _, facts, _ in sorted(batch, key=lambda row: row[1].awarded_at, reverse=True):
        _add_column(tables, recipe, facts)
    # Withdrawals last: where a batch creates and withdraws the same award, it stays withdrawn.
    for _, facts, operation in sorted(batch, key=lambda row: row[2] == "revoke"):
        _add_result(tables, recipe, facts, revoked=operation == "revoke")
    if recipe.category_title:
        newest = max(moment(facts.awarded_at) for _, facts, _ in batch)
        tables.put(
            "categories",
            _common(recipe.category_id, newest) | {"title": plain(recipe.category_title)},
        )
    return tables


def _add_column(tables: _Tables, recipe: CsvRecipe, facts: AwardFacts) -> None:
    column_id = _column_id(recipe, facts)
    at = moment(facts.awarded_at)
    row = _common(column_id, at) | {
        "title": shorten(plain(facts.achievement_name), recipe.title_limit),
        "description": plain(facts.achievement_description),
        "assignDate": day(facts.awarded_at),
        "dueDate": day(facts.awarded_at),
        "classSourcedId": facts.class_sis_id or "",
        "categorySourcedId": recipe.category_id,
        "academicSessionSourcedId": recipe.session_id,
        "schoolSourcedId": recipe.school_id,
    }
    if recipe.score:
        row |= {"resultValueMin": "0", "resultValueMax": "1"}
    tables.put("lineItems", row)
    for source, objective in _objectives(recipe, facts):
        row = _common(identifier(recipe.connection_id, column_id, source, objective), at)
        row |= {"lineItemSourcedId": column_id, "source": source, "learningObjectiveId": objective}
        tables.put("lineItemLearningObjectiveIds", row)


def _add_result(tables: _Tables, recipe: CsvRecipe, facts: AwardFacts, *, revoked: bool) -> None:
    result_id = _result_id(recipe, facts)
    status = "tobedeleted" if revoked else "active"
    at = moment((facts.revoked_at or facts.awarded_at) if revoked else facts.awarded_at)
    row = _common(result_id, at, status) | {
        "lineItemSourcedId": _column_id(recipe, facts),
        "studentSourcedId": facts.learner_sis_id or "",
        "scoreStatus": "fully graded",
        "score": "1" if recipe.score else "",
        "scoreDate": day(facts.awarded_at),
        "comment": plain(comment(facts, revoked=revoked)),
        "textScore": plain(recipe.text_score),
        "classSourcedId": facts.class_sis_id or "",
    }
    tables.put("results", row)
    for source, objective in _objectives(recipe, facts):
        row = _common(identifier(recipe.connection_id, result_id, source, objective), at, status)
        row |= {"resultSourcedId": result_id, "source": source, "learningObjectiveId": objective}
        tables.put("resultLearningObjectiveIds", row | {"textScore": plain(recipe.text_score)})


def _common(sourced_id: str, at: str, status: str = "active") -> Row:
    return {"sourcedId": sourced_id, "status": status, "dateLastModified": at}


def _objectives(recipe: CsvRecipe, facts: AwardFacts) -> list[tuple[str, str]]:
    """(source, id) of every competency, each once; CASE ids are URNs in files."""
    found: dict[tuple[str, str], None] = {}
    for competency in facts.competencies:
        bare = case_uuid(competency)
        if bare is not None:
            found["case", f"urn:uuid:{bare}"] = None
        elif recipe.other_objectives:
            found["unknown", plain(competency.code)] = None
    return list(found)


def _column_id(recipe: CsvRecipe, facts: AwardFacts) -> str:
    parts = ("lineItem", facts.achievement_id, facts.class_sis_id or "")
    return identifier(recipe.connection_id, *parts)


def _result_id(recipe: CsvRecipe, facts: AwardFacts) -> str:
    return identifier(recipe.connection_id, "result", facts.award_id)


def _warnings(recipe: CsvRecipe, facts: AwardFacts) -> tuple[str, ...]:
    limit = recipe.title_limit
    if limit and len(facts.achievement_name) > limit:
        return (f"The name is cut to the {limit} characters that this SIS allows.",)
    return ()


def _file_name(recipe: CsvRecipe, batch: Sequence[tuple[str, AwardFacts, str]]) -> str:
    """Sorts by the newest event in it; the rest depends on connection and delivery ids alone."""
    newest = max(
        facts.revoked_at or facts.awarded_at if operation == "revoke" else facts.awarded_at
        for _, facts, operation in batch
    )
    stamp = moment(newest).replace("-", "").replace(":", "").partition(".")[0]
    ids = "\n".join([recipe.connection_id, *sorted(delivery_id for delivery_id, _, _ in batch)])
    return f"tassel-{stamp}Z-{hashlib.sha256(ids.encode()).hexdigest()[:16]}.zip"


def _write(path: Path, content: bytes) -> None:
    """Write beside ``path``, flush to disk and rename, so that nobody fetches half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(error: OSError, folder: Path) -> Outcome:
    reason = error.strerror or type(error).__name__
    return Outcome(
        "later",
        "drop-unwritable",
        f"The file could not be written to {folder}: {reason}.",
        fix="Make room, or let Tassel write to this folder; it tries again by itself.",
        who=OPERATOR,
        attention=True,
    )
