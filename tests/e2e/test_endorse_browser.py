"""A partner signs in a real browser; what leaves it, what stays, and every page on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select

from app.credentials import files
from app.models import Award
from app.pipeline import award as awarding
from tests.course_seed import Seeded, make_badge, seed
from tests.e2e.test_pages_axe import MODES, look, opened, size

pytestmark = pytest.mark.browser


@pytest.fixture
def made(campus) -> Seeded:
    made = seed(campus, learners=6)
    make_badge(made)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    return made


def signed_by_hand(page: Page, folder: Path) -> dict[str, str]:
    """Fill in and sign; returns the key that was made, as the partner saves it."""
    page.locator("#name").fill("Nordlicht Analytics <GmbH>")
    page.locator("#url").fill("https://nordlicht.example")
    page.locator("#comment").fill(
        "Whoever has this badge starts with us without a test.\nEvery year."
    )
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_role("heading", name="Signed. Not sent yet.").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the key").click()
    download.value.save_as(folder / "key.json")
    return dict(json.loads((folder / "key.json").read_text()))


@MODES
def test_from_the_teachers_link_to_the_learners_file(
    browser: Browser, made: Seeded, server: str, tmp_path: Path, width: int, scheme: str
) -> None:
    options = {"viewport": size(width), "color_scheme": scheme}
    with made.campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
    assert award
    teacher = opened(browser, made, made.teacher, "instructor", **options)
    course = f"{server}/courses/{made.course_id}"
    teacher.goto(f"{course}/badges/{award.achievement_id}")
    teacher.get_by_role("link", name="Endorsements").click()
    teacher.locator("#partner").fill("Nordlicht")
    teacher.get_by_role("button", name="Make a link").click()
    look(teacher, f"link {width} {scheme}")
    link = teacher.locator(".once input").input_value()

    partner = opened(browser, made, made.teacher, "nobody", **options)
    partner.context.set_extra_http_headers({})
    sent: list[str] = []
    partner.on("request", lambda request: sent.append(request.post_data or ""))
    partner.goto(server + "/" + link.partition("//")[2].partition("/")[2])
    look(partner, f"invited {width} {scheme}")
    key = signed_by_hand(partner, tmp_path)
    partner.get_by_text("What was signed, word by word").click()
    look(partner, f"signed {width} {scheme}")
    partner.get_by_role("button", name="Send the endorsement").click()
    partner.get_by_text("it has arrived").wait_for()
    look(partner, f"given {width} {scheme}")
    assert key["x"] in "".join(sent)
    assert key["d"] not in "".join(sent), "the private half stays in the browser"

    teacher.goto(f"{course}/badges/{award.achievement_id}/endorsements")
    look(teacher, f"received {width} {scheme}")
    teacher.get_by_role("button", name="Accept").click()
    teacher.get_by_text("Badges that are signed from now on carry it.").wait_for()
    look(teacher, f"accepted {width} {scheme}")

    learner = opened(browser, made, award.person_id, "learner", **options)
    learner.goto(f"{course}/me/badges/{award.id}")
    look(learner, f"offered {width} {scheme}")
    learner.get_by_role("button", name="Sign my badge again").click()
    learner.get_by_role("button", name="Share", exact=True).click()
    public = learner.locator("#link").input_value()
    stranger = opened(browser, made, made.teacher, "nobody", **options)
    stranger.goto(server + "/b/" + public.rpartition("/")[2])
    stranger.get_by_text("Nordlicht Analytics <GmbH>").wait_for()
    look(stranger, f"public {width} {scheme}")
    stranger.goto(f"{server}/achievements/{award.achievement_id}")
    look(stranger, f"achievement {width} {scheme}")
    with made.campus.db.reading() as session:
        document = json.loads(files.current(session, award.id).document)
    (inside,) = document["credentialSubject"]["achievement"]["endorsement"]
    assert inside["credentialSubject"]["endorsementComment"].endswith("test.\nEvery year.")
    for page in (teacher, partner, learner, stranger):
        page.context.close()
