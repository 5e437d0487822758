"""Each rung of the ladder in Chromium that blocks the cookies of other sites, from launch to share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from app.demo.stage import Stage
from tests.e2e import newcomer, rungs
from tests.e2e.driving import Place
from tests.e2e.engines import Chromium
from tests.e2e.watching import Watch

pytestmark = pytest.mark.browser


def fresh_window(browser: Browser) -> Iterator[Chromium]:
    page = newcomer.fresh(browser, ignore_https_errors=True)
    engine = Chromium(page.context)
    yield engine
    engine.quit()


@pytest.fixture
def window(strict_browser: Browser) -> Iterator[Chromium]:
    yield from fresh_window(strict_browser)


@pytest.fixture
def other_window(strict_browser: Browser) -> Iterator[Chromium]:
    """The browser of somebody else, who was never here."""
    yield from fresh_window(strict_browser)


@pytest.fixture
def watch(window: Chromium) -> Watch:
    return Watch(window.context)


def learn(window: Chromium, tool: Place, badge: str, folder: Path) -> str:
    """The learner's part: open, share, download; the public link."""
    rungs.open_badge(tool, badge)
    link = rungs.share(tool)
    with window.page.expect_download() as waited:
        tool.click("button", "Credential (JSON)")
    path = folder / waited.value.suggested_filename
    waited.value.save_as(path)
    assert json.loads(path.read_bytes())["credentialSubject"]["achievement"]["name"] == badge
    return link


def the_whole_way(
    window: Chromium, stage: Stage, watch: Watch, badge: str, rung: str, folder: Path
) -> Place:
    """Teacher, then learner, in the frame; every launch by the rung. The learner's place."""
    tool = rungs.enter(window, stage, rungs.TEACHER, rungs.AT_HOME)
    assert rungs.launched_by(stage) == rung
    name = rungs.teach(tool, badge)
    watch.check(tool)
    tool = rungs.enter(window, stage, name, ("link", badge))
    assert rungs.launched_by(stage) == rung
    link = learn(window, tool, badge, folder)
    assert link.startswith(stage.public)
    watch.check(tool)
    assert watch.complaints == []
    return tool


def reload(tool: Place) -> None:
    tool.run("() => { setTimeout(() => location.reload(), 0); }")


def test_partitioned_cookie(window: Chromium, watch: Watch, walled: Stage, tmp_path: Path) -> None:
    rungs.play(walled)
    tool = the_whole_way(window, walled, watch, "By cookie", "cookie", tmp_path)
    reload(tool)
    tool.wait("field", "Your public link")


def test_platform_storage(window: Chromium, watch: Watch, walled: Stage, tmp_path: Path) -> None:
    rungs.play(walled, cookies="blocked")
    tool = the_whole_way(window, walled, watch, "By the LMS", "platform", tmp_path)
    reload(tool)
    tool.wait("text", "again from your course")


def test_session_storage(window: Chromium, watch: Watch, walled: Stage, tmp_path: Path) -> None:
    rungs.play(walled, cookies="blocked", storage="silent")
    tool = the_whole_way(window, walled, watch, "By the frame", "session", tmp_path)
    reload(tool)
    tool.wait("text", "again from your course")


def test_a_stranger_who_answers_for_the_lms_is_not_believed(
    window: Chromium, walled: Stage
) -> None:
    """Another site in the LMS's page hears what was asked and answers it as the LMS would."""
    rungs.play(walled, cookies="blocked", storage="wrong-origin")
    rungs.enter(window, walled, rungs.TEACHER, rungs.AT_HOME)
    assert rungs.launched_by(walled) == "session"


def test_new_tab(window: Chromium, other_window: Chromium, watch: Watch, walled: Stage) -> None:
    """A frame without an origin sees no cookies and no stores; the tab that it opens does."""
    rungs.play(walled, sandbox="no-same-origin", storage="silent")
    rungs.become(window, walled, rungs.TEACHER)
    tool = rungs.open_tassel(window, walled)
    tab = rungs.in_new_tab(window, tool, "Open in a new tab")
    tab.wait(*rungs.AT_HOME)
    name = rungs.teach(tab, "By a tab")
    watch.check(tab)
    watch = Watch(other_window.context)
    rungs.become(other_window, walled, name)
    frame = rungs.open_tassel(other_window, walled)
    tab = rungs.in_new_tab(other_window, frame, "Open in a new tab")
    tab.wait("link", "By a tab")
    rungs.open_badge(tab, "By a tab")
    assert rungs.share(tab).startswith(walled.public)
    watch.check(tab)
