"""The kinds of work that happen by themselves, and how to do them inline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.pipeline import award, bulk_revoke, collect, deliver, lists
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
        Kind("lists", "issue", 50, lists.claim, lists.run, lists.reap, lists.leased, lists.release),
        Kind(
            "revoke",
            "issue",
            10,
            bulk_revoke.claim,
            bulk_revoke.run,
            bulk_revoke.reap,
            bulk_revoke.leased,
            bulk_revoke.release,
        ),
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
