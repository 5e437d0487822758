"""The whole story with a worker that is killed again and again, counted at LMS and SIS."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.db import Database
from app.demo.stage import Plan, Stage
from app.demo.story import PUBLIC_URL, Story
from app.models import Award, Delivery, Result
from tests.integration import killing
from tests.integration.killing import Kill, carry_out, kill_plan

LEARNERS = 300
DOORS = ("/scores$", "/assessmentResults/")
POSTS, RECORDS = "posts", "assessmentResults"


class SplitStage(Stage):
    """Web and worker as processes of their own, so that one can be killed without the other."""

    def start_tassel(self) -> None:
        self.command("db", "upgrade")
        self.start_part("web", "web")
        self.start_part("worker", "worker")


class StageWorker:
    """The worker of a stage as the killer wants it; the story starts the first one."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.begun = threading.Event()

    @property
    def alive(self) -> bool:
        return self._stage.alive("worker")

    def start(self) -> None:
        if not self.alive:
            self._stage.start_part("worker", "worker")

    def kill(self) -> None:
        self._stage.kill("worker")


class Watch:
    """Progress and faults, seen from outside: the LMS, the SIS and the counts of our rows."""

    def __init__(self, stage: Stage, db: Database, results: int, awards: int) -> None:
        self._stage, self._db = stage, db
        self._results, self._awards = results, awards
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def _count(self, query: Any) -> int:
        try:
            with self._db.reading() as session:
                return int(session.scalar(query) or 0)
        except SQLAlchemyError:
            return 0

    def progress(self) -> float:
        """A fifth each for reading grades and signing, the rest for what was delivered."""
        read = self._count(select(func.count()).select_from(Result)) / self._results
        signed = self._count(select(func.count()).where(Award.state == "issued")) / self._awards
        sent = self._count(select(func.count()).where(Delivery.state == "sent"))
        return min(1.0, read) * 0.2 + signed * 0.2 + sent / (2 * self._awards) * 0.6

    def arm(self, doors: Sequence[str]) -> None:
        for address in (self._stage.lms, self._stage.sis):
            self._session.delete(f"{address}/_control/requests", timeout=60)
            for door in doors:
                method = "PUT" if "assessment" in door else "POST"
                rule = {"path": door, "method": method, "kind": "commit_then_hang", "delay": 900}
                self._session.post(f"{address}/_control/faults", json=rule, timeout=60)

    def caught(self) -> str:
        for address in (self._stage.lms, self._stage.sis):
            log = self._session.get(f"{address}/_control/requests", timeout=60).json()
            for entry in log["requests"]:
                if entry["fault"] == "commit_then_hang" and entry["status"] in (200, 201):
                    return str(entry["path"])
        return ""

    def heal(self) -> None:
        for address in (self._stage.lms, self._stage.sis):
            self._session.delete(f"{address}/_control/faults", timeout=60)


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    plan = Plan(
        tmp_path / "stage",
        learners=LEARNERS,
        complete=True,
        public_url=PUBLIC_URL,
        database=database_url,
    )
    with SplitStage(plan) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_story_whose_worker_is_killed_twenty_times_ends_as_if_nothing_had_been(
    stage: Stage, database_url: str, tmp_path: Path
) -> None:
    story = Story(stage, tmp_path / "out")
    ended: list[bool] = []
    playing = threading.Thread(target=lambda: ended.append(story.run()))
    playing.start()
    worker = StageWorker(stage)
    pause = threading.Event()
    while not worker.alive:
        assert playing.is_alive()
        pause.wait(0.1)
    awards, columns = story.expected_awards(), len(story.assessments())
    db = Database(database_url, pool_size=2)
    watch = Watch(stage, db, int(LEARNERS * columns * 0.8), awards)
    try:
        report = killing.Story(watch.progress, watch.arm, watch.caught, watch.heal)
        plan = [Kill(0.01), *kill_plan(20261122, doors=DOORS)]
        kills = carry_out(plan, worker, report)
        playing.join()
    finally:
        watch.heal()
        watch.close()
        db.close()
    assert ended == [True], story.problems
    assert len(kills) == 21
    assert sum(bool(door) for _, door in kills) == 5
    _count_at_the_peers(stage, story, awards)


def _count_at_the_peers(stage: Stage, story: Story, awards: int) -> None:
    """One post per award and one more for the award that the story takes back."""
    state = story.lms_state("posts", "line_items")
    own = {c["id"] for c in state["line_items"] if c["owner"] == "tool"}
    posts = Counter((p["line_item"], p["person"]) for p in state[POSTS] if p["line_item"] in own)
    assert len(posts) == awards
    assert Counter(posts.values()) == {1: awards - 1, 2: 1}
    history = stage.control(stage.sis, "state")["history"]
    made = Counter(w["sourced_id"] for w in history if w["collection"] == RECORDS and w["created"])
    assert len(made) == awards
    assert set(made.values()) == {1}
