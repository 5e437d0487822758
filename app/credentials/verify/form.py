"""The shape of a credential: what Open Badges 3.0 and CLR 2.0 require to be there, and as what.

A table instead of the official JSON Schema, since a schema can say neither that a recipient must be
named in one of two ways nor that a result has to point to a description that exists; and its
messages are for programmers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.credentials.verify.reading import named_types
from app.credentials.verify.report import Cause, Finding, failed, passed, unknown
from app.words import Said, say

TEXT: Final = "text"
OBJECT: Final = "object"
LIST: Final = "list"
NUMBER: Final = "number"
REF: Final = "ref"
"""An address, or an object with one (Profile)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an object of one kind must look like."""

    required: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    """One of these must be among its types."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Member -> name of the shape of the object, or of every object in the list, there."""


SHAPES: Final[Mapping[str, Shape]] = {
    "credential": Shape(
        required={"id": TEXT, "issuer": REF, "credentialSubject": OBJECT},
        optional={"name": TEXT, "description": TEXT},
        types=("VerifiableCredential",),
        parts={"issuer": "Profile", "evidence": "Evidence", "image": "Image"},
    ),
    "badge": Shape(parts={"credentialSubject": "AchievementSubject"}),
    "record": Shape(required={"name": TEXT}, parts={"credentialSubject": "ClrSubject"}),
    "endorsement": Shape(
        required={"name": TEXT}, parts={"credentialSubject": "EndorsementSubject"}
    ),
    "Profile": Shape(required={"id": TEXT}, types=("Profile",), parts={"image": "Image"}),
    "Image": Shape(required={"id": TEXT}, types=("Image",)),
    "Evidence": Shape(optional={"name": TEXT, "narrative": TEXT}, types=("Evidence",)),
    "AchievementSubject": Shape(
        required={"achievement": OBJECT},
        optional={"creditsEarned": NUMBER},
        types=("AchievementSubject",),
        parts={"achievement": "Achievement", "result": "Result", "image": "Image"},
    ),
    "ClrSubject": Shape(
        required={"verifiableCredential": LIST},
        types=("ClrSubject",),
        parts={"achievement": "Achievement", "association": "Association"},
    ),
    "EndorsementSubject": Shape(
        required={"id": TEXT},
        optional={"endorsementComment": TEXT},
        types=("EndorsementSubject",),
    ),
    "Achievement": Shape(
        required={"id": TEXT, "name": TEXT, "description": TEXT, "criteria": OBJECT},
        optional={"creditsAvailable": NUMBER, "achievementType": TEXT},
        types=("Achievement",),
        parts={
            "criteria": "Criteria",
            "alignment": "Alignment",
            "resultDescription": "ResultDescription",
            "image": "Image",
            "creator": "Profile",
        },
    ),
    "Criteria": Shape(optional={"id": TEXT, "narrative": TEXT}),
    "Alignment": Shape(required={"targetName": TEXT, "targetUrl": TEXT}, types=("Alignment",)),
    "Result": Shape(
        optional={"value": TEXT, "resultDescription": TEXT, "status": TEXT},
        types=("Result",),
        parts={"alignment": "Alignment"},
    ),
    "ResultDescription": Shape(
        required={"id": TEXT, "name": TEXT, "resultType": TEXT},
        optional={"valueMin": TEXT, "valueMax": TEXT, "requiredValue": TEXT},
        types=("ResultDescription",),
        parts={"alignment": "Alignment"},
    ),
    "Association": Shape(
        required={"associationType": TEXT, "sourceId": TEXT, "targetId": TEXT},
        types=("Association",),
    ),
}

_KINDS: Final[Mapping[str, str]] = {
    "OpenBadgeCredential": "badge",
    "AchievementCredential": "badge",
    "ClrCredential": "record",
    "EndorsementCredential": "endorsement",
}


def kind_of(document: Mapping[str, Any]) -> str | None:
    """``badge``, ``record`` or ``endorsement``; None for any other credential."""
    return next((_KINDS[name] for name in named_types(document) if name in _KINDS), None)


def check(document: Mapping[str, Any]) -> Finding:
    """Whether every member that is required is there, and each has the form that readers expect."""
    problem = next(_problems(document, "credential", ""), None)
    kind = kind_of(document)
    if problem:
        return _wrong(problem)
    if kind is None:
        return unknown(say("It is a credential, but no badge, learner record or endorsement."))
    problem = next(_problems(document, kind, ""), None) or _links(document)
    if problem:
        return _wrong(problem)
    return passed(say("Everything that the standard requires is there."))


def _wrong(problem: Said) -> Finding:
    of_type = problem.template == _of_type("", "").template
    return failed(problem, Cause.TYPE if of_type else Cause.NONE)


def _of_type(here: str, wanted: str) -> Said:
    return say("The type of %(here)s does not include %(wanted)s.", here=here, wanted=wanted)


def _problems(node: Any, name: str, place: str) -> Iterator[Said]:
    shape = SHAPES[name]
    if not isinstance(node, dict):
        # The address of an issuer may stand for its profile; anything else was told of already.
        return
    here = place or say("the credential")
    if shape.types and not set(shape.types) & set(named_types(node)):
        yield _of_type(here, shape.types[0])
    if name == "Criteria" and not (node.get("id") or node.get("narrative")):
        yield say("%(here)s has neither an address nor a narrative.", here=here)
    yield from _wrong_members(node, shape, here)
    for member, part in shape.parts.items():
        values = node.get(member, [])
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, dict) and member != "issuer":
                yield say("'%(member)s' in %(here)s is not an object.", member=member, here=here)
            yield from _problems(value, part, f"{place}.{member}".lstrip("."))


def _wrong_members(node: Mapping[str, Any], shape: Shape, here: str) -> Iterator[Said]:
    for member in shape.required:
        if node.get(member) in (None, "", {}, []):
            yield say("'%(member)s' is missing in %(here)s.", member=member, here=here)
    for member, kind in {**shape.required, **shape.optional}.items():
        if member in node and not _is(node[member], kind):
            yield say(
                "'%(member)s' in %(here)s is not %(kind)s.",
                member=member,
                here=here,
                kind=_NAMES[kind],
            )


_NAMES: Final = {
    TEXT: say("a text"),
    OBJECT: say("a single object"),
    LIST: say("a list"),
    NUMBER: say("a number"),
    REF: say("a profile or address"),
}


def _is(value: Any, kind: str) -> bool:
    if kind == TEXT:
        # A language map, or a JSON-LD value object, stands for a text in several languages.
        return isinstance(value, str) or (
            isinstance(value, dict)
            and bool(value)
            and all(isinstance(part, str) for part in value.values())
        )
    if kind == NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == REF:
        return isinstance(value, str | dict)
    return isinstance(value, {OBJECT: dict, LIST: list}[kind])


def _links(document: Mapping[str, Any]) -> Said | None:
    """A result whose description does not exist."""
    subject = document["credentialSubject"]
    achievement = subject.get("achievement")
    if not isinstance(achievement, dict):
        return None
    described = [part.get("id") for part in _listed(achievement.get("resultDescription"))]
    for result in _listed(subject.get("result")):
        if result.get("resultDescription") not in (None, *described):
            return say("A result points to a description that is not there.")
    return None


def _listed(value: Any) -> list[dict[str, Any]]:
    listed = value if isinstance(value, list) else [value]
    return [part for part in listed if isinstance(part, dict)]
