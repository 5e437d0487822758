"""The words of a badge in further languages, one tab each."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, request
from flask_babel import gettext as _

from app.credentials import editions as edition_words
from app.credentials.editions import Edition
from app.credentials.phrases import LANGUAGES, direction, speaks
from app.errors import NotFound
from app.pipeline import badges
from app.pipeline.badges import BadgeDraft
from app.web.course_page import frame, show, then
from app.web.instructor.badges import edit_of, store
from app.web.instructor.blueprint import bp
from app.web.instructor.forms import Errors, text_errors
from app.web.session import campus


@bp.get("/badges/<achievement_id>/editions")
def editions(course_id: str, achievement_id: str) -> Response:
    """The tab that the address asks for, else the first one; or how to begin."""
    found = _found(course_id, achievement_id)
    present = edition_words.of(found.version)
    asked = request.args.get("edition", "")
    if asked not in _possible(found):
        asked = next(iter(present), "")
    return _page(course_id, found, asked, present.get(asked, Edition("")), {})


def _found(course_id: str, achievement_id: str) -> BadgeDraft:
    with campus().db.reading() as session:
        return badges.draft(session, course_id, achievement_id)


def _possible(found: BadgeDraft) -> dict[str, str]:
    """The languages that an edition can have: all but the signed one."""
    main = edition_words.main_language(found.version)
    return {key: name for key, name in LANGUAGES.items() if key != main}


def _page(
    course_id: str,
    found: BadgeDraft,
    language: str,
    typed: Edition,
    errors: Errors,
    status: int = 200,
) -> Response:
    with campus().db.reading() as session:
        around = frame(session, course_id)
    present = edition_words.of(found.version)
    possible = _possible(found)
    tabs = dict.fromkeys([*present, *([language] if language else [])])
    return show(
        around,
        "instructor/editions.html",
        "badges",
        status,
        found=found,
        main=edition_words.worded(found.version, ""),
        language=language,
        direction=direction(language),
        typed=typed,
        errors=errors,
        stored=language in present,
        made=_is_made(found, language),
        tabs=[(key, possible[key]) for key in tabs],
        others=[(key, name) for key, name in possible.items() if key not in tabs],
    )


def _is_made(found: BadgeDraft, language: str) -> bool:
    """Whether Tassel writes the criteria in that language itself."""
    own = found.version.criteria and not found.version.criteria_made
    return speaks(language) and not own


@bp.post("/badges/<achievement_id>/editions")
def save_edition(course_id: str, achievement_id: str) -> Response:
    """Keep one edition in the draft, or take it out. Raises NotFound for the signed language."""
    found = _found(course_id, achievement_id)
    present = edition_words.of(found.version)
    language = request.form.get("edition", "")
    if language not in _possible(found):
        raise NotFound("language-unknown", "A badge has no edition in that language.")
    there = {"achievement_id": achievement_id}
    if request.form.get("action") == "remove":
        rest = {key: one for key, one in present.items() if key != language}
        store(course_id, achievement_id, edit_of(found, editions=rest))
        return then("instructor.editions", course_id, "edition-removed", **there)
    before = present.get(language, Edition(""))
    typed = _typed(request.form, before)
    errors = _errors(found, language, typed)
    if errors:
        return _page(course_id, found, language, typed, errors, 422)
    store(course_id, achievement_id, edit_of(found, editions={**present, language: typed}))
    return then("instructor.editions", course_id, "saved", **there, edition=language)


def _typed(form: Mapping[str, str], before: Edition) -> Edition:
    """What was typed. Criteria that Tassel made stay its own while nobody changes them."""
    criteria = form.get("criteria", "").replace("\r\n", "\n").strip()
    return Edition(
        name=" ".join(form.get("name", "").split()),
        description=form.get("description", "").strip(),
        criteria=criteria,
        image_alt=" ".join(form.get("image_alt", "").split()),
        criteria_made=before.criteria_made and criteria == before.criteria,
    )


def _errors(found: BadgeDraft, language: str, typed: Edition) -> Errors:
    """Too long, or less than the signed words say."""
    errors = dict(text_errors(request.form))
    if found.version.description and not typed.description:
        errors["description"] = _("Say it in this language too.")
    if not typed.criteria and not _is_made(found, language):
        errors["criteria"] = _("Say it in this language too.")
    return errors
