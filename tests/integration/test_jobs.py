"""The worker process and its engine: work is found, done once, given back by the dead."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from dbos import DBOS
from sqlalchemy import select, update

from app.db import Database
from app.errors import Conflict
from app.jobs import KINDS, Worker, run_until_idle, worker
from app.models import Delivery, Heartbeat, Lease
from app.pipeline import deliver, holders
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
def start(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Worker]]:
    """Start a worker in this process; stopped at the end."""
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.3)
    running: list[Worker] = []

    def begin() -> Worker:
        made = Worker(stage.campus)
        made.start()
        running.append(made)
        return made

    yield begin
    for made in running:
        made.stop(5)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that must come; the test's own limit ends a wait in vain."""
    pause = threading.Event()
    while not done():
        pause.wait(0.05)


def all_sent(stage: Stage) -> bool:
    with stage.db.reading() as session:
        return set(session.scalars(select(Delivery.state))) == {"sent"}


def test_committed_rows_are_found_and_carried_out(
    stage: Stage, start: Callable[[], Worker]
) -> None:
    running = start()
    stage.queue()
    until(lambda: all_sent(stage))
    assert set(stage.posts().values()) == {1}
    with stage.db.reading() as session:
        assert session.get(Heartbeat, running.executor_id) is not None
    assert running.stop(5)
    with stage.db.reading() as session:
        assert session.get(Heartbeat, running.executor_id) is None


def test_the_engine_holds_row_ids_and_nothing_else(
    stage: Stage, start: Callable[[], Worker]
) -> None:
    start()
    stage.queue()
    until(lambda: all_sent(stage))
    ids = {row.id for row in stage.deliveries()} | {
        row.id for row in stage.deliveries("oneroster_rest")
    }
    seen: set[str] = set()
    for job in DBOS.list_workflows(name="tassel-job"):
        assert job.input is not None
        kind, rows = job.input["args"]
        assert kind in KINDS
        assert job.input["kwargs"] == {}
        assert job.output is None
        seen |= set(rows)
    assert seen == ids


def test_what_a_dead_worker_held_is_done_by_the_next(
    stage: Stage, start: Callable[[], Worker]
) -> None:
    """A process claims, enqueues, takes the job and ends without a word."""
    stage.queue()
    code = (
        "import sys, threading\n"
        "from app.jobs import worker, KINDS\n"
        "import dataclasses, os\n"
        "from app.main import create_campus\n"
        "from app.settings import load\n"
        "kind = KINDS['send']\n"
        "KINDS['send'] = dataclasses.replace(kind, run=lambda *_: os._exit(9))\n"
        "worker.Worker(create_campus(load())).start()\n"
        "threading.Event().wait()\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", code], env=environment(stage), check=False, timeout=60
    )
    assert died.returncode == 9
    with stage.db.reading() as session:
        held = session.scalars(select(Delivery).where(Delivery.state == "sending")).all()
    assert held
    assert all(row.lease_until > stage.clock() for row in held if row.lease_until)
    start()
    until(lambda: all_sent(stage))
    assert set(stage.posts().values()) == {1}
    assert {row.attempts for row in stage.deliveries()} == {1}, "the lost try does not count"


def environment(stage: Stage) -> dict[str, str]:
    """For a process that works on the same campus."""
    return {
        "PATH": os.environ["PATH"],
        "TASSEL_DATABASE_URL": stage.settings.database,
        "TASSEL_DATA_DIR": str(stage.settings.data_dir),
        "TASSEL_MASTER_KEY": stage.settings.master_key,
        "TASSEL_ALLOWED_ORIGINS": ",".join(stage.settings.allowed_origins),
    }


def test_a_second_worker_on_sqlite_is_refused(stage: Stage, start: Callable[[], Worker]) -> None:
    start()
    if not stage.db.is_sqlite:
        assert worker._exclusive(stage.db) is None, "PostgreSQL takes any number of workers"
        return
    with pytest.raises(Conflict) as refused:
        Worker(stage.campus).start()
    assert "PostgreSQL" in refused.value.fix


def test_stop_waits_for_what_is_running(stage: Stage, start: Callable[[], Worker]) -> None:
    assert stage.sis is not None
    stage.sis.faults.add({"path": "assessmentResults", "kind": "slow", "delay": 0.2, "times": 6})
    running = start()
    stage.queue()
    faults = stage.sis.faults
    until(lambda: faults.dump()[0]["hits"] > 0)
    assert running.stop(30)
    assert stage.states("oneroster_rest") == {"sent": 6}


def test_a_defect_in_a_job_costs_its_lease_and_no_row(
    stage: Stage, start: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = threading.Event()
    real = KINDS["send"]

    def once(campus: object, ids: object) -> None:
        if not fails.is_set():
            fails.set()
            with stage.db.transaction() as session:
                session.execute(update(Delivery).values(lease_until=stage.clock()))
            raise RuntimeError("a defect")
        real.run(campus, ids)  # type: ignore[arg-type]

    monkeypatch.setitem(KINDS, "send", dataclasses.replace(real, run=once))
    start()
    stage.queue()
    until(fails.is_set)
    until(lambda: all_sent(stage))


def test_only_one_worker_buries(stage: Stage) -> None:
    one, two = Worker(stage.campus), Worker(stage.campus)
    one._beat()
    assert one._holds("reaper")
    if stage.db.is_sqlite:
        assert two._holds("reaper"), "whoever holds the lock file is the only one alive"
        return
    assert not two._holds("reaper")
    assert one._holds("reaper")
    with stage.db.transaction() as session:
        session.execute(update(Lease).values(until=stage.clock() - timedelta(seconds=1)))
    assert two._holds("reaper")


def test_a_process_of_this_machine_is_known_to_be_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = holders.machine()
    assert holders.gone(f"{here}:{ended.pid}:x")
    assert not holders.gone(f"{here}:{os.getpid()}:x")
    assert not holders.gone(f"elsewhere:{ended.pid}:x")


def test_finished_jobs_are_forgotten(
    stage: Stage, start: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start()
    stage.queue()
    until(lambda: all_sent(stage))
    until(lambda: not DBOS.list_workflows(status="PENDING"))
    running._purge()
    assert DBOS.list_workflows(name="tassel-job"), "of today: kept"
    monkeypatch.setattr(worker, "KEEP_FINISHED", timedelta(seconds=-5))
    running._purge()
    assert DBOS.list_workflows(name="tassel-job") == []


def test_inline_the_same_functions_run_to_the_end(stage: Stage) -> None:
    stage.queue()
    assert run_until_idle(stage.campus)["send"] == 12
    assert all_sent(stage)
    assert run_until_idle(stage.campus, ("send",)) == {"send": 0}


def test_work_that_makes_itself_due_again_is_noticed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(campus: object, ids: object) -> None:
        deliver.release(stage.campus, ids)  # type: ignore[arg-type]

    monkeypatch.setitem(KINDS, "send", dataclasses.replace(KINDS["send"], run=never))
    monkeypatch.setattr(deliver, "MAX_DEATHS", 3)
    stage.queue()
    with pytest.raises(RuntimeError, match="does not come to an end"):
        run_until_idle(stage.campus, ("send",), rounds=1)
