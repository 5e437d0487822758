"""An operator's page of one registration: the test button, permissions, and the three switches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import html5lib
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.db import Database
from app.errors import Conflict
from app.lti import registered
from app.main import create_app
from app.models import AuditEntry, Course, Enrolment, Installation, Person, Platform, ToolKey
from app.pipeline.enter import enter
from tests import operator_seed
from tests.integration.lti_rig import Rig, rig


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="moodle", learners=12) as made:
        yield made


@pytest.fixture
def operator(here: Rig) -> FlaskClient:
    client = create_app(here.campus.settings, here.campus).test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    operator_seed.enter(client, here.campus)
    return client


def words(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[:2000]
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def address(here: Rig, number: int = 0) -> str:
    return f"/operator/platforms/{here.platforms[number]}"


def actions(here: Rig) -> list[str]:
    with here.db.reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_the_test_is_run_by_a_button_and_stays_on_the_page(
    here: Rig, operator: FlaskClient
) -> None:
    enter(here.campus, here.launch(person=8))
    before = words(operator, address(here))
    assert "Test this registration" in before
    assert "not tested" in before
    assert operator.post(address(here) + "/check").status_code == 303
    after = words(operator, address(here))
    assert "accepts Tassel's signature" in after.replace("&#39;", "'")
    assert "members of a course" in after
    assert "Test again" in after
    assert "something to look at" in words(operator, "/operator/platforms")


def test_a_page_of_nothing_is_not_there(here: Rig, operator: FlaskClient) -> None:
    for path in ("", "/check", "/administrators", "/student-numbers", "/continue"):
        way = operator.post if path else operator.get
        assert way(f"/operator/platforms/nothing{path}").status_code == 404


def test_student_numbers_join_only_when_an_operator_says_so(
    here: Rig, operator: FlaskClient
) -> None:
    for value, on in (("yes", True), ("no", False)):
        answer = operator.post(address(here) + "/student-numbers", data={"join": value})
        assert answer.status_code == 303
        with here.db.reading() as session:
            assert session.scalars(select(Installation.sis_authoritative)).one() is on
    assert actions(here)[-2:] == ["installation.joins-by-sis"] * 2


def test_trust_in_administrators_is_off_audited_and_revocable(
    here: Rig, operator: FlaskClient
) -> None:
    with here.db.reading() as session:
        assert session.scalars(select(Installation.admin_role)).one() is None
    for role in ("operator", "sis_administrator", ""):
        answer = operator.post(address(here) + "/administrators", data={"role": role})
        assert answer.status_code == 303
        with here.db.reading() as session:
            assert session.scalars(select(Installation.admin_role)).one() == (role or None)
    bad = operator.post(address(here) + "/administrators", data={"role": "instructor"})
    assert bad.status_code == 422
    assert actions(here)[-3:] == ["installation.trusted"] * 3


def test_a_registration_takes_the_place_of_an_older_one(here: Rig, operator: FlaskClient) -> None:
    """The course moves with its people; columns of the old registration are not written any more."""
    entered = enter(here.campus, here.launch(person=8))
    here.add_registration("moodle", client_id="second")
    offer = words(operator, address(here, 1))
    assert "This LMS was registered before" in offer
    assert "was registered before" not in words(operator, address(here, 0))
    data = {"old": here.platforms[0]}
    assert operator.post(address(here, 1) + "/continue", data=data).status_code == 303
    assert "Takes the place of" in words(operator, address(here, 1))
    with here.db.reading() as session:
        assert session.get_one(Platform, here.platforms[0]).state == "disabled"
    login = here.login(tool=1)
    tool = here.lms.app.extensions["demo_lms"].tool_by_client("second")
    again = enter(
        here.campus,
        here.finish(
            here.forged(login, person=8, tool=tool.id, link=first_link(here)), login.binding
        ),
    )
    assert again == entered
    with here.db.reading() as session:
        course = session.scalars(select(Course)).one()
        assert course.deployment.platform_id == here.platforms[1]
        assert f"type_id={tool.id}" in course.services["lineitems"]
        assert session.scalars(select(Person.sub)).all() == ["8"]
        assert len(session.scalars(select(Enrolment)).all()) == 1
    assert actions(here)[-2:] == ["platform.continues", "platform.disabled"]


def first_link(here: Rig) -> int:
    links = here.lms.app.extensions["demo_lms"].links.values()
    return int(next(link.id for link in links if link.course_id == 3))


def test_an_older_registration_cannot_take_the_place_of_a_newer_one(here: Rig) -> None:
    here.clock.ahead = timedelta(minutes=1)
    here.add_registration("moodle", client_id="second")
    with pytest.raises(Conflict):
        registered.continue_from(
            here.db, here.platforms[0], here.platforms[1], actor="operator:x", now=here.clock()
        )


def test_keys_by_their_buttons(here: Rig, operator: FlaskClient) -> None:
    assert "Publish a new key" in words(operator, "/operator/platforms/keys")
    assert operator.post("/operator/platforms/keys/rotate").status_code == 303
    assert "waits for its time" in words(operator, "/operator/platforms/keys")
    assert "worth nothing" in words(operator, "/operator/platforms/keys/replace")
    assert operator.post("/operator/platforms/keys/replace").status_code == 303
    with here.db.reading() as session:
        states = session.scalars(select(ToolKey.state)).all()
    assert sorted(states) == ["active", "dropped", "dropped"]
    assert "tool-key.replaced" in actions(here)


# --- by hand -----------------------------------------------------------------------------------


def register_page(client: FlaskClient, key: str, **form: str) -> tuple[int, str]:
    answer = client.post(f"/operator/platforms/register/{key}", data=form)
    if answer.status_code == 200:
        html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.status_code, answer.text


def field(text: str, name: str) -> str:
    found = re.search(rf'<input id="{name}"[^>]* value="([^"]*)"', text)
    assert found, name
    return found[1]


def test_what_is_known_of_an_lms_is_filled_in(here: Rig, operator: FlaskClient) -> None:
    text = operator.get(
        "/operator/platforms/register/moodle?origin=https://lms.example.edu/some/page"
    ).text
    assert field(text, "origin") == "https://lms.example.edu"
    assert field(text, "token_url") == "https://lms.example.edu/mod/lti/token.php"
    assert operator.get("/operator/platforms/register/nothing").status_code == 404
    bad = operator.get("/operator/platforms/register/moodle?origin=javascript:alert(1)").text
    assert field(bad, "origin") == field(bad, "issuer") == ""


def test_pasted_details_fill_the_form_and_save_nothing(here: Rig, operator: FlaskClient) -> None:
    pasted = "Platform ID: https://lms.example.edu\nClient ID: abc\nDeployment ID: 7\n"
    status, text = register_page(operator, "moodle", action="read", pasted=pasted, name="Ours")
    assert status == 200
    assert "Read: Platform ID, Client ID, Deployment ID" in words_of(text)
    assert [field(text, name) for name in ("name", "client_id", "deployment_id", "origin")] == [
        "Ours",
        "abc",
        "7",
        "https://lms.example.edu",
    ]
    assert field(text, "jwks_url") == "https://lms.example.edu/mod/lti/certs.php"
    status, text = register_page(operator, "moodle", action="read", pasted="<b>rubbish</b>")
    assert "Nothing was found" in text
    assert "<b>rubbish" not in text
    with here.db.reading() as session:
        assert len(session.scalars(select(Platform)).all()) == 1


def words_of(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_two_fields_are_enough_where_the_rest_is_known(here: Rig, operator: FlaskClient) -> None:
    form = {"origin": "https://learn.example.edu", "client_id": "app/1"}
    status, _ = register_page(operator, "blackboard", **form)
    assert status == 303
    with here.db.reading() as session:
        row = session.scalars(select(Platform).where(Platform.client_id == "app/1")).one()
        assert (row.issuer, row.state) == ("https://blackboard.com", "pending")
        assert row.jwks_url.endswith("/applications/app%2F1/jwks.json")
        assert row.installation.lms == "blackboard"
    status, text = register_page(operator, "openedx", **form)
    assert status == 422
    assert 'href="#token_url"' in text
