"""Partners of a badge: links for them, what came back, and whether it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _
from sqlalchemy import select

from app.credentials import endorsed, endorsement
from app.errors import Invalid, NotFound
from app.models import Endorsement
from app.pipeline import badges, endorse
from app.pipeline.campus import Campus
from app.web.course_page import frame, show, then
from app.web.instructor.blueprint import bp
from app.web.session import campus, visitor

STEPS: Final[Mapping[str, Callable[[Campus, str, str, str], None]]] = {
    "close": endorse.close,
    "accept": endorse.accept,
    "decline": endorse.decline,
    "withdraw": endorse.withdraw,
}
"""What can be done with one -> the verb that does it."""


@bp.get("/badges/<achievement_id>/endorsements")
def endorsements(course_id: str, achievement_id: str) -> Response:
    """Every link and endorsement of a badge, and the form for another link."""
    return _page(course_id, achievement_id)


def _page(
    course_id: str,
    achievement_id: str,
    *,
    link: str = "",
    partner: str = "",
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = badges.draft(session, course_id, achievement_id)
        query = select(Endorsement).where(Endorsement.achievement_id == achievement_id)
        rows = list(session.scalars(query.order_by(Endorsement.created_at.desc())))
        number = found.achievement.published_version or 0
        carried = {
            one.id for one in endorsed.standing(session, achievement_id, number) if one.carried
        }
    return show(
        around,
        "instructor/endorsements.html",
        "badges",
        status,
        found=found,
        rows=[(row, endorsement.read(row.document) if row.document else None) for row in rows],
        carried=carried,
        embeds=endorsement.carried,
        link=link,
        partner=partner,
        errors=errors or {},
    )


@bp.post("/badges/<achievement_id>/endorsements")
def invite(course_id: str, achievement_id: str) -> Response:
    """Make a link and show it: the answer to this POST is the only page that ever does."""
    _must_be_here(course_id, achievement_id)
    partner, actor = request.form.get("partner", ""), visitor(f"course:{course_id}").actor
    try:
        token = endorse.invite(campus(), achievement_id, partner, actor)
    except Invalid:
        wrong = {"partner": _("Say whom the link is for: 2 to 200 characters.")}
        return _page(course_id, achievement_id, partner=partner[:200], errors=wrong, status=422)
    link = f"{campus().settings.public_url}/endorse/{token}"
    return _page(
        course_id, achievement_id, link=link, partner=" ".join(partner.split()), status=201
    )


@bp.post("/badges/<achievement_id>/endorsements/<endorsement_id>/<step>")
def endorsement_step(
    course_id: str, achievement_id: str, endorsement_id: str, step: str
) -> Response:
    """Take a link back; accept, decline or withdraw what came."""
    if step not in STEPS:
        raise NotFound("step-unknown", "There is no such step.")
    _must_be_here(course_id, achievement_id)
    STEPS[step](campus(), achievement_id, endorsement_id, visitor(f"course:{course_id}").actor)
    said = f"endorsement-{step}"
    return then("instructor.endorsements", course_id, said, achievement_id=achievement_id)


def _must_be_here(course_id: str, achievement_id: str) -> None:
    """Raises NotFound for a badge of another course."""
    with campus().db.reading() as session:
        badges.draft(session, course_id, achievement_id)
