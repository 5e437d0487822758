"""The learner's whole record: choose what goes in, see what it will say, take it along."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, make_response, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.credentials.record import LIFE, MAX_BADGES
from app.errors import Invalid, NotFound
from app.models import Person
from app.pipeline import record as records
from app.pipeline.record import Draft, Entry
from app.web import learner_data
from app.web.course_page import frame, show
from app.web.learner_endorsed import bp
from app.web.public import limits
from app.web.session import campus

__all__ = ["bp"]

FILES = {
    "json": ("application/vc+ld+json", "json"),
    "jwt": ("application/vc+jwt", "jwt"),
    records.LER_RS: ("application/json", "ler-rs-preview.json"),
}
"""Form of a record to its media type and file name ending."""


@bp.get("/record")
def record(course_id: str) -> Response:
    """Every badge of the campus to choose from, and what the record of the chosen ones says."""
    now = campus().clock()
    refused = ""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        entries = records.entries(session, me.learner_id, now)
        ready = [entry for entry in entries if not entry.why_not]
        chosen = request.args.getlist("badge") if _looking() else _all(ready)
        try:
            seen = _seen(session, me, chosen)
        except Invalid as problem:
            seen, refused = None, " ".join((problem.message, problem.fix))
        signer = records.signing_issuer(session) if ready else None
    return show(
        around,
        "learner/record.html",
        "record",
        ready=ready,
        left_out=[(entry, why_not(entry.why_not)) for entry in entries if entry.why_not],
        chosen=chosen,
        named="named" in request.args,
        me=me,
        seen=seen,
        refused=refused,
        signer=signer,
        issuers=len({entry.issuer for entry in ready}),
        most=MAX_BADGES,
        ends=now + LIFE,
    )


def _looking() -> bool:
    return "look" in request.args


def _all(ready: Sequence[Entry]) -> list[str]:
    return [entry.id for entry in ready][:MAX_BADGES]


def _seen(session: Session, me: Person, chosen: Sequence[str]) -> Draft | None:
    """What the record would say, once that was asked for. Raises Invalid."""
    if not _looking():
        return None
    named = "named" in request.args
    return records.draft(session, me, chosen, named=named, now=campus().clock())


def why_not(reason: str) -> str:
    """Why a badge cannot go into the record, in words."""
    words = {
        "unsigned": _("It is not signed yet. Come back in a few minutes."),
        "no-address": _("It waits for your e-mail address, for which it is signed."),
        "revoked": _("It was taken back, so it is no part of your record any more."),
        "held": _("It is on hold while its issuer looks into it."),
        "expired": _("It has ended."),
    }
    return words[reason]


@bp.post("/record/files/<kind>")
def record_file(course_id: str, kind: str) -> Response:
    """Sign the record of the chosen badges, hand it out and note it for each of them."""
    if kind not in FILES:
        raise NotFound("format-unknown", "There is no such file.")
    with campus().db.reading() as session:
        me = learner_data.me(session, frame(session, course_id))
    limits.hold_learner(me.learner_id)
    chosen = request.form.getlist("badge")
    named = "named" in request.form
    if kind == records.LER_RS:
        body = records.preview(campus(), me.id, chosen, named=named)
    else:
        body = records.make(campus(), me.id, chosen, named=named, form=kind)
    media_type, ending = FILES[kind]
    answer = make_response(body)
    answer.headers["Content-Type"] = media_type
    answer.headers["Content-Disposition"] = f'attachment; filename="learner-record.{ending}"'
    return answer
