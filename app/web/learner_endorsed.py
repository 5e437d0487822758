"""A learner takes a new file of the own badge that says of endorsements what is true today."""

from __future__ import annotations

from flask import Response

from app.credentials import endorsed, files
from app.errors import NotFound
from app.pipeline import supersede
from app.web import learner_data
from app.web.course_page import frame, then
from app.web.learner_tells import bp
from app.web.session import campus, visitor

__all__ = ["bp"]


@bp.post("/badges/<award_id>/endorsed")
def take_endorsed(course_id: str, award_id: str) -> Response:
    """Sign it anew, once, however often this is pressed; with nothing to gain, nothing happens."""
    with campus().db.reading() as session:
        me = learner_data.me(session, frame(session, course_id))
        mine = learner_data.one(session, course_id, me, award_id)
        if not mine.signed:
            raise NotFound("not-signed", "This badge is not signed, so it carries nothing yet.")
        present = files.current(session, award_id)
        gains = endorsed.difference(session, mine.award, present).gains
    if not gains:
        return then("learner.badge", course_id, award_id=award_id)
    actor = visitor(f"course:{course_id}").actor
    supersede.supersede(campus(), award_id, "endorsement", actor, replaces=present.id)
    return then("learner.badge", course_id, "told", award_id=award_id)
