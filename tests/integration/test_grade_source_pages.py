"""The pages around grade sources: connecting with consent in a tab of its own, and what they say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import html5lib
import pytest
from flask import Flask
from sqlalchemy import select

from app.db import Database
from app.gradebook.canvas_rest import KEY
from app.main import create_app
from app.models import BrowserSession, CourseSource, GradeConsent, Grant, Platform
from app.secrets import token_hash
from tests.integration.canvas_stage import TEACHER, Stage, canvas_stage


class Visit:
    """Browsers of a teacher, an assistant and an operator, and one that only has a tab."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.app: Flask = create_app(stage.campus.settings, stage.campus)
        self.client = self.app.test_client()
        self.base = f"/courses/{stage.course_id}/grades"
        now = stage.campus.clock()
        with stage.campus.db.transaction() as session:
            for name, role in (
                ("teacher", "instructor"), ("assistant", "assistant"), ("operator", "operator")
            ):  # fmt: skip
                browser = BrowserSession(
                    token_hash=token_hash(name), created_at=now, expires_at=now + timedelta(hours=9)
                )
                session.add(browser)
                session.flush()
                mine = name != "operator"
                session.add(
                    Grant(
                        session_id=browser.id, role=role, created_at=now,
                        scope=f"course:{stage.course_id}" if mine else "operator",
                        course_id=stage.course_id if mine else None,
                        person_id=stage.person_id if mine else None,
                        operator=None if mine else "op",
                        expires_at=now + timedelta(hours=9),
                    )
                )  # fmt: skip
            platform = session.scalars(select(Platform.id)).one()
        self.key_page = f"/operator/platforms/{platform}/key"

    def get(self, who: str, url: str) -> Any:
        answer = self.client.get(url, headers={"Authorization": f"Bearer {who}"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            html5lib.HTMLParser(strict=True).parse(answer.text)
        return answer

    def post(self, who: str, url: str, **form: str) -> Any:
        return self.client.post(url, data=form, headers={"Authorization": f"Bearer {who}"})

    def ticket(self) -> str:
        page = self.post("teacher", f"{self.base}/{KEY}/connect").text
        return page.split('name="ticket" value="')[1].split('"')[0]

    def consent(self, tab: Any, ticket: str) -> Any:
        """What the new tab does; returns the answer of the address that the LMS sends it back to."""
        gone = tab.post("/grades/start", **opening(ticket))
        query = parse_qs(urlsplit(gone.headers["Refresh"].split("url=")[1]).query)
        code = self.stage.control(
            "consent",
            client_id=query["client_id"][0],
            redirect_uri=query["redirect_uri"][0],
            person=TEACHER,
        )["code"]
        back = {"code": code, "state": query["state"][0]}
        return tab.get("/grades/connected", query_string=back, base_url="https://localhost")


def opening(ticket: str) -> dict[str, Any]:
    """The form in the framed page that opens the tab, as a browser sends it."""
    return {
        "data": {"ticket": ticket},
        "base_url": "https://localhost",
        "headers": {"Sec-Fetch-Site": "same-origin"},
    }


@pytest.fixture
def visit(db: Database, tmp_path: Path) -> Iterator[Visit]:
    with canvas_stage(db, str(tmp_path)) as stage:
        yield Visit(stage)


def test_a_teacher_connects_in_a_tab_of_its_own_loses_and_disconnects(visit: Visit) -> None:
    stage = visit.stage
    stage.collect()
    before = visit.get("teacher", visit.base).text
    assert "Connect Canvas" in before
    assert "Midterm exam" not in before
    ticket, tab = visit.ticket(), visit.app.test_client()
    assert visit.consent(tab, ticket).status_code == 200
    assert tab.get("/grades/connected?code=x&state=y").status_code == 401
    stage.collect()
    page = visit.get("teacher", visit.base).text
    assert "Read with the rights of Marisol Ortúzar-Lind" in page
    assert "Midterm exam" in page
    assert "also through LTI" in page
    assert "Course total" not in page
    stage.control("end_grants", person=TEACHER)
    stage.collect()
    lost = visit.get("teacher", visit.base).text
    assert "connection lost" in lost
    assert "Connect again" in lost
    assert "Midterm exam" in lost
    assert visit.consent(visit.app.test_client(), visit.ticket()).status_code == 200
    asked = visit.get("teacher", f"{visit.base}/{KEY}/disconnect").text
    assert "Grades that were read stay" in asked
    assert visit.post("teacher", f"{visit.base}/{KEY}/disconnect").status_code == 303
    stage.collect()
    assert "not connected" in visit.get("teacher", visit.base).text


def test_another_tab_cannot_finish_what_one_began(visit: Visit) -> None:
    """Somebody who is lured to the way back connects nothing, and a ticket starts one tab only."""
    ticket, tab, other = visit.ticket(), visit.app.test_client(), visit.app.test_client()
    begun = tab.post("/grades/start", **opening(ticket))
    assert begun.status_code == 200
    again = other.post("/grades/start", **opening(ticket))
    assert again.status_code == 401
    query = {"state": ticket, "code": "stolen"}
    lured = other.get("/grades/connected", query_string=query, base_url="https://localhost")
    assert lured.status_code == 401
    with visit.stage.campus.db.reading() as session:
        assert session.scalars(select(GradeConsent.used_at)).one() is None
        rows = select(CourseSource).where(CourseSource.source == KEY)
        assert session.scalar(rows) is None


def test_who_may_do_what(visit: Visit) -> None:
    assert visit.get("assistant", visit.base).status_code == 200
    assert visit.post("assistant", f"{visit.base}/{KEY}/connect").status_code == 403
    assert visit.get("teacher", visit.key_page).status_code == 401
    assert visit.post("teacher", f"{visit.base}/nonsense/connect").status_code == 404


def test_an_operator_sets_up_and_tests_a_key(visit: Visit) -> None:
    page = visit.get("operator", visit.key_page)
    assert "/grades/connected" in page.text
    assert visit.stage.key["client_secret"] not in page.text
    tested = visit.post("operator", f"{visit.key_page}/test")
    assert tested.status_code == 303
    assert "the LMS knows the key" in visit.get("operator", visit.key_page).text
    refused = visit.post("operator", visit.key_page, base_url="http://10.0.0.1", client_id="1")
    assert refused.status_code == 422
    assert "beginning with https://" in refused.text
    lms = visit.stage.rig.lms.url
    visit.post("operator", visit.key_page, base_url=lms, client_id="77", client_secret="wrong")
    visit.post("operator", f"{visit.key_page}/test")
    assert "does not accept the developer key" in visit.get("operator", visit.key_page).text


def test_a_secret_never_goes_to_another_address(visit: Visit) -> None:
    """Whoever changes the address has to know the secret."""
    refused = visit.post(
        "operator", visit.key_page, base_url="https://elsewhere.example", client_id="1"
    )
    assert refused.status_code == 422


def test_a_closed_course_says_so(visit: Visit) -> None:
    visit.consent(visit.app.test_client(), visit.ticket())
    visit.stage.control("switch", conclude="STAT 101")
    visit.stage.collect()
    page = visit.get("teacher", visit.base).text
    assert "The LMS has closed this course" in page
    assert "Read it again" in page
