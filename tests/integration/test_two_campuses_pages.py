"""Two schools with one issuer and equal ids: what people of one see, open and change of the other.

What LMSs and the worker do is in ``test_two_campuses``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule as Route

from app.demo.visitor import Visitor
from app.errors import Invalid, NotFound
from app.lti import registration
from app.lti.deep_linking import DEEP_LINKING
from app.lti.vocabulary import CLAIM, FOR_USER_CLAIM
from app.main import create_app
from app.models import (
    AppClient,
    AppConsent,
    Award,
    ContentSelection,
    Course,
    Deployment,
    Endorsement,
    GradeUpload,
    Installation,
)
from app.pipeline import copies, endorse
from app.wallet.app_clients import SCOPES as APP_SCOPES
from tests import operator_seed
from tests.integration.campuses_rig import (
    ADMIN,
    FIRST_LEARNER,
    LABEL,
    TEACHER,
    School,
    belongings,
    two_schools,
)

COURSE = 3
OUTSIDE = ("api.", "instructor.drawn")
"""Routes that ask for a token instead of a launch, and pictures that are drawn for everybody."""
WITHOUT_LOOKING = {"instructor.drop_upload": 303, "instructor.undo_upload": 409}
"""Look within the course only and find nothing: to delete, which is no error; to take back."""

SHARED = ("https://canvas.instructure.com", "https://sso.canvaslms.com", "https://blackboard.com")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[School, School]]:
    with two_schools(tmp_path_factory.mktemp("campuses")) as made:
        yield made


@pytest.fixture(params=["East", "West"])
def pair(request: pytest.FixtureRequest, both: tuple[School, School]) -> tuple[School, School]:
    """One school and the other, both ways round."""
    return both if request.param == "East" else (both[1], both[0])


@pytest.fixture(scope="module")
def app(both: tuple[School, School]) -> Flask:
    return create_app(both[0].campus.settings, both[0].campus)


@pytest.fixture
def operator(app: Flask, both: tuple[School, School]) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    operator_seed.enter(client, both[0].campus)
    return client


# --- registration ------------------------------------------------------------------------------


@pytest.mark.parametrize("lms", ["canvas", "blackboard"])
def test_schools_do_not_become_one_for_want_of_an_address(
    operator: FlaskClient, both: tuple[School, School], lms: str
) -> None:
    """People are unique within the address of an LMS: what every school shares is no address."""
    issuer = "https://canvas.instructure.com" if lms == "canvas" else "https://blackboard.com"
    form = {
        "issuer": issuer,
        "client_id": "10000000000777",
        "auth_url": "https://sso.example.com/auth",
        "token_url": "https://sso.example.com/token",
        "jwks_url": "https://sso.example.com/jwks",
    }
    for origin in ("", *SHARED):
        answer = operator.post(
            f"/operator/platforms/register/{lms}", data=form | {"origin": origin}
        )
        assert answer.status_code == 422, origin
        assert 'href="#origin"' in answer.text
    for origin in SHARED:
        with pytest.raises(Invalid):
            registration.invite(both[0].campus.db, origin, both[0].campus.clock())
    with both[0].db.reading() as session:
        assert len(session.scalars(select(Installation)).all()) == 2


# --- other people's pages ----------------------------------------------------------------------


def routes(app: Flask, *needed: str) -> list[tuple[Route, str]]:
    """Every page and form that is about a course or a person, as (route, method)."""
    found = [
        (route, method)
        for route in app.url_map.iter_rules()
        for method in sorted((route.methods or set()) & {"GET", "POST"})
        if set(needed) & route.arguments and not route.endpoint.startswith(OUTSIDE)
    ]
    assert len(found) > 10
    return found


def things_of(school: School) -> dict[str, Any]:
    """An id of every kind that a path can carry, all of them real and of this school."""
    teacher, learner = school.person(TEACHER).id, school.person(FIRST_LEARNER).id
    times = {"created_at": school.clock(), "expires_at": school.clock() + timedelta(hours=1)}
    owned = {"course_id": school.course_id, "person_id": teacher}
    with school.db.transaction() as session:
        chosen = ContentSelection(
            **owned, **times, return_url=school.lms.url, accepts=["ltiResourceLink"], targets=[],
            multiple=True,
        )  # fmt: skip
        upload = GradeUpload(**owned, **times, sealed=school.campus.box.seal(b"name,quiz"))
        app = AppClient(
            name="Backpack", redirect_uris=["https://app.example/back"], scopes=list(APP_SCOPES),
            auth_method="none", created_at=school.clock(), used_at=school.clock(),
        )  # fmt: skip
        session.add_all((chosen, upload, app))
        session.flush()
        consent = AppConsent(
            client_id=app.id, person_id=learner, scopes=list(APP_SCOPES), place="app.example",
            started_at=school.clock(),
        )  # fmt: skip
        session.add(consent)
        award = session.scalars(
            select(Award).where(Award.achievement_id == school.badge_id)
        ).first()
        assert award is not None
    endorse.invite(school.campus, school.badge_id, "Partner Ltd", "test")
    with school.db.reading() as session:
        asked = session.scalars(select(Endorsement.id)).first()
    return {
        "course_id": school.course_id, "achievement_id": school.badge_id, "award_id": award.id,
        "person_id": learner, "subject_id": learner, "selection_id": chosen.id,
        "upload_id": upload.id, "endorsement_id": asked, "origin_id": school.course_id, "key": "canvas_rest",
        "kind": "json", "design": "shield", "palette": "indigo", "size": 64, "number": 1,
        "app_id": consent.id, "form": "json", "language": "de", "step": "close",
    }  # fmt: skip


def path_of(app: Flask, route: Route, values: dict[str, Any]) -> str:
    """The path of a route with these ids in it."""
    wanted = {name: values[name] for name in route.arguments}
    built = app.url_map.bind("tassel").build(route.endpoint, wanted, method=None)
    return urlsplit(built).path


@pytest.mark.parametrize("number", [TEACHER, FIRST_LEARNER, ADMIN])
def test_nobody_opens_a_page_of_the_other_school(
    pair: tuple[School, School], app: Flask, number: int
) -> None:
    """The same ``sub`` has a role in the course with the same context id there, and it helps nothing."""
    mine, other = pair
    browser = mine.signed_in(number)
    values = things_of(other)
    before = belongings(other)
    for route, method in routes(app, "course_id", "subject_id"):
        path = path_of(app, route, values)
        answer = browser.ask(path, method, name="Taken over", reason="No business of mine")
        assert answer.status_code in (401, 403, 404), (method, path)
        assert other.word not in answer.text
    assert belongings(other) == before
    own = browser.ask(urlsplit(browser.path).path)
    assert (own.status_code, f"at {mine.word}" in own.text) == (200, True)


def test_no_page_of_ones_own_course_opens_things_of_the_other(
    pair: tuple[School, School], app: Flask
) -> None:
    mine, other = pair
    values = things_of(other) | {"course_id": mine.course_id}
    objects = {name for name in values if name.endswith("_id")} - {"course_id", "subject_id"}
    before = belongings(other)
    for number, part in ((TEACHER, "instructor."), (FIRST_LEARNER, "learner.")):
        browser = mine.signed_in(number)
        for route, method in routes(app, *objects):
            if route.endpoint.startswith(part):
                path = path_of(app, route, values)
                answer = browser.ask(path, method, reason="No business of mine")
                wanted = WITHOUT_LOOKING.get(route.endpoint, 404)
                assert answer.status_code == wanted, (method, path, answer.text)
                assert f" {other.word}" not in answer.text
    assert belongings(other) == before


def test_one_browser_keeps_two_schools_apart(pair: tuple[School, School]) -> None:
    """A teacher of both, in tabs of one browser; then a learner of one school launches in it."""
    mine, other = pair
    with Visitor() as browser:
        pages = {}
        for school in pair:
            browser.become(school.lms.url, TEACHER)
            pages[school.word] = browser.launch(school.lms.url, COURSE).url
        for school in pair:
            for path in ("", "/learners", "/awards"):
                page = browser.get(pages[school.word] + path)
                assert page.status == 200
                assert {one.word for one in pair if one.word in page.text} == {school.word}
        browser.become(mine.lms.url, FIRST_LEARNER)
        assert f"at {mine.word}" in browser.launch(mine.lms.url, COURSE).text
        assert browser.get(pages[mine.word]).status == 403
        assert browser.get(pages[other.word]).status == 200


def test_a_course_is_framed_by_its_own_lms_only(pair: tuple[School, School]) -> None:
    mine, other = pair
    for path in (f"/courses/{mine.course_id}", f"/courses/{mine.course_id}/me"):
        policy = mine.signed_in(TEACHER).ask(path).headers["Content-Security-Policy"]
        assert policy.endswith(f"frame-ancestors 'self' {mine.lms.url}")
        assert other.lms.url not in policy


# --- what belongs to a launch ------------------------------------------------------------------


def test_privacy_requests_reach_people_of_the_own_school_only(pair: tuple[School, School]) -> None:
    mine, other = pair
    mine.enter(FIRST_LEARNER)
    other.enter(FIRST_LEARNER)
    about = {FOR_USER_CLAIM: {"user_id": mine.sub(FIRST_LEARNER)}}
    kind = {CLAIM + "message_type": "LtiDataPrivacyLaunchRequest"}
    nowhere = {CLAIM + "context": None, CLAIM + "resource_link": None}
    officer = mine.signed_in(ADMIN, claims=kind | nowhere | about)
    person, namesake = mine.person(FIRST_LEARNER), other.person(FIRST_LEARNER)
    assert officer.path.endswith(f"/privacy/{person.id}")
    page = officer.ask(f"/privacy/{person.id}")
    assert f" of {other.word}" not in page.text
    framers = page.headers["Content-Security-Policy"].rpartition("frame-ancestors ")[2]
    assert framers == f"'self' {mine.lms.url}"
    exported = officer.ask(f"/privacy/{person.id}/export", "POST")
    rows = exported.json()
    assert [row["id"] for row in rows["person"]] == [person.id]
    assert {row["course_id"] for row in rows["enrolment"]} == {mine.course_id}
    text = json.dumps(rows)
    assert f" of {mine.word}" in text
    for foreign in (other.word, namesake.id, other.course_id, other.installation_id):
        assert foreign not in text
    for subject in (namesake.id, other.installation_id):
        assert officer.ask(f"/privacy/{subject}").status_code == 401
        assert officer.ask(f"/privacy/{subject}/export", "POST").status_code == 401
    counted = mine.signed_in(ADMIN, claims=kind | nowhere)
    assert counted.path.endswith(f"/privacy/{mine.installation_id}")


def choosing(school: School) -> Visitor:
    """A teacher's browser on the page where content is chosen for a course."""
    browser = Visitor()
    browser.become(school.lms.url, TEACHER)
    tool = next(iter(school.here.tools))
    browser.get(f"{school.lms.url}/courses/{COURSE}/content/{tool}")
    browser.enter_frame("tool")
    browser.press_on()
    return browser


