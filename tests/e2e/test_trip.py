"""The newcomer's way through the demo campus, with and without scripts."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.e2e import newcomer
from tests.e2e.conftest import Demo
from tests.e2e.newcomer import BADGE, COMPETENCY, Published

pytestmark = pytest.mark.browser

REASON = "The second lab was repeated under supervision."


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """Somebody's own window."""
    page = newcomer.fresh(browser)
    yield page
    page.context.close()


def holders(page: Page, demo: Demo) -> list[str]:
    """Names of learners with the badge, as the teacher's gradebook shows them."""
    newcomer.become_teacher(page, demo.stage.lms)
    return newcomer.earners(page, demo.stage.lms)


def open_badge(page: Page, demo: Demo, name: str) -> FrameLocator:
    """Become a learner and open the earned badge inside the LMS's frame."""
    newcomer.become(page, demo.stage.lms, name)
    tool = newcomer.open_tassel(page, demo.stage.lms)
    tool.get_by_role("heading", name=BADGE, exact=True).get_by_role("link").click()
    expect(tool.get_by_role("heading", name="How you earned it")).to_be_visible()
    return tool


def share(tool: FrameLocator, named: bool = False) -> str:
    """Press Share; returns the public link. A badge that is shared already keeps its link."""
    button = tool.get_by_role("button", name="Share", exact=True)
    expect(button.or_(tool.get_by_label("Your public link"))).to_be_visible()
    if button.is_visible():
        if named:
            tool.get_by_label("Show my name on the public page").check()
        button.click()
    return tool.get_by_label("Your public link").input_value()


def test_the_words_followed_the_mapping_and_kept_their_promise(
    published: Published, demo: Demo
) -> None:
    first, one, two = published.words
    assert len({first, one, two}) == 3
    assert published.assessments[0] in one
    assert published.assessments[1] not in one
    assert all(title in two for title in published.assessments)
    assert published.framed_by.startswith(demo.stage.lms)
    assert published.badge.startswith(demo.stage.tassel)
    assert 0 < published.promised < 30, "some have earned it and some have not"
    assert published.complaints == []
    assert 0 < published.issued <= published.promised


def test_the_gradebook_shows_the_badge_to_those_who_earned_it(
    published: Published, visitor: Page, demo: Demo
) -> None:
    newcomer.become_teacher(visitor, demo.stage.lms)
    rows = newcomer.gradebook(visitor, demo.stage.lms)
    values = newcomer.badge_column(rows)
    assert len(values) == 30
    assert set(values.values()) == {"1", "\N{EN DASH}"}, "full points or nothing, never a zero"
    places = [rows[0].index(title) for title in published.assessments]
    for row in rows[1:]:
        if values[row[0]] == "1":
            assert "\N{EN DASH}" not in [row[place] for place in places]


def test_the_sis_page_shows_the_record(published: Published, visitor: Page, demo: Demo) -> None:
    name = holders(visitor, demo)[0]
    visitor.goto(demo.stage.sis)
    row = visitor.get_by_role("row").filter(has_text=name.split()[-1])
    expect(row).to_contain_text(BADGE, timeout=newcomer.PATIENCE)
    row.get_by_role("link").click()
    card = visitor.get_by_role("article").filter(has_text=BADGE)
    expect(card).to_contain_text("active")
    expect(card).to_contain_text("STAT")


