"""A teacher places badges in the LMS course by content selection; learners open what was placed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from sqlalchemy import select

from app.db import Database
from app.demo.lms.state import Link
from app.demo.visitor import Page, Visitor
from app.lti.deep_linking import DEEP_LINKING
from app.models import AchievementVersion, ContentSelection, Course, Rule
from app.pipeline import badges
from tests.integration.lti_rig import COURSE, Rig, rig

TEACHER, LEARNER, OTHER = 8, 12, 13


@pytest.fixture(params=["moodle", "canvas"])
def here(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode=request.param, learners=6) as made:
        allow_selection(made)
        yield made


@pytest.fixture
def moodle(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), learners=6) as made:
        allow_selection(made)
        yield made


def allow_selection(here: Rig) -> None:
    for tool in here.lms.app.extensions["demo_lms"].tools.values():
        tool.deep_link_url = tool.target_url


def links(here: Rig) -> list[Link]:
    """What was added by selection, as the LMS keeps it."""
    found = here.lms.app.extensions["demo_lms"].links.values()
    return [link for link in found if link.custom]


def choosing(here: Rig, person: int = TEACHER) -> Visitor:
    """A teacher's browser on the page where content is chosen."""
    browser = Visitor()
    browser.become(here.lms.url, person)
    state = here.lms.app.extensions["demo_lms"]
    course = next(one for one in state.courses.values() if one.label == COURSE)
    tool = next(iter(state.tools.values()))
    browser.get(f"{here.lms.url}/courses/{course.id}/content/{tool.id}")
    browser.enter_frame("tool")
    browser.press_on()
    return browser


def opened(here: Rig, person: int, title: str) -> Page:
    """What somebody sees who opens a placed link."""
    browser = Visitor()
    browser.become(here.lms.url, person)
    return browser.launch(here.lms.url, COURSE, title)


def course_id(here: Rig) -> str:
    with here.db.reading() as session:
        return session.scalars(select(Course.id)).one()


def draft(here: Rig, name: str) -> str:
    return badges.create(here.campus, course_id(here), name, "test")


def enter_once(here: Rig) -> None:
    """The teacher opens Tassel, so that the course is there."""
    browser = Visitor()
    browser.become(here.lms.url, TEACHER)
    browser.launch(here.lms.url, COURSE)


def test_two_badges_become_two_links_and_each_opens_its_own(here: Rig) -> None:
    enter_once(here)
    first, second = draft(here, "Data literacy"), draft(here, "Reading charts")
    browser = choosing(here)
    page = browser.page
    assert page is not None
    assert "Data literacy" in page.text
    browser.submit("Add to the course", item=[first, second])
    assert "2 things are ready" in browser.page.text  # type: ignore[union-attr]
    browser.press_on()
    assert {link.title: link.custom["badge"] for link in links(here)} == {
        "Data literacy": first,
        "Reading charts": second,
    }
    assert all(urlsplit(link.url).query == "" for link in links(here)), "data goes into custom"
    assert not [c for c in here.lms.app.extensions["demo_lms"].columns.values() if c.tag]

    seen = opened(here, LEARNER, "Reading charts")
    assert seen.url.endswith(f"/me/about/{second}")
    assert "Reading charts" in seen.text
    assert "Data literacy" not in seen.text
    assert opened(here, TEACHER, "Data literacy").url.endswith(f"/badges/{first}")


def test_progress_page_can_be_placed_and_opens_on_ones_own(moodle: Rig) -> None:
    browser = choosing(moodle)
    assert "no badge yet" in browser.page.text  # type: ignore[union-attr]
    browser.submit("Add to the course", item=["progress"])
    browser.press_on()
    assert [link.custom for link in links(moodle)] == [{"tassel_view": "progress"}]
    assert urlsplit(opened(moodle, LEARNER, "My badges").url).path.endswith("/me")


def test_first_badge_is_made_on_the_way_and_the_choice_is_kept(moodle: Rig) -> None:
    browser = choosing(moodle)
    page = browser.submit("Make it and choose it", name="Ab", item=["progress"])
    assert page.status == 422
    assert "3 to 200" in page.text
    page = browser.submit("Make it and choose it", name="Data literacy", item=["progress"])
    assert page.status == 200
    browser.submit("Add to the course")
    browser.press_on()
    assert sorted(link.title for link in links(moodle)) == ["Data literacy", "My badges"]


