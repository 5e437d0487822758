"""What a newcomer does at the demo campus, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

COURSE = "STAT 101"
BADGE = "Data literacy, level 1"
COMPETENCY = "interpret data displays"
MARKS = ("80", "75")
WINDOW = {"width": 1180, "height": 860}
PATIENCE = 60_000


@dataclass
class Published:
    """What the instructor saw on the way to the first badge."""

    course: str
    """Address of the course's home in Tassel."""
    badge: str
    """Address of the badge's mapping page in Tassel."""
    words: list[str] = field(default_factory=list)
    """The rule in words: before mapping, after each change."""
    assessments: tuple[str, str] = ("", "")
    promised: int = 0
    """How many learners the mapping page said would earn it now."""
    issued: int = 0
    """How many of them were signed; the others wait for an e-mail address."""
    framed_by: str = ""
    """Address of the page in whose frame all this happened."""
    complaints: list[str] = field(default_factory=list)


def fresh(browser: Browser, **options: Any) -> Page:
    """A tab of a private window; ``page.complaints`` keeps what its console complains about."""
    context = browser.new_context(**{"viewport": WINDOW, "locale": "en-GB", **options})
    page = context.new_page()
    noted: list[str] = []
    page.complaints = noted  # type: ignore[attr-defined]
    page.on("console", lambda said: said.type in ("error", "warning") and noted.append(said.text))
    page.on("pageerror", lambda error: noted.append(str(error)))
    return page


def eventually(what: str, look: Callable[[], Any], seconds: float = PATIENCE / 1000) -> Any:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"Waited too long for {what}.")


# --- in the LMS ------------------------------------------------------------------------------


def become(page: Page, lms: str, name: str | re.Pattern[str]) -> None:
    """Choose a person by the name, or by what stands beside it."""
    page.goto(lms)
    line = page.get_by_role("main").locator("li").filter(has=page.locator("button"), has_text=name)
    if not line.first.is_visible():
        page.get_by_text("Learners who have not opened the tool yet").click()
    line.first.get_by_role("button").click()


def become_teacher(page: Page, lms: str) -> None:
    become(page, lms, re.compile(f"teacher in {COURSE}"))


def open_course(page: Page, lms: str) -> None:
    page.goto(lms)
    page.get_by_role("link", name=f"{COURSE}:").click()


def open_tassel(page: Page, lms: str) -> FrameLocator:
    """Click Tassel in the course; what then stands inside the LMS's frame."""
    open_course(page, lms)
    page.get_by_role("navigation", name="Course").get_by_role("link", name="Tassel").click()
    tool = page.frame_locator("iframe#tool")
    expect(tool.get_by_role("heading", level=1)).to_be_visible(timeout=PATIENCE)
    return tool


def open_window(page: Page, lms: str) -> Page:
    """Tassel in a window of its own, as without scripts; the page in which it opened."""
    open_course(page, lms)
    page.get_by_role("navigation", name="Course").get_by_role("link", name="Tassel").click()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open in a new window").click()
    window = opened.value
    for _ in range(3):  # the protocol's forms, which submit themselves where scripts run
        window.wait_for_load_state()
        onward = window.get_by_role("button", name="Continue")
        if "/courses/" in window.url and not onward.count():
            break
        onward.click()
    expect(window.get_by_role("heading", level=1)).to_be_visible()
    return window


def gradebook(page: Page, lms: str) -> list[list[str]]:
    """The teacher's gradebook: the head, then a row for each learner."""
    open_course(page, lms)
    page.get_by_role("link", name="Grades", exact=True).click()
    rows = page.locator("table tr")
    return rows.evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell =>"
        " (cell.querySelector('.label, a') || cell).innerText.trim()))"
    )


def badge_column(rows: list[list[str]], badge: str = BADGE) -> dict[str, str]:
    """Value of the badge's column by learner; empty without the column."""
    places = [n for n, title in enumerate(rows[0]) if badge in title]
    return {row[0]: row[places[0]] for row in rows[1:]} if places else {}


# --- the instructor --------------------------------------------------------------------------