def test_a_learner_shares_the_badge_and_a_stranger_checks_it(
    published: Published, browser: Browser, visitor: Page, demo: Demo, tmp_path: Path
) -> None:
    name = holders(visitor, demo)[0]
    tool = open_badge(visitor, demo, name)
    link = share(tool)
    stranger = newcomer.fresh(browser)
    answer = stranger.goto(link)
    assert answer
    assert answer.status == 200
    expect(stranger.get_by_text("Verified just now")).to_be_visible()
    assert stranger.locator("ul.checks .mark.bad").count() == 0
    assert stranger.locator("ul.checks .mark.good").count() >= 4
    assert name.split()[-1] not in stranger.content(), "no name without consent"
    files = {kind: download(stranger, kind, tmp_path) for kind in ("JSON", "JWT", "PNG")}
    assert_one_credential(files)
    assert stranger.complaints == []  # type: ignore[attr-defined]
    stranger.context.close()
    own = download(tool, "PNG", tmp_path, visitor)
    assert unbaked(own) == files["JSON"], "the learner's own download is the same credential"
    assert visitor.complaints == []  # type: ignore[attr-defined]
    tool.get_by_role("button", name="Stop sharing").click()
    expect(tool.get_by_role("button", name="Share", exact=True)).to_be_visible()
    closed = visitor.request.get(link)
    assert closed.status in (404, 410)
    assert BADGE not in closed.text()


def download(
    place: Page | FrameLocator, kind: str, folder: Path, window: Page | None = None
) -> bytes:
    """Press the link or button for a kind of file; its bytes as they arrived."""
    page = window or place
    assert isinstance(page, Page)
    words = re.compile(kind)
    with page.expect_download() as waited:
        place.get_by_role("button", name=words).or_(
            place.get_by_role("link", name=words)
        ).first.click()
    path = folder / waited.value.suggested_filename
    waited.value.save_as(path)
    assert path.suffix.lower() in (".json", ".jwt", ".png", ".txt")
    return path.read_bytes()


def unbaked(png: bytes) -> bytes:
    """The credential inside a picture, read with another program's PNG code."""
    with Image.open(io.BytesIO(png)) as picture:
        picture.load()
        return picture.text["openbadgecredential"].encode()  # type: ignore[attr-defined]


