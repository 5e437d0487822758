"""Rows that somebody leased and never handed to the engine: found, and done by who is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.db import Database
from app.jobs import Worker, worker
from app.models import CollectRun, Course, Delivery
from app.pipeline import collect, deliver
from app.settings import Settings
from tests.integration.send_stage import Stage

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def stage(settings: Settings, db: Database) -> Iterator[Stage]:
    made = Stage(settings, db)
    made.add_sis()
    yield made
    made.close()


@pytest.fixture
def running(stage: Stage) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def begin() -> Worker:
        made = Worker(stage.campus)
        made.start()
        started.append(made)
        return made

    yield begin
    for made in started:
        made.stop(5)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that must come; the test's own limit ends a wait in vain."""
    pause = threading.Event()
    while not done():
        pause.wait(0.05)


def ask_for_reading(stage: Stage) -> str:
    with stage.db.reading() as session:
        course_id = session.scalars(select(Course.id)).one()
    return collect.request(stage.campus, course_id, "button")


def states(stage: Stage) -> set[str]:
    with stage.db.reading() as session:
        return set(session.scalars(select(Delivery.state)))


def lease_for_long(stage: Stage) -> None:
    """As if the leases were so long that waiting for their end is no option."""
    until_then = stage.clock() + timedelta(hours=5)
    with stage.db.transaction() as session:
        held = update(Delivery).where(Delivery.state == "sending")
        session.execute(held.values(lease_until=until_then))


def test_who_starts_alone_takes_everything_at_once(
    stage: Stage, running: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody died after claiming and before the engine heard of it."""
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 3600)
    stage.queue()
    assert deliver.claim(stage.campus)
    lease_for_long(stage)
    running()
    until(lambda: states(stage) == {"sent"})
    assert set(stage.posts().values()) == {1}


def test_a_reading_that_was_only_claimed_is_taken_up_at_once(
    stage: Stage, running: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 3600)
    run_id = ask_for_reading(stage)
    assert collect.claim(stage.campus)
    running()

    def ended() -> bool:
        with stage.db.reading() as session:
            return session.get_one(CollectRun, run_id).state in ("done", "failed")

    until(ended)
    with stage.db.reading() as session:
        assert session.get_one(CollectRun, run_id).attempts == 2


def test_what_another_worker_lost_on_the_way_is_found_while_running(
    stage: Stage, running: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.3)
    monkeypatch.setattr(worker, "DISPATCH_SECONDS", 3600)
    running()
    stage.queue()
    assert deliver.claim(stage.campus)
    lease_for_long(stage)
    assert "sending" in states(stage)
    until(lambda: "sending" not in states(stage))
    assert states(stage) == {"waiting"}


def test_a_course_that_ends_worker_after_worker_is_set_aside(stage: Stage) -> None:
    run_id = ask_for_reading(stage)
    for _ in range(collect.MAX_ATTEMPTS):
        assert [batch.ids for batch in collect.claim(stage.campus)] == [(run_id,)]
        assert collect.release(stage.campus, [run_id]) == 1
    assert collect.claim(stage.campus) == []
    with stage.db.reading() as session:
        row = session.get_one(CollectRun, run_id)
    assert row.state == "failed"
    assert row.problem is not None
    assert row.problem["code"] == "collect-died"
