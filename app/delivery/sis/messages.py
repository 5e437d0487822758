"""The outcomes that every SIS adapter words alike: what is missing and what went wrong on the way."""

from __future__ import annotations

from dataclasses import replace

from app.delivery.port import RAW_LIMIT, AwardFacts, Outcome
from app.errors import UpstreamError

SIS_ADMIN = "SIS administrator"
LMS_ADMIN = "LMS administrator"
OPERATOR = "Tassel operator"

_TRANSPORT_CODES = {
    "upstream-unreachable": "sis-unreachable",
    "upstream-too-much": "sis-answer-too-long",
    "upstream-forbidden-address": "sis-address-forbidden",
}


def missing(facts: AwardFacts, *, needs_class: bool) -> Outcome | None:
    """The ``held`` outcome for an award that lacks an id, or None when nothing is missing."""
    if not facts.learner_sis_id:
        return Outcome(
            "held",
            "no-sis-id",
            "The learner's SIS id is not known, so the SIS could not tell whose award this is.",
            fix="Let the LMS send the SIS id of its users (lis_person_sourcedid), then refresh the"
            " course: it is sent by itself as soon as the id is known.",
            who=LMS_ADMIN,
        )
    if needs_class and not facts.class_sis_id:
        return Outcome(
            "held",
            "no-class-id",
            "The SIS id of the class is not known, and a gradebook column must belong to a class.",
            fix="Let the LMS send the SIS id of the section (lis.course_section_sourcedid); it comes"
            " when the learner opens Tassel from the course.",
            who=LMS_ADMIN,
        )
    return None


def transport(error: UpstreamError, system: str) -> Outcome:
    """No usable answer came: tried again by itself, unless the address itself is not allowed."""
    code = _TRANSPORT_CODES.get(error.code, "sis-unreachable")
    if code == "sis-address-forbidden":
        return Outcome("later", code, error.message, fix=error.fix, who=OPERATOR, attention=True)
    return Outcome(
        "later",
        code,
        f"No usable answer came from {system}. {error.message}",
        fix="Nothing to do if it is down for a while: Tassel tries again by itself, and sending"
        " again never makes a second record.",
        who=SIS_ADMIN,
        status=error.status,
        retry_after=error.retry_after,
        raw=error.body[:RAW_LIMIT],
    )


def not_tried(why: Outcome) -> Outcome:
    """For the rows of a batch that stopped at ``why``."""
    message = f"Not tried yet. {why.message}"
    return replace(why, kind="later", message=message, tried=False, raw="")
