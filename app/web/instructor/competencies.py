"""What a learner of the course can show: the list, one by hand, many from a CSV file."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.errors import AppError, Invalid
from app.mastery import frameworks
from app.mastery.frameworks import ImportReport
from app.web import wording
from app.web.course_page import frame, show, then
from app.web.instructor import data
from app.web.instructor.blueprint import bp
from app.web.session import campus


@bp.get("/competencies")
def competencies(course_id: str) -> Response:
    """The competencies that badges of this course may name."""
    return _page(course_id)


def _page(course_id: str, status: int = 200, **typed: Any) -> Response:
    """``typed``: what a form held and what is wrong with it, or the report of an import."""
    values: dict[str, Any] = {"typed": {}, "errors": {}, "report": None, "problem": None}
    with campus().db.reading() as session:
        around = frame(session, course_id)
        groups = data.competencies(session, course_id)
    return show(
        around,
        "instructor/competencies.html",
        "competencies",
        status,
        groups=groups,
        **(values | typed),
    )


@bp.post("/competencies")
def add_competency(course_id: str) -> Response:
    """Add one by hand."""
    statement, code = request.form.get("statement", ""), request.form.get("code", "")
    try:
        with campus().db.transaction() as session:
            frameworks.add_competency(session, course_id, statement, code, campus().clock())
    except Invalid as error:
        texts = {"code": wording.code_taken(), "statement": wording.statement_error()}
        errors = {field: texts.get(field, error.message) for field in error.fields}
        typed = {"statement": statement, "code": code}
        return _page(course_id, 422, typed=typed, errors=errors)
    return then("instructor.competencies", course_id, "saved")


@bp.post("/competencies/import")
def import_competencies(course_id: str) -> Response:
    """Read a CSV file. What can be used is taken; the report names every row that cannot."""
    upload = request.files.get("file")
    title = request.form.get("title", "").strip()
    report: ImportReport | None = None
    problem: AppError | None = None
    try:
        with campus().db.transaction() as session:
            content = upload.read() if upload else b""
            now = campus().clock()
            report = frameworks.import_csv(session, course_id, title, content, now)
    except Invalid as error:
        problem = error
    status = 422 if problem else 200
    return _page(course_id, status, report=report, problem=problem, typed={"title": title})
