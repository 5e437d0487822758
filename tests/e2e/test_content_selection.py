"""A teacher places two badges from inside the LMS's frame; a learner opens one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from app.demo.running import open_campus
from app.demo.stage import Plan, Stage
from tests.e2e import newcomer
from tests.e2e.conftest import AXE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stage(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    plan = Plan(tmp_path_factory.mktemp("content"), lms_host="localhost")
    with Stage(plan) as stage:
        open_campus(stage)
        yield stage


def test_two_badges_are_placed_and_a_learner_opens_one(
    strict_browser: Browser, stage: Stage
) -> None:
    page = newcomer.fresh(strict_browser)
    newcomer.become_teacher(page, stage.lms)
    newcomer.open_course(page, stage.lms)
    page.get_by_role("link", name="Select content from Tassel").click()
    tool = page.frame_locator("iframe#tool")
    expect(tool.get_by_text("This course has no badge yet")).to_be_visible(
        timeout=newcomer.PATIENCE
    )
    for name in ("Data literacy", "Reading charts"):
        tool.get_by_label("What is the badge called?").fill(name)
        tool.get_by_role("button", name="Make it and choose it").click()
        expect(tool.get_by_role("checkbox", name=name)).to_be_checked()
    expect(tool.get_by_role("checkbox", name="Data literacy")).to_be_checked()
    frame = page.frame(name="tool")
    assert frame is not None
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        frame.evaluate(AXE.read_text("utf-8"))
        assert frame.evaluate("async () => (await axe.run()).violations") == []
    page.emulate_media(color_scheme="light")
    tool.get_by_role("button", name="Add to the course").click()
    expect(tool.get_by_role("heading", name="Added to STAT 101")).to_be_visible()
    assert page.complaints == []  # type: ignore[attr-defined]

    page.goto(stage.lms)
    page.get_by_text("Learners who have not opened the tool yet").click()
    page.locator("details li button").first.click()
    newcomer.open_course(page, stage.lms)
    page.get_by_role("link", name="Reading charts").click()
    expect(tool.get_by_role("heading", name="Reading charts")).to_be_visible()
    expect(tool.get_by_text("Data literacy")).to_have_count(0)
    page.context.close()
