"""Administrators of a trusted LMS come into the operator's area; nobody else does, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.db import Database
from app.lti import registered
from app.main import create_app
from app.models import AuditEntry, Grant, Installation
from app.web.landing import land
from app.web.session import admit
from tests.integration.lti_rig import Rig, rig

ADMIN, TEACHER, LEARNER = 2, 8, 12
HEADERS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="canvas", learners=12) as made:
        yield made


def trust(here: Rig, role: str | None) -> str:
    with here.db.reading() as session:
        row = session.scalars(select(Installation.id)).one()
    registered.trust_administrators(here.db, row, role, actor="operator:x", now=here.clock())
    return row


def came_in(here: Rig, person: int) -> tuple[FlaskClient, str]:
    """A browser after a verified launch, and the page that it was sent to."""
    app = create_app(here.campus.settings, here.campus)
    client = app.test_client()
    with app.test_request_context():
        answer = admit(land(here.campus, here.launch(person=person)))
    for cookie in answer.headers.getlist("Set-Cookie"):
        name, _, value = cookie.partition(";")[0].partition("=")
        client.set_cookie(name, value, domain="localhost", secure=True)
    return client, answer.headers["Location"]


def opened(client: FlaskClient, path: str) -> FlaskClient:
    """The operator's area in another window, without the cookies of the frame."""
    answer = client.post(path, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    action = answer.text.partition('action="')[2].partition('"')[0]
    window = client.application.test_client()
    assert window.post(action, headers=HEADERS).status_code == 303
    return window


def test_no_trust_means_the_course_page(here: Rig) -> None:
    client, path = came_in(here, ADMIN)
    assert path.startswith("/courses/")
    page = "/lti/administration/" + path.split("/")[2]
    assert client.get(page).status_code == 403
    assert client.post(page, headers=HEADERS).status_code == 403


@pytest.mark.parametrize("role", ["operator", "sis_administrator"])
def test_an_administrator_of_a_trusted_lms_comes_in(here: Rig, role: str) -> None:
    installation = trust(here, role)
    client, path = came_in(here, ADMIN)
    assert path.startswith("/lti/administration/")
    page = client.get(path)
    assert page.status_code == 200
    assert here.lms.url in page.headers["Content-Security-Policy"], "it is shown in the LMS's frame"
    window = opened(client, path)
    area = window.get("/operator/deliveries")
    assert area.status_code == 200
    assert "frame-ancestors 'none'" in area.headers["Content-Security-Policy"]
    expected = 200 if role == "operator" else 403
    assert window.get("/operator/platforms").status_code == expected
    with here.db.reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "operator.entered")
        ).one()
    assert entry.actor.startswith(f"operator:lti-{installation}-")
    assert client.get("/courses/" + path.split("/")[3]).status_code == 200, "the course is open too"


@pytest.mark.parametrize("person", [TEACHER, LEARNER])
def test_nobody_else_does(here: Rig, person: int) -> None:
    trust(here, "operator")
    client, path = came_in(here, person)
    assert path.startswith("/courses/")
    page = "/lti/administration/" + path.split("/")[2]
    assert client.get(page).status_code == 403
    assert client.post(page, headers=HEADERS).status_code == 403
    with here.db.reading() as session:
        assert "operator" not in set(session.scalars(select(Grant.scope)))


@pytest.mark.parametrize("role", [None, "sis_administrator"])
def test_taking_it_back_puts_them_out(here: Rig, role: str | None) -> None:
    trust(here, "operator")
    client, path = came_in(here, ADMIN)
    window = opened(client, path)
    waiting = client.post(path, headers=HEADERS).text
    action = waiting.partition('action="')[2].partition('"')[0]
    trust(here, role)
    assert window.get("/operator/deliveries").status_code == 401
    unused = client.application.test_client()
    assert unused.post(action, headers=HEADERS).status_code == 404
    assert client.get(path).status_code == (200 if role else 403)


def test_a_registration_that_is_switched_off_puts_them_out(here: Rig) -> None:
    trust(here, "operator")
    window = opened(*came_in(here, ADMIN))
    assert window.get("/operator/deliveries").status_code == 200
    registered.disable(here.db, here.platforms[0], actor="operator:x", now=here.clock())
    assert window.get("/operator/deliveries").status_code == 401


def test_another_site_cannot_press_the_button(here: Rig) -> None:
    trust(here, "operator")
    client, path = came_in(here, ADMIN)
    assert client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
