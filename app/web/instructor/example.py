"""The real artefact of a badge before it is published: signed for an invented person, worth nothing."""

from __future__ import annotations

import json

from flask import Response, make_response
from flask_babel import gettext as _

from app.credentials import files
from app.errors import Invalid
from app.pipeline import badges
from app.pipeline import example as examples
from app.web import badge_words, certificates
from app.web.course_page import frame, show
from app.web.instructor.blueprint import bp
from app.web.instructor.publish import refused_for
from app.web.session import campus


@bp.get("/badges/<achievement_id>/example")
def example(course_id: str, achievement_id: str) -> Response:
    """What a learner, an employer and a verifier would get, or what is still missing for it."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = badges.draft(session, course_id, achievement_id)
    made, problem = None, None
    try:
        made = examples.make(campus(), course_id, achievement_id)
    except Invalid as error:
        problem = refused_for(error)
    return show(
        around,
        "instructor/example.html",
        "badges",
        found=found,
        made=made,
        fast=made.fast if made else False,
        problem=problem,
        facts=badge_words.facts(made.details) if made else [],
        document=json.dumps(json.loads(made.sealed.document), indent=2, ensure_ascii=False)
        if made
        else "",
        kinds=_kinds(found.version.design),
    )


def _kinds(design: str) -> list[tuple[str, str]]:
    """The files of a badge with what people call them; an uploaded picture is no drawing."""
    names = {
        "json": _("Credential (JSON)"),
        "jwt": _("Credential (JWT)"),
        "png": _("Badge image (PNG)"),
        "svg": _("Badge image (SVG)"),
        "pdf": _("Certificate (PDF)"),
    }
    return [(kind, names[kind]) for kind in names if kind != "svg" or design != files.UPLOAD]


@bp.get("/badges/<achievement_id>/example/picture")
def example_picture(course_id: str, achievement_id: str) -> Response:
    """The picture with the band across, for the page."""
    answer = make_response(examples.make(campus(), course_id, achievement_id).picture_png())
    answer.mimetype = "image/png"
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@bp.get("/badges/<achievement_id>/example/file/<kind>")
def example_file(course_id: str, achievement_id: str, kind: str) -> Response:
    """One of the files that a learner could download. Raises NotFound for others."""
    made = examples.make(campus(), course_id, achievement_id)
    holder = _("Alex Example")
    body = certificates.draw_example(made, holder) if kind == "pdf" else made.file(kind)
    media_type, ending = files.FORMATS[kind]
    answer = make_response(body)
    answer.headers["Content-Type"] = media_type
    name = f"example-{achievement_id[:8]}.{ending}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
