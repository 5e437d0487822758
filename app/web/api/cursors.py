"""Reading long lists: a cursor names the last row seen, so rows are neither skipped nor repeated.

A cursor is opaque to callers. Rows come oldest first, so that whoever keeps the last cursor can ask
later for what is new.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import Invalid

Moment = InstrumentedAttribute[datetime]
Id = InstrumentedAttribute[str]


def read_page(
    session: Session,
    query: Select[*tuple[Any, ...]],
    at: Moment,
    identity: Id,
    *,
    after: str | None,
    limit: int,
    key: Callable[[Any], tuple[datetime, str]],
) -> tuple[list[Any], str | None]:
    """At most ``limit`` rows of ``query`` behind the cursor ``after``, and the next cursor.

    ``at`` and ``identity`` are the columns of the order; ``key`` reads them from a row. Raises
    Invalid for a cursor that was not made here.
    """
    if after:
        query = query.where(_behind(at, identity, after))
    rows = list(session.execute(query.order_by(at, identity).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _cursor(*key(rows[limit - 1]))


def _behind(at: Moment, identity: Id, after: str) -> ColumnElement[bool]:
    moment, last = _parse(after)
    return or_(at > moment, and_(at == moment, identity > last))


def _cursor(moment: datetime, identity: str) -> str:
    text = json.dumps([moment.isoformat(), identity], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def _parse(cursor: str) -> tuple[datetime, str]:
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        moment, identity = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        found = datetime.fromisoformat(moment)
    except (ValueError, TypeError) as error:
        raise _bad() from error
    if found.tzinfo is None or not isinstance(identity, str):
        raise _bad()
    return found, identity


def _bad() -> Invalid:
    return Invalid(
        "bad-cursor",
        "This cursor was not given out by this list.",
        fix="Begin without a cursor, and pass on what stands in next.",
        fields={"cursor": "unknown cursor"},
    )
