"""What the instructor's forms hold, and what is wrong with what was typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, cast

from flask_babel import gettext as _

from app.credentials import designs, uploads
from app.credentials.details import Details
from app.credentials.drawing import Drawing
from app.credentials.files import UPLOAD
from app.errors import Invalid
from app.mastery.rules import Clause, RuleDefinition
from app.web.paging import number

Errors = dict[str, str]
"""Field id to message; empty when the form can be taken."""

MAX_ROWS = 500
POLICIES = ("keep", "review", "revoke")


@dataclass(frozen=True)
class Row:
    """One line of the mapping table as typed; an empty competency means not mapped."""

    assessment: str
    competency: str
    mark: str


@dataclass(frozen=True)
class MappingForm:
    """The whole mapping form: the rule as far as it could be read, and the rows as typed."""

    definition: RuleDefinition
    rows: tuple[Row, ...]
    needs: str
    errors: Errors


def parse_mapping(
    form: Mapping[str, str], assessments: Collection[str], competencies: Collection[str]
) -> MappingForm:
    """Read the table; ids that are not the course's are left out, marks must be 0 to 100."""
    rows = tuple(_rows(form, assessments, competencies))
    errors: Errors = {}
    clauses: dict[tuple[str, str], Clause] = {}
    for place, row in enumerate(rows):
        if not row.competency:
            continue
        mark = read_percent(row.mark)
        if mark is None:
            errors[f"mark-{place}"] = _("The pass mark is a percentage from 0 to 100.")
            continue
        key = (row.assessment, row.competency)
        if key in clauses:
            errors[f"competency-{place}"] = _("This assessment shows this competency already.")
        clauses[key] = Clause(*key, mark)
    text = form.get("needs", "all")
    needs = _needs(text)
    if isinstance(needs, int) and clauses and not errors and needs > len(clauses):
        errors["needs"] = _(
            "At least %(number)s are asked for, but only %(count)s are mapped.",
            number=needs,
            count=len(clauses),
        )
    return MappingForm(RuleDefinition(needs, tuple(clauses.values())), rows, text, errors)


def _rows(
    form: Mapping[str, str], assessments: Collection[str], competencies: Collection[str]
) -> list[Row]:
    found = []
    for place in range(MAX_ROWS):
        assessment = form.get(f"assessment-{place}")
        if assessment is None:
            break
        if assessment in assessments:
            competency = form.get(f"competency-{place}", "")
            mark = form.get(f"mark-{place}", "").strip()
            found.append(Row(assessment, competency if competency in competencies else "", mark))
    return found


def _needs(text: str) -> Literal["all", "any"] | int:
    if text in ("all", "any"):
        return cast('Literal["all", "any"]', text)
    wanted = number(text)
    return "all" if wanted is None else max(1, min(wanted, MAX_ROWS))


def read_percent(text: str) -> Decimal | None:
    """A percentage as people write it (``70``, ``69.5``, ``69,5 %``); None when it is none."""
    try:
        value = Decimal(text.replace("%", "").replace(",", ".").strip())
    except InvalidOperation:
        return None
    exponent = value.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent >= -4 and 0 <= value <= 100
    return value if fine else None


@dataclass(frozen=True)
class Look:
    """Wording and picture of a badge."""

    name: str
    description: str
    criteria: str
    design: str
    palette: str
    image: bytes | None
    image_alt: str
    details: Details
    drawing: Drawing


def parse_look(
    form: Mapping[str, str],
    upload: bytes,
    present: bytes | None,
    details: Details,
    drawing: Drawing,
) -> tuple[Look, Errors]:
    """Read the form; ``present`` is the picture uploaded before, kept when no other comes.

    ``Look.image`` is a new picture only.
    """
    errors = text_errors(form)
    square = bool(form.get("square"))
    design, image, problem = _picture(form.get("design", ""), upload, present, square)
    if problem:
        errors["picture"] = problem
    palette = form.get("palette", "")
    look = Look(
        name=_line(form, "name"),
        description=form.get("description", "").strip(),
        criteria=form.get("criteria", "").strip(),
        design=design,
        palette=palette if palette in designs.PALETTES else next(iter(designs.PALETTES)),
        image=image,
        image_alt=_line(form, "image_alt"),
        details=details,
        drawing=drawing,
    )
    return look, errors


def _line(form: Mapping[str, str], key: str) -> str:
    return " ".join(form.get(key, "").split())


def name_error(name: str) -> str:
    """What is wrong with a badge's name; empty when nothing is."""
    fine = 3 <= len(name) <= 200
    return "" if fine else _("Give the badge a name of 3 to 200 characters.")


def text_errors(form: Mapping[str, str]) -> Errors:
    """What is wrong with the texts of a badge, in whatever language."""
    long = {
        "description": (2000, _("The description is longer than 2,000 characters.")),
        "criteria": (4000, _("The criteria are longer than 4,000 characters.")),
        "image_alt": (300, _("The description of the picture is longer than 300 characters.")),
    }
    errors = {key: text for key, (most, text) in long.items() if len(form.get(key, "")) > most}
    wrong = name_error(_line(form, "name"))
    return {"name": wrong, **errors} if wrong else errors


def _picture(
    design: str, upload: bytes, present: bytes | None, square: bool
) -> tuple[str, bytes | None, str]:
    """Design, new picture and what is wrong. A file that was sent wins over the chosen design."""
    if upload:
        image, problem = read_picture(upload, square=square)
        return UPLOAD, image, problem
    if design == UPLOAD and present is None:
        return UPLOAD, None, _("Choose a file, or one of the designs.")
    known = design in (*designs.DESIGNS, UPLOAD)
    return design if known else next(iter(designs.DESIGNS)), None, ""


def read_picture(content: bytes, *, square: bool) -> tuple[bytes | None, str]:
    """The upload drawn anew if it is a picture that can be kept; else None and what is wrong."""
    try:
        return uploads.clean(content, square=square), ""
    except Invalid as error:
        return None, _picture_problem(error.code.removeprefix("picture-"))


def _picture_problem(why: str) -> str:
    """``why`` is one of :data:`uploads.PROBLEMS`."""
    said = {
        "large": _("The picture is too large: at most 3 MB and 30 million pixels."),
        "small": _("The picture is too small: each side needs at least 90 pixels."),
        "shape": _("The drawing does not say its size, or is much wider or higher than a square."),
        "svg": _(
            "The drawing cannot be used: it has a document type, or nothing of it can be shown."
            " Save it as a plain SVG, or as PNG."
        ),
        "pango": _("This server cannot draw SVG files. Save the picture as PNG."),
        "slow": _("The picture takes too much time to draw. Save a simpler one, or a PNG."),
    }
    return said.get(why, _("The file is no picture that can be read: PNG, JPEG, WebP or SVG."))
