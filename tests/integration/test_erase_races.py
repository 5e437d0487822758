"""Erasing while everything else goes on, and being killed half-way: all or nothing, and for good."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.errors import NotFound
from app.models import Award, Erasure, Person, UnjoinedResult
from app.pipeline import award, deliver, erase, erasure_journal, taking_away
from app.pipeline.campus import Campus
from tests.integration.secrets_watch import stored
from tests.integration.trip import Trip

PEOPLE = 12


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10)}
    for number in range(PEOPLE):
        made.learner(f"somebody-{number}")
        made.book.grades["quiz", f"somebody-{number}"] = Decimal(9)
    made.collect()
    made.badge({"quiz": 70})
    return made


def learner_of(trip: Trip, sub: str) -> str:
    with trip.db.reading() as session:
        return session.scalars(select(Person.learner_id).where(Person.sub == sub)).one()


def places(trip: Trip, words: set[str]) -> set[str]:
    return {place for place, text in stored(trip.campus) for one in words if one in text}


class Beside:
    """Repeats something in a thread of its own until the block ends; errors come out there."""

    def __init__(self, work: Callable[[int], object]) -> None:
        self._work, self._stop = work, threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)
        self.rounds = 0

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work(self.rounds)
            except Exception as error:
                self._errors.append(error)
                return
            self.rounds += 1

    def is_alive(self) -> bool:
        """Whether it has not come to an error."""
        return self._thread.is_alive()

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert not self._errors, self._errors


def read(trip: Trip, number: int) -> None:
    """Grades change with each reading, so that everything has to be written."""
    for name, sub in list(trip.book.grades):
        trip.book.grades[name, sub] = Decimal(8 + number % 2)
    trip.collect()


def sign(trip: Trip) -> None:
    for batch in award.claim(trip.campus):
        award.run(trip.campus, batch.ids)
    for batch in deliver.claim(trip.campus):
        deliver.run(trip.campus, batch.ids)


def test_beside_reading_deciding_signing_and_sending(trip: Trip) -> None:
    """Half of the people are erased while the worker is busy with all of them."""
    chosen = [f"somebody-{number}" for number in range(0, PEOPLE, 2)]
    ids = [learner_of(trip, sub) for sub in chosen]
    with Beside(lambda number: read(trip, number)) as reading, Beside(lambda _: sign(trip)):
        for one in ids:
            time.sleep(0.2)
            erase.erase(trip.campus, one, "operator:test")
        before = reading.rounds
        while reading.rounds < before + 2 and reading.is_alive():
            time.sleep(0.05)
    trip.collect()
    trip.sign()
    # A name that is the beginning of another one would be found in that.
    assert places(trip, {f"{sub}@example.edu" for sub in chosen}) == set()
    with trip.db.reading() as session:
        assert len(session.scalars(select(Person.id)).all()) == PEOPLE - len(chosen)
        assert session.scalars(select(UnjoinedResult.id)).all() == []
        awards = session.scalars(select(Award.state)).all()
    assert len(awards) == PEOPLE - len(chosen)


def test_two_at_once_erase_once(trip: Trip) -> None:
    one = learner_of(trip, "somebody-1")
    outcomes: list[str] = []

    def go() -> None:
        try:
            erase.erase(trip.campus, one, "operator:test")
            outcomes.append("erased")
        except NotFound:
            outcomes.append("nobody")

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["erased", "nobody", "nobody"]
    with trip.db.reading() as session:
        assert len(session.scalars(select(Erasure)).all()) == 1


@pytest.mark.parametrize("place", ["before", "after"])
def test_killed_it_is_all_or_nothing(
    trip: Trip, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """SIGKILL in the middle of the transaction, and between it and the journal."""
    sub = "somebody-3"
    one, words = learner_of(trip, sub), {f"{sub}@example.edu", sub}

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    trip.db.engine.dispose()
    child = os.fork()
    if child == 0:
        trip.db.engine.dispose(close=False)
        if place == "before":
            monkeypatch.setattr(taking_away.audit, "record", die)
        else:
            monkeypatch.setattr(erasure_journal, "level", die)
        erase.erase(trip.campus, one, "operator:test")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    if place == "before":
        assert "person.sub" in places(trip, words)
        assert not erasure_journal.differs(trip.campus)
        erase.erase(trip.campus, one, "operator:test")
    else:
        assert erasure_journal.differs(trip.campus)
        erasure_journal.level(trip.campus)
    assert places(trip, words) == set()
    assert not erasure_journal.differs(trip.campus)
    trip.collect()
    assert places(trip, words) == set()
