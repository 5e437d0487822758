"""The kinds of work that happen by themselves, run inline, and how they are doing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.models import Award, CollectRun, Connection, Delivery, Heartbeat
from app.pipeline import award, collect, deliver
from app.pipeline.campus import Batch, Campus

STALE_SECONDS = 20.0
"""A worker whose heartbeat is older than this is taken for dead."""


@dataclass(frozen=True)
class Kind:
    """One kind of work. ``queue`` is the engine's queue; ``limit`` rows are claimed at a time."""

    name: str
    queue: str
    limit: int
    claim: Callable[[Campus, int], list[Batch]]
    run: Callable[[Campus, Sequence[str]], None]
    reap: Callable[[Campus], int]
    leased: Callable[[Campus], list[str]]
    release: Callable[[Campus, Sequence[str]], int]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "collect",
            "read",
            50,
            collect.claim,
            collect.run,
            collect.reap,
            collect.leased,
            collect.release,
        ),
        Kind("sign", "issue", 500, award.claim, award.run, award.reap, award.leased, award.release),
        Kind(
            "send",
            "push",
            500,
            deliver.claim,
            deliver.run,
            deliver.reap,
            deliver.leased,
            deliver.release,
        ),
    )
}


def run_until_idle(
    campus: Campus, kinds: Iterable[str] = tuple(KINDS), *, rounds: int = 10_000
) -> dict[str, int]:
    """Do everything that is due now, here and now; returns the number of rows worked on per kind.

    Work that was put off (``next_at`` in the future) stays put off. Raises RuntimeError when
    ``rounds`` passes do not come to an end, which would mean that some work makes itself due again.
    """
    done = dict.fromkeys(kinds, 0)
    for _ in range(rounds):
        batches = [
            (KINDS[name], batch) for name in done for batch in KINDS[name].claim(campus, 500)
        ]
        if not batches:
            return done
        for kind, batch in batches:
            kind.run(campus, batch.ids)
            done[kind.name] += len(batch.ids)
    raise RuntimeError(f"the work of {', '.join(done)} does not come to an end")


def health(campus: Campus) -> dict[str, Any]:
    """How the work is doing, from our rows alone (the engine is not asked).

    ``worker_age`` is the seconds since the last heartbeat of any worker (None: never),
    ``oldest_due`` those since the longest waiting delivery became due; ``collect``, ``sign`` and
    ``send`` count rows by state, ``send`` by connection kind and state.
    """
    now = campus.clock()
    with campus.db.reading() as session:
        beat = session.scalar(select(func.max(Heartbeat.at)))
        due = session.scalar(
            select(func.min(Delivery.next_at)).where(
                Delivery.state == "waiting", Delivery.next_at <= now
            )
        )
        sending: dict[str, dict[str, int]] = {}
        for kind, state, number in session.execute(
            select(Connection.kind, Delivery.state, func.count())
            .join(Connection, Connection.id == Delivery.connection_id)
            .group_by(Connection.kind, Delivery.state)
        ):
            sending.setdefault(kind, {})[state] = number
        return {
            "worker_age": _seconds(now, beat),
            "oldest_due": _seconds(now, due),
            "collect": _states(session, select(CollectRun.state, func.count())),
            "sign": _states(session, select(Award.state, func.count())),
            "send": sending,
        }


def _states(session: Session, query: Select[str, int]) -> dict[str, int]:
    rows = session.execute(query.group_by(query.selected_columns[0]))
    return {row.state: row[1] for row in rows}


def _seconds(now: datetime, at: datetime | None) -> float | None:
    return None if at is None else (now - at).total_seconds()
