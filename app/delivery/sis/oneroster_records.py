"""Awards as OneRoster 1.2 gradebook records. Pure: facts in, plain dictionaries out.

Identifiers derive from the connection and the award (UUIDv5), so that sending again means the same
record. The shapes are closed in the binding; what has no field travels in ``metadata``. Learning
objectives carry CASE ids as bare UUIDs with source ``case``; other codes have source ``unknown``,
because the binding's pattern for other sources fits no published framework name.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from app.delivery.port import AwardFacts, CompetencyFact

Record = dict[str, Any]
RecordKind = Literal["assessmentResult", "result"]

COLUMN_OF: dict[RecordKind, str] = {"assessmentResult": "assessmentLineItem", "result": "lineItem"}
COLLECTION_OF = {
    "assessmentResult": "assessmentResults",
    "assessmentLineItem": "assessmentLineItems",
    "result": "results",
    "lineItem": "lineItems",
}
COMMENT_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one connection wants its records. ``title_limit`` 0 means no limit."""

    connection_id: str
    record: RecordKind
    gradebook: str
    rostering: str
    title_limit: int
    score: bool
    text_score: str
    other_objectives: bool
    category_id: str
    school_id: str


def identifier(connection_id: str, *parts: str) -> str:
    """The sourcedId of a record: the same for the same parts of the same connection, for ever."""
    space = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:tassel:connection:{connection_id}")
    return str(uuid.uuid5(space, ":".join(parts)))


def column_id(recipe: Recipe, facts: AwardFacts) -> str:
    """The sourcedId of the line item: one per achievement, and per class where it needs one."""
    kind = COLUMN_OF[recipe.record]
    owner = [facts.class_sis_id or ""] if recipe.record == "result" else []
    return identifier(recipe.connection_id, kind, facts.achievement_id, *owner)


def result_id(recipe: Recipe, facts: AwardFacts) -> str:
    """The sourcedId of the result: one per award."""
    return identifier(recipe.connection_id, recipe.record, facts.award_id)


def moment(at: datetime) -> str:
    """A UTC date-time as the binding wants it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(at: datetime) -> str:
    """The UTC date."""
    return at.astimezone(UTC).date().isoformat()


def shorten(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters (0: as it is), cut with an ellipsis."""
    clean = " ".join(text.split())
    return clean if not limit or len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def case_uuid(competency: CompetencyFact) -> str | None:
    """The CASE identifier as a bare UUID, or None when there is none or it is not a UUID."""
    try:
        return str(uuid.UUID((competency.case_id or "").removeprefix("urn:uuid:")))
    except ValueError:
        return None


def column(recipe: Recipe, facts: AwardFacts) -> Record:
    """The line item that the results of an achievement stand in."""
    record: Record = {
        "sourcedId": column_id(recipe, facts),
        "status": "active",
        "dateLastModified": moment(facts.awarded_at),
        "title": shorten(facts.achievement_name, recipe.title_limit),
        "metadata": _column_metadata(facts),
    }
    if recipe.score:
        record |= {"resultValueMin": 0.0, "resultValueMax": 1.0}
    objectives = [
        {"source": source, "learningObjectiveIds": ids}
        for source, ids in _objectives(recipe, facts).items()
    ]
    if objectives:
        record["learningObjectiveSet"] = objectives
    return record | (_class_fields(recipe, facts) if recipe.record == "result" else {})


def result(recipe: Recipe, facts: AwardFacts, column_ref: str, *, revoked: bool) -> Record:
    """The result of one learner. ``column_ref`` is the id that the SIS knows the line item by."""
    kind = COLUMN_OF[recipe.record]
    at = (facts.revoked_at or facts.awarded_at) if revoked else facts.awarded_at
    record: Record = {
        "sourcedId": result_id(recipe, facts),
        "status": "tobedeleted" if revoked else "active",
        "dateLastModified": moment(at),
        kind: _ref(recipe.gradebook, COLLECTION_OF[kind], column_ref, kind),
        "student": _ref(recipe.rostering, "users", facts.learner_sis_id or "", "user"),
        "scoreStatus": "fully graded",
        "scoreDate": day(facts.awarded_at),
        "textScore": recipe.text_score,
        "comment": comment(facts, revoked=revoked),
        "metadata": _result_metadata(facts),
    }
    if recipe.score:
        record["score"] = 1.0
    if recipe.record == "result":
        record["class"] = _ref(recipe.rostering, "classes", facts.class_sis_id or "", "class")
    objectives = [
        {
            "source": source,
            "learningObjectiveResults": [
                {"learningObjectiveId": one, "textScore": recipe.text_score} for one in ids
            ],
        }
        for source, ids in _objectives(recipe, facts).items()
    ]
    return record | ({"learningObjectiveSet": objectives} if objectives else {})


def comment(facts: AwardFacts, *, revoked: bool) -> str:
    """One sentence for the person who reads the record in the SIS."""
    if revoked:
        text = f"Withdrawn: {facts.revoke_reason or 'no reason given'}"
    else:
        text = f"{facts.achievement_name} ({facts.course_label or facts.course_title})"
    return shorten(text, COMMENT_LIMIT)


def _class_fields(recipe: Recipe, facts: AwardFacts) -> Record:
    """What a gradebook column of a class needs beyond an assessment line item."""
    roster, school = recipe.rostering, recipe.school_id
    return {
        "assignDate": moment(facts.awarded_at),
        "dueDate": moment(facts.awarded_at),
        "class": _ref(roster, "classes", facts.class_sis_id or "", "class"),
        "school": _ref(roster, "orgs", school, "org"),
        "category": _ref(recipe.gradebook, "categories", recipe.category_id, "category"),
    }


def _ref(base: str, collection: str, sourced_id: str, kind: str) -> Record:
    href = f"{base}/{collection}/{quote(sourced_id, safe='')}"
    return {"href": href, "sourcedId": sourced_id, "type": kind}


def _objectives(recipe: Recipe, facts: AwardFacts) -> dict[str, list[str]]:
    """Learning objective ids by source, each once, in the order given."""
    found: dict[str, list[str]] = {}
    for competency in facts.competencies:
        bare = case_uuid(competency)
        if bare is None and not recipe.other_objectives:
            continue
        ids = found.setdefault("case" if bare else "unknown", [])
        if (bare or competency.code) not in ids:
            ids.append(bare or competency.code)
    return found


def _competencies(facts: AwardFacts) -> list[Record]:
    return [{"code": c.code, "statement": c.statement, "uri": c.uri} for c in facts.competencies]


def _column_metadata(facts: AwardFacts) -> Record:
    return {
        "tassel.achievementId": facts.achievement_id,
        "tassel.description": facts.achievement_description,
        "tassel.competencies": _competencies(facts),
    }


def _result_metadata(facts: AwardFacts) -> Record:
    metadata = {"tassel.awardId": facts.award_id, "tassel.course": facts.course_title}
    if facts.credential_url:
        metadata["tassel.credentialUrl"] = facts.credential_url
    if facts.expires_at is not None:
        metadata["tassel.validUntil"] = facts.expires_at.isoformat()
    return metadata
