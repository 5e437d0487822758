"""What Tassel holds about a person, for those who look after the LMS (LTI Data Privacy Launch)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Blueprint, Response, make_response, render_template
from flask_babel import gettext as _

from app.errors import NotFound
from app.models import Installation, Person
from app.pipeline import personal
from app.web.session import campus, visitor
from app.web.wording import number

bp = Blueprint("privacy", __name__, url_prefix="/privacy/<subject_id>")


def _words() -> dict[str, str]:
    """What the rows of a table are, for people; what is not named here counts as other records."""
    return {
        "person": _("Names, e-mail address and ids"),
        "enrolment": _("Courses"),
        "result": _("Grades"),
        "result_version": _("Earlier states of grades"),
        "decision": _("Decisions about badges, with reasons"),
        "attainment": _("Competencies shown"),
        "award": _("Badges earned"),
        "credential": _("Signed badges"),
        "delivery": _("Where badges were sent"),
        "disclosure": _("Whom badges were shown to"),
        "share": _("Public links"),
        "app_consent": _("Apps that may read badges, or might once"),
    }


def held(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """How many rows of each kind are held, in words, from counts by table; nothing without any."""
    words = _words()
    named = [(label, counts.get(table, 0)) for table, label in words.items()]
    others = sum(count for table, count in counts.items() if table not in words)
    rows = [*named, (_("Other records"), others)]
    return [(label, number(count)) for label, count in rows if count]


@bp.get("")
def home(subject_id: str) -> str:
    """In plain words: what is held, what can be exported, what erasing would mean and who does it."""
    with campus().db.reading() as session:
        person = session.get(Person, subject_id)
        installation = session.get(Installation, person.installation_id if person else subject_id)
        counts: Mapping[str, int] = {}
        if person is not None:
            counts = {name: len(rows) for name, rows in personal.held(session, person.id).items()}
        elif installation is not None:
            counts = personal.counted(session, installation.id)
    return render_template(
        "privacy.html",
        subject_id=subject_id,
        person=person,
        installation=installation,
        held=held(counts),
        counts=counts,
    )


@bp.post("/export")
def export(subject_id: str) -> Response:
    """The person's data as one JSON file; noted in the audit log and for the learner."""
    with campus().db.reading() as session:
        if session.get(Person, subject_id) is None:
            raise NotFound("nothing-held", "Tassel holds nothing about this person.")
    rows = personal.export(campus(), subject_id, visitor(f"privacy:{subject_id}").actor)
    answer = make_response(json.dumps(rows, ensure_ascii=False, indent=1))
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = 'attachment; filename="tassel-person.json"'
    return answer
