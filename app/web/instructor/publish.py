"""Putting a badge in force, stopping it, and removing a draft: each says first what will happen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Response, request
from flask_babel import gettext as _

from app.errors import Invalid
from app.lti.platforms import lms_for
from app.models import Issuer
from app.pipeline import approvals, badges, publication
from app.pipeline.preview import preview
from app.web import wording
from app.web.course_page import frame, picture, show, then
from app.web.instructor import approval, data
from app.web.instructor.badges import edit_of, has_changes, store
from app.web.instructor.blueprint import bp
from app.web.instructor.forms import POLICIES
from app.web.locale import spoken
from app.web.session import campus, visitor

LOOK_FIELDS: Final[Mapping[str, str]] = {
    "name": "name",
    "achievement name": "name",
    "achievement description": "description",
    "criteria": "criteria",
    "achievement image caption": "image_alt",
    "image_alt": "image_alt",
    "tag": "tags",
    "editions": "editions",
}
"""What a refused document calls a value -> the field of the look page that holds it."""


@bp.get("/badges/<achievement_id>/publish")
def confirm(course_id: str, achievement_id: str) -> Response:
    """What publishing will do, with the choices that belong to it."""
    return _confirm(course_id, achievement_id)


def _confirm(
    course_id: str,
    achievement_id: str,
    refused: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = badges.draft(session, course_id, achievement_id)
        titles = data.titles(session, course_id)
        expected = preview(session, course_id, found.definition, limit=0)
        gone = data.column_gone(session, course_id, achievement_id)
        lms = lms_for(around.course.deployment.platform.installation.lms)
        holders = data.earned(session, course_id).get(achievement_id, 0)
        about = approval.standing(session, found.achievement)
        asks = badges.must_ask(session, found)
        issuers = [(one.id, _issuer(one)) for one in publication.all_issuers(session)]
    return show(
        around,
        "instructor/publish.html",
        "badges",
        status,
        **about,
        asks=asks,
        issuers=issuers,
        found=found,
        changes=has_changes(found),
        expected=expected,
        holders=holders,
        column_gone=gone,
        keeps_total=keeps_total(lms.keeps_total),
        refused=refused,
        sentence=wording.rule(found.definition.needs, found.definition.clauses, titles),
        policies=[(key, wording.regrade(key)) for key in POLICIES],
        picture=picture,
    )


@bp.post("/badges/<achievement_id>/publish")
def publish(course_id: str, achievement_id: str) -> Response:
    """Freeze the draft, put it in force and read the grades; or send it to the issuer for approval."""
    with campus().db.reading() as session:
        found = badges.draft(session, course_id, achievement_id)
    policy = request.form.get("regrade", "")
    edit = edit_of(
        found,
        regrade=policy if policy in POLICIES else found.achievement.regrade,
        course_column="course_column" in request.form,
    )
    try:
        store(course_id, achievement_id, edit)
        actor = visitor(f"course:{course_id}").actor
        published = approvals.publish_or_ask(campus(), course_id, achievement_id, actor)
    except Invalid as error:
        return _confirm(course_id, achievement_id, refused_for(error), 422)
    return then("instructor.home", course_id, "published" if published else "asked")


def _issuer(issuer: Issuer) -> str:
    """An issuer in the list of those who can stand behind a badge."""
    if publication.admits(issuer):
        return issuer.name
    return _("%(issuer)s (looks at it first)", issuer=issuer.name)


def refused_for(error: Invalid) -> tuple[str, str]:
    """What is wrong, and the field of the look page where it is mended ("" when none is)."""
    field = next((LOOK_FIELDS[name] for name in error.fields if name in LOOK_FIELDS), "")
    return f"{spoken(error.message)} {spoken(error.fix)}".strip(), field


@bp.post("/badges/<achievement_id>/stop")
def stop(course_id: str, achievement_id: str) -> Response:
    """No new awards from now on."""
    badges.stop(campus(), course_id, achievement_id, visitor(f"course:{course_id}").actor)
    return then("instructor.badge", course_id, "stopped", achievement_id=achievement_id)


@bp.post("/badges/<achievement_id>/resume")
def resume(course_id: str, achievement_id: str) -> Response:
    """The undo of stopping."""
    badges.resume(campus(), course_id, achievement_id, visitor(f"course:{course_id}").actor)
    return then("instructor.badge", course_id, "resumed", achievement_id=achievement_id)


@bp.get("/badges/<achievement_id>/remove")
def confirm_removal(course_id: str, achievement_id: str) -> Response:
    """Ask before a draft goes for good."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = badges.draft(session, course_id, achievement_id)
    return show(around, "instructor/remove.html", "badges", found=found)


@bp.post("/badges/<achievement_id>/remove")
def remove(course_id: str, achievement_id: str) -> Response:
    """Remove a draft that was never published."""
    badges.remove_draft(campus(), course_id, achievement_id, visitor(f"course:{course_id}").actor)
    return then("instructor.home", course_id, "removed")


def keeps_total(way: str) -> str:
    """How this LMS keeps a column out of the course total."""
    ways = {
        "omit": _(
            "To keep the total as it is, edit the column's assignment in the LMS after the first award"
            " and tick “Do not count this assignment towards the final grade”."
        ),
        "exclude": _(
            "To keep the total as it is, edit the column in the LMS after the first award and exclude"
            " it from the calculation of the final grade."
        ),
        "include": _(
            "To keep the total as it is, open the settings of the column in the LMS after the first"
            " award and take away the tick for including it in grade calculations."
        ),
    }
    return ways.get(
        way,
        _(
            "To keep the total as it is, open the gradebook setup of the LMS after the first award and"
            " give the column the weight 0, or move it to a category that does not count."
        ),
    )