def placed(school: School) -> list[str]:
    """Badges that stand in the LMS as links."""
    return [link.custom["badge"] for link in school.here.links.values() if "badge" in link.custom]


def test_chosen_content_goes_to_the_course_that_asked(pair: tuple[School, School]) -> None:
    mine, other = pair
    before = placed(mine), placed(other)
    with choosing(mine) as browser:
        page = browser.page
        assert page is not None
        assert other.word not in page.text
        address = page.url
        browser.submit("Add to the course", item=[mine.badge_id])
        form = next(one for one in browser.page.forms if one.action.startswith("http"))  # type: ignore[union-attr]
        assert form.action.startswith(mine.lms.url + "/")
        signed = next(one.value for one in form.fields if one.name == "JWT")
        refused = requests.post(
            form.action.replace(mine.lms.url, other.lms.url), data={"JWT": signed}
        )
        assert refused.status_code == 400
        browser.press_on()
    assert (placed(mine), placed(other)) == ([*before[0], mine.badge_id], before[1])
    theirs = other.signed_in(TEACHER)
    own = urlsplit(address).path.replace(mine.course_id, other.course_id)
    for path in (urlsplit(address).path, own):
        assert theirs.ask(path).status_code in (401, 404)


def test_no_launch_sends_chosen_content_to_the_other_school(pair: tuple[School, School]) -> None:
    mine, other = pair
    settings = {
        "accept_types": ["ltiResourceLink"],
        "accept_presentation_document_targets": ["iframe"],
        "deep_link_return_url": other.lms.url + "/api/lti/deep_linking_response",
    }
    claims = {
        CLAIM + "message_type": "LtiDeepLinkingRequest",
        CLAIM + "resource_link": None,
        DEEP_LINKING + "deep_linking_settings": settings,
    }
    _, answer = mine.entered_as(TEACHER, claims=claims)
    assert answer.status_code == 400
    assert other.lms.url not in answer.text


