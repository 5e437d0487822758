"""The pages on which a token is pasted: what they say, what they keep, who may see them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import html5lib
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.main import create_app
from app.models import BrowserSession, GradeAccess, GradeGrant, Grant, Platform
from app.pipeline import grade_tokens
from app.secrets import token_hash
from app.settings import Settings
from tests.integration.moodle_stage import Stage, moodle_stage


class Visit:
    """A teacher of the first course and an operator, each with a browser."""

    def __init__(self, stage: Stage, client: FlaskClient) -> None:
        self.stage, self.client = stage, client
        now = stage.campus.clock()
        with stage.campus.db.transaction() as session:
            for name, scope, role in (
                ("teacher", f"course:{stage.course_id}", "instructor"),
                ("assistant", f"course:{stage.course_id}", "assistant"),
                ("operator", "operator", "operator"),
            ):
                browser = BrowserSession(
                    token_hash=token_hash(name), created_at=now, expires_at=now + timedelta(hours=1)
                )
                session.add(browser)
                session.flush()
                mine = name != "operator"
                session.add(
                    Grant(
                        session_id=browser.id, scope=scope, role=role, created_at=now,
                        course_id=stage.course_id if mine else None,
                        person_id=stage.teacher if mine else None,
                        operator=None if mine else "op",
                        expires_at=now + timedelta(hours=1),
                    )
                )  # fmt: skip
            self.platform = session.scalars(select(Platform.id)).one()
        self.course = f"/courses/{stage.course_id}/grades/token"
        self.site = f"/operator/platforms/{self.platform}/grades"

    def get(self, who: str, url: str) -> Any:
        answer = self.client.get(url, headers={"Authorization": f"Bearer {who}"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            html5lib.HTMLParser(strict=True).parse(answer.text)
        return answer

    def post(self, who: str, url: str, **form: str) -> Any:
        return self.client.post(url, data=form, headers={"Authorization": f"Bearer {who}"})


@pytest.fixture
def visit(settings: Settings, db: object) -> Iterator[Visit]:
    with moodle_stage(settings) as stage:
        yield Visit(stage, create_app(settings, stage.campus).test_client())


def test_a_teacher_connects_loses_and_disconnects(visit: Visit) -> None:
    stage = visit.stage
    assert "not connected" in visit.get("teacher", visit.course).text
    token = stage.token(8)
    assert visit.post("teacher", visit.course, token=token).status_code == 303
    stage.collect(whole=True)
    page = visit.get("teacher", visit.course).text
    assert "Marisol Ortúzar-Lind" in page
    assert token not in page
    stage.post("moodle/site", revoke=token)
    stage.collect()
    page = visit.get("teacher", visit.course).text
    assert "connection lost" in page
    assert "It was the token of Marisol Ortúzar-Lind." in page
    assert visit.post("teacher", f"{visit.course}/disconnect").status_code == 303
    assert "not connected" in visit.get("teacher", visit.course).text


def test_a_refused_token_is_told_and_not_kept(visit: Visit) -> None:
    stage = visit.stage
    answer = visit.post("teacher", visit.course, token="a b")
    assert answer.status_code == 422
    assert 'id="token-error"' in answer.text
    answer = visit.post("teacher", visit.course, token="no-such-token-at-all")
    assert answer.status_code == 422
    assert "does not accept the web service token" in answer.text
    stage.post("moodle/site", missing=["core_enrol_get_enrolled_users"])
    answer = visit.post("teacher", visit.course, token=stage.token(8))
    assert "The web service lacks core_enrol_get_enrolled_users." in answer.text
    assert "The token was not kept." in answer.text
    with stage.campus.db.reading() as session:
        assert session.scalars(select(GradeGrant)).all() == []


def test_an_account_that_sees_its_own_group_only_is_told(visit: Visit) -> None:
    stage = visit.stage
    token = stage.token(8)
    visit.post("teacher", visit.course, token=token)
    stage.collect(whole=True)
    before = stage.results()
    stage.post("enrol", course=3, person=8, role="teacher", sections=[5])
    stage.post("moodle/site", narrow=[3])
    stage.post("grade", course=3, line_item="Midterm exam", person=12, score=1)
    answer = visit.post("teacher", visit.course, token=token)
    assert answer.headers["Location"].endswith("said=token-connected-partly")
    stage.collect(whole=True)
    after = stage.results()
    assert after.keys() == before.keys()
    assert sum(row.raw is None for row in after.values()) == 0


def test_a_source_switched_off_while_the_lms_answers_stays_off(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    campus = visit.stage.campus
    assert visit.post("teacher", visit.course, token=visit.stage.token(8)).status_code == 303
    with campus.db.reading() as session:
        access = session.scalars(select(GradeAccess)).one()
    source = campus.sources[access.source]
    answer_of = source.check  # type: ignore[attr-defined]

    def slow_check(*args: Any) -> Any:
        found = answer_of(*args)
        grade_tokens.pause_site(campus, access.installation_id, "operator:op")
        return found

    monkeypatch.setattr(source, "check", slow_check)
    answer = visit.post("teacher", visit.course, token=visit.stage.token(8))
    assert "has switched reading from" in answer.text
    with campus.db.reading() as session:
        assert session.scalars(select(GradeAccess.state)).one() == "paused"


def test_an_assistant_looks_and_does_not_connect(visit: Visit) -> None:
    page = visit.get("assistant", visit.course)
    assert page.status_code == 200
    assert 'name="token"' not in page.text
    assert visit.post("assistant", visit.course, token="x" * 32).status_code == 403


def test_an_operator_connects_the_site_and_switches_it_off(visit: Visit) -> None:
    stage = visit.stage
    page = visit.get("operator", visit.site).text
    assert "gradereport_user_get_grade_items" in page
    assert f'value="{stage.lms.url}"' in page
    answer = visit.post("operator", visit.site, base_url="https://evil.example", token="x" * 32)
    assert answer.status_code == 422
    assert 'id="base_url-error"' in answer.text
    token = stage.token(2)
    answer = visit.post("operator", visit.site, base_url=stage.lms.url, token=token)
    assert answer.status_code == 303
    page = visit.get("operator", visit.site).text
    assert "Ines Administrator" in page
    assert token not in page
    assert "set this up for every course" in visit.get("teacher", visit.course).text
    visit.post("operator", f"{visit.site}/pause")
    assert "switched off" in visit.get("teacher", visit.course).text
    answer = visit.post("teacher", visit.course, token=stage.token(8))
    assert answer.status_code == 422
    assert "switched reading" in answer.text
    settings = visit.get("teacher", f"/courses/{stage.course_id}/settings").text
    assert visit.course in settings
    assert visit.site in visit.get("operator", f"/operator/platforms/{visit.platform}").text
