"""What AGS 2.0 and NRPS 2.0 put on the wire, read into our own shapes. Pure.

One unreadable row is left out and logged; an unreadable answer is an ``UpstreamError``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.errors import UpstreamError
from app.http import Response
from app.lti.addresses import safe_origin
from app.lti.roles import Role, is_test_user, role_of
from app.lti.vocabulary import CLAIM


@dataclass(frozen=True)
class LineItem:
    """One gradebook column. ``url`` is its address at the LMS; ``maximum`` in points."""

    url: str
    label: str
    maximum: Decimal
    tag: str | None
    resource_id: str | None
    resource_link_id: str | None


@dataclass(frozen=True)
class AgsResult:
    """One person's grade; ``score`` empty = listed without a grade. ``comment`` may hold HTML."""

    user_id: str
    score: Decimal | None
    maximum: Decimal | None
    comment: str | None
    timestamp: datetime | None


@dataclass(frozen=True)
class Member:
    """One person of a roster; ``status`` is Active, Inactive or Deleted."""

    user_id: str
    status: str
    roles: tuple[str, ...]
    role: Role
    name: str
    given_name: str
    family_name: str
    email: str | None
    person_sis_id: str | None
    is_test: bool
    custom: dict[str, str] = field(default_factory=dict)
    """The tool's custom fields for this person, when the roster was asked with ``rlid``."""


def decoded(answer: Response) -> Any:
    """The body as JSON, numbers exact, whatever media type it came under (often ``text/html``)."""
    try:
        return json.loads(answer.content, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return answer.json()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def rows(page: Any, what: str, system: str) -> list[dict[str, Any]]:
    """The objects of a list; UpstreamError when it is no list."""
    if not isinstance(page, list):
        raise UpstreamError(
            "lti-unreadable",
            f"{system} sent {what} in a form that Tassel does not understand.",
            system=system,
            permanent=False,
            body=str(page),
            fix="What was read before stays. If this does not pass, please report it.",
        )
    return [row for row in page if isinstance(row, dict)]


def line_item(row: dict[str, Any], collection: str, system: str) -> LineItem | None:
    """One line item (AGS 3.2.4); None without address or maximum. Its address must be same-origin."""
    url, maximum = row.get("id"), number_of(row.get("scoreMaximum"))
    if not isinstance(url, str) or maximum is None:
        return None
    if safe_origin(url) != safe_origin(collection):
        raise UpstreamError(
            "lti-foreign-address",
            f"{system} names an address on another site ({safe_origin(url)}) for a column.",
            system=system,
            permanent=True,
            fix=f"The administrator of {system} should check its configured public address.",
        )
    return LineItem(
        url,
        str(row.get("label") or ""),
        maximum,
        text_of(row.get("tag")),
        text_of(row.get("resourceId")),
        text_of(row.get("resourceLinkId")),
    )


def result(row: dict[str, Any]) -> AgsResult | None:
    """One result (AGS 3.3.4); None without a person. A missing score is no score, 0 is one."""
    user = text_of(row.get("userId"))
    if user is None:
        return None
    return AgsResult(
        user,
        number_of(row.get("resultScore")),
        number_of(row.get("resultMaximum")),
        text_of(row.get("comment")),
        _moment(row.get("timestamp")),
    )


def member(row: dict[str, Any]) -> Member | None:
    """One member (NRPS 2.2); None without an id. Status defaults to Active."""
    user = text_of(row.get("user_id"))
    if user is None:
        return None
    names = row.get("roles")
    roles = tuple(name for name in names if isinstance(name, str)) if names else ()
    return Member(
        user,
        text_of(row.get("status")) or "Active",
        roles,
        role_of(roles),
        text_of(row.get("name")) or "",
        text_of(row.get("given_name")) or "",
        text_of(row.get("family_name")) or "",
        text_of(row.get("email")),
        text_of(row.get("lis_person_sourcedid")),
        is_test_user(roles),
        _custom(row.get("message")),
    )


def _custom(messages: Any) -> dict[str, str]:
    """Custom fields of a member's messages (NRPS 2.0, 2.4.2.1): a list, some send the one object."""
    listed = messages if isinstance(messages, list) else [messages]
    found: dict[str, str] = {}
    for message in listed:
        if isinstance(message, dict):
            found |= custom_values(message.get(CLAIM + "custom"))
    return found


def custom_values(found: Any) -> dict[str, str]:
    """Custom fields as text. A variable that the LMS does not know stays ``$Name``: left out."""
    if not isinstance(found, dict):
        return {}
    texts = {str(name): text_of(value) for name, value in found.items()}
    return {name: text for name, text in texts.items() if text and not text.startswith("$")}


def text_of(value: Any) -> str | None:
    """A non-empty text; integers (ids of old releases) become text; anything else is None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def number_of(value: Any) -> Decimal | None:
    """A finite number as Decimal, also when it came as text."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def json_number(value: Decimal) -> int | float:
    """A whole number as integer (some LMSs take no fraction in ``scoreMaximum``)."""
    return int(value) if value == value.to_integral_value() else float(value)


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def sub_path(url: str, word: str) -> str:
    """``url`` with ``/word`` after its path; the query stays behind it (AGS 3.3.3)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{word}"))


def with_query(url: str, more: dict[str, str]) -> str:
    """``url`` with parameters added behind those it has."""
    if not more:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in more]
    return urlunsplit(parts._replace(query=urlencode([*kept, *more.items()])))
