"""Grades from a file: upload, preview with the matching in the teacher's hands, take, take back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from flask import Response, make_response, request
from flask_babel import gettext as _

from app.errors import AppError, Invalid
from app.gradebook import csv_upload
from app.gradebook.csv_upload import Column
from app.pipeline import taken, uploads
from app.pipeline.uploads import Choices, Preview
from app.web.course_page import frame, show, then
from app.web.instructor.blueprint import bp
from app.web.session import campus, visitor
from app.web.spreadsheet import csv_row

SHOWN = 100
"""Problems of one kind on the page; the report as a file names them all."""


@bp.get("/grades/upload")
def uploading(course_id: str) -> Response:
    """The form, and the uploads that were taken."""
    return _form(course_id)


def _form(course_id: str, problem: str = "", status: int = 200) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        history = taken.latest(session, course_id)
    newest = next((one for one in history if one.state == "applied"), None)
    return show(
        around,
        "instructor/upload.html",
        "settings",
        status,
        history=history,
        newest=newest,
        errors={"file": problem} if problem else {},
        megabytes=csv_upload.MAX_BYTES // 1_000_000,
    )


@bp.post("/grades/upload")
def receive_upload(course_id: str) -> Response:
    """Keep the file for its preview."""
    sent = request.files.get("file")
    content = sent.read(csv_upload.MAX_BYTES + 1) if sent else b""
    try:
        found = uploads.receive(campus(), course_id, content, _person(course_id))
    except Invalid as error:
        return _form(course_id, file_problem(error), 422)
    return then("instructor.look_upload", course_id, upload_id=found)


def _person(course_id: str) -> str | None:
    return visitor(f"course:{course_id}").person_id


@bp.get("/grades/upload/<upload_id>")
def look_upload(course_id: str, upload_id: str) -> Response:
    """What the file would do. Nothing is stored by looking."""
    return _look(course_id, upload_id)


def _look(
    course_id: str, upload_id: str, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = uploads.preview(campus(), session, course_id, upload_id)
        return show(
            around,
            "instructor/upload_preview.html",
            "settings",
            status,
            found=found,
            kinds=kind_names(),
            samples=[_sample(found, place) for place in range(len(found.columns))],
            why=ignored_because,
            says=problem_text,
            about=row_text,
            shown=SHOWN,
            errors=errors or {},
        )


def _sample(found: Preview, place: int) -> str:
    """The first cells of a column that hold something, so that people recognise it."""
    cells = (row.cells[place].strip() for row in found.table.rows if place < len(row.cells))
    return ", ".join(cell[:24] for cell in [cell for cell in cells if cell][:3])


@bp.post("/grades/upload/<upload_id>")
def choose_upload(course_id: str, upload_id: str) -> Response:
    """Keep the choices and show what they would do; or take the grades exactly as shown."""
    with campus().db.reading() as session:
        found = uploads.preview(campus(), session, course_id, upload_id)
    choices, errors = parse_choices(found.columns)
    if errors:
        return _look(course_id, upload_id, errors, 422)
    before = _shown_choices(found)
    changed = choices.stored() != before.stored()
    if changed:
        uploads.choose(campus(), course_id, upload_id, choices)
    if request.form.get("action") != "take" or changed:
        said = "upload-look" if changed and request.form.get("action") == "take" else ""
        return then("instructor.look_upload", course_id, said, upload_id=upload_id)
    actor = visitor(f"course:{course_id}").actor
    taken.apply(campus(), course_id, upload_id, actor)
    return then("instructor.uploading", course_id, "upload-taken")


def _shown_choices(found: Preview) -> Choices:
    """The choices that the page showed, in the shape in which its form sends them."""
    columns = list(enumerate(found.columns))
    stored = Choices.load(found.upload.choices) if found.upload.choices else None
    grades = [(place, column) for place, column in columns if column.kind == "grade"]
    return Choices(
        {place: column.kind for place, column in columns},
        {place: column.maximum for place, column in grades if column.maximum is not None},
        dict(found.targets),
        dict(stored.people) if stored else {},
    )


def parse_choices(columns: Sequence[Column]) -> tuple[Choices, dict[str, str]]:
    """The form: kind, maximum and assessment per column, and the people who were ticked."""
    kinds: dict[int, str] = {}
    maximums: dict[int, Decimal] = {}
    targets: dict[int, str] = {}
    errors: dict[str, str] = {}
    names = kind_names()
    for place, column in enumerate(columns):
        kind = request.form.get(f"kind-{place}", column.kind)
        kinds[place] = kind if kind in names else column.kind
        if kinds[place] != "grade":
            continue
        if target := request.form.get(f"target-{place}", ""):
            targets[place] = target
        text = request.form.get(f"maximum-{place}", "").strip()
        top = csv_upload.read_number(text, ";", None) if text else None
        if column.percent:
            maximums[place] = Decimal(100)
        elif isinstance(top, Decimal) and top > 0:
            maximums[place] = top
        elif text:
            errors[f"maximum-{place}"] = _("The maximum is a number above 0.")
    people = {
        int(name.removeprefix("person-")): value
        for name, value in request.form.items()
        if name.startswith("person-") and name.removeprefix("person-").isdecimal()
    }
    return Choices(kinds, maximums, targets, people), errors


@bp.post("/grades/upload/<upload_id>/drop")
def drop_upload(course_id: str, upload_id: str) -> Response:
    """Delete the file and its preview."""
    uploads.drop(campus(), course_id, upload_id)
    return then("instructor.uploading", course_id, "upload-dropped")


@bp.post("/grades/upload/<upload_id>/undo")
def undo_upload(course_id: str, upload_id: str) -> Response:
    """Take the latest upload back."""
    taken.undo(campus(), course_id, upload_id, visitor(f"course:{course_id}").actor)
    return then("instructor.uploading", course_id, "upload-undone")


@bp.get("/grades/upload/<upload_id>/report.csv")
def upload_report(course_id: str, upload_id: str) -> Response:
    """Every row with what would become of it, as a file that a spreadsheet cannot be tricked by."""
    with campus().db.reading() as session:
        found = uploads.preview(campus(), session, course_id, upload_id)
    lines = [csv_row([_("Row"), _("Person"), _("Column"), _("In the file"), _("Result")])]
    states = zip(found.cells, found.states, strict=True)
    by_row: dict[int, list[str]] = {}
    for cell, state in states:
        text = {"taken": _("taken"), "unchanged": _("unchanged")}.get(state) or problem_text(state)
        line = [cell.row, "", found.columns[cell.column].title, cell.text, text]
        by_row.setdefault(cell.row, []).append(csv_row(line))
    for match in found.matches:
        name = match.person.name if match.person else match.label
        if match.found == "certain":
            lines.append(csv_row([match.row.number, name, "", "", _("known")]))
            lines += by_row.get(match.row.number, [])
        else:
            lines.append(csv_row([match.row.number, name, "", "", row_text(match.found)]))
    answer = make_response("\ufeff" + "".join(lines))
    answer.mimetype = "text/csv"
    answer.headers["Content-Disposition"] = 'attachment; filename="grades-report.csv"'
    return answer


def kind_names() -> dict[str, str]:
    """What a column can be, in the order of the list."""
    return {
        "ignore": _("Leave out"),
        "grade": _("Grade"),
        "sis_id": _("Student number (SIS id)"),
        "lms_id": _("User id of the LMS"),
        "login": _("Login (a suggestion)"),
        "email": _("E-mail (a suggestion)"),
        "name": _("Name (never matched)"),
    }


def file_problem(error: AppError) -> str:
    """Why a file is no table, and what to do."""
    texts = {
        "csv-empty": _("Choose a file. This one is empty."),
        "csv-big": _("This file is too large. Export the grades without comments, or in parts."),
        "csv-workbook": _("This is a spreadsheet file. Save it as CSV and upload that."),
        "csv-not-text": _("This file is not text. Save the table as CSV (UTF-8) and upload that."),
        "csv-one-column": _("No columns were found. The first row has to hold the headings."),
        "csv-no-rows": _("There are no rows below the headings."),
        "csv-long": _("This file has more than 20,000 rows. Upload it in parts."),
        "csv-wide": _("This file has more than 400 columns. Leave those out that hold no grades."),
        "csv-broken": _("This file cannot be read as a table. Save it as CSV again."),
    }
    return texts.get(error.code, error.message)


def ignored_because(why: str) -> str:
    """Why a column was left out by itself."""
    return {
        "total": _("a total that the LMS computes"),
        "text": _("no numbers"),
        "unposted": _("perhaps not shown to learners yet"),
        "empty": _("no grades in it"),
    }.get(why, "")


def problem_text(state: str) -> str:
    """Why a cell cannot be taken."""
    texts = {
        "letter": _("A letter or a word: write points or percent, Tassel does not guess."),
        "text": _("Not a number."),
        "negative": _("Below zero."),
        "too-high": _("More than twice the maximum: check the maximum of the column."),
        "ambiguous": _("1,234 may mean two numbers: write it without a comma."),
        "no-maximum": _("The column needs its maximum."),
        "too-long": _("Too long for a grade."),
    }
    return texts[state]


def row_text(found: str) -> str:
    """Why a row belongs to nobody."""
    return {
        "unknown": _("Nobody in this course has this id."),
        "ambiguous": _("The ids name more than one person."),
        "twice": _("A row above is about the same person."),
        "no-id": _("No id in this row."),
        "suggested": _("Confirm the person first."),
    }[found]
