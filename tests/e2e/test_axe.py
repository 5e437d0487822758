"""Every page of the demo campus: axe in light and dark, and nothing wider than 320 pixels.

Pages are found by following links, one of each kind, so a new page is looked at by itself. With
TASSEL_TEST_SHOTS a picture of each, wide and narrow, light and dark, goes to that folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import newcomer
from tests.e2e.conftest import AXE, Demo
from tests.e2e.newcomer import BADGE, Published

pytestmark = pytest.mark.browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NARROW = {"width": 320, "height": 860}
FILES = (".json", ".jwt", ".png", ".svg", ".csv", ".zip")
IDS = re.compile(r"(?<=/)([0-9a-f]{8}-[0-9a-f-]{27}|\d+|S-\d+|[A-Za-z0-9_-]{24,})(?=/|$)")


class Eyes:
    """Looks at pages and collects what is wrong with them."""

    def __init__(self, audience: str, shots: Path | None) -> None:
        self.audience = audience
        self.problems: list[tuple[str, str]] = []
        self.seen: dict[str, str] = {}
        """Kind of page (its path with ids left out) to the address that was looked at."""
        self._shots = shots
        self._axe = AXE.read_text("utf-8")

    def look(self, page: Page, name: str) -> None:
        """The page that is shown: wide and light, then narrow and dark (pictures: all four)."""
        for scheme, size in (("light", newcomer.WINDOW), ("dark", NARROW)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)  # type: ignore[arg-type]
            self._picture(page, name, scheme, size["width"])
            self._axe_finds(page, f"{name} {scheme}")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self.problems.append((name, f"{wide} pixels wider than 320"))
        if self._shots:
            page.emulate_media(color_scheme="light")
            self._picture(page, name, "light", 320)
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size(newcomer.WINDOW)  # type: ignore[arg-type]
            self._picture(page, name, "dark", 1180)
        page.set_viewport_size(newcomer.WINDOW)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")

    def _axe_finds(self, page: Page, where: str) -> None:
        page.evaluate(self._axe)
        run = "tags => axe.run(document, {runOnly: tags, iframes: false})"
        found = page.evaluate(run, TAGS)
        assert len(found["passes"]) > 5, f"axe has looked at {where}"
        for item in found["violations"]:
            nodes = [node["html"][:100] for node in item["nodes"]][:3]
            self.problems.append((where, f"{item['id']}: {nodes}"))

    def _picture(self, page: Page, name: str, scheme: str, width: int) -> None:
        if self._shots:
            file = f"{self.audience}-{name}-{width}-{scheme}.png"
            page.screenshot(path=self._shots / file, full_page=True)

    def visit(self, page: Page, address: str, name: str = "", status: int = 200) -> None:
        """Open an address and look."""
        answer = page.goto(address)
        assert answer
        assert answer.status == status, f"{address} answers {answer.status}"
        self.seen[kind(address)] = address
        self.look(page, name or label(address))

    def walk(self, page: Page, start: str, within: str) -> None:
        """Follow the links below ``within``, one address of each kind."""
        waiting = [start]
        while waiting:
            address = waiting.pop(0)
            if kind(address) in self.seen:
                continue
            self.visit(page, address)
            for link in page.locator("a[href]").evaluate_all("all => all.map(a => a.href)"):
                bare = link.split("#")[0]
                path = urlsplit(bare).path
                if bare.startswith(within) and not path.endswith(FILES) and "/file/" not in path:
                    waiting.append(bare)


def kind(address: str) -> str:
    """The path with ids left out."""
    return IDS.sub("*", urlsplit(address).path)


def label(address: str) -> str:
    """A file name for a kind of page."""
    return (
        re.sub(r"[^a-z0-9]+", "-", kind(address).lower().replace("*", "one")).strip("-") or "home"
    )


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = newcomer.fresh(browser, reduced_motion="reduce")
    yield page
    page.context.close()


def test_pages_of_the_instructor(
    published: Published, page: Page, demo: Demo, shots: Path | None
) -> None:
    eyes = Eyes("instructor", shots)
    newcomer.become_teacher(page, demo.stage.lms)
    window = newcomer.open_window(page, demo.stage.lms)
    eyes.walk(window, published.course, published.course)
    eyes.visit(window, published.badge + "/publish", "publish")
    window.goto(published.course + "/badges/new")
    window.get_by_label("What is the badge called?").fill("A draft")
    window.get_by_role("button", name="Go on to the assessments").click()
    expect(window.get_by_role("heading", name="What shows the competency")).to_be_visible()
    eyes.look(window, "draft")
    window.get_by_role("button", name="Publish", exact=True).click()
    expect(window.locator("#errors")).to_be_visible()
    eyes.look(window, "refused-form")
    window.get_by_role("link", name="Remove").click()
    expect(window.get_by_role("heading", name="Remove “A draft”?")).to_be_visible()
    eyes.look(window, "remove")
    window.get_by_role("button", name="Remove").click()
    expect(window.get_by_role("heading", name="Badges in")).to_be_visible()
    assert eyes.problems == []
    assert len(eyes.seen) >= 12, sorted(eyes.seen)


def test_pages_of_learners(
    published: Published, page: Page, browser: Browser, demo: Demo, shots: Path | None
) -> None:
    eyes = Eyes("learner", shots)
    newcomer.become_teacher(page, demo.stage.lms)
    values = newcomer.badge_column(newcomer.gradebook(page, demo.stage.lms))
    have = [name for name, value in values.items() if value == "1"]
    missing = [name for name, value in values.items() if value != "1"]
    newcomer.become(page, demo.stage.lms, have[4])
    window = newcomer.open_window(page, demo.stage.lms)
    home = window.url
    eyes.walk(window, home, home)
    window.goto(home)
    window.get_by_role("heading", name=BADGE, exact=True).get_by_role("link").click()
    window.get_by_role("button", name="Share", exact=True).click()
    expect(window.get_by_label("Your public link")).to_be_visible()
    eyes.look(window, "badge-shared")
    for number, name in enumerate(missing[:3]):
        other = newcomer.fresh(browser)
        newcomer.become(other, demo.stage.lms, name)
        eyes.look(newcomer.open_window(other, demo.stage.lms), f"in-progress-{number}")
        other.context.close()
    assert eyes.problems == []
    assert {path.partition("/me")[2] for path in eyes.seen} == {
        "",
        "/badges/*",
        "/data",
        "/data/erase",
        "/record",
        "/settings",
    }


def shared_badge(page: Page, demo: Demo, place: int) -> tuple[str, str]:
    """Share the badge of one who earned it: the public link, and the award's id."""
    newcomer.become_teacher(page, demo.stage.lms)
    name = newcomer.earners(page, demo.stage.lms)[place]
    newcomer.become(page, demo.stage.lms, name)
    window = newcomer.open_window(page, demo.stage.lms)
    window.get_by_role("heading", name=BADGE, exact=True).get_by_role("link").click()
    window.get_by_role("button", name="Share", exact=True).click()
    link = window.get_by_label("Your public link").input_value()
    return link, urlsplit(window.url).path.rsplit("/", 1)[-1]


