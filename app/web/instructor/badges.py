"""A badge in the making: name it, map assessments to competencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request
from sqlalchemy.orm import Session

from app.credentials import editions, endorsed
from app.credentials.details import Details
from app.credentials.drawing import Drawing
from app.errors import Invalid
from app.mastery import frameworks
from app.mastery.renewal import Terms
from app.models import Assessment, Competency
from app.pipeline import badges
from app.pipeline.badges import BadgeDraft, BadgeEdit
from app.web import wording
from app.web.course_page import Frame, frame, picture, show, then
from app.web.instructor import approval, data
from app.web.instructor.blueprint import bp
from app.web.instructor.forms import (
    Errors,
    MappingForm,
    Row,
    name_error,
    parse_mapping,
)
from app.web.instructor.outcome import outcome
from app.web.session import campus, visitor

MOST_NEEDED = 20


@bp.get("/badges/new")
def new(course_id: str) -> Response:
    """Ask for the name of a new badge."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
    return show(around, "instructor/new.html", "badges", name="", errors={})


@bp.post("/badges/new")
def create(course_id: str) -> Response:
    """Make a draft and go on to its mapping."""
    name = " ".join(request.form.get("name", "").split())
    wrong = name_error(name)
    if wrong:
        with campus().db.reading() as session:
            around = frame(session, course_id)
        return show(around, "instructor/new.html", "badges", 422, name=name, errors={"name": wrong})
    who = visitor(f"course:{course_id}")
    achievement_id = badges.create(campus(), course_id, name, who.actor, who.person_id)
    return then("instructor.badge", course_id, "created", achievement_id=achievement_id)


# Mapping


@dataclass(frozen=True)
class Table:
    """What the mapping table is made of."""

    found: BadgeDraft
    assessments: Mapping[str, Assessment]
    competencies: Sequence[Competency]

    @property
    def titles(self) -> dict[str, str]:
        """Assessment id to title."""
        return {key: item.title for key, item in self.assessments.items()}

    def parse(self, form: Mapping[str, str]) -> MappingForm:
        """What was typed, held against this course."""
        return parse_mapping(form, self.assessments, {item.id for item in self.competencies})

    def stored(self) -> MappingForm:
        """The form as the draft fills it: every assessment once, mapped ones with their marks."""
        definition = self.found.definition
        rows = []
        for key in self.assessments:
            clauses = [c for c in definition.clauses if c.assessment == key]
            rows += [Row(key, c.competency, wording.number(c.pass_mark)) for c in clauses] or [
                Row(key, "", "")
            ]
        return MappingForm(definition, tuple(rows), str(definition.needs), {})


def _table(session: Session, course_id: str, achievement_id: str) -> Table:
    """Raises NotFound for a badge of another course."""
    found = badges.draft(session, course_id, achievement_id)
    mapped = [clause.assessment for clause in found.definition.clauses]
    return Table(
        found,
        {item.id: item for item in data.assessments(session, course_id, mapped)},
        frameworks.competencies(session, course_id),
    )


@bp.get("/badges/<achievement_id>")
def badge(course_id: str, achievement_id: str) -> Response:
    """The mapping page."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        table = _table(session, course_id, achievement_id)
        return _mapping(session, around, table, table.stored())


def _mapping(
    session: Session, around: Frame, table: Table, form: MappingForm, status: int = 200
) -> Response:
    values = _values(session, around, table, form)
    return show(around, "instructor/mapping.html", "badges", status, **values)


def _values(session: Session, around: Frame, table: Table, form: MappingForm) -> dict[str, Any]:
    """What the mapping page and its live part show."""
    found = table.found
    shown = request.values.get("show", "")
    about = approval.standing(session, found.achievement)
    asked = about["asked"] is not None and about["asked"].state == "waiting"
    return {
        **about,
        "found": found,
        "locked": asked or not around.may_change,
        "state": wording.badge_state(
            found.achievement.state, found.rule.state, has_changes(found), asked
        ),
        "form": form,
        "assessments": table.assessments,
        "competencies": table.competencies,
        "needs": _needs(len(table.assessments)),
        "result": outcome(session, around.id, form.definition, table.titles, shown),
        "sources": {key: source.label for key, source in campus().sources.items()},
        "picture": picture,
        "endorsements_wait": endorsed.waiting(session, around.id)[found.achievement.id],
    }


def _needs(assessments: int) -> list[tuple[str, str]]:
    """Choices of how many are needed, as the form sends them."""
    numbers = range(2, min(assessments, MOST_NEEDED))
    return [
        ("all", wording.needs("all")),
        ("any", wording.needs("any")),
        *((str(n), wording.needs(n)) for n in numbers),
    ]


def has_changes(found: BadgeDraft) -> bool:
    """Whether something published has a later draft beside it."""
    published = (found.achievement.published_version, found.rule.published_version)
    return published[0] is not None and published != (
        found.version.number,
        found.rule_version.number,
    )


@bp.post("/badges/<achievement_id>/try")
def try_mapping(course_id: str, achievement_id: str) -> Response:
    """What the table as it stands would do; nothing is kept. The page asks while one types."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        table = _table(session, course_id, achievement_id)
        values = _values(session, around, table, table.parse(request.form))
    return make_response(
        render_template("instructor/_outcome.html", frame=around, live=True, **values)
    )


@bp.post("/badges/<achievement_id>")
def save(course_id: str, achievement_id: str) -> Response:
    """Keep the table as a draft; then stay, add a competency, or go on to publishing."""
    action = request.form.get("action", "save")
    errors = _add_competency(course_id) if action == "competency" else {}
    with campus().db.reading() as session:
        around = frame(session, course_id)
        table = _table(session, course_id, achievement_id)
        form = table.parse(request.form)
        if action == "publish" and not form.errors and not form.definition.clauses:
            errors = {"mapping": wording.rule("all", (), {})}
        if form.errors or errors:
            form = MappingForm(form.definition, form.rows, form.needs, form.errors | errors)
            return _mapping(session, around, table, form, 422)
    store(course_id, achievement_id, edit_of(table.found, definition=form.definition))
    ways = {"competency": ("instructor.badge", "competency"), "publish": ("instructor.confirm", "")}
    endpoint, said = ways.get(action, ("instructor.badge", "saved"))
    return then(endpoint, course_id, said, achievement_id=achievement_id)


def _add_competency(course_id: str) -> Errors:
    """Add what was typed under the table; what is wrong with it, if anything."""
    try:
        with campus().db.transaction() as session:
            statement = request.form.get("statement", "")
            frameworks.add_competency(session, course_id, statement, None, campus().clock())
    except Invalid:
        return {"statement": wording.statement_error()}
    return {}


def edit_of(found: BadgeDraft, **changes: Any) -> BadgeEdit:
    """The draft as it stands, with some of its parts changed."""
    version = found.version
    parts: dict[str, Any] = {
        "name": version.name,
        "description": version.description,
        "criteria": version.criteria,
        "design": version.design,
        "palette": version.palette,
        "image": None,
        "image_alt": version.image_alt,
        "regrade": found.achievement.regrade,
        "course_column": found.achievement.course_column,
        "definition": found.definition,
        "details": Details.from_json(version.details),
        "terms": Terms.of(version),
        "drawing": Drawing.from_json(version.drawing),
        "editions": editions.of(version),
    }
    return BadgeEdit(**(parts | changes))


def store(course_id: str, achievement_id: str, edit: BadgeEdit) -> None:
    """Keep a draft in the visitor's name."""
    who = visitor(f"course:{course_id}")
    badges.save(campus(), course_id, achievement_id, edit, who.actor, who.person_id)
