"""Tassel inside the frame of an LMS on another site, in a browser that blocks foreign cookies.

The LMS is served as ``localhost`` and Tassel as ``127.0.0.1``: two sites on one machine.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask, Response, request
from playwright.sync_api import Browser, FrameLocator, Page, expect
from werkzeug.serving import make_server

from app.demo.running import open_campus
from app.demo.stage import Plan, Stage
from tests.e2e import newcomer

pytestmark = pytest.mark.browser

OTHER_COURSE = "TEACH 500"


class OtherSite(Stage):
    """The campus with its LMS on another site than Tassel."""

    @property
    def lms(self) -> str:
        return super().lms.replace("127.0.0.1", "localhost")

    def _start(self, name: str, module: list[str], *rest: object) -> None:
        host = ["--host", "localhost"] if name == "lms" else []
        super()._start(name, [*module, *host], *rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stage(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with OtherSite(Plan(tmp_path_factory.mktemp("frames"))) as stage:
        open_campus(stage)
        yield stage


@pytest.fixture
def tab(strict_browser: Browser) -> Iterator[Page]:
    page = newcomer.fresh(strict_browser)
    yield page
    page.context.close()


# --- the control: what the browser does to cookies here ---------------------------------------


def set_both() -> Response:
    """A framed page that sets two cookies, alike but for one word."""
    answer = Response("<form action=/seen><button>Go on</button></form>", mimetype="text/html")
    for name, partitioned in (("plain", False), ("partitioned", True)):
        answer.set_cookie(name, "1", secure=True, samesite="None", partitioned=partitioned)
    return answer


def framing() -> str:
    """A page that frames the other on 127.0.0.1."""
    return f"<iframe id=tool src='http://127.0.0.1:{request.host.split(':')[1]}/set'></iframe>"


@contextmanager
def two_sites() -> Iterator[int]:
    """A page and a framed page on two sites; their port."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=framing)
    app.add_url_rule("/set", view_func=set_both)
    app.add_url_rule("/seen", "seen", lambda: f"Cookies: {' '.join(sorted(request.cookies))}.")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def cookies_in_the_frame(page: Page, host: str, port: int) -> str:
    """What the framed page gets back when the page around it is on ``host``."""
    page.goto(f"http://{host}:{port}/")
    frame = page.frame_locator("#tool")
    frame.get_by_role("button", name="Go on").click()
    return frame.get_by_text("Cookies:").inner_text()


def test_only_a_partitioned_cookie_survives_in_a_foreign_frame(tab: Page) -> None:
    with two_sites() as port:
        assert cookies_in_the_frame(tab, "localhost", port) == "Cookies: partitioned."
        assert cookies_in_the_frame(tab, "127.0.0.1", port) == "Cookies: partitioned plain."


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
