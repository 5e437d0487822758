"""Is this Tassel well: database, schema, workers, queues. Read by the health page and the probes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import schema
from app.models import Award, CollectRun, Delivery, Heartbeat
from app.pipeline.campus import Campus

FRESH: Final = timedelta(seconds=60)
"""A worker that was not heard of for longer does not count as alive; also the time to start."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Queue:
    """Work of one kind that waits, runs or is stuck."""

    name: str
    """collect | sign | deliver."""
    waiting: int
    running: int
    stuck: int
    oldest: datetime | None
    """When the oldest waiting row was made."""


def release() -> str:
    """Version of the installed package."""
    return version("tassel")


def workers(session: Session, now: datetime) -> list[Heartbeat]:
    """Workers heard of within :data:`FRESH`, newest first."""
    query = select(Heartbeat).where(Heartbeat.at > now - FRESH)
    return list(session.scalars(query.order_by(Heartbeat.at.desc())))


def queues(session: Session) -> list[Queue]:
    """How much work waits in each step of the trip."""
    return [
        _queue(session, "collect", CollectRun, {"stuck": ()}),
        _queue(session, "sign", Award, {"stuck": ("needs_recipient",)}),
        _queue(session, "deliver", Delivery, {"stuck": ("held", "dead")}),
    ]


def _queue(
    session: Session,
    name: str,
    table: type[CollectRun] | type[Award] | type[Delivery],
    words: dict[str, tuple[str, ...]],
) -> Queue:
    made = Award.awarded_at if table is Award else table.created_at  # type: ignore[union-attr]
    query = select(table.state, func.count(), func.min(made)).group_by(table.state)
    found = {state: (count, oldest) for state, count, oldest in session.execute(query)}
    return Queue(
        name,
        waiting=found.get("waiting", (0, None))[0],
        running=sum(found.get(state, (0, None))[0] for state in ("running", "sending")),
        stuck=sum(found.get(state, (0, None))[0] for state in words["stuck"]),
        oldest=found.get("waiting", (0, None))[1],
    )


def checks(campus: Campus, started: datetime) -> dict[str, str]:
    """The readiness probe: ``ok`` or what is wrong, by name of the part.

    A worker may take :data:`FRESH` to show up after this process began at ``started``.
    """
    try:
        with campus.db.reading() as session:
            found = schema.current_in(session.connection())
            alive = workers(session, campus.clock())
    except SQLAlchemyError as error:
        log.warning("database-unreachable", error=type(error).__name__)
        return {"database": "unreachable", "schema": "unknown", "worker": "unknown"}
    starting = campus.clock() < started + FRESH
    return {
        "database": "ok",
        "schema": "ok" if found == schema.head() else "run: tassel db upgrade",
        "worker": "ok" if alive else "starting" if starting else "no worker has been heard of",
    }
