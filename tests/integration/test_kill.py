"""SIGKILL of the worker while it delivers, at moments drawn by seed; counted at the peers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.db import Database
from app.models import Attempt, Delivery, Disclosure
from app.settings import Settings
from tests.integration.killing import Kill, Story, WorkerProcess, carry_out, kill_plan
from tests.integration.send_stage import Stage

LEARNERS = 300
DOORS = ("/scores$", "/assessmentResults/")


def test_a_plan_repeats_and_spreads() -> None:
    plan = kill_plan(7, doors=DOORS)
    assert plan == kill_plan(7, doors=DOORS)
    assert plan != kill_plan(8, doors=DOORS)
    assert len(plan) == 20
    assert [len(kill.doors) for kill in plan].count(2) == 5
    assert plan[0].at < 0.2
    assert plan[-1].at > 0.7


@pytest.fixture
def stage(settings: Settings, db: Database) -> Iterator[Stage]:
    made = Stage(settings, db, learners=LEARNERS)
    made.add_sis()
    yield made
    made.close()


@pytest.fixture
def process(stage: Stage, tmp_path: Path) -> Iterator[WorkerProcess]:
    made = WorkerProcess(
        {
            "TASSEL_DATABASE_URL": stage.settings.database,
            "TASSEL_DATA_DIR": str(stage.settings.data_dir),
            "TASSEL_MASTER_KEY": stage.settings.master_key,
            "TASSEL_ALLOWED_ORIGINS": ",".join(stage.settings.allowed_origins),
            "PYTHONWARNINGS": "default",
        },
        tmp_path / "worker.log",
    )
    yield made
    made.close()


class Peers:
    """Both peers as the killer sees them."""

    def __init__(self, stage: Stage) -> None:
        assert stage.sis is not None
        self._stage, self._sis = stage, stage.sis
        self._doors = (stage.lms.app.test_client(), stage.sis.app.test_client())

    def progress(self) -> float:
        made = sum(1 for write in self._sis.store.history() if write.created)
        return (len(self._stage.box.posts) + made) / (2 * LEARNERS)

    def arm(self, doors: Sequence[str]) -> None:
        for door in doors:
            method = "PUT" if "assessment" in door else "POST"
            rule = {"path": door, "method": method, "kind": "commit_then_hang", "delay": 600}
            for peer in self._doors:
                peer.delete("/_control/requests")
                peer.post("/_control/faults", json=rule)

    def caught(self) -> str:
        """The path of a request that was carried out and whose answer is held back."""
        for peer in self._doors:
            for entry in peer.get("/_control/requests").get_json()["requests"]:
                if entry["fault"] == "commit_then_hang" and entry["status"] in (200, 201):
                    return str(entry["path"])
        return ""

    def heal(self) -> None:
        for peer in self._doors:
            peer.delete("/_control/faults")

    def story(self) -> Story:
        return Story(self.progress, self.arm, self.caught, self.heal)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1])
def test_every_award_arrives_once_however_often_the_worker_is_killed(
    stage: Stage, process: WorkerProcess, seed: int
) -> None:
    plan = [Kill(0, ("/lineitems$",)), Kill(0, ("/assessmentLineItems/",))]
    plan += kill_plan(seed, doors=DOORS)
    stage.queue()
    kills = carry_out(plan, process, Peers(stage).story())
    pause = threading.Event()
    while not _all_sent(stage):
        assert process.alive
        pause.wait(0.1)
    assert process.stop() == 0
    assert process.started == len(plan) + 1
    assert len({round(moment, 2) for moment, _ in kills}) > 10, "they came all over the run"
    assert sum(bool(door) for _, door in kills) == 7
    sis = stage.sis
    assert sis is not None
    assert set(stage.posts().values()) == {1}
    assert len(stage.posts()) == LEARNERS
    assert set(stage.values().values()) == {1.0}
    results = sis.store.all("assessmentResults")
    assert Counter(r["student"]["sourcedId"] for r in results) == Counter(
        p.sis_id for p in stage.people
    )
    assert all(r["status"] == "active" for r in results)
    assert len(sis.store.all("assessmentLineItems")) == 1
    with stage.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Disclosure)) == 2 * LEARNERS
        unfinished = session.scalars(select(Attempt).where(Attempt.outcome.is_(None))).all()
        assert unfinished, "some tries died with their worker"


def _all_sent(stage: Stage) -> bool:
    with stage.db.reading() as session:
        return set(session.scalars(select(Delivery.state))) == {"sent"}
