"""Who stands behind a badge, and what the issuer says to it."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from app.models import Achievement
from app.pipeline import approvals, publication
from app.web.course_page import then
from app.web.instructor.blueprint import bp
from app.web.session import campus, visitor


def standing(session: Session, achievement: Achievement) -> dict[str, Any]:
    """What pages of a badge show of its issuer: ``issuer``, whether it ``admits``, and what it was
    ``asked`` last."""
    issuer = publication.issuer_of(session, achievement)
    asked = publication.latest(session, achievement.id)
    return {"issuer": issuer, "admits": publication.admits(issuer), "asked": asked}


@bp.post("/badges/<achievement_id>/issuer")
def choose_issuer(course_id: str, achievement_id: str) -> Response:
    """Put another issuer behind a badge that was never published."""
    actor = visitor(f"course:{course_id}").actor
    wanted = request.form.get("issuer", "")
    approvals.choose_issuer(campus(), course_id, achievement_id, wanted, actor)
    return then("instructor.confirm", course_id, "issuer-chosen", achievement_id=achievement_id)


@bp.post("/badges/<achievement_id>/publish/take-back")
def take_back(course_id: str, achievement_id: str) -> Response:
    """End the request, so that the badge can be changed."""
    actor = visitor(f"course:{course_id}").actor
    approvals.take_back(campus(), course_id, achievement_id, actor)
    return then("instructor.badge", course_id, "taken-back", achievement_id=achievement_id)
