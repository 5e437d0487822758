"""Launches in Debian's Firefox: as it comes, and when it blocks the cookies of other sites."""

from __future__ import annotations

import pytest

from app.demo.stage import Stage
from tests.e2e import rungs
from tests.e2e.driving import Engine

pytestmark = pytest.mark.browser


def test_a_cookie_holds_where_each_site_has_its_jar(firefox: Engine, walled: Stage) -> None:
    rungs.play(walled)
    tool = rungs.enter(firefox, walled, rungs.TEACHER, rungs.AT_HOME)
    assert rungs.launched_by(walled) == "cookie"
    rungs.read_grades(tool)


def test_platform_storage(strict_firefox: Engine, walled: Stage) -> None:
    rungs.play(walled)
    rungs.both_ways_in(strict_firefox, walled, "By the LMS, Firefox", "platform")


def test_session_storage(strict_firefox: Engine, walled: Stage) -> None:
    rungs.play(walled, storage="silent")
    rungs.enter(strict_firefox, walled, rungs.TEACHER, rungs.AT_HOME)
    assert rungs.launched_by(walled) == "session"


def test_new_tab(strict_firefox: Engine, walled: Stage) -> None:
    rungs.play(walled, storage="silent", sandbox="no-same-origin")
    rungs.by_a_tab(strict_firefox, walled)
