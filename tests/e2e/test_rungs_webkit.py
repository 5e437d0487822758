"""Launches in WebKit with the tracking prevention that Safari has: no cookie in a foreign frame."""

from __future__ import annotations

import pytest

from app.demo.stage import Stage
from tests.e2e import rungs
from tests.e2e.driving import Engine

pytestmark = pytest.mark.browser


def test_platform_storage(webkit: Engine, walled: Stage) -> None:
    rungs.play(walled)
    tool = rungs.enter(webkit, walled, rungs.TEACHER, rungs.AT_HOME)
    assert rungs.launched_by(walled) == "platform"
    rungs.read_grades(tool)


def test_session_storage(webkit: Engine, walled: Stage) -> None:
    rungs.play(walled, storage="silent")
    rungs.enter(webkit, walled, rungs.TEACHER, rungs.AT_HOME)
    assert rungs.launched_by(walled) == "session"


def test_new_tab(webkit: Engine, walled: Stage) -> None:
    rungs.play(walled, storage="silent", sandbox="no-same-origin")
    rungs.by_a_tab(webkit, walled)
