"""Put an award on hold while something is looked into, and let it go again."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.errors import Invalid
from app.pipeline import hold
from app.web import session
from app.web.operator.awards import line_of
from app.web.operator.blueprint import actor, bp, done


@bp.get("/awards/<award_id>/hold")
def award_hold(award_id: str) -> ResponseReturnValue:
    """Ask for the reason and say what a hold does."""
    return _page(award_id, "", {})


def _page(award_id: str, reason: str, errors: dict[str, str]) -> str:
    with session.campus().db.reading() as db:
        line = line_of(db, award_id)
    return render_template("operator/award_hold.html", line=line, reason=reason, errors=errors)


@bp.post("/awards/<award_id>/hold")
def award_hold_confirm(award_id: str) -> ResponseReturnValue:
    """Hold it; a missing reason shows the form again."""
    reason = request.form.get("reason", "")
    try:
        hold.hold(session.campus(), award_id, reason, actor())
    except Invalid:
        errors = {"reason": gettext("Say why. The learner reads this reason.")}
        return _page(award_id, reason, errors), 422
    return done("operator.award", "held", award_id=award_id)


@bp.post("/awards/<award_id>/release")
def award_release(award_id: str) -> ResponseReturnValue:
    """End the hold."""
    hold.release(session.campus(), award_id, actor())
    return done("operator.award", "released", award_id=award_id)
