"""The worker gets SIGKILL at twenty moments of a whole story: everything arrives once.

The story is played through the doors that people use. Before each restart nothing is repaired. What
is expected is worked out from the LMS's numbers, what arrived is counted at the LMS and the SIS.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import OperationalError

from app.db import Database
from app.demo import people
from app.demo.people import Api
from app.demo.stage import Plan, Stage
from app.demo.story import BADGES, PUBLIC_URL, Story
from app.demo.visitor import Visitor
from app.models import Attainment, Award, CollectRun, Credential, Delivery, Disclosure
from tests.conftest import POSTGRES
from tests.integration.story_kills import RESULTS, SCORES, Death, Killer, moments

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LEARNERS = 300
SEEDS = {"sqlite": 2026, "postgresql": 1123}
LOCAL = "postgresql+psycopg://root@127.0.0.1:5432/postgres"


def databases() -> list[str]:
    """The suite's own; on a developer's machine both, if there is a PostgreSQL without password."""
    if POSTGRES:
        return ["postgresql"]
    return ["sqlite"] if os.environ.get("CI") else ["sqlite", "postgresql"]


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tassel.db'}"
        return
    server = POSTGRES or LOCAL
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"tassel_kill_{uuid.uuid4().hex[:12]}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    except OperationalError:
        if POSTGRES:
            raise
        pytest.skip("no PostgreSQL on 127.0.0.1:5432 and TASSEL_TEST_DATABASE_URL is not set")
    yield f"{server.rpartition('/')[0]}/{name}"
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


def test_a_seed_draws_the_same_moments_over_the_whole_run() -> None:
    plan = moments(5)
    assert plan == moments(5)
    assert plan != moments(6)
    assert Counter(moment.phase for moment in plan) == {"read": 6, "sign": 4, "send": 4, "lost": 6}
    assert {moment.what for moment in plan if moment.phase == "lost"} == {SCORES, RESULTS}


@pytest.mark.parametrize("address", databases(), indirect=True)
def test_twenty_deaths_lose_nothing_and_double_nothing(address: str, tmp_path: Path) -> None:
    seed = SEEDS[address.partition("+")[0].partition(":")[0]]
    plan = Plan(tmp_path, "moodle", LEARNERS, True, address, PUBLIC_URL)
    with closing(Database(address)) as db, Stage(plan) as stage:
        story = Story(stage, tmp_path / "story")
        stage.start_lms()
        stage.start_sis()
        stage.command("db", "upgrade")
        stage.start_part("web", "web")
        expected = story.expected_awards()
        with closing(Killer(stage, db, expected)) as killer:
            with closing(people.operator(stage)) as operator:
                deaths = _disturb(story, operator, killer, seed)
                _look_at_the_deaths(deaths)
                _look_at_the_lms(story)
                _look_at_the_sis(story)
                _look_at_tassel(db, expected)
                _end_the_story(story, operator)
            assert stage.stop("worker") == 0
            assert killer.open_jobs("PENDING", "ENQUEUED") == 0


def _disturb(story: Story, operator: Visitor, killer: Killer, seed: int) -> list[Death]:
    """Play the story to its last delivery while the worker dies again and again."""

    def play() -> None:
        story.connect(operator)
        story.launches()
        story.publish()
        api = Api(story.stage)
        try:
            story.wait_until_done(api)
        finally:
            api.close()

    with ThreadPoolExecutor(1) as pool:
        played = pool.submit(play)
        deaths = killer.carry_out(moments(seed), played)
        played.result()
    return deaths


def _look_at_the_deaths(deaths: list[Death]) -> None:
    """They came where they were wanted, in the middle of something."""
    sys.stdout.writelines(f"{death}\n" for death in deaths)
    phases = {phase: [d for d in deaths if d.moment.phase == phase] for phase in ("read", "sign")}
    assert len(deaths) == 20
    assert sum(death.moment.phase == "lost" for death in deaths) == 6
    assert all(death.sending for death in deaths if death.moment.phase == "lost")
    assert sum(death.reading > 0 for death in phases["read"]) >= 5
    assert sum(death.signing > 0 for death in phases["sign"]) >= 3
    assert sum(death.jobs > 0 for death in deaths) >= 10, "the engine took them for running"


def _look_at_the_lms(story: Story) -> None:
    """Each column has exactly one accepted score, full marks, for each learner who earned it."""
    state = story.lms_state("line_items", "posts", "grades")
    own = [column for column in state["line_items"] if column["owner"] == "tool"]
    columns = {column["id"]: column["label"].removeprefix("Badge: ") for column in own}
    assert len(columns) == len(BADGES)
    subjects = {person["id"]: person["subject"] for person in story.learners()}
    posts = Counter((columns[p["line_item"]], subjects[p["person"]]) for p in state["posts"])
    assert posts == dict.fromkeys(_expected(story, "subject"), 1)
    assert all(post["value"] == post["maximum"] for post in state["posts"])


def _look_at_the_sis(story: Story) -> None:
    """One record per award; what was written again was the same."""
    state = story.stage.control(story.stage.sis, "state")
    items = {key: one["title"] for key, one in state["records"]["assessmentLineItems"].items()}
    results = state["records"]["assessmentResults"].values()
    assert len(items) == len(BADGES)
    found = Counter(
        (items[one["assessmentLineItem"]["sourcedId"]], one["student"]["sourcedId"])
        for one in results
    )
    assert found == dict.fromkeys(_expected(story, "sis_id"), 1)
    repeats = [write for write in state["history"] if not write["created"]]
    assert {write["method"] for write in state["history"]} == {"PUT"}
    assert not any(write["changed"] for write in repeats if "Results" in write["collection"])


def _expected(story: Story, name: str) -> set[tuple[str, str]]:
    """(badge, learner) by the LMS's numbers; ``name`` says by which id learners are called."""
    ids = {person["subject"]: person[name] for person in story.learners()}
    return {(plan.name, ids[subject]) for plan in BADGES for subject in story.expected(plan)}


def _look_at_tassel(db: Database, expected: int) -> None:
    """No row waits or is on its way, nothing is there twice, everything was disclosed once."""
    assert _states(db, Delivery.state) == {"sent": 2 * expected}
    assert _states(db, Award.state) == {"issued": expected}
    assert set(_states(db, CollectRun.state)) == {"done"}
    assert _states(db, Credential.number) == {1: expected}
    assert sum(_states(db, Disclosure.award_id).values()) == 2 * expected
    assert _doubles(db, Award.person_id, Award.achievement_id) == []
    assert _doubles(db, Credential.award_id) == []
    assert _doubles(db, Delivery.award_id, Delivery.connection_id) == []
    assert _doubles(db, Attainment.learner_id, Attainment.competency_id, Attainment.rule_id) == []
    assert len(_states(db, Attainment.award_id)) == expected


def _states(db: Database, column: Any) -> dict[Any, int]:
    with db.reading() as session:
        return dict(session.execute(select(column, func.count()).group_by(column)).all())


def _doubles(db: Database, *columns: Any) -> list[Any]:
    with db.reading() as session:
        query = select(*columns).group_by(*columns).having(func.count() > 1)
        return list(session.execute(query))


def _end_the_story(story: Story, operator: Visitor) -> None:
    """The last worker goes on as if nothing had been: revoke one award, gather the files."""
    api = Api(story.stage)
    try:
        story.gather(api, story.revoke(api, operator))
    finally:
        api.close()
    assert story.problems == []
