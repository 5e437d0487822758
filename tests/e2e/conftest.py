"""Real browsers, and one demo campus for the whole session."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright
from werkzeug.serving import make_server

from app.demo.running import open_campus
from app.demo.stage import Plan, Stage
from tests.e2e import newcomer
from tests.e2e.driving import Engine
from tests.e2e.engines import MINI_BROWSER, Firefox, WebKit
from tests.e2e.newcomer import Published

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
HTMX = ROOT / "app/web/static/vendor/htmx.min.js"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-quic",
    "--disable-component-update",
    "--disable-sync",
    # In place of Playwright's own list, which also turns the partitions of storage off that every
    # real Chromium has: without them a foreign frame has no sessionStorage at all.
    "--disable-features=HttpsUpgrades,MediaRouter,OptimizationHints,Translate",
]
NO_FOREIGN_COOKIES = "--test-third-party-cookie-phaseout"


def lacking(what: str) -> NoReturn:
    """Skip with the reason; in CI nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program, with the browser libraries that the pages and the checks need."""
    found = shutil.which("chromium")
    if found is None:
        lacking("chromium")
    for path in (AXE, HTMX):
        if not path.exists():
            lacking(str(path))
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=chromium, args=ARGS)
    yield started
    started.close()


@pytest.fixture(scope="session")
def strict_browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """A browser that gives no cookie to a frame of another site, unless it is partitioned."""
    args = [*ARGS, NO_FOREIGN_COOKIES]
    started = playwright.chromium.launch(executable_path=chromium, args=args)
    yield started
    started.close()


@pytest.fixture(scope="session")
def firefox_program() -> str:
    return shutil.which("firefox-esr") or lacking("firefox-esr")


@pytest.fixture(scope="session")
def firefox(firefox_program: str) -> Iterator[Engine]:
    """Firefox as it comes: it gives every site a jar of cookies per site around it."""
    started = Firefox(firefox_program, {})
    yield started
    started.quit()


@pytest.fixture(scope="session")
def strict_firefox(firefox_program: str) -> Iterator[Engine]:
    """Firefox that blocks all cookies of other sites, partitioned or not."""
    started = Firefox(firefox_program, {"network.cookie.cookieBehavior": 1})
    yield started
    started.quit()


@pytest.fixture(scope="session")
def webkit() -> Iterator[Engine]:
    """WebKit with the tracking prevention that Safari has."""
    driver = shutil.which("WebKitWebDriver") or lacking("webkit2gtk-driver")
    if not Path(MINI_BROWSER).exists():
        lacking(MINI_BROWSER)
    if shutil.which("Xvfb") is None:
        lacking("xvfb")
    started = WebKit(driver, ["--enable-itp"])
    yield started
    started.quit()


@dataclass(frozen=True)
class Demo:
    """A running campus, as ``tassel demo`` shows it to a newcomer."""

    stage: Stage
    link: str


@pytest.fixture(scope="session")
def demo(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Stage(Plan(tmp_path_factory.mktemp("demo"))) as stage:
        yield Demo(stage, open_campus(stage))


@pytest.fixture(scope="session")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A campus whose LMS is another site than Tassel, with a wall that can stop Tassel's cookies."""
    folder = tmp_path_factory.mktemp("walled")
    plan = Plan(folder, lms="canvas", learners=12, lms_host="localhost", wall=True)
    with Stage(plan) as stage:
        open_campus(stage)
        yield stage


@pytest.fixture(scope="session")
def published(browser: Browser, demo: Demo) -> Iterator[Published]:
    """The instructor's part of the trip, and everything that follows from it by itself."""
    page = newcomer.fresh(browser)
    yield newcomer.publish_first_badge(page, demo.stage.lms)
    page.context.close()


@pytest.fixture(scope="session")
def operator(browser: Browser, demo: Demo) -> Iterator[Page]:
    """A tab in which the operator has come in by the single-use link."""
    page = newcomer.fresh(browser)
    page.goto(demo.link)
    page.get_by_role("button", name="Open it in this browser").click()
    expect(page.get_by_role("heading", name="What needs you")).to_be_visible()
    yield page
    page.context.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Where pictures of the pages go: TASSEL_TEST_SHOTS, else none are taken."""
    folder = os.environ.get("TASSEL_TEST_SHOTS")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The application on a free port of this machine."""
    running = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()
