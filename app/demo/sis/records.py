"""The closed shapes that this SIS accepts in its gradebook.

Written from the OneRoster 1.2 Gradebook Service binding (1EdTech, final release of 19 September
2022): every object is closed, an optional field may be absent but never null, booleans travel as
the strings "true" and "false", and nothing is coerced. ``verdict`` says why a payload is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
_SOURCE = re.compile(r"^/(?!case$)(?!unknown$)[a-z0-9]+$")
_EXTENSION = re.compile(r"ext:[a-zA-Z0-9.\-_]+")  # the binding does not anchor it
_STATUSES = {"exempt", "fully graded", "not submitted", "partially graded", "submitted"}

# Shapes inside an envelope inherit this from it.
_CLOSED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _is_date(value: str) -> str:
    if not _DATE.fullmatch(value):
        raise ValueError("must be a date like 2026-11-30")
    date.fromisoformat(value)
    return value


def _is_date_time(value: str) -> str:
    found = _DATE_TIME.fullmatch(value)
    if not found:
        raise ValueError("must be a date-time like 2026-11-30T09:00:00Z")
    offset = "+00:00" if found[4] in "Zz" else found[4]
    datetime.fromisoformat(f"{found[1]}T{found[2]}{offset}")
    return value


def _is_uri(value: str) -> str:
    if not _URI.fullmatch(value):
        raise ValueError("must be an absolute URI")
    return value


def _is_source(value: str) -> str:
    if value not in ("case", "unknown") and not _SOURCE.search(value):
        raise ValueError("must be case, unknown or a name that starts with a slash")
    return value


def _is_score_status(value: str) -> str:
    if value not in _STATUSES and not _EXTENSION.search(value):
        raise ValueError("must be one of " + ", ".join(sorted(_STATUSES)) + " or ext:...")
    return value


Day = Annotated[str, AfterValidator(_is_date)]
Moment = Annotated[str, AfterValidator(_is_date_time)]
Uri = Annotated[str, AfterValidator(_is_uri)]
Source = Annotated[str, AfterValidator(_is_source)]
ScoreStatus = Annotated[str, AfterValidator(_is_score_status)]
Flag = Literal["true", "false"]


class _Ref(TypedDict):
    href: Uri
    sourcedId: str


class ClassRef(_Ref):
    """Points at a class."""

    type: Literal["class"]


class OrgRef(_Ref):
    """Points at a school."""

    type: Literal["org"]


class UserRef(_Ref):
    """Points at a student."""

    type: Literal["user"]


class CategoryRef(_Ref):
    """Points at a category."""

    type: Literal["category"]


class SessionRef(_Ref):
    """Points at a term or grading period."""

    type: Literal["academicSession"]


class ScaleRef(_Ref):
    """Points at a score scale."""

    type: Literal["scoreScale"]


class LineItemRef(_Ref):
    """Points at a line item."""

    type: Literal["lineItem"]


class AssessmentLineItemRef(_Ref):
    """Points at an assessment line item."""

    type: Literal["assessmentLineItem"]


class ObjectiveIds(TypedDict):
    """Learning objectives that a line item is about."""

    source: Source
    learningObjectiveIds: Annotated[list[str], Field(min_length=1)]


class ObjectiveResult(TypedDict):
    """How one learning objective was met."""

    learningObjectiveId: str
    score: NotRequired[float]
    textScore: NotRequired[str]


class ObjectiveScores(TypedDict):
    """Learning objectives with what was shown for each."""

    source: Source
    learningObjectiveResults: Annotated[list[ObjectiveResult], Field(min_length=1)]


class _Base(TypedDict):
    sourcedId: str
    status: Literal["active", "tobedeleted"]
    dateLastModified: Moment
    metadata: NotRequired[dict[str, Any]]


class Category(_Base):
    """A kind of work in the gradebook."""

    title: str
    weight: NotRequired[float]


# ``class`` is a keyword, so the shapes that carry it are begun as calls.
_NeedsClass = TypedDict("_NeedsClass", {"class": ClassRef})
_MayHaveClass = TypedDict("_MayHaveClass", {"class": NotRequired[ClassRef]})


class _Column(_Base):
    title: str
    scoreScale: NotRequired[ScaleRef]
    resultValueMin: NotRequired[float]
    resultValueMax: NotRequired[float]
    learningObjectiveSet: NotRequired[list[ObjectiveIds]]


class LineItem(_Column, _NeedsClass):
    """A gradebook column of one class."""

    assignDate: Moment
    dueDate: Moment
    school: OrgRef
    category: CategoryRef
    gradingPeriod: NotRequired[SessionRef]
    academicSession: NotRequired[SessionRef]


class AssessmentLineItem(_Column, _MayHaveClass):
    """An assessment that stands outside the gradebook of a class."""

    parentAssessmentLineItem: NotRequired[AssessmentLineItemRef]


class _Scored(_Base):
    student: UserRef
    scoreScale: NotRequired[ScaleRef]
    scoreStatus: ScoreStatus
    score: NotRequired[float]
    textScore: NotRequired[str]
    scoreDate: Day
    comment: NotRequired[str]
    learningObjectiveSet: NotRequired[list[ObjectiveScores]]
    inProgress: NotRequired[Flag]
    incomplete: NotRequired[Flag]
    late: NotRequired[Flag]
    missing: NotRequired[Flag]


class Result(_Scored, _MayHaveClass):
    """What one student got in a line item."""

    lineItem: LineItemRef


class AssessmentResult(_Scored):
    """What one student got in an assessment line item."""

    assessmentLineItem: AssessmentLineItemRef
    scorePercentile: NotRequired[float]


@with_config(_CLOSED)
class SingleCategory(TypedDict):
    """Envelope of one category."""

    category: Category


@with_config(_CLOSED)
class SingleLineItem(TypedDict):
    """Envelope of one line item."""

    lineItem: LineItem


@with_config(_CLOSED)
class SingleResult(TypedDict):
    """Envelope of one result."""

    result: Result


@with_config(_CLOSED)
class SingleAssessmentLineItem(TypedDict):
    """Envelope of one assessment line item."""

    assessmentLineItem: AssessmentLineItem


@with_config(_CLOSED)
class SingleAssessmentResult(TypedDict):
    """Envelope of one assessment result."""

    assessmentResult: AssessmentResult


ENVELOPES: Mapping[str, TypeAdapter[Any]] = MappingProxyType(
    {
        "category": TypeAdapter(SingleCategory),
        "lineItem": TypeAdapter(SingleLineItem),
        "result": TypeAdapter(SingleResult),
        "assessmentLineItem": TypeAdapter(SingleAssessmentLineItem),
        "assessmentResult": TypeAdapter(SingleAssessmentResult),
    }
)


def verdict(kind: str, payload: object) -> str:
    """Why the single-record envelope of ``kind`` is refused, or "" when it is accepted."""
    try:
        ENVELOPES[kind].validate_python(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "body"
        return f"{where}: {first['msg']}"
    return ""
