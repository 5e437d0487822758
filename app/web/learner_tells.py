"""The learner chooses what the own badge tells of how it was earned."""

from __future__ import annotations

from flask import Response, request

from app.credentials.details import Details
from app.errors import NotFound
from app.pipeline import disclose
from app.web import learner_data
from app.web.course_page import frame, then
from app.web.learner_wallet import bp
from app.web.session import campus, visitor

__all__ = ["bp"]


@bp.post("/badges/<award_id>/tells")
def tells(course_id: str, award_id: str) -> Response:
    """Sign it anew with what is ticked; unchanged, nothing happens."""
    with campus().db.reading() as session:
        me = learner_data.me(session, frame(session, course_id))
        mine = learner_data.one(session, course_id, me, award_id)
        details = Details.from_json(mine.version.details)
        hidden, shown = mine.award.hides_evidence, mine.award.shows_results
    if not mine.signed:
        raise NotFound("not-signed", "This badge is not signed, so it tells nothing yet.")
    # What the page did not ask about stays as it is.
    names = details.evidence == "assessments"
    made = disclose.choose(
        campus(),
        award_id,
        evidence="evidence" in request.form if names else not hidden,
        results="results" in request.form if details.results else shown,
        actor=visitor(f"course:{course_id}").actor,
    )
    return then("learner.badge", course_id, "told" if made else "saved", award_id=award_id)
