"""What Canvas's REST interface answers, read into columns and scores. Pure.

After its controllers and API documents: ``score`` is the raw number whatever the grading type;
``posted_at`` null means that the learner does not see the grade; a deleted submission is no grade; a
quiz that waits for a person ("pending_review") has a number that is not final.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.gradebook.port import SourceColumn, SourcePerson, SourceScore, User

_UNGRADED = frozenset({"not_graded"})
_BARE = frozenset({"none", "on_paper"})


def column(found: Mapping[str, Any], place: int) -> SourceColumn | None:
    """An assignment; None for one that is unpublished, ungraded or unreadable."""
    types = frozenset(one for one in found.get("submission_types") or () if isinstance(one, str))
    number = _number_text(found.get("id"))
    if number is None or found.get("published") is not True:
        return None
    if found.get("grading_type") in _UNGRADED or types & _UNGRADED:
        return None
    try:
        maximum = number_of(found.get("points_possible"))
    except (ValueError, TypeError):
        maximum = None
    return SourceColumn(
        external_id=number,
        title=" ".join(str(found.get("name") or "").split())[:300],
        maximum=maximum or None,
        position=place,
        kind=_kind(found, types),
        identities=_identities(found),
    )


def _kind(found: Mapping[str, Any], types: frozenset[str]) -> str:
    if found.get("quiz_id") or "online_quiz" in types or found.get("is_quiz_assignment"):
        return "quiz"
    if "external_tool" in types:
        return "lti"
    if "discussion_topic" in types:
        return "discussion"
    return "manual" if not types - _BARE else "assignment"


def _identities(found: Mapping[str, Any]) -> frozenset[str]:
    """The LTI resource link, by either name under which the interface gives it."""
    tag = found.get("external_tool_tag_attributes")
    ids = {tag.get("resource_link_id") if isinstance(tag, Mapping) else None}
    if ids != {None} or "external_tool" in (found.get("submission_types") or ()):
        ids.add(found.get("lti_context_id"))
    return frozenset(f"link:{one}" for one in ids if isinstance(one, str) and one)


def person(found: Mapping[str, Any]) -> SourcePerson | None:
    """A listed user: number and student number."""
    number = _number_text(found.get("id"))
    sis = found.get("sis_user_id")
    if number is None:
        return None
    return SourcePerson(number, "lms", sis if isinstance(sis, str) and sis else None)


def scores(
    rows: Iterable[Any], columns: Mapping[str, SourceColumn], *, empty: bool
) -> tuple[list[SourceScore], set[tuple[str, User]]]:
    """Submissions as scores, and the cells that cannot be told now.

    ``empty``: whether rows without a grade are given too (a reading of changes needs them; in a whole
    reading what is missing is empty by itself). One bad row leaves its cell as it was.
    """
    found: list[SourceScore] = []
    unsure: set[tuple[str, User]] = set()
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        assignment, user = _number_text(row.get("assignment_id")), _number_text(row.get("user_id"))
        if assignment is None or user is None or assignment not in columns:
            continue
        if row.get("workflow_state") == "deleted":
            continue
        if row.get("workflow_state") == "pending_review":
            unsure.add((assignment, ("lms", user)))
            continue
        try:
            score = _score(row, columns[assignment], user)
        except (ValueError, TypeError, InvalidOperation):
            unsure.add((assignment, ("lms", user)))
            continue
        if empty or score.raw is not None or score.excused:
            found.append(score)
    return found, unsure


def _score(row: Mapping[str, Any], column: SourceColumn, user: str) -> SourceScore:
    excused = row.get("excused") is True
    attempt = row.get("attempt")
    return SourceScore(
        column.external_id,
        user,
        None if excused else number_of(row.get("score")),
        column.maximum,
        posted=bool(row.get("posted_at")),
        excused=excused,
        graded_at=moment(row.get("graded_at")),
        attempt=attempt if type(attempt) is int else None,
        kind="lms",
    )


def number_of(value: Any) -> Decimal | None:
    """A JSON number exactly as written (floats come as Decimal). Raises ValueError or TypeError for others."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError("not a number")
    number = Decimal(value)
    if not number.is_finite() or abs(number) >= Decimal(10) ** 9:
        raise ValueError("out of range")
    return number if int(number.as_tuple().exponent) >= -10 else round(number, 10)


def _number_text(value: Any) -> str | None:
    """An id; JSON numbers, or texts where the string ids media type is on."""
    if type(value) is int and value > 0:
        return str(value)
    return value if isinstance(value, str) and value.isdigit() else None


def moment(value: Any) -> datetime | None:
    """ISO 8601 as aware UTC; None for nothing or nonsense."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def is_over(course: Mapping[str, Any]) -> bool:
    """Whether the course is concluded: it can be read once more, then nothing changes."""
    return course.get("workflow_state") == "completed" or course.get("concluded") is True
