"""Killing the worker of a running story: at which moments, and what it left behind each time."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from sqlalchemy import Engine, create_engine, func, select, text

from app.db import Database
from app.demo.stage import Stage
from app.models import Award, CollectRun, Connection, Credential, Delivery

SCORES, RESULTS = "/scores$", "/assessmentResults/"
"""The doors at which awards arrive: of the LMS, of the SIS."""
KINDS = {SCORES: "course", RESULTS: "oneroster_rest"}
COLUMNS = 12
PATIENCE = 120.0


@dataclass(frozen=True)
class Moment:
    """When to kill.

    ``read``: while a reading that ``what`` triggered has read ``at`` columns or more. ``sign``:
    while awards are leased for signing, and as many (``at``) were signed since the worker began.
    ``send``: when ``at`` (0 to 1) of all awards have arrived at the door ``what``. ``lost``: then,
    and while the peer has carried out a request at that door and holds its answer back.
    """

    phase: str
    at: float
    what: str = ""


def moments(seed: int) -> list[Moment]:
    """Twenty moments over the whole run: six in readings, four in signing, ten in sending."""
    draw = random.Random(seed)
    found = [
        Moment("read", place, trigger)
        for trigger in ("launch", "publish")
        for place in draw.sample(range(COLUMNS), 3)
    ]
    found += [Moment("sign", signed) for signed in draw.sample((0, 0, 1, 1), 4)]
    for door, first in ((SCORES, 0.0), (RESULTS, 0.25)):
        shares = sorted(draw.uniform(first, 0.85) for _ in range(5))
        phases = draw.sample(("lost", "lost", "lost", "send", "send"), 5)
        found += [Moment(phase, at, door) for phase, at in zip(phases, shares, strict=True)]
    return found


@dataclass(frozen=True)
class Death:
    """What stood in the database right after a kill."""

    moment: Moment
    reading: int
    signing: int
    sending: int
    jobs: int
    """Jobs that the engine still takes for running."""


class Peers:
    """The LMS and the SIS: how slow they are, what they were asked, what they do not answer."""

    def __init__(self, stage: Stage) -> None:
        self._addresses = {SCORES: stage.lms, RESULTS: stage.sis}
        self._slow = {SCORES: 0.12, RESULTS: 0.02}
        self._reading = {"/memberships": 0.5, "/results": 0.5}

    def slow_down(self, watched: str) -> None:
        """Slow, and otherwise well: the run gets long enough to be disturbed.

        The SIS waits for the LMS until its own door is ``watched``.
        """
        self.heal()
        self._slow[RESULTS] = 0.02 if watched == RESULTS else 0.2
        for path, delay in (self._reading | self._slow).items():
            address = self._addresses.get(path, self._addresses[SCORES])
            _fault(address, path=path, kind="slow", delay=delay, times=None)

    def heal(self) -> None:
        for address in self._addresses.values():
            _told("DELETE", address, "faults")

    def swallow(self, door: str) -> None:
        """Carry out the next request at this door and never answer it."""
        address = self._addresses[door]
        _told("DELETE", address, "faults")
        _fault(address, path=door, kind="commit_then_hang", delay=600)

    def swallowed(self, door: str) -> bool:
        """Whether a request was carried out at this door and waits for its answer."""
        asked = self._asked(self._addresses[door])
        return any(one["fault"] == "commit_then_hang" and one["status"] < 300 for one in asked)

    def forget(self) -> None:
        """Begin to count anew."""
        for address in self._addresses.values():
            _told("DELETE", address, "requests")

    def accepted(self, door: str) -> int:
        """Writes at a door since ``forget``."""
        asked = self._asked(self._addresses[door])
        writes = [one for one in asked if one["method"] in ("POST", "PUT")]
        return sum(
            bool(re.search(door, one["path"])) and (one["status"] or 500) < 300 for one in writes
        )

    @staticmethod
    def _asked(address: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _told("GET", address, "requests").json()["requests"]
        return found


def _fault(address: str, **rule: object) -> None:
    _told("POST", address, "faults", rule)


def _told(method: str, address: str, what: str, body: object = None) -> requests.Response:
    answer = requests.request(method, f"{address}/_control/{what}", json=body, timeout=30)
    answer.raise_for_status()
    return answer


class Killer:
    """Kills and restarts the worker of ``stage`` while somebody plays ``story``."""

    def __init__(self, stage: Stage, db: Database, expected: int) -> None:
        """``expected`` is the number of awards."""
        self._stage, self._db = stage, db
        self.peers = Peers(stage)
        self._expected = expected
        self._engine = _engine_tables(db)
        self._sent = dict.fromkeys(KINDS, 0)
        self._signed = 0

    def close(self) -> None:
        self._engine.dispose()

    def start(self) -> None:
        """A worker that begins where the last one ended."""
        self.peers.forget()
        self._sent = {door: self._arrived(kind) for door, kind in KINDS.items()}
        self._signed = self._count(Credential)
        self._stage.start_part("worker", "worker")

    def carry_out(self, plan: list[Moment], story: Future[None]) -> list[Death]:
        """Every moment in turn; the peers are well again and the worker runs at the end."""
        self.peers.slow_down(plan[0].what)
        self.start()
        deaths = []
        for moment, following in zip(plan, [*plan[1:], plan[-1]], strict=True):
            self._wait(moment, partial(self._has_come, moment), story)
            if moment.phase == "lost":
                self.peers.swallow(moment.what)
                self._wait(moment, partial(self.peers.swallowed, moment.what), story)
            self._stage.kill("worker")
            deaths.append(self._look(moment))
            self.peers.slow_down(following.what)
            self.start()
        self.peers.heal()
        return deaths

    def _wait(self, moment: Moment, come: Callable[[], bool], story: Future[None]) -> None:
        pause = threading.Event()
        deadline = time.monotonic() + PATIENCE
        while not come():
            if story.done():
                story.result()
                raise AssertionError(f"the story ended before {moment}")
            assert self._stage.alive("worker"), f"the worker ended by itself before {moment}"
            assert time.monotonic() < deadline, f"{moment} never comes"
            pause.wait(0.01)

    def _has_come(self, moment: Moment) -> bool:
        if moment.phase == "read":
            return bool(
                self._count(
                    CollectRun,
                    CollectRun.state == "running",
                    CollectRun.trigger == moment.what,
                    CollectRun.done >= moment.at,
                )
            )
        if moment.phase == "sign":
            return self._signing() > 0 and self._count(Credential) - self._signed >= moment.at
        new = self.peers.accepted(moment.what)
        return new > 0 and self._sent[moment.what] + new >= moment.at * self._expected

    def _look(self, moment: Moment) -> Death:
        return Death(
            moment,
            reading=self._count(CollectRun, CollectRun.state == "running"),
            signing=self._signing(),
            sending=self._count(Delivery, Delivery.state == "sending"),
            jobs=self.open_jobs("PENDING"),
        )

    def _arrived(self, kind: str) -> int:
        here = select(Connection.id).where(Connection.kind == kind)
        return self._count(Delivery, Delivery.state == "sent", Delivery.connection_id.in_(here))

    def _signing(self) -> int:
        return self._count(Award, Award.state == "waiting", Award.lease_until.is_not(None))

    def _count(self, table: type, *conditions: Any) -> int:
        with self._db.reading() as session:
            query = select(func.count()).select_from(table).where(*conditions)
            return session.scalar(query) or 0

    def open_jobs(self, *states: str) -> int:
        """Jobs in the engine's tables that are in one of ``states``."""
        with self._engine.connect() as connection:
            rows = connection.execute(text("SELECT status FROM workflow_status"))
            return sum(row.status in states for row in rows)


def _engine_tables(db: Database) -> Engine:
    """The job engine's tables: a file of its own, or a schema of its own."""
    if db.is_sqlite:
        return create_engine(f"{db.url}.jobs")
    return create_engine(db.url, connect_args={"options": "-c search_path=dbos"})
