"""How long a badge is valid and how it is renewed, with the sentence that learners will read."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _

from app.mastery.renewal import Terms
from app.pipeline import badges
from app.web import validity_words
from app.web.course_page import Frame, frame, show, then
from app.web.instructor import validity_form
from app.web.instructor.badges import edit_of, store
from app.web.instructor.blueprint import bp
from app.web.instructor.validity_form import ValidityForm
from app.web.session import campus


@bp.get("/badges/<achievement_id>/validity")
def validity(course_id: str, achievement_id: str) -> Response:
    """The choices as they are kept."""
    around, found = _found(course_id, achievement_id)
    return _page(around, found, validity_form.stored(Terms.of(found.version)))


def _found(course_id: str, achievement_id: str) -> tuple[Frame, badges.BadgeDraft]:
    with campus().db.reading() as session:
        return frame(session, course_id), badges.draft(session, course_id, achievement_id)


def _page(
    around: Frame, found: badges.BadgeDraft, form: ValidityForm, status: int = 200
) -> Response:
    return show(
        around,
        "instructor/validity.html",
        "badges",
        status,
        found=found,
        form=form,
        kinds=[
            ("never", _("Never")),
            ("months", _("Months after it was earned")),
            ("years", _("Years after it was earned")),
            ("date", _("On a fixed day")),
        ],
        renewals=[
            ("none", _("Not at all")),
            ("window", _("By results near its end")),
            ("result", _("By any later results")),
        ],
        **_words(form),
    )


def _words(form: ValidityForm) -> dict[str, Any]:
    """The sentences that a learner would read, unless something is wrong."""
    if form.errors:
        return {"sentences": []}
    row = type("Row", (), form.terms.columns())()
    found = [
        validity_words.lasting(row) + ".",
        validity_words.renewing(row),
        validity_words.example(form.terms, campus().clock()),
    ]
    return {"sentences": [one for one in found if one]}


@bp.post("/badges/<achievement_id>/validity/try")
def try_validity(course_id: str, achievement_id: str) -> Response:
    """The same choices in words; nothing is kept. The page asks while one chooses."""
    _found(course_id, achievement_id)
    form = _typed()
    return make_response(render_template("instructor/_validity.html", form=form, **_words(form)))


def _typed() -> ValidityForm:
    today = campus().clock().astimezone(campus().settings.zone).date()
    return validity_form.parse(request.form, today)


@bp.post("/badges/<achievement_id>/validity")
def save_validity(course_id: str, achievement_id: str) -> Response:
    """Keep the choices as a draft."""
    around, found = _found(course_id, achievement_id)
    form = _typed()
    if form.errors:
        return _page(around, found, form, 422)
    store(course_id, achievement_id, edit_of(found, terms=form.terms))
    return then("instructor.validity", course_id, "saved", achievement_id=achievement_id)