def test_a_place_for_one_takes_one(moodle: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(moodle, monkeypatch, accept_multiple="false")
    enter_once(moodle)
    ids = [draft(moodle, "Data literacy"), draft(moodle, "Reading charts")]
    browser = choosing(moodle)
    assert 'type="radio"' in browser.page.html  # type: ignore[union-attr]
    sent = browser.page  # type: ignore[assignment]
    assert sent is not None
    answer = browser.post(
        sent.url.partition("?")[0], {"item": ids[0]}, origin="http://evil.example/"
    )
    assert answer.status == 403, "a form of another site chooses nothing"
    browser.page = sent
    browser.submit("Add to the course", item=ids[1])
    browser.press_on()
    assert [link.title for link in links(moodle)] == ["Reading charts"]


def limit(here: Rig, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """The LMS asks with other settings."""
    vendor = here.lms.app.extensions["demo_lms"].vendor
    usual = vendor.deep_linking_settings
    monkeypatch.setattr(vendor, "deep_linking_settings", lambda scene: usual(scene) | settings)


def test_nothing_chosen_says_so_and_cancel_adds_nothing(moodle: Rig) -> None:
    browser = choosing(moodle)
    page = browser.submit("Add to the course")
    assert page.status == 422
    assert "Choose what should stand" in page.text
    browser.submit("Back without adding")
    landed = browser.press_on()
    assert "Nothing was added." in landed.text
    assert links(moodle) == []


def test_place_that_takes_no_activities_is_told_apart(
    moodle: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(moodle, monkeypatch, accept_types=["file", "html"])
    browser = choosing(moodle)
    assert "takes no activities" in browser.page.text  # type: ignore[union-attr]
    browser.submit()
    assert "Nothing was added." in browser.press_on().text


def test_answer_is_signed_for_this_request_and_given_once(moodle: Rig) -> None:
    """Recorded from a real Moodle: no ``data`` in the request, so none in the answer."""
    browser = choosing(moodle)
    page = browser.page
    assert page is not None
    answer = browser.submit("Add to the course", item=["progress"])
    form = answer.forms[-1]
    token = next(field.value for field in form.fields if field.name == "JWT")
    claims = jwt.decode(str(token), options={"verify_signature": False})
    tool = moodle.tools[0]
    assert (claims["iss"], claims["aud"]) == (tool["client_id"], [tool["issuer"]])
    assert claims[DEEP_LINKING + "content_items"][0]["type"] == "ltiResourceLink"
    assert DEEP_LINKING + "data" not in claims
    target = form.action
    policy = answer.headers["Content-Security-Policy"]
    assert f"form-action 'self' {moodle.lms.url};" in policy
    assert target.startswith(moodle.lms.url)
    assert token not in answer.url
    browser.page = page
    assert browser.submit("Add to the course", item=["progress"]).status == 409
    with moodle.db.reading() as session:
        assert session.scalars(select(ContentSelection)).one().used_at is not None


def test_other_pages_send_no_form_elsewhere(moodle: Rig) -> None:
    browser = Visitor()
    browser.become(moodle.lms.url, TEACHER)
    page = browser.launch(moodle.lms.url, COURSE)
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]


def test_way_back_to_another_site_is_refused(moodle: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(moodle, monkeypatch, deep_link_return_url="https://evil.example/take")
    page = choosing(moodle).page
    assert page is not None
    assert page.status == 400
    assert "foreign-return" in page.text


def test_somebody_elses_selection_is_unknown(moodle: Rig) -> None:
    """Another teacher of the same course, with the address in hand."""
    first = choosing(moodle).page
    assert first is not None
    path = urlsplit(first.url).path
    base = moodle.campus.settings.public_url
    other = Visitor()
    other.become(moodle.lms.url, 9)
    other.launch(moodle.lms.url, COURSE, window=True)
    assert other.get(base + path).status == 404
    learner = Visitor()
    learner.become(moodle.lms.url, LEARNER)
    learner.launch(moodle.lms.url, COURSE, window=True)
    assert learner.get(base + path).status == 403


def test_link_to_a_badge_that_is_gone_or_elsewhere_opens_the_home_with_a_word(
    moodle: Rig,
) -> None:
    enter_once(moodle)
    gone = draft(moodle, "Data literacy")
    browser = choosing(moodle)
    browser.submit("Add to the course", item=[gone])
    browser.press_on()
    badges.remove_draft(moodle.campus, course_id(moodle), gone, "test")
    seen = opened(moodle, LEARNER, "Data literacy")
    assert "is not in this course" in seen.text
    elsewhere = make_elsewhere(moodle)
    links(moodle)[0].custom["badge"] = elsewhere
    seen = opened(moodle, LEARNER, "Data literacy")
    assert "is not in this course" in seen.text
    assert "Secret badge" not in seen.text


def make_elsewhere(here: Rig) -> str:
    """A badge of another course."""
    with here.db.transaction() as session:
        first = session.scalars(select(Course)).first()
        assert first is not None
        other = Course(
            deployment_id=first.deployment_id,
            context_id="elsewhere",
            services={},
            created_at=here.clock(),
        )
        session.add(other)
        session.flush()
        other_id = other.id
    return badges.create(here.campus, other_id, "Secret badge", "test")


def test_data_is_echoed(db: Database, tmp_path: Path) -> None:
    with rig(db, str(tmp_path), mode="canvas", learners=6) as made:
        allow_selection(made)
        browser = choosing(made)
        answer = browser.submit("Add to the course", item=["progress"])
        token = next(f.value for f in answer.forms[-1].fields if f.name == "JWT")
        claims = jwt.decode(str(token), options={"verify_signature": False})
        assert str(claims[DEEP_LINKING + "data"]).startswith("data-")


def test_names_are_not_used_as_markup(moodle: Rig) -> None:
    enter_once(moodle)
    draft(moodle, "<b>Bold</b> & co")
    page = choosing(moodle).page
    assert page is not None
    assert "<b>Bold" not in page.html


def test_a_badge_that_was_stopped_is_not_offered(moodle: Rig) -> None:
    enter_once(moodle)
    stopped = draft(moodle, "Old badge")
    with moodle.db.transaction() as session:
        session.scalars(select(Rule).where(Rule.achievement_id == stopped)).one().state = "stopped"
        assert session.scalars(select(AchievementVersion.name)).all() == ["Old badge"]
    page = choosing(moodle).page
    assert page is not None
    assert "Old badge" not in page.text
