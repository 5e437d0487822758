"""The name, words and picture of a badge, beside what a learner will see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _
from markupsafe import Markup

from app.credentials import described, designs
from app.credentials.colours import contrast
from app.credentials.details import Details
from app.credentials.drawing import Drawing
from app.credentials.files import UPLOAD
from app.pipeline import badges
from app.pipeline.badges import BadgeDraft
from app.pipeline.freeze import suggested_alt
from app.web import badge_words, wording
from app.web.course_page import Frame, drawn, frame, picture, show, then
from app.web.instructor import data, designer, details
from app.web.instructor.badges import edit_of, store
from app.web.instructor.blueprint import bp
from app.web.instructor.forms import Errors, Look, parse_look
from app.web.session import campus


@dataclass(frozen=True)
class Sheet:
    """The whole form: as typed, as understood, and what is wrong with it."""

    look: Look
    drawing: designer.DrawingForm
    more: details.Typed
    errors: Errors

    @property
    def alt(self) -> str:
        """The picture in words, made when its author wrote none; empty for an uploaded one."""
        made = described.suggestion(self.look.design, self.look.drawing, self.look.details.language)
        return self.look.image_alt or made

    @property
    def svg(self) -> Markup:
        """The picture as it will be signed; empty for an uploaded one."""
        look = self.look
        if look.design == UPLOAD:
            return Markup("")
        # Made of our own numbers; the title, the only text in it, is escaped there.
        return Markup(designs.svg(look.design, look.palette, self.alt, drawing=look.drawing))  # noqa: S704

    @property
    def ratio(self) -> float:
        """Contrast of symbol and face."""
        colours = self.look.drawing.palette(self.look.palette)
        return contrast(colours.symbol, colours.field)


def _stored(found: BadgeDraft) -> Sheet:
    version = found.version
    told, drawing = Details.from_json(version.details), Drawing.from_json(version.drawing)
    made = suggested_alt(version)
    look = Look(
        name=version.name,
        description=version.description,
        criteria=version.criteria,
        design=version.design,
        palette=version.palette,
        image=None,
        image_alt="" if version.image_alt == made else version.image_alt,
        details=told,
        drawing=drawing,
    )
    return Sheet(look, designer.stored(drawing, version.palette), details.typed(told), {})


def _typed(found: BadgeDraft, upload: bytes) -> Sheet:
    """What the form says; its file, if there is one, is ``upload``."""
    version = found.version
    more, told, wrong = details.parse(request.form, Details.from_json(version.details))
    drawing = designer.parse(
        request.form, Drawing.from_json(version.drawing), request.form.get("palette", "")
    )
    look, errors = parse_look(request.form, upload, version.image, told, drawing.drawing)
    if told.language in version.editions:
        said = _("There is an edition in this language. Remove it first, or choose another.")
        wrong = {**wrong, "language": said}
    return Sheet(look, drawing, more, {**errors, **drawing.errors, **wrong})


def _opened(course_id: str, achievement_id: str) -> tuple[Frame, BadgeDraft, Mapping[str, str]]:
    """The page's frame, the badge and the names of the columns."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = badges.draft(session, course_id, achievement_id)
        return around, found, data.titles(session, course_id)


@bp.get("/badges/<achievement_id>/look")
def look(course_id: str, achievement_id: str) -> Response:
    """Name, words and picture, beside what a learner will see."""
    around, found, titles = _opened(course_id, achievement_id)
    return _look(around, found, titles, _stored(found))


def _look(
    around: Frame, found: BadgeDraft, titles: Mapping[str, str], sheet: Sheet, status: int = 200
) -> Response:
    return show(
        around,
        "instructor/look.html",
        "badges",
        status,
        choices=details.choices(),
        symbols=designer.symbols(),
        borders=designer.borders(),
        designs=[(key, wording.design(key)) for key in designs.DESIGNS],
        palettes=[(key, wording.palette(key)) for key in designs.PALETTES],
        drawn=drawn,
        **_preview(found, titles, sheet),
    )


def _preview(found: BadgeDraft, titles: Mapping[str, str], sheet: Sheet) -> dict[str, object]:
    """What the page and its live part show."""
    definition = found.definition
    return {
        "found": found,
        "sheet": sheet,
        "errors": sheet.errors,
        "facts": badge_words.facts(sheet.look.details),
        "sentence": wording.rule(definition.needs, definition.clauses, titles),
        "picture": picture,
    }


@bp.post("/badges/<achievement_id>/look/try")
def try_look(course_id: str, achievement_id: str) -> Response:
    """The badge as it stands in the form; nothing is kept. The page asks while one types."""
    around, found, titles = _opened(course_id, achievement_id)
    shown = _preview(found, titles, _typed(found, b""))
    return make_response(render_template("instructor/_look.html", frame=around, **shown))


@bp.post("/badges/<achievement_id>/look")
def save_look(course_id: str, achievement_id: str) -> Response:
    """Keep name, words and picture as a draft; or only show what they would look like."""
    around, found, titles = _opened(course_id, achievement_id)
    upload = request.files.get("picture")
    looks_only = request.form.get("action") == "preview" or "use" in request.form
    sheet = _typed(found, upload.read() if upload and not looks_only else b"")
    if looks_only:
        return _look(around, found, titles, sheet)
    if sheet.errors:
        return _look(around, found, titles, sheet, 422)
    store(course_id, achievement_id, edit_of(found, **vars(sheet.look)))
    return then("instructor.look", course_id, "saved", achievement_id=achievement_id)
