"""Erase one learner: find by an exact name, see what goes and what stays, say so by typing it."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.errors import NotFound
from app.models import Learner, Person
from app.pipeline import erase, finding, personal, taking_away
from app.pipeline.erase import Badges
from app.web import session
from app.web.operator.blueprint import actor, bp
from app.web.privacy import held

FIND = "find"
TYPED = "typed"


@bp.get("/learners")
def learners() -> ResponseReturnValue:
    """The form. What is looked up travels in the body: no address may name anybody."""
    return render_template("operator/learners.html", sought="", found=[], errors={})


@bp.post("/learners")
def learner_find() -> ResponseReturnValue:
    """Who is called exactly so: on to the one, or a list of them."""
    sought = request.form.get(FIND, "").strip()
    found = finding.look_up(session.campus(), sought, actor())
    if len(found) == 1:
        return redirect(url_for("operator.learner_erase", learner_id=found[0]), 303)
    errors = {}
    if not found:
        errors[FIND] = gettext("Nobody here is called exactly so. Erased learners are not found.")
    with session.campus().db.reading() as db:
        people = [(one, personal.accounts(db, one)) for one in found]
    page = render_template("operator/learners.html", sought=sought, found=people, errors=errors)
    return page, 200 if found else 422


@bp.get("/learners/<learner_id>/erase")
def learner_erase(learner_id: str) -> ResponseReturnValue:
    """What goes, what stays, what can be taken back first. Nothing is changed."""
    return _page(learner_id, {})


def _page(learner_id: str, errors: dict[str, str]) -> str:
    with session.campus().db.reading() as db:
        if db.get(Learner, learner_id) is None:
            raise NotFound("learner-unknown", "There is no such learner here.")
        accounts = personal.accounts(db, learner_id)
        counts = taking_away.count(db, learner_id)
        return render_template(
            "operator/learner_erase.html",
            learner_id=learner_id,
            accounts=accounts,
            word=_word(learner_id, accounts),
            held=held(counts),
            awards=counts.get("award", 0),
            standing=finding.standing_awards(db, learner_id),
            sent=finding.sent(db, learner_id),
            errors=errors,
            chosen=request.form.get("badges", "kept"),
        )


def _word(learner_id: str, accounts: list[tuple[str, Person]]) -> str:
    """What has to be typed: something that is this learner's and no other's on the screen."""
    told = (person.email or person.name or person.sub for _lms, person in accounts)
    return next(told, learner_id)


@bp.post("/learners/<learner_id>/erase")
def learner_erase_confirm(learner_id: str) -> ResponseReturnValue:
    """Erase for good, once it was typed whom."""
    with session.campus().db.reading() as db:
        word = _word(learner_id, personal.accounts(db, learner_id))
    if request.form.get(TYPED, "").strip().casefold() != word.casefold():
        return _page(
            learner_id,
            {TYPED: gettext("Type the learner's address or name exactly as it is shown.")},
        ), 422
    badges: Badges = "revoked" if request.form.get("badges") == "revoked" else "kept"
    gone = erase.erase(session.campus(), learner_id, actor(), badges)
    return render_template("operator/learner_erased.html", gone=gone, badges=badges)