def assert_one_credential(files: dict[str, bytes]) -> None:
    """Three files, one credential."""
    document = json.loads(files["JSON"])
    assert "OpenBadgeCredential" in document["type"]
    assert document["credentialSubject"]["achievement"]["name"] == BADGE
    assert unbaked(files["PNG"]) == files["JSON"]
    payload = files["JWT"].split(b".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    assert claims.get("vc", claims)["id"] == document["id"]


def test_an_operator_takes_an_award_back(
    published: Published, browser: Browser, visitor: Page, operator: Page, demo: Demo
) -> None:
    name = holders(visitor, demo)[1]
    link = share(open_badge(visitor, demo, name), named=True)
    stranger = newcomer.fresh(browser)
    stranger.goto(link)
    expect(stranger.get_by_text("Verified just now")).to_be_visible()
    assert name in stranger.content(), "with consent the page says who holds it"
    operator.get_by_role("link", name="Deliveries", exact=True).click()
    expect(operator.get_by_role("row").filter(has_text=BADGE).first).to_be_visible()
    number = student_number(demo, name)
    operator.get_by_role("link", name="Awards", exact=True).click()
    operator.get_by_label("Find").fill(number)
    operator.get_by_role("button", name="Show").click()
    operator.get_by_role("row").filter(has_text=BADGE).get_by_role("link").click()
    operator.get_by_role("link", name="Revoke").click()
    operator.get_by_label("Reason").fill(REASON)
    operator.get_by_role("button", name="Revoke it").click()
    expect(operator.get_by_text("The award was revoked.")).to_be_visible()
    stranger.reload()
    expect(stranger.get_by_text("The issuer has taken this badge back.")).to_be_visible()
    assert REASON not in stranger.content(), "the reason is for the learner"
    stranger.context.close()
    tool = newcomer.open_tassel(visitor, demo.stage.lms)
    tool.get_by_role("heading", name=BADGE, exact=True).get_by_role("link").click()
    expect(tool.get_by_text(REASON)).to_be_visible()
    newcomer.eventually("the withdrawal at the SIS", lambda: withdrawn(visitor, demo, number))
    newcomer.eventually("the empty cell", lambda: name not in holders(visitor, demo))


def student_number(demo: Demo, name: str) -> str:
    """What the registrar calls a person."""
    people = demo.stage.control(demo.stage.lms, "state", parts="people")["people"]
    return next(str(person["sis_id"]) for person in people if person["name"] == name)


def withdrawn(page: Page, demo: Demo, number: str) -> bool:
    """Whether the SIS holds the badge of a student no more and shows who was asked to delete it."""
    page.goto(demo.stage.sis)
    if not page.get_by_role("row").filter(has_text="Deleted").count():
        return False
    page.goto(f"{demo.stage.sis}/students/{number}")
    return BADGE not in page.get_by_role("main").inner_text()


def test_a_learner_who_has_not_earned_it_sees_what_is_missing(
    published: Published, visitor: Page, demo: Demo
) -> None:
    newcomer.become_teacher(visitor, demo.stage.lms)
    rows = newcomer.gradebook(visitor, demo.stage.lms)
    values, place = newcomer.badge_column(rows), rows[0].index(published.assessments[0])
    low = [row for row in rows[1:] if values[row[0]] != "1" and 0 < marks(row[place]) < 8]
    newcomer.become(visitor, demo.stage.lms, low[0][0])
    tool = newcomer.open_tassel(visitor, demo.stage.lms)
    expect(tool.get_by_role("heading", name=f"Next: {BADGE}")).to_be_visible()
    step = tool.locator("ul.checks li").filter(has_text=published.assessments[0])
    expect(step).to_contain_text(re.compile(r"80\s%"))
    expect(step).to_contain_text(re.compile(rf"{marks(low[0][place]) * 10:g}\s%"))
    expect(step).to_contain_text(COMPETENCY)
    assert tool.get_by_role("link", name="Share or download").count() == 0
    assert visitor.complaints == []  # type: ignore[attr-defined]


def marks(cell: str) -> float:
    """Points in a cell of the gradebook; none counts as 0."""
    found = re.match(r"[\d.]+", cell)
    return float(found[0]) if found else 0.0


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A window in which no script runs."""
    page = newcomer.fresh(browser, java_script_enabled=False)
    yield page
    page.context.close()


def test_an_instructor_maps_and_publishes_without_scripts(
    published: Published, plain: Page, demo: Demo
) -> None:
    newcomer.become_teacher(plain, demo.stage.lms)
    tool = newcomer.open_window(plain, demo.stage.lms)
    tool.get_by_role("link", name="New badge").click()
    tool.get_by_label("What is the badge called?").fill("Without scripts")
    tool.get_by_role("button", name="Go on to the assessments").click()
    before = tool.locator("#words").inner_text()
    for place in (2, 3):
        tool.locator(f"#competency-{place}").select_option(label=COMPETENCY)
        tool.locator(f"#mark-{place}").fill("95")
    tool.get_by_role("button", name="Save draft").last.click()
    after = tool.locator("#words").inner_text()
    assert after != before
    assert re.search(r"95\s%", after)
    newcomer.publish(tool)
    tool.get_by_role("link", name="Badges", exact=True).first.click()
    expect(tool.get_by_role("heading", name="Without scripts")).to_be_visible()


def test_a_learner_reads_shares_and_downloads_without_scripts(
    published: Published, plain: Page, demo: Demo, tmp_path: Path
) -> None:
    newcomer.become(plain, demo.stage.lms, holders(plain, demo)[2])
    tool = newcomer.open_window(plain, demo.stage.lms)
    tool.get_by_role("heading", name=BADGE, exact=True).get_by_role("link").click()
    files = {kind: download(tool, kind, tmp_path) for kind in ("JSON", "JWT", "PNG")}
    assert_one_credential(files)
    tool.get_by_role("button", name="Share", exact=True).click()
    link = tool.get_by_label("Your public link").input_value()
    plain.goto(link)
    expect(plain.get_by_text("Verified just now")).to_be_visible()
