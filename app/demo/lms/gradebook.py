"""The teacher's gradebook: every column, whoever made it, and a form to change a grade."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for

from app.demo.lms.pages import page
from app.demo.lms.service import campus, locked
from app.demo.lms.sessions import require_person, require_teacher
from app.demo.lms.state import Campus, Column, Grade
from app.errors import Forbidden, Invalid, NotFound

ROWS = 30


def gradebook_blueprint() -> Blueprint:
    """The routes of this module."""
    routes = Blueprint("gradebook", __name__)
    routes.add_url_rule("/courses/<int:course_id>/grades", "show", locked(show))
    cell = "/courses/<int:course_id>/grades/<int:column_id>/<int:person_id>"
    routes.add_url_rule(cell, "edit", locked(edit))
    routes.add_url_rule(cell, "save", locked(save), methods=["POST"])
    return routes


def show(course_id: int) -> Response:
    """All learners for staff; one's own row for a learner."""
    here = campus()
    person = require_person(here)
    course = here.course(course_id)
    entry = course.enrolments.get(person.id)
    if entry is None and not person.is_admin:
        raise Forbidden("not-enrolled", "You are not in this course.")
    learner = entry is not None and entry.role == "learner"
    order = ("tool", "linked", "native")
    columns = sorted(here.course_columns(course_id), key=lambda one: order.index(one.kind))
    learners = [one for one in course.enrolments.values() if one.role == "learner"]
    mine = [one for one in learners if one.person_id == person.id] if learner else learners
    first = max(request.args.get("from", 0, type=int), 0)
    return page(
        "grades.html",
        course=course,
        columns=[(column, owner(here, column)) for column in columns],
        rows=[
            (here.people[one.person_id], one, [_cell(c, one.person_id, learner) for c in columns])
            for one in mine[first : first + ROWS]
        ],
        can_edit=person.is_admin or (entry is not None and entry.role == "teacher"),
        learner=learner,
        first=first,
        step=ROWS,
        total=len(mine),
    )


def owner(here: Campus, column: Column) -> str:
    """Who made a column, in words."""
    tool = here.tools.get(column.tool_id or 0)
    if column.kind == "native":
        return "course"
    if column.kind == "tool":
        return f"made by {tool.name if tool else 'a tool'}"
    return f"activity of {tool.name if tool else 'an external tool'}"


def _cell(column: Column, person_id: int, learner: bool) -> Grade | None:
    """The grade to show; learners do not see hidden ones."""
    grade = column.grades.get(person_id)
    return None if grade is None or grade.value is None or (learner and grade.hidden) else grade


def _find(here: Campus, course_id: int, column_id: int, person_id: int) -> Column:
    require_teacher(here, course_id)
    column = here.columns.get(column_id)
    if column is None or column.course_id != course_id:
        raise NotFound("no-column", "There is no such column.")
    if person_id not in here.course(course_id).enrolments:
        raise NotFound("no-person", "There is no such learner in this course.")
    return column


def edit(course_id: int, column_id: int, person_id: int, **values: Any) -> Response:
    """The form for one cell."""
    here = campus()
    column = _find(here, course_id, column_id, person_id)
    return page(
        "grade.html",
        course=here.course(course_id),
        column=column,
        person=here.person(person_id),
        grade=column.grades.get(person_id),
        owner=owner(here, column),
        problem=values.get("problem", ""),
    )


def save(course_id: int, column_id: int, person_id: int) -> Response:
    """A teacher's own grade; the vendor says what that means for the tool's."""
    here = campus()
    column = _find(here, course_id, column_id, person_id)
    try:
        value = _points(request.form.get("score", ""), column.maximum)
    except Invalid as error:
        again = edit(course_id, column_id, person_id, problem=error.message)
        again.status_code = 422
        return again
    comment = request.form.get("comment", "").strip()
    grade = Grade(
        value,
        here.now(),
        comments=[comment] if comment else [],
        hidden="hidden" in request.form,
    )
    here.vendor.override(column, person_id, grade)
    target = url_for("gradebook.show", course_id=course_id)
    return Response(status=303, headers={"Location": target})


def _points(text: str, maximum: float) -> float | None:
    """Points from the form; empty means no grade. Raises ``Invalid``."""
    if not text.strip():
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise Invalid("bad-score", f"{text!r} is not a number.") from error
    if not 0 <= value <= maximum:
        raise Invalid("bad-score", f"Points go from 0 to {maximum:g}.")
    return value
