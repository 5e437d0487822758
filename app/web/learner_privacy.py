"""A learner sees what Tassel holds, takes it along, and has it erased."""

from __future__ import annotations

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _

from app.models import Person
from app.pipeline import apps, erase, export, personal, taking_away
from app.pipeline.erase import Badges
from app.wallet import app_clients
from app.web import learner_data
from app.web.course_page import Frame, frame, show
from app.web.learner_record import bp
from app.web.privacy import held
from app.web.session import campus

__all__ = ["bp"]

UNDERSTOOD = "understood"
BADGES = "badges"


@bp.get("/data")
def data(course_id: str) -> Response:
    """What is held about me, over all my accounts, in numbers and plain words."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        accounts = personal.accounts(session, me.learner_id)
        counts = taking_away.count(session, me.learner_id)
        readers = apps.of_learner(session, me.learner_id)
    return show(
        around,
        "learner/data.html",
        "data",
        me=me,
        apps=readers,
        told={
            app_clients.READ: _("Your signed badges"),
            app_clients.PROFILE: _("Your name and e-mail address"),
        },
        accounts=accounts,
        held=held(counts),
    )


@bp.post("/data/export")
def export_data(course_id: str) -> Response:
    """Everything as one zip, written while it is sent; noted among the disclosures."""
    me = _me(course_id)[1]
    answer = Response(export.begin(campus(), me.learner_id, f"person:{me.id}"))
    answer.mimetype = "application/zip"
    answer.headers["Content-Disposition"] = 'attachment; filename="tassel-my-data.zip"'
    return answer


def _me(course_id: str) -> tuple[Frame, Person]:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        return around, learner_data.me(session, around)


@bp.get("/data/erase")
def confirm_erasure(course_id: str) -> Response:
    """What goes, what stays, what is out of reach; the last chance to take it along."""
    return _confirm(course_id, {})


def _confirm(course_id: str, errors: dict[str, str], status: int = 200) -> Response:
    around, me = _me(course_id)
    with campus().db.reading() as session:
        counts = taking_away.count(session, me.learner_id)
        accounts = personal.accounts(session, me.learner_id)
    return show(
        around,
        "learner/erase.html",
        "data",
        status,
        me=me,
        awards=counts.get("award", 0),
        accounts=accounts,
        errors=errors,
        chosen=request.form.get(BADGES, "kept"),
    )


@bp.post("/data/erase")
def erase_data(course_id: str) -> Response:
    """Erase me, at once and for good. The page that follows knows nobody any more."""
    if UNDERSTOOD not in request.form:
        wrong = _("Tick the box if you want everything to be erased.")
        return _confirm(course_id, {UNDERSTOOD: wrong}, 422)
    badges: Badges = "revoked" if request.form.get(BADGES) == "revoked" else "kept"
    me = _me(course_id)[1]
    done = erase.erase(campus(), me.learner_id, f"person:{me.id}", badges)
    return make_response(render_template("learner/erased.html", done=done, badges=badges))