def copied(school: School, context_id: str) -> str:
    """The teacher's course is copied in the LMS, under ``context_id``, and opened; our id of it."""
    number = school.control("copy", course=LABEL, label="STAT 101 S", tell=False)["course"]
    course = school.here.courses[number]
    course.uuid = context_id
    school.visitor.become(school.lms.url, TEACHER)
    assert school.visitor.launch(school.lms.url, number).status == 200
    with school.db.reading() as session:
        return session.scalars(
            select(Course.id)
            .join(Deployment, Deployment.id == Course.deployment_id)
            .where(Course.context_id == context_id, Deployment.platform_id == school.platform.id)
        ).one()


def test_a_copy_gets_badges_of_its_own_school_only(pair: tuple[School, School]) -> None:
    mine, other = pair
    context = f"the-copy-of-{mine.word}"
    here, there = copied(mine, context), copied(other, context)
    with mine.db.reading() as session:
        row = session.get_one(Course, here)
        assert other.course.context_id in row.history, "the LMS names an id that both have"
        offered = copies.ancestors(session, row)
        assert [one.course.id for one in offered if one.course.id != there] == [mine.course_id]
        assert all(one.course.id not in (there, other.course_id) for one in offered)
        for origin in (other.course_id, there):
            with pytest.raises(NotFound):
                copies.plan(session, row, origin)
    tab, _ = mine.entered_as(TEACHER, course=context)
    page = tab.send("GET", f"/courses/{here}/copies").text
    assert f"at {mine.word}" in page
    assert f"at {other.word}" not in page
    assert tab.send("GET", f"/courses/{here}/copies/{mine.course_id}").status_code == 200
    assert tab.send("GET", f"/courses/{here}/copies/{other.course_id}").status_code == 404


# --- the operator's view -----------------------------------------------------------------------


def test_the_test_of_one_registration_asks_and_shows_nothing_of_the_other(
    pair: tuple[School, School], operator: FlaskClient
) -> None:
    mine, other = pair
    address = f"/operator/platforms/{mine.platform.id}"
    heard = len(other.heard), len(mine.heard)
    assert operator.post(address + "/check").status_code == 303
    assert len(other.heard) == heard[0]
    assert len(mine.heard) > heard[1]
    page = operator.get(address).text
    assert f"{mine.word} College" in page
    assert mine.client_id in page
    for foreign in (other.word, other.client_id, other.lms.url, other.platform.id):
        assert foreign not in page
    assert other.platform.checked_at is None or mine.platform.checked_at is not None


def test_no_registration_takes_the_place_of_one_of_the_other_school(
    pair: tuple[School, School], operator: FlaskClient
) -> None:
    mine, other = pair
    before = belongings(other)
    answer = operator.post(
        f"/operator/platforms/{mine.platform.id}/continue", data={"old": other.platform.id}
    )
    assert answer.status_code == 409
    assert belongings(other) == before
