"""Tassel beside the real LTI platform code of Open edX, a process of its own (``openedx/serve_lms.py``).

Nobody here wrote the other side: its login initiation, tokens, line items, scores, results and
roster are what they are.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from app.db import Base, Database
from app.demo.stage import free_port
from app.demo.visitor import Page, Visitor
from app.errors import UpstreamError
from app.lti.registration import approve, register_manual
from app.models import Course, Enrolment, Person
from app.pipeline.campus import Campus
from app.pipeline.roster import sync_roster
from tests.integration.lti_rig import Clock, tool_beside

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".make/openedx/bin/python"
PROGRAM = Path(__file__).parent / "openedx/serve_lms.py"
START_SECONDS = 60


@dataclass(frozen=True)
class OpenEdx:
    """The running platform and the tool beside it."""

    url: str
    campus: Campus
    clock: Clock
    platform_id: str

    def launch(self, name: str) -> Page:
        """That person opens the block, in a browser of their own."""
        with Visitor() as browser:
            browser.get(f"{self.url}/start/{name}")
            return browser.submit()

    def course(self) -> Course:
        with self.campus.db.reading() as session:
            return session.scalars(select(Course)).one()

    def subs(self) -> dict[str, str]:
        """LTI user ids by first name."""
        with self.campus.db.reading() as session:
            return {one.name.split()[0]: one.sub for one in session.scalars(select(Person))}

    def gradebook(self) -> dict[str, float]:
        found: dict[str, float] = requests.get(f"{self.url}/gradebook", timeout=20).json()
        return found


@pytest.fixture(scope="module")
def openedx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenEdx]:
    if not PYTHON.exists():
        reason = "the Open edX LTI platform is not installed (make openedx)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("openedx")
    url = f"http://127.0.0.1:{free_port()}"
    db = Database(f"sqlite:///{folder / 'tassel.db'}", pool_size=5)
    Base.metadata.create_all(db.engine)
    with (
        tool_beside(url, db, str(folder / "data")) as (campus, clock),
        Running(url, folder, campus.settings.public_url),
    ):
        yield OpenEdx(url, campus, clock, registered(url, campus, clock))
    db.close()


class Running:
    """The process of the platform."""

    def __init__(self, url: str, folder: Path, tool: str) -> None:
        self.url, self.log = url, (folder / "openedx.log").open("wb")
        command = [str(PYTHON), str(PROGRAM), "--folder", str(folder), "--tool", tool]
        command += ["--port", url.rpartition(":")[2]]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                requests.get(f"{self.url}/registration", timeout=5).raise_for_status()
            except requests.RequestException:
                time.sleep(0.2)
            else:
                return
        self.__exit__()
        raise AssertionError(Path(self.log.name).read_text()[-3000:])

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def registered(url: str, campus: Campus, clock: Clock) -> str:
    """By hand, as Open edX has it: the author copies five values into the tool."""
    shown = requests.get(f"{url}/registration", timeout=20).json()
    platform_id = register_manual(
        campus.db,
        campus.box,
        name="Open edX",
        lms="openedx",
        origin=url,
        issuer=shown["issuer"],
        client_id=shown["client_id"],
        auth_url=shown["oidc_callback"],
        token_url=shown["token_url"],
        jwks_url=shown["keyset_url"],
        deployment_id=shown["deployment_id"],
        actor="operator:test",
        now=clock(),
    )
    approve(campus.db, platform_id, actor="operator:test", now=clock())
    return platform_id


@pytest.fixture(scope="module")
def entered(openedx: OpenEdx) -> OpenEdx:
    """The teacher and one learner have been there."""
    assert "BIO101 · instructor" in openedx.launch("teacher").text
    assert "BIO101 · learner" in openedx.launch("ada").text
    return openedx


def test_launches_make_the_course_and_its_people(entered: OpenEdx) -> None:
    course = entered.course()
    assert course.context_id == "course-v1:LabX+BIO101+2026"
    assert course.services["lineitems"].startswith(entered.url)
    with entered.campus.db.reading() as session:
        roles = dict(session.execute(select(Person.name, Enrolment.role).join(Enrolment)).all())
    assert roles["Theresa Teacher"] == "instructor"
    assert roles["Ada Lovell"] == "learner"


def test_a_repeated_launch_form_is_refused(entered: OpenEdx) -> None:
    with Visitor() as browser:
        form = browser.get(f"{entered.url}/start/ben").forms[0]
        fields = {field.name: field.value for field in form.fields if field.name}
        browser.submit()
        again = browser.post(form.action, fields, origin=entered.url)
    assert "state-used" in again.text


def test_the_roster_brings_those_who_never_came(entered: OpenEdx) -> None:
    change = sync_roster(entered.campus, entered.course().id)
    assert change.left == 0
    assert set(entered.subs()) == {"Theresa", "Ada", "Ben", "Cem"}


@pytest.fixture(scope="module")
def column(entered: OpenEdx) -> str:
    """Our line item, made through the real service."""
    lti, course = entered.campus.lti, entered.course()
    item = lti.find_or_create_line_item(
        entered.platform_id,
        course.services["lineitems"],
        "Badge",
        Decimal(1),
        "tassel-badge-1",
        "1",
        course.services["column_link"],
    )
    found = lti.find_or_create_line_item(
        entered.platform_id,
        course.services["lineitems"],
        "Badge",
        Decimal(1),
        "tassel-badge-1",
        "1",
    )
    assert found.url == item.url, "found again, not made twice"
    return item.url


LATER = count(10, 10)
"""Seconds: each score is later than the one before, in whatever order the tests run."""


def post(
    openedx: OpenEdx, column: str, who: str, given: Decimal | None, earlier: float = 0
) -> None:
    openedx.campus.lti.post_score(
        openedx.platform_id,
        column,
        openedx.subs()[who],
        given,
        Decimal(1),
        openedx.clock() + timedelta(seconds=next(LATER) - earlier),
        None,
    )


def results(openedx: OpenEdx, column: str) -> dict[str, Any]:
    read = openedx.campus.lti.results(openedx.platform_id, column)
    return {one.user_id: one.score for one in read}


def test_scores_arrive_and_are_read_back(entered: OpenEdx, column: str) -> None:
    sync_roster(entered.campus, entered.course().id)
    post(entered, column, "Ada", Decimal(1))
    post(entered, column, "Ben", Decimal(0))
    read = results(entered, column)
    assert read[entered.subs()["Ada"]] == 1
    assert read[entered.subs()["Ben"]] == 0, "zero is a grade"
    assert entered.subs()["Cem"] not in read


def test_a_score_reaches_the_gradebook_because_the_column_names_its_block(
    entered: OpenEdx, column: str
) -> None:
    """The same score in a column without the block's location is stored and goes nowhere."""
    lti, course = entered.campus.lti, entered.course()
    sync_roster(entered.campus, course.id)
    post(entered, column, "Ada", Decimal(1))
    assert entered.gradebook()["ada"] == 1.0
    lost = lti.find_or_create_line_item(
        entered.platform_id, course.services["lineitems"], "Lost", Decimal(1), "lost", "lost"
    )
    post(entered, lost.url, "Cem", Decimal(1))
    assert results(entered, lost.url)[entered.subs()["Cem"]] == 1
    assert "cem" not in entered.gradebook()


def test_an_equal_time_stamp_is_known_as_stale(entered: OpenEdx, column: str) -> None:
    post(entered, column, "Ada", Decimal(1))
    with pytest.raises(UpstreamError) as refused:
        post(entered, column, "Ada", Decimal(1), earlier=15)
    assert refused.value.code == "ags-stale-timestamp"
