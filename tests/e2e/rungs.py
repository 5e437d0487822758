"""What instructor and learner do in the LMS's frame, whatever carries their session, in any browser.

A rung is one way of the ladder by which a launch proves that it is the browser that logged in:
partitioned cookie, platform storage, sessionStorage, a tab of its own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import requests

from app.demo.stage import Stage
from tests.e2e.driving import PATIENCE, Engine, EngineError, Place

TEACHER = "Marisol"
COURSE = 3
USUAL = {"storage": "works", "sandbox": "none", "cookies": "kept", "delay": 5}


def play(stage: Stage, **positions: Any) -> None:
    """Set the LMS's switches; those that are not named as at the start."""
    answer = requests.post(f"{stage.lms}/_control/framing", json=USUAL | positions, timeout=10)
    assert answer.ok, answer.text


def become(engine: Engine, stage: Stage, name: str) -> None:
    """Be somebody at the LMS."""
    engine.open(stage.lms)
    top = engine.place()
    if not top.has("button", name):
        top.click("button", "Learners who have not opened the tool yet")
    top.click("button", name)
    top.wait("text", f"You are {name}")


def open_tassel(engine: Engine, stage: Stage) -> Place:
    """Click Tassel in the course; what then stands in the frame, whichever page it is."""
    engine.open(f"{stage.lms}/courses/{COURSE}")
    engine.place().click("link", "Tassel", exact=True)
    tool = engine.place("tool")
    tool.wait("css", "h1")
    return tool


def enter(engine: Engine, stage: Stage, name: str, ready: tuple[str, str]) -> Place:
    """Become somebody and launch; ``ready`` is the kind and the words of what a home shows."""
    become(engine, stage, name)
    tool = open_tassel(engine, stage)
    tool.wait(*ready)
    return tool


AT_HOME = ("button", "Refresh now")


def in_new_tab(engine: Engine, tool: Place, button: str) -> Place:
    """Press the button that opens a tab; what stands in the tab."""
    known = engine.windows()
    tool.click("button", button)
    deadline = time.monotonic() + PATIENCE
    while len(engine.windows()) == len(known):
        assert time.monotonic() < deadline, "no tab opened"
        time.sleep(0.1)
    engine.switch(next(one for one in engine.windows() if one not in known))
    return engine.place()


def launched_by(stage: Stage) -> str:
    """What proved the latest launch, as Tassel's log says."""
    lines = (stage.plan.folder / "tassel.log").read_text("utf-8").splitlines()
    launches = [json.loads(line) for line in lines if '"launched"' in line]
    return str(launches[-1]["by"])


# --- the instructor --------------------------------------------------------------------------


def read_grades(tool: Place) -> None:
    """Press "Refresh now", see the progress, see it end."""
    tool.click(*AT_HOME)
    tool.wait("heading", "Reading the grades")
    tool.wait(*AT_HOME)
    tool.wait("text", "grades read")


def map_badge(tool: Place, name: str, marks: tuple[str, str]) -> int:
    """Name a badge, map two assessments, watch the words follow; how many would earn it now."""
    tool.click("link", "badge")
    tool.fill("What is the badge called?", name)
    tool.click("button", "Go on to the assessments")
    tool.wait("heading", "What shows the competency")
    tool.unfold("Add a competency", "What can the learner do?")
    competency = f"show {name}"
    tool.fill("What can the learner do?", competency)
    tool.click("button", "Add", exact=True)
    for place, mark in enumerate(marks):
        tool.choose(f"#competency-{place}", competency)
        tool.fill_css(f"#mark-{place}", mark)
        eventually(f"{mark} in the words", lambda mark=mark: f"{mark}" in tool.text("#words"))
    words = tool.text("#words")
    promise = re.search(r"(\d+) learners? of \d+ would earn it now", words)
    assert promise, words
    return int(promise[1])


def save_and_publish(tool: Place) -> None:
    """Save the draft, then publish it."""
    tool.click("button", "Save draft")
    tool.wait("text", "Saved")
    tool.click("button", "Publish", exact=True)
    tool.wait("heading", "What publishing does")
    tool.click("button", "Publish", exact=True)
    tool.wait("text", "Published.")


def eventually(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = look()
        except EngineError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"Waited too long for {what}.")


# --- the learner -----------------------------------------------------------------------------


def open_badge(tool: Place, name: str) -> None:
    """From the learner's home to the badge."""
    tool.click("link", name)
    tool.wait("heading", "How you earned it")


def share(tool: Place) -> str:
    """Share the badge; the public link."""
    tool.click("button", "Share", exact=True)
    tool.wait("field", "Your public link")
    return tool.value("Your public link")


# --- the whole way ---------------------------------------------------------------------------

ROWS = """() => [...document.querySelectorAll("tbody tr")].map((row) =>
  [...row.cells].map((cell) => cell.innerText.replace(/\\s+/g, " ").trim()))"""


def holder(tool: Place, badge: str) -> str:
    """A learner who got the badge, signed, as the awards of the course show it."""

    def look() -> str:
        tool.click("link", "Awards", exact=True)
        tool.wait("heading", "Awards in")
        rows: list[list[str]] = tool.run(ROWS)
        return next((row[0] for row in rows if badge in row[1] and "issued" in " ".join(row)), "")

    return str(eventually(f"an award of {badge}", look))


def teach(tool: Place, badge: str) -> str:
    """The instructor's part from home to the first award; who got it."""
    read_grades(tool)
    assert map_badge(tool, badge, ("40", "45")) > 0
    save_and_publish(tool)
    tool.click("link", "Badges", exact=True)
    tool.wait("heading", badge)
    return holder(tool, badge)


def both_ways_in(engine: Engine, stage: Stage, badge: str, rung: str) -> None:
    """Teacher, then learner, in the frame; both launches by the rung."""
    tool = enter(engine, stage, TEACHER, AT_HOME)
    assert launched_by(stage) == rung
    name = teach(tool, badge)
    tool = enter(engine, stage, name, ("link", badge))
    assert launched_by(stage) == rung
    open_badge(tool, badge)
    assert share(tool).startswith(stage.public)


def by_a_tab(engine: Engine, stage: Stage) -> None:
    """The teacher comes in by a tab of its own, and works there."""
    become(engine, stage, TEACHER)
    tab = in_new_tab(engine, open_tassel(engine, stage), "Open in a new tab")
    tab.wait(*AT_HOME)
    read_grades(tab)
    engine.shut()
