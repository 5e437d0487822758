"""Bring the badges of the course that this one was copied from: look, decide what is doubtful, bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.credentials.files import UPLOAD
from app.errors import Invalid
from app.models import AchievementVersion
from app.pipeline import copies
from app.pipeline.copies import Ancestor, Plan
from app.web import wording
from app.web.course_page import Frame, frame, picture, show, then
from app.web.instructor import data
from app.web.instructor.blueprint import bp
from app.web.session import campus, visitor

OUT, OTHER = "out", "other"
"""Answers about a column besides the id of a column here."""


def offers(session: Session, around: Frame, badges: int) -> list[Ancestor]:
    """What the course home offers: only to those who may take it, and only to a course without badges."""
    if badges or not around.may_change:
        return []
    return [one for one in copies.ancestors(session, around.course) if one.open]


@bp.get("/copies")
def all_copies(course_id: str) -> Response:
    """Every older course with badges, also those that were taken from or waved away."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = copies.ancestors(session, around.course)
    return show(around, "instructor/copies.html", "settings", ancestors=found)


@bp.get("/copies/<origin_id>")
def copy(course_id: str, origin_id: str) -> Response:
    """Each badge there with its mapping here."""
    return _page(course_id, origin_id)


def _page(
    course_id: str, origin_id: str, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = copies.plan(session, around.course, origin_id)
        seen = data.seen(session, course_id)
    form = request.form
    return show(
        around,
        "instructor/copy.html",
        "badges",
        status,
        found=found,
        seen=seen,
        run=seen.run,
        errors=errors or {},
        how=rematched,
        needs=wording.needs,
        picture=_picture,
        typed={key: _typed(form, key, found) for key in found.unsure},
        chosen=form.getlist("badge") if form else _usual(found),
    )


def _usual(found: Plan) -> list[str]:
    """Badges that are ticked at first: those that are still given there."""
    return [one.achievement.id for one in found.badges if one.rule_state == "published"]


def _typed(form: Mapping[str, str], key: str, found: Plan) -> dict[str, Any]:
    """What stands in the form for a column; a column without any proposal is left out at first."""
    usual = "" if found.matches[key].new else OUT
    return {
        "answer": form.get(f"column-{key}", usual),
        "other": form.get(f"other-{key}", ""),
    }


def _picture(course_id: str, version: AchievementVersion) -> str:
    """The public picture of a published badge: one of another course is not served here."""
    if version.design == UPLOAD or version.drawing:
        return url_for("public.achievement_png", achievement_id=version.achievement_id)
    return picture(course_id, version)


@bp.post("/copies/<origin_id>")
def bring(course_id: str, origin_id: str) -> Response:
    """Bring what is ticked, as drafts or published."""
    who, form = visitor(f"course:{course_id}"), request.form
    try:
        made = copies.bring(
            campus(),
            course_id,
            origin_id,
            form.getlist("badge"),
            _decisions(form),
            publish=form.get("as") == "published",
            actor=who.actor,
            person_id=who.person_id,
        )
    except Invalid as error:
        fields = {f"column-{key}": copy_error(why) for key, why in error.fields.items()}
        return _page(course_id, origin_id, fields or {"badges": copy_error("nothing")}, 422)
    said = "brought-published" if made.published else "brought-drafts"
    return then("instructor.home", course_id, "brought-incomplete" if made.incomplete else said)


def _decisions(form: Mapping[str, str]) -> dict[str, str]:
    """Old column to what was answered; no answer is no decision."""
    answers = {
        name.removeprefix("column-"): value
        for name, value in form.items()
        if name.startswith("column-") and value
    }
    words = {
        key: form.get(f"other-{key}", "") if value == OTHER else value
        for key, value in answers.items()
    }
    return {key: copies.OUT if value == OUT else value or OTHER for key, value in words.items()}


@bp.post("/copies/<origin_id>/dismiss")
def dismiss(course_id: str, origin_id: str) -> Response:
    """Not now; Settings still knows it."""
    copies.dismiss(campus(), course_id, origin_id, visitor(f"course:{course_id}").actor)
    return then("instructor.home", course_id, "copy-dismissed")


@bp.post("/copies/<origin_id>/undo")
def undo(course_id: str, origin_id: str) -> Response:
    """Take the brought badges away again, those that nobody has earned."""
    kept = copies.undo(campus(), course_id, origin_id, visitor(f"course:{course_id}").actor)
    return then("instructor.home", course_id, "copy-kept" if kept else "copy-undone")


def rematched(how: str) -> str:
    """How a column of the old course was found again."""
    return {
        "mark": _("It carries the mark of its maker."),
        "link": _("The LMS says that it was copied from there."),
        "title": _("Same title and points."),
        "similar": _("It looks like it."),
    }.get(how, "")


def copy_error(why: str) -> str:
    """What is missing before badges can be brought."""
    return {
        "undecided": _("Decide where this column is."),
        "twice": _("This column is taken for another one already."),
    }.get(why, _("Choose at least one badge to bring."))
