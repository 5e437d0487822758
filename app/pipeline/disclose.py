"""A learner chooses what the own credential tells of how it was earned."""

from __future__ import annotations

from app.models import Award
from app.pipeline import supersede
from app.pipeline.campus import Campus


def choose(
    campus: Campus, award_id: str, *, evidence: bool, results: bool, actor: str
) -> str | None:
    """Name the assessments or not, tell the results or not: signed anew when that is a change.

    Returns the id of the new credential, None when nothing changed. What the badge does not offer
    is not told, whatever is chosen. Raises what :func:`app.pipeline.supersede.supersede` raises.
    """

    def keep(award: Award) -> bool:
        same = (award.hides_evidence, award.shows_results) == (not evidence, results)
        award.hides_evidence, award.shows_results = not evidence, results
        return not same

    return supersede.supersede_if(campus, award_id, "disclosure", actor, keep)
