"""List answers of OneRoster 1.2: filter, sort, pages, total count and page links."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from app.demo.sis.status import RefusalError

Record = dict[str, Any]

_CLAUSE = re.compile(r"\s*([\w.]+)\s*(!=|>=|<=|=|>|<|~)\s*'([^']*)'\s*")
_JOIN = re.compile(r"\s(AND|OR)\s(?=\s*[\w.]+\s*(?:!=|>=|<=|=|>|<|~)\s*')")
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "~": operator.contains,
}


def list_answer(name: str, records: Sequence[Record]) -> Response:
    """Answer the present request with the page of ``records`` that it asks for, under ``name``."""
    wanted = _sorted([r for r in records if _matches(r, request.args.get("filter", ""))])
    limit, offset = _number("limit", 100, 1), _number("offset", 0, 0)
    answer = jsonify({name: wanted[offset : offset + limit]})
    answer.headers["X-Total-Count"] = str(len(wanted))
    links = _links(len(wanted), limit, offset)
    if links:
        answer.headers["Link"] = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items())
    return answer


def _number(name: str, default: int, least: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise RefusalError(422, "invaliddata", f"{name} must be a whole number of {least} or more.")
    return int(text)


def _links(total: int, limit: int, offset: int) -> dict[str, str]:
    """Page links by relation; ``next`` and ``prev`` only where there is such a page."""
    starts = {"first": 0, "last": max(0, (total - 1) // limit * limit)}
    if offset + limit < total:
        starts["next"] = offset + limit
    if offset > 0:
        starts["prev"] = max(0, offset - limit)
    kept = {k: v for k, v in request.args.items() if k not in ("limit", "offset")}
    return {
        rel: f"{request.base_url}?{urlencode({**kept, 'limit': limit, 'offset': start})}"
        for rel, start in starts.items()
    }


def _sorted(records: list[Record]) -> list[Record]:
    field = request.args.get("sort", "")
    if not field:
        return records
    descending = request.args.get("orderBy", "asc") == "desc"
    return sorted(records, key=lambda record: _value(record, field) or "", reverse=descending)


def _matches(record: Record, text: str) -> bool:
    """Whether a record passes a filter: clauses joined by AND or by OR, never both."""
    if not text:
        return True
    parts = _JOIN.split(text)
    joins = set(parts[1::2])
    if len(joins) > 1:
        raise RefusalError(400, "invalid_filter_field", "Join clauses by AND or by OR, not both.")
    verdicts = [_clause(record, part) for part in parts[::2]]
    return any(verdicts) if "OR" in joins else all(verdicts)


def _clause(record: Record, text: str) -> bool:
    found = _CLAUSE.fullmatch(text)
    if not found:
        raise RefusalError(400, "invalid_filter_field", f"This filter cannot be read: {text}")
    value = _value(record, found[1])
    return value is not None and _COMPARE[found[2]](value, found[3])


def _value(record: Record, path: str) -> str | None:
    """The text at a dotted path, or None where the record has no such plain value."""
    value: Any = record
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return None if value is None or isinstance(value, dict | list) else str(value)
