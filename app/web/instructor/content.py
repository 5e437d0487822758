"""Placing badges in the LMS course: choose, hand the choice to the LMS, or go back without one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flask import Response, g, make_response, render_template, request, url_for
from flask_babel import gettext as _

from app.lti.addresses import safe_origin
from app.lti.deep_linking import Asked, Item, Outcome
from app.pipeline import badges, content
from app.web import wording
from app.web.course_page import frame, picture, show, then
from app.web.instructor import data
from app.web.instructor.blueprint import bp
from app.web.instructor.data import BadgeLine
from app.web.instructor.forms import Errors, name_error
from app.web.session import campus, visitor


@bp.get("/content/<selection_id>")
def choose_content(course_id: str, selection_id: str) -> Response:
    """What can be placed: every badge of the course, and each learner's own progress."""
    return _choose(course_id, selection_id, request.args.getlist("item"), {})


def _choose(
    course_id: str,
    selection_id: str,
    chosen: Collection[str],
    errors: Errors,
    name: str = "",
    status: int = 200,
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
        asked = content.asked(session, campus(), course_id, selection_id, around.visitor.person_id)
        lines = _placeable(data.badges(session, course_id))
        lms = around.course.deployment.platform.installation.name
    _let_form_reach(asked)
    return show(
        around,
        "instructor/content.html",
        "badges",
        status,
        asked=asked,
        lines=lines,
        chosen=chosen,
        errors=errors,
        name=name,
        lms=lms,
        progress=content.PROGRESS,
        here={"course_id": course_id, "selection_id": selection_id},
        state=wording.badge_state,
        picture=picture,
    )


def _placeable(lines: Sequence[BadgeLine]) -> list[BadgeLine]:
    """Badges that somebody can earn now or once they are published."""
    return [line for line in lines if line.rule_state in ("draft", "published")]


def _let_form_reach(asked: Asked) -> None:
    """Let a form of this answer be sent to the LMS; also where the page stays loaded until then."""
    g.form_targets = (safe_origin(asked.return_url),)


@bp.post("/content/<selection_id>")
def place(course_id: str, selection_id: str) -> Response:
    """Sign what was chosen and show the form that carries it to the LMS."""
    chosen = list(dict.fromkeys(request.form.getlist("item")))
    who = visitor(f"course:{course_id}")
    with campus().db.reading() as session:
        asked = content.asked(session, campus(), course_id, selection_id, who.person_id)
        lines = _placeable(data.badges(session, course_id))
    items = _items(lines, chosen)
    if not items or not asked.takes_links or (len(items) > 1 and not asked.multiple):
        several = _("This place in the course takes one only. Choose one.")
        none = _("Choose what should stand in the course, or go back without adding anything.")
        wrong = {"items": several if len(items) > 1 else none}
        return _choose(course_id, selection_id, chosen, wrong, status=422)
    return _hand_over(course_id, selection_id, Outcome(items))


def _items(lines: Sequence[BadgeLine], chosen: Collection[str]) -> list[Item]:
    """The chosen things as the LMS will list them; what is not this course's is left out."""
    found = [_badge_item(line) for line in lines if line.achievement.id in chosen]
    if content.PROGRESS in chosen:
        found.append(
            Item(
                _("My badges"),
                _("What you have earned in this course, and what is missing for the rest."),
                {content.VIEW: content.PROGRESS},
                url_for("static", filename="icon.svg", _external=True),
            )
        )
    return found


def _badge_item(line: BadgeLine) -> Item:
    version, base = line.version, campus().settings.public_url
    public = url_for("public.achievement_png", achievement_id=line.achievement.id)
    drawn = picture(line.achievement.course_id or "", version)
    seen = public if line.achievement.published_version is not None else drawn
    return Item(
        version.name, version.description, {content.BADGE: line.achievement.id}, base + seen
    )


@bp.post("/content/<selection_id>/cancel")
def cancel_content(course_id: str, selection_id: str) -> Response:
    """Back to the LMS without anything to add."""
    return _hand_over(course_id, selection_id, Outcome(message=_("Nothing was added.")))


def _hand_over(course_id: str, selection_id: str, outcome: Outcome) -> Response:
    """The one page whose form goes to the LMS; with scripts it goes by itself."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        person_id = around.visitor.person_id
        _let_form_reach(content.asked(session, campus(), course_id, selection_id, person_id))
    signed = content.answer(campus(), course_id, selection_id, person_id, outcome)
    page = render_template(
        "instructor/hand_over.html", frame=around, answer=signed, count=len(outcome.items)
    )
    return make_response(page)


@bp.post("/content/<selection_id>/badge")
def content_badge(course_id: str, selection_id: str) -> Response:
    """Make a draft on the way and come back with it chosen; its assessments are mapped later."""
    name = " ".join(request.form.get("name", "").split())
    chosen = request.form.getlist("item")
    who = visitor(f"course:{course_id}")
    with campus().db.reading() as session:
        asked = content.asked(session, campus(), course_id, selection_id, who.person_id)
    wrong = name_error(name)
    if wrong:
        return _choose(course_id, selection_id, chosen, {"name": wrong}, name, 422)
    made = badges.create(campus(), course_id, name, who.actor, who.person_id)
    kept = [*chosen, made] if asked.multiple else [made]
    return then(
        "instructor.choose_content", course_id, "drafted", selection_id=selection_id, item=kept
    )
