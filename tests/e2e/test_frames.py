"""Tassel inside the frame of an LMS on another site, in a browser that blocks foreign cookies.

The LMS is served as ``localhost`` and Tassel as ``127.0.0.1``: two sites on one machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from app.demo.running import open_campus
from app.demo.stage import Plan, Stage
from tests.e2e import newcomer
from tests.e2e.engines import Chromium
from tests.e2e.two_sites import cookies_in_the_frame, two_sites

pytestmark = pytest.mark.browser

OTHER_COURSE = "TEACH 500"


@pytest.fixture(scope="module")
def stage(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    plan = Plan(tmp_path_factory.mktemp("frames"), lms_host="localhost")
    with Stage(plan) as stage:
        open_campus(stage)
        yield stage


@pytest.fixture
def tab(strict_browser: Browser) -> Iterator[Page]:
    page = newcomer.fresh(strict_browser)
    yield page
    page.context.close()


def test_only_a_partitioned_cookie_survives_in_a_foreign_frame(tab: Page) -> None:
    """The control: what this browser does to cookies here."""
    engine = Chromium(tab.context)
    with two_sites() as port:
        assert cookies_in_the_frame(engine, "localhost", port) == "Cookies: partitioned."
        everything = "Cookies: bare partitioned plain."
        assert cookies_in_the_frame(engine, "127.0.0.1", port) == everything


# --- Tassel there -----------------------------------------------------------------------------


def test_the_session_holds_in_a_foreign_frame(tab: Page, stage: Stage) -> None:
    newcomer.become_teacher(tab, stage.lms)
    tool = newcomer.open_tassel(tab, stage.lms)
    assert tab.url.startswith("http://localhost:")
    assert tab.get_by_text("LMS and tool run on one host here").count() == 0
    assert framed_address(tab).startswith("http://127.0.0.1:")
    held = [one for one in tab.context.cookies() if one["name"] == "__Host-tassel"]
    assert [one["partitionKey"] for one in held] == ["http://localhost"]
    tool.get_by_role("link", name="Competencies").click()
    tool.get_by_label("What can the learner do?").fill("tell signal from noise")
    tool.get_by_role("button", name="Add", exact=True).click()
    expect(tool.get_by_role("cell", name="tell signal from noise")).to_be_visible()
    tool.get_by_role("link", name="Badges", exact=True).click()
    newcomer.read_grades(tool)
    assert tab.complaints == []  # type: ignore[attr-defined]


def framed_address(page: Page) -> str:
    """Where the page in the LMS's frame comes from."""
    frame = page.frame(name="tool")
    assert frame is not None
    return frame.url


def open_course(page: Page, stage: Stage, label: str) -> FrameLocator:
    """Tassel of one course in this tab's frame."""
    page.goto(stage.lms)
    page.get_by_role("link", name=f"{label}:").click()
    page.get_by_role("navigation", name="Course").get_by_role("link", name="Tassel").click()
    tool = page.frame_locator("iframe#tool")
    expect(tool.get_by_role("heading", level=1)).to_be_visible(timeout=newcomer.PATIENCE)
    return tool


def test_two_roles_in_two_tabs_never_mix(tab: Page, stage: Stage) -> None:
    """Teacher of one course and learner of another, with posts in turn."""
    newcomer.become_teacher(tab, stage.lms)
    other = tab.context.new_page()
    teaching = open_course(tab, stage, newcomer.COURSE)
    learning = open_course(other, stage, OTHER_COURSE)
    for turn in range(3):
        statement, wanted = f"explain sampling in {turn + 2} ways", turn % 2 == 1
        tab.bring_to_front()
        teaching.get_by_role("link", name="Competencies").click()
        teaching.get_by_label("What can the learner do?").fill(statement)
        other.bring_to_front()
        learning.get_by_role("link", name="Settings").click()
        learning.get_by_label("Tell me by e-mail").set_checked(wanted)
        tab.bring_to_front()
        teaching.get_by_role("button", name="Add", exact=True).click()
        expect(teaching.get_by_role("cell", name=statement)).to_be_visible()
        expect(teaching.get_by_text(f"{newcomer.COURSE} · instructor")).to_be_visible()
        other.bring_to_front()
        learning.get_by_role("button", name="Save").click()
        expect(learning.get_by_role("status")).to_be_visible()
        expect(learning.get_by_label("Tell me by e-mail")).to_be_checked(checked=wanted)
        expect(learning.get_by_text(f"{OTHER_COURSE} · learner")).to_be_visible()
    mine, theirs = (course_of(framed_address(page)) for page in (tab, other))
    assert mine != theirs
    assert status_inside(tab, f"/courses/{theirs}") == 403, "a learner there, whoever asks"
    assert status_inside(other, f"/courses/{mine}") == 200, "the teacher here, in any tab"
    assert status_inside(other, f"/courses/{mine}/me") == 403


def course_of(address: str) -> str:
    """The course's id in an address of Tassel."""
    found = re.search(r"/courses/([^/?#]+)", address)
    assert found, address
    return found[1]


def status_inside(page: Page, path: str) -> int:
    """What Tassel answers to the framed page itself."""
    frame = page.frame(name="tool")
    assert frame is not None
    return int(frame.evaluate("path => fetch(path).then(answer => answer.status)", path))