def test_pages_for_strangers(
    published: Published,
    browser: Browser,
    page: Page,
    operator: Page,
    demo: Demo,
    shots: Path | None,
) -> None:
    eyes = Eyes("public", shots)
    link, award = shared_badge(page, demo, 5)
    stranger = newcomer.fresh(browser)
    tassel = demo.stage.tassel
    eyes.walk(stranger, link, tassel)
    eyes.walk(stranger, tassel + "/lti/config", tassel)
    operator.goto(f"{tassel}/operator/awards/{award}/revoke")
    operator.get_by_label("Reason").fill("It was given by mistake.")
    operator.get_by_role("button", name="Revoke it").click()
    eyes.visit(stranger, link, "badge-revoked")
    eyes.visit(stranger, link[:-4] + "none", "not-shared", status=404)
    eyes.visit(stranger, tassel + "/nothing-here", "not-found", status=404)
    eyes.visit(stranger, published.course, "not-signed-in", status=401)
    eyes.visit(stranger, tassel + "/lti/login", "launch-refused", status=400)
    invitation = demo.stage.command("platform", "invite", "--lms", demo.stage.lms)
    eyes.visit(stranger, invitation, "invitation")
    stranger.context.close()
    assert eyes.problems == []
    assert len(eyes.seen) >= 8, sorted(eyes.seen)


def test_pages_of_the_operator(
    published: Published, operator: Page, browser: Browser, demo: Demo, shots: Path | None
) -> None:
    eyes = Eyes("operator", shots)
    area = demo.stage.tassel + "/operator"
    eyes.walk(operator, area + "/", area)
    eyes.walk(operator, area + "/platforms/register", area)
    other = newcomer.fresh(browser)
    eyes.visit(other, demo.stage.command("admin", "link", "--name", "second"), "enter")
    other.get_by_role("button", name="Open it in this browser").click()
    other.get_by_role("button", name="Leave the operator's area").click()
    expect(other.get_by_role("heading", name="You have left")).to_be_visible()
    eyes.look(other, "left")
    other.context.close()
    assert eyes.problems == []
    assert len(eyes.seen) >= 17, sorted(eyes.seen)


def test_pages_of_the_demo_lms_and_sis(
    published: Published, page: Page, demo: Demo, shots: Path | None
) -> None:
    eyes = Eyes("demo", shots)
    lms, sis = demo.stage.lms, demo.stage.sis
    eyes.visit(page, lms, "lms-start")
    newcomer.become(page, lms, re.compile("^Ines Administrator"))
    eyes.seen.clear()
    eyes.walk(page, lms + "/admin/tools", lms + "/admin")
    newcomer.become_teacher(page, lms)
    newcomer.open_tassel(page, lms)
    eyes.look(page, "lms-frame")
    course = re.sub(r"/open/.*", "", page.url)
    eyes.walk(page, course, course)
    newcomer.become(page, lms, newcomer.earners(page, lms)[0])
    eyes.visit(page, course + "/grades", "lms-own-grades")
    eyes.walk(page, sis + "/", sis)
    assert eyes.problems == []
    assert len(eyes.seen) >= 7, sorted(eyes.seen)
