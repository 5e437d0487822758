"""Connect a course by a token: a teacher pastes one, Tassel tries it at once and says what it opens."""

from __future__ import annotations

from flask import Response, request
from flask_babel import gettext as _

from app.errors import AppError, Invalid, NotFound
from app.pipeline import grade_tokens, token_sources
from app.web.course_page import frame, show, then
from app.web.instructor import data
from app.web.instructor.blueprint import bp
from app.web.session import campus, visitor


@bp.get("/grades/token")
def grade_token(course_id: str) -> Response:
    """How the course is connected, and the form."""
    return _page(course_id)


def _page(course_id: str, problem: AppError | None = None, status: int = 200) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        state = token_sources.course_state(campus(), session, course_id)
        if state is None:
            raise NotFound("no-token-source", "This LMS has no such grade source.")
        return show(
            around,
            "instructor/grade_token.html",
            "settings",
            status,
            state=state,
            site_wide=state.grant is not None and state.grant.person_id is None,
            problem=problem,
            errors={"token": _token_error(problem)} if problem and _at_field(problem) else {},
        )


def _at_field(problem: AppError) -> bool:
    return isinstance(problem, Invalid) and problem.fields.get("token") == "malformed"


def _token_error(problem: AppError) -> str:
    return _("This is not a token. A token is one word of letters and digits; paste all of it.")


@bp.post("/grades/token")
def connect_token(course_id: str) -> Response:
    """Try the token and keep it when it opens the course's grades."""
    person = visitor(f"course:{course_id}")
    token = request.form.get("token", "")
    try:
        found = grade_tokens.connect_course(
            campus(), course_id, token, person.person_id or "", person.actor
        )
    except NotFound:
        raise
    except AppError as error:
        return _page(course_id, error, 422)
    with campus().db.reading() as session:
        known = data.seen(session, course_id).learners
    partly = found.learners is not None and found.learners < known
    said = "token-connected-partly" if partly else "token-connected"
    return then("instructor.grade_token", course_id, said)


@bp.post("/grades/token/disconnect")
def disconnect_token(course_id: str) -> Response:
    """Read nothing more through it."""
    actor = visitor(f"course:{course_id}").actor
    grade_tokens.disconnect_course(campus(), course_id, actor)
    return then("instructor.grade_token", course_id, "token-disconnected")
