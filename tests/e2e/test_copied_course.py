"""A course is copied in the LMS; three clicks later its badges stand in the copy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.e2e import newcomer
from tests.e2e.conftest import Demo
from tests.e2e.newcomer import BADGE, COMPETENCY, MARKS, Published

pytestmark = pytest.mark.browser


def open_copy(page: Page) -> FrameLocator:
    """Copy the course whose page is open, and click Tassel in the copy."""
    page.get_by_role("button", name="Copy this course").click()
    expect(page.get_by_text("Spring 2027")).to_be_visible()
    page.get_by_role("navigation", name="Course").get_by_role("link", name="Tassel").click()
    return page.frame_locator("iframe#tool")


def test_three_clicks(
    published: Published, browser: Browser, demo: Demo, shots: Path | None
) -> None:
    page = newcomer.fresh(browser)
    newcomer.become_teacher(page, demo.stage.lms)
    newcomer.open_course(page, demo.stage.lms)
    tool = open_copy(page)
    expect(tool.get_by_text("This course was copied from STAT 101")).to_be_visible(
        timeout=newcomer.PATIENCE
    )
    expect(tool.get_by_text("grades read")).to_be_visible(timeout=newcomer.PATIENCE)
    picture(page, shots, "offer")
    tool.get_by_role("link", name=re.compile(r"^Bring its \d+ badges?$")).click()  # one
    expect(tool.get_by_role("heading", name="1 column needs your eye")).to_be_visible()
    changed, kept = published.assessments
    doubt = tool.get_by_role("group", name=re.compile(re.escape(changed)))
    expect(tool.get_by_text(f"Here: “{kept}”")).to_be_visible()
    picture(page, shots, "copy")
    doubt.get_by_label(f"“{changed} (spring)”").check()  # two
    tool.get_by_role("button", name="Bring as drafts").click()  # three
    expect(tool.get_by_text("The badges are here as drafts.")).to_be_visible()
    tool.get_by_role("link", name=BADGE).click()
    words = newcomer.texts(tool.locator("#words"))
    for title, mark in zip((f"{changed} (spring)", kept), MARKS, strict=True):
        assert re.search(rf"{mark}\s% in {re.escape(title)}", words), words
    tool.get_by_role("link", name="Competencies", exact=True).click()
    expect(tool.get_by_role("heading", name="Competencies", level=1)).to_be_visible()
    expect(tool.get_by_role("cell", name=COMPETENCY)).to_be_visible()
    assert page.complaints == []  # type: ignore[attr-defined]
    page.context.close()


def picture(page: Page, shots: Path | None, name: str) -> None:
    if shots is not None:
        page.screenshot(path=shots / f"copied-{name}.png", full_page=True)
