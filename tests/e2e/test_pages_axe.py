"""Every page of a course in a real Chromium: axe in light and dark, no overflow at 320 pixels,
nothing that the content policy refuses, and the live parts alive."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.mastery.renewal import Renewal, Terms
from app.mastery.validity import Validity
from app.models import (
    Award,
    CollectRun,
    ContentSelection,
    Course,
    CourseSource,
    GradeAccess,
    GradeGrant,
    Installation,
    Person,
)
from app.pipeline import award as awarding
from app.pipeline import revoke, uploads
from app.web.access import TABLE
from tests.course_seed import Seeded, add_ancestor, make_badge, seed, token_for
from tests.e2e.conftest import AXE
from tests.integration.badge_app import ROOT, App

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

GRADES = b"""Student,ID,SIS User ID,Email,Quiz (1),Lab report (2),Final Score
    Points Possible,,,,10,20,(read only)
"Nobody, Known",77,S-77,,8,15,80
"Ruiz, Ana",,,ana@example.edu,B+,15,80
"""
"""A file with a row of nobody, a cell that cannot be read and a total."""

pytestmark = pytest.mark.browser


@pytest.fixture
def made(campus) -> Seeded:
    """A course in which every state of a badge and of an award occurs."""
    made = seed(campus)
    make_badge(made, terms=Terms(Validity("years", 1), Renewal("window", 60)))
    make_badge(made, "Data literacy, level 2", publish=False, clauses=2)
    add_ancestor(made)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    with campus.db.transaction() as session:
        awards = session.scalars(select(Award).where(Award.state == "issued")).all()
        awards[0].state = "needs_recipient"
        awards[2].expires_at = campus.clock() - timedelta(days=1)
        awards[3].expires_at = campus.clock() + timedelta(days=20)
    revoke.revoke(campus, awards[1].id, "The test was repeated.", "person:x")
    return made


def opened(browser: Browser, made: Seeded, person: str, role: str, **options: object) -> Page:
    """A tab of somebody who has come in; what the console complains about is kept."""
    context = browser.new_context(**options)
    context.set_extra_http_headers({"Authorization": f"Bearer {token_for(made, person, role)}"})
    page = context.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda said: _note(page, said.type, said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
    return page


def _note(page: Page, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        page.complaints.append(text)  # type: ignore[attr-defined]


def staff_pages(made: Seeded) -> dict[str, str]:
    """Endpoint to path; the award is one of each state in turn."""
    with made.campus.db.transaction() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).all()[0]
        achievement = award.achievement_id
        here = session.get_one(Course, made.course_id)
        origin = session.scalars(select(Course.id).where(Course.context_id.in_(here.history))).one()
        # One that has a grade source which a token opens.
        for installation in session.scalars(select(Installation)):
            installation.lms = "moodle"
        _connect(session, made)
        selection = ContentSelection(
            course_id=made.course_id,
            person_id=made.teacher,
            return_url="https://lms.example.edu/return",
            data=None,
            accepts=["ltiResourceLink"],
            targets=["iframe"],
            multiple=True,
            created_at=made.campus.clock(),
            expires_at=made.campus.clock() + timedelta(hours=1),
        )
        session.add(selection)
        session.flush()
        content = f"/content/{selection.id}"
    upload = uploads.receive(made.campus, made.course_id, GRADES, made.teacher)
    badge, one = f"/badges/{achievement}", f"/awards/{award.id}"
    return {
        "home": "",
        "new": "/badges/new",
        "badge": badge,
        "look": f"{badge}/look",
        "editions": f"{badge}/editions?edition=ar",
        "example": f"{badge}/example",
        "validity": f"{badge}/validity",
        "endorsements": f"{badge}/endorsements",
        "confirm": f"{badge}/publish",
        "confirm_removal": f"{badge}/remove",
        "standings": f"{badge}/learners",
        "learners": "/learners",
        "learner": f"/learners/{made.learners[0]}",
        "choose_content": content,
        "awards": "/awards",
        "award": one,
        "confirm_revocation": f"{one}/revoke",
        "competencies": "/competencies",
        "all_copies": "/copies",
        "copy": f"/copies/{origin}",
        "settings": "/settings",
        "uploading": "/grades/upload",
        "look_upload": f"/grades/upload/{upload}",
        "grade_token": "/grades/token",
        "sees": "/grades",
        "confirm_disconnect": "/grades/canvas_rest/disconnect",
    }


def _connect(session: Session, made: Seeded) -> None:
    """A source that somebody authorised, and people of whom grades wait."""
    known = select(CourseSource).where(CourseSource.source == "canvas_rest")
    if session.scalar(known) is not None:
        return
    now = made.campus.clock()
    access = GradeAccess(
        installation_id=session.scalars(select(Installation.id)).first() or "",
        source="canvas_rest",
        base_url="https://lms.example.edu",
        created_at=now,
    )
    session.add(access)
    session.flush()
    grant = GradeGrant(access_id=access.id, lms_user_id="8", sealed="", created_at=now)
    session.add(grant)
    session.flush()
    session.add(
        CourseSource(
            course_id=made.course_id,
            source="canvas_rest",
            grant_id=grant.id,
            unjoined=3,
            created_at=now,
        )
    )


def check(page: Page, address: str, where: str) -> None:
    """Axe finds nothing, the page is not wider than the window, the policy refuses nothing."""
    answer = page.goto(address)
    assert answer
    assert answer.status == 200, where
    look(page, where)


def look(page: Page, where: str) -> None:
    """The same for the page that is open."""
    page.wait_for_load_state("networkidle")
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{where} is {wide} pixels wider than the window"
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("tags => axe.run({runOnly: tags})", TAGS)
    problems = [
        (item["id"], [node["html"][:120] for node in item["nodes"]]) for item in found["violations"]
    ]
    assert problems == [], where
    assert len(found["passes"]) > 10, "axe has looked at something"
    assert page.complaints == [], where  # type: ignore[attr-defined]


MODES = pytest.mark.parametrize(
    ("width", "scheme"), [(1180, "light"), (320, "dark")], ids=["wide-light", "narrow-dark"]
)
OTHER_MODES = pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), (1180, "dark")], ids=["narrow-light", "wide-dark"]
)


def size(width: int) -> dict[str, int]:
    return {"width": width, "height": 860}


@MODES
def test_staff_pages(browser: Browser, made: Seeded, server: str, width: int, scheme: str) -> None:
    page = opened(
        browser, made, made.teacher, "instructor", viewport=size(width), color_scheme=scheme
    )
    for name, path in staff_pages(made).items():
        check(page, f"{server}/courses/{made.course_id}{path}", f"{name} {width} {scheme}")
    page.context.close()


@OTHER_MODES
def test_the_main_staff_pages_in_the_other_colours(
    browser: Browser, made: Seeded, server: str, width: int, scheme: str
) -> None:
    page = opened(
        browser, made, made.teacher, "instructor", viewport=size(width), color_scheme=scheme
    )
    paths = staff_pages(made)
    for name in ("home", "badge", "look", "standings", "awards", "award"):
        check(page, f"{server}/courses/{made.course_id}{paths[name]}", f"{name} {width} {scheme}")
    page.context.close()


@MODES
def test_learner_pages(
    browser: Browser, made: Seeded, server: str, width: int, scheme: str
) -> None:
    with made.campus.db.reading() as session:
        awards = {row.state: row for row in session.scalars(select(Award))}
        have = set(session.scalars(select(Award.person_id)))
    options = {"viewport": size(width), "color_scheme": scheme}
    assert set(awards) == {"issued", "needs_recipient", "revoked"}
    for state, award in awards.items():
        page = opened(browser, made, award.person_id, "learner", **options)
        base = f"{server}/courses/{made.course_id}/me"
        seen = f"/record?look=1&named=yes&badge={award.id}"
        own = ("/settings", "/data", "/data/erase")
        for path in ("", f"/badges/{award.id}", "/record", seen, *own):
            check(page, base + path, f"learner {state}{path} {width} {scheme}")
        page.context.close()
    other = next(person for person in made.learners if person not in have)
    page = opened(browser, made, other, "learner", **options)
    base = f"{server}/courses/{made.course_id}/me"
    about = f"/about/{awards['issued'].achievement_id}"
    for path in ("", about):
        check(page, base + path, f"learner in progress{path} {width} {scheme}")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1180, 320])
def test_wallet_pages(browser: Browser, made: Seeded, server: str, width: int, scheme: str) -> None:
    """They are answers to a button, so they are walked to; the badge page then tells of the offer."""
    lasting = select(Award).where(Award.state == "issued", Award.expires_at > made.campus.clock())
    with made.campus.db.reading() as session:
        award = session.scalars(lasting).all()[0]
    options = {"viewport": size(width), "color_scheme": scheme}
    page = opened(browser, made, award.person_id, "learner", **options)
    page.goto(f"{server}/courses/{made.course_id}/me/badges/{award.id}")
    for button, heading in WALLETS:
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()
        look(page, f"{heading} {width} {scheme}")
        page.get_by_role("link", name="Data literacy, level 1").click()
        look(page, f"badge with an offer {width} {scheme}")
    page.context.close()


@MODES
def test_the_pages_on_which_an_app_asks(
    browser: Browser, app: Flask, made: Seeded, server: str, width: int, scheme: str
) -> None:
    """Asking, allowing, and the list of apps; what a browser reads that has not come in."""
    with made.campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).all()[0]
    options = {"viewport": size(width), "color_scheme": scheme}
    asking = App(app.test_client(use_cookies=False), redirect=f"{server}{ROOT}/about").register()
    door = f"{server}{ROOT}/oauth/authorize?"
    page = opened(browser, made, award.person_id, "learner", **options)
    page.goto(door + urlencode(asking.asks()))
    look(page, f"an app asks {width} {scheme}")
    page.get_by_role("button", name="Allow", exact=True).click()
    page.get_by_role("heading", name="Apps and your badges").wait_for()
    assert "code=" in page.url
    look(page, f"about apps {width} {scheme}")
    page.goto(f"{server}/courses/{made.course_id}/me/data")
    page.get_by_text("Portfolio", exact=True).first.wait_for()
    look(page, f"list of apps {width} {scheme}")
    page.get_by_role("button", name="Open Tassel in a tab of its own").click()
    page.get_by_role("heading", name="A tab of its own").wait_for()
    look(page, f"a tab {width} {scheme}")
    page.context.close()
    stranger = browser.new_page(**options)
    for wrong, heading in (
        ({}, "Open Tassel from your course first"),
        ({"scope": "more"}, "The app asked for something that it cannot have"),
    ):
        stranger.complaints = []  # type: ignore[attr-defined]
        stranger.goto(door + urlencode(asking.asks(**wrong)))
        stranger.get_by_role("heading", name=heading).wait_for()
        look(stranger, f"{heading} {width} {scheme}")
    stranger.close()


WALLETS = [
    ("Add to a wallet", "Add to a wallet"),
    ("Learner Credential Wallet", "Add to the Learner Credential Wallet"),
]


def test_every_page_of_the_course_is_among_those_checked(app: Flask, made: Seeded) -> None:
    """A new page has to be added above."""
    parts = {"drawn", "uploaded", "run", "signing", "upload_report"}
    parts |= {"example_picture", "example_file"}
    getters = {
        rule.endpoint.removeprefix("instructor.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("instructor.") and "GET" in (rule.methods or ())
    }
    assert getters - parts == set(staff_pages(made))
    learners = {"learner.home", "learner.badge", "learner.record", "learner.settings"}
    assert learners <= set(TABLE)


def test_the_words_follow_the_table_while_one_types(
    browser: Browser, made: Seeded, server: str
) -> None:
    page = opened(browser, made, made.teacher, "instructor", viewport=size(1180))
    page.goto(f"{server}/courses/{made.course_id}{staff_pages(made)['badge']}")
    words = page.locator("#words")
    before = words.inner_text()
    assert "70" in before
    page.locator("#mark-0").fill("10")
    page.locator("#mark-0").press("Tab")
    page.wait_for_function(
        "before => document.querySelector('#words').innerText !== before", arg=before
    )
    assert "10\N{NO-BREAK SPACE}% in Quiz 3" in words.inner_text()
    assert "pass mark 10" in (page.locator("#outcome svg .mark-text").text_content() or "")
    assert re.fullmatch(r"\d+ of 30", page.locator("#reach-0").inner_text())
    assert page.complaints == []  # type: ignore[attr-defined]
    page.context.close()


def test_a_reading_shows_its_progress_and_then_the_new_numbers(
    browser: Browser, made: Seeded, server: str
) -> None:
    with made.campus.db.transaction() as session:
        run = session.scalars(select(CollectRun)).one()
        run.state, run.done, run.total = "running", 3, 12
    page = opened(browser, made, made.teacher, "instructor", viewport=size(1180))
    page.goto(f"{server}/courses/{made.course_id}")
    page.get_by_text("3 of 12 columns read").wait_for()
    with made.campus.db.transaction() as session:
        run = session.scalars(select(CollectRun)).one()
        run.state, run.done = "done", 12
        session.get_one(Person, made.teacher).name = "unchanged"
    page.get_by_role("button", name="Refresh now").wait_for()
    assert page.locator("#run").count() == 0
    assert page.complaints == []  # type: ignore[attr-defined]
    page.context.close()


@MODES
def test_the_signing_shows_its_progress_and_then_the_new_numbers(
    browser: Browser, made: Seeded, server: str, width: int, scheme: str
) -> None:
    with made.campus.db.transaction() as session:
        issued = session.scalars(select(Award).where(Award.state == "issued")).all()
        for award in issued[:3]:
            award.state = "waiting"
    page = opened(
        browser, made, made.teacher, "instructor", viewport=size(width), color_scheme=scheme
    )
    told = f"{len(issued) - 3} of {len(issued)} signed"
    for path in ("", "/awards"):
        check(page, f"{server}/courses/{made.course_id}{path}", f"signing{path} {width} {scheme}")
        page.get_by_text(told).wait_for()
    with made.campus.db.transaction() as session:
        session.execute(update(Award).where(Award.state == "waiting").values(state="issued"))
    page.get_by_role("link", name=f"issued ({len(issued)})").wait_for()
    assert page.locator("#signing").count() == 0
    assert page.complaints == []  # type: ignore[attr-defined]
    page.context.close()


def test_a_refused_form_moves_the_focus_to_its_errors(
    browser: Browser, made: Seeded, server: str
) -> None:
    page = opened(browser, made, made.teacher, "instructor", viewport=size(1180))
    page.goto(f"{server}/courses/{made.course_id}/badges/new")
    page.locator("#name").fill("x")
    page.get_by_role("button", name="Go on").click()
    page.locator("#errors").wait_for()
    assert page.evaluate("document.activeElement.id") == "errors"
    page.locator("#errors a").click()
    assert page.evaluate("document.activeElement.id") == "name"
    page.context.close()


def test_a_whole_badge_without_a_script(browser: Browser, made: Seeded, server: str) -> None:
    page = opened(
        browser, made, made.teacher, "instructor", viewport=size(700), java_script_enabled=False
    )
    page.goto(f"{server}/courses/{made.course_id}/badges/new")
    page.locator("#name").fill("Plain badge")
    page.get_by_role("button", name="Go on").click()
    page.locator("#competency-0").select_option(made.competencies[0])
    page.locator("#mark-0").fill("30")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("heading", name="What publishing does").wait_for()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("Published. Tassel reads the grades again").wait_for()
    page.context.close()
