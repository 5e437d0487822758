"""The awards of a course: where each went, what it was decided on, and taking one back."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.errors import Invalid
from app.pipeline import revoke as revoking
from app.web import evidence, wording
from app.web.course_page import frame, picture, show, then
from app.web.instructor import data, ending, signing
from app.web.instructor.blueprint import bp
from app.web.session import campus, visitor
from app.web.validity_words import SOON

STATES = ("issued", "waiting", "needs_recipient", "revoked", "superseded")


@bp.get("/awards")
def awards(course_id: str) -> Response:
    """Every award, latest first, by state."""
    asked = request.args.get("state", "")
    state = asked if asked in (*STATES, ending.KEY) else ""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        counts = data.award_counts(session, course_id)
        waiting = signing.of_course(session, course_id)
        soon = ending.count(session, course_id, around.now)
        known = counts | {"": sum(counts.values()), ending.KEY: soon}
        lines, page = data.awards(session, course_id, state, known.get(state, 0), around.now)
    return show(
        around,
        "instructor/awards.html",
        "awards",
        lines=lines,
        page=page,
        counts=counts,
        chosen=state,
        states=STATES,
        ending=soon,
        soon=SOON,
        signing=waiting,
        on_awards=True,
        **_words(),
    )


def _words() -> dict[str, Any]:
    return {
        "award_state": wording.award_state,
        "delivery_state": wording.delivery_state,
        "target": wording.target,
        "picture": picture,
    }


@bp.get("/awards/<award_id>")
def award(course_id: str, award_id: str) -> Response:
    """One award with its reasons and where it went."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        line = data.award(session, course_id, award_id)
        counted = evidence.of_award(session, line.award)
    return show(around, "instructor/award.html", "awards", line=line, evidence=counted, **_words())


@bp.get("/awards/<award_id>/revoke")
def confirm_revocation(course_id: str, award_id: str) -> Response:
    """Ask for the reason and say what revoking does."""
    return _confirm(course_id, award_id, "", {})


def _confirm(
    course_id: str, award_id: str, reason: str, errors: dict[str, str], status: int = 200
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        line = data.award(session, course_id, award_id)
    return show(
        around,
        "instructor/revoke.html",
        "awards",
        status,
        line=line,
        reason=reason,
        errors=errors,
        **_words(),
    )


@bp.post("/awards/<award_id>/revoke")
def revoke(course_id: str, award_id: str) -> Response:
    """Take the award back. The reason is shown to the learner."""
    with campus().db.reading() as session:
        data.award(session, course_id, award_id)
    reason = request.form.get("reason", "").strip()
    try:
        revoking.revoke(campus(), award_id, reason, visitor(f"course:{course_id}").actor)
    except Invalid:
        errors = {"reason": wording.revoke_reason_error()}
        return _confirm(course_id, award_id, reason, errors, 422)
    return then("instructor.award", course_id, "revoked", award_id=award_id)