def publish_first_badge(page: Page, lms: str) -> Published:
    """Become the instructor, launch in the frame, map two assessments, publish, see it arrive."""
    become_teacher(page, lms)
    tool = open_tassel(page, lms)
    read_grades(tool)
    tool.get_by_role("link", name="Make the first badge").click()
    seen = make_badge(tool, BADGE, COMPETENCY, MARKS)
    frame = page.frame(name="tool")
    assert frame is not None
    seen.framed_by, seen.badge = page.url, frame.url.split("?")[0].split("#")[0]
    seen.course = seen.badge.split("/badges/")[0]
    publish(tool)
    seen.complaints += page.complaints  # type: ignore[attr-defined]
    seen.issued = eventually("every award", lambda: awards_issued(page, lms, seen.promised))
    eventually(
        "the badge in the gradebook of everybody who got it",
        lambda: len(earners(page, lms)) == seen.issued,
    )
    return seen


def read_grades(tool: FrameLocator | Page) -> None:
    """Press "Refresh now" and see the reading end."""
    again = tool.get_by_role("button", name="Refresh now")
    expect(again).to_be_visible(timeout=PATIENCE)
    again.click()
    expect(tool.get_by_role("heading", name="Reading the grades")).to_be_visible()
    expect(again).to_be_visible(timeout=PATIENCE)
    expect(tool.get_by_text(re.compile(r"\d+ learners · grades read"))).to_be_visible()


def make_badge(
    tool: FrameLocator | Page, name: str, competency: str, marks: tuple[str, str]
) -> Published:
    """Name it, write down the competency, map the first two assessments with a mark each."""
    tool.get_by_label("What is the badge called?").fill(name)
    tool.get_by_role("button", name="Go on to the assessments").click()
    expect(tool.get_by_role("heading", name="What shows the competency")).to_be_visible()
    statement = tool.get_by_label("What can the learner do?")
    if not statement.is_visible():
        tool.get_by_text("Add a competency").click()
    statement.fill(competency)
    tool.get_by_role("button", name="Add", exact=True).click()
    expect(tool.locator("#competency-0 option", has_text=competency)).to_have_count(1)
    seen = Published("", "")
    words = tool.locator("#words")
    seen.words.append(words.inner_text())
    for place, mark in enumerate(marks):
        tool.locator(f"#competency-{place}").select_option(label=competency)
        tool.locator(f"#mark-{place}").fill(mark)
        tool.locator(f"#mark-{place}").press("Tab")
        expect(words).to_contain_text(re.compile(rf"{mark}\s%"))
        seen.words.append(words.inner_text())
    titles = tool.locator("table.mapping tbody strong").all_inner_texts()
    seen.assessments = (titles[0], titles[1])
    promise = re.search(r"(\d+) learners? of \d+ would earn it now", seen.words[-1])
    assert promise, seen.words[-1]
    seen.promised = int(promise[1])
    return seen


def publish(tool: FrameLocator | Page) -> None:
    tool.get_by_role("button", name="Publish", exact=True).click()
    expect(tool.get_by_role("heading", name="What publishing does")).to_be_visible()
    tool.get_by_label("Show it in the course gradebook").check()
    tool.get_by_role("button", name="Publish", exact=True).click()
    expect(tool.get_by_text("Published.")).to_be_visible()


def awards_issued(page: Page, lms: str, promised: int) -> int:
    """How many awards are signed, once every promised one is there; else 0.

    Without an e-mail address an award stands and waits for a recipient.
    """
    tool = open_tassel(page, lms)
    tool.get_by_role("link", name="Awards").click()
    expect(tool.get_by_role("heading", name="Awards in")).to_be_visible()
    states = tool.get_by_role("navigation", name="State").all_inner_texts()
    counted = {
        name: int(n) for name, n in re.findall(r"([a-z][a-z -]+) \((\d+)\)", " ".join(states))
    }
    done = sum(counted.get(one, 0) for one in ("issued", "needs an e-mail address", "revoked"))
    return counted["issued"] if done == promised else 0


def earners(page: Page, lms: str) -> list[str]:
    """Learners whose badge column has a value, for the teacher at this page."""
    return [name for name, value in badge_column(gradebook(page, lms)).items() if value == "1"]


# --- anybody ---------------------------------------------------------------------------------


def texts(found: Locator) -> str:
    """Text of a part of a page on one line."""
    return " ".join(found.inner_text().split())
