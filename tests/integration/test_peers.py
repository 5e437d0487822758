"""Peers that misbehave, as operators and teachers see it: said clearly, nothing lost, mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.db import Database
from app.demo.stage import free_port
from app.main import create_app, create_campus
from app.models import Achievement, CollectRun, Course, Enrolment, Result
from app.pipeline import collect
from app.pipeline.campus import Campus
from app.settings import Settings
from tests import course_seed, operator_seed
from tests.integration.send_stage import Stage

SIS = "oneroster_rest"


@pytest.fixture
def stage(settings: Settings, db: Database) -> Iterator[Stage]:
    made = Stage(settings, db)
    made.add_sis()
    yield made
    made.close()


@pytest.fixture
def campus(stage: Stage) -> Iterator[Campus]:
    """As in production, with the addresses of the stage."""
    built = create_campus(stage.settings)
    yield built
    built.http.close()
    built.db.close()


@pytest.fixture
def browser(stage: Stage, campus: Campus) -> FlaskClient:
    made = create_app(stage.settings, campus).test_client()
    made.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return made


def words(client: FlaskClient, path: str) -> str:
    """What a page says, without its marks."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[:500]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


REFUSAL = (
    '{"imsx_codeMajor": "failure", "imsx_severity": "error",'
    ' "imsx_description": "The term is closed.",'
    ' "imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invaliddata"}]}}'
)


@pytest.mark.parametrize(
    ("fault", "code", "says", "who"),
    [
        (
            {"kind": "status", "status": 401},
            "sis-unauthorized",
            "Campus SIS does not accept Tassel's credentials",
            "SIS administrator",
        ),
        (
            {"kind": "status", "status": 422, "body": REFUSAL},
            "sis-refused-data",
            "Campus SIS refused the record (422). It said: The term is closed.",
            "SIS administrator",
        ),
        (
            {"kind": "status", "status": 429, "retry_after": 600},
            "sis-busy",
            "Campus SIS is busy and asked Tassel to come back later (429).",
            "SIS administrator",
        ),
        (
            {"kind": "html"},
            "sis-not-data",
            "Campus SIS answered with a web page instead of data (200)",
            "Tassel operator",
        ),
    ],
)
def test_a_bad_answer_is_explained_on_the_ledger_and_arrives_after_retry(
    stage: Stage,
    campus: Campus,
    browser: FlaskClient,
    fault: dict[str, object],
    code: str,
    says: str,
    who: str,
) -> None:
    with stage.db.transaction() as session:
        session.execute(update(Achievement).values(course_column=False))
    assert stage.sis is not None
    stage.sis.faults.add({"path": "/assessmentResults/", "times": None, **fault})
    stage.queue()
    stage.send()
    rows = stage.deliveries(SIS)
    tried = next(row for row in rows if row.code == code)
    assert {row.state for row in rows} <= {"waiting", "dead"}
    assert (tried.state == "dead") == (code == "sis-refused-data")
    operator_seed.enter(browser, campus)
    ledger = words(browser, "/operator/deliveries")
    detail = words(browser, f"/operator/deliveries/{tried.id}")
    assert says in ledger
    assert says in detail
    assert tried.fix
    assert re.sub(r"\s+", " ", tried.fix) in detail
    assert who in detail
    if code == "sis-unauthorized":
        assert says in words(browser, f"/operator/connections/{tried.connection_id}")
    stage.sis.faults.clear()
    for row in rows:
        assert browser.post(f"/operator/deliveries/{row.id}/retry").status_code == 303
    for _ in rows:
        stage.send()
    assert stage.states(SIS) == {"sent": len(rows)}
    found = stage.sis.store.all("assessmentResults")
    assert sorted(one["student"]["sourcedId"] for one in found) == sorted(
        person.sis_id for person in stage.people
    )


def test_an_lms_that_cannot_be_reached_is_named_and_read_again(
    stage: Stage, campus: Campus, browser: FlaskClient
) -> None:
    """The reading fails with words for the teacher; what was read before stays; the next works."""
    services = _graded(stage)
    assert _read(campus, stage.course_id).state == "done"
    with stage.db.reading() as session:
        before = session.scalar(select(func.count()).select_from(Result))
    assert before
    gone = f"http://127.0.0.1:{free_port()}"
    _set_services(
        stage, services | {"lineitems": services["lineitems"].replace(stage.lms.url, gone)}
    )
    lost = create_campus(
        stage.settings.model_copy(
            update={"allowed_origins": (*stage.settings.allowed_origins, gone)}
        )
    )
    run = _read(lost, stage.course_id)
    lost.http.close()
    lost.db.close()
    assert run.state == "failed"
    assert run.problem is not None
    assert run.problem["code"] == "upstream-unreachable"
    says = f"Campus LMS could not be reached at {gone}"
    assert run.problem["message"].startswith(says)
    assert run.problem["fix"]
    home = words(_as_teacher(stage, campus, browser), f"/courses/{stage.course_id}")
    assert says in home
    assert run.problem["fix"] in home
    with stage.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Result)) == before
    _set_services(stage, services)
    assert _read(campus, stage.course_id).state == "done"
    assert says not in words(browser, f"/courses/{stage.course_id}")


def test_an_lms_that_cannot_be_reached_gets_its_scores_later(
    stage: Stage, campus: Campus, browser: FlaskClient
) -> None:
    stage.lms_faults(path="/scores$", kind="drop_before", times=None)
    stage.queue()
    stage.send()
    rows = stage.deliveries()
    assert {row.state for row in rows} == {"waiting"}
    assert all(row.next_at and row.next_at > stage.clock() for row in rows)
    operator_seed.enter(browser, campus)
    assert "Campus LMS could not be reached" in words(browser, "/operator/deliveries")
    stage.lms_heal()
    stage.make_due()
    stage.send()
    assert stage.states() == {"sent": len(rows)}
    assert set(stage.posts().values()) == {1}


def _graded(stage: Stage) -> dict[str, str]:
    """Put a grade into a column that can be read; returns the course's services."""
    with stage.db.reading() as session:
        services = dict(session.get_one(Course, stage.course_id).services)
    lti, platform = stage.campus.lti, stage.platform_id
    item = lti.find_or_create_line_item(
        platform, services["lineitems"], "Quiz", Decimal(10), "quiz", "quiz-1"
    )
    user = stage.box.vendor.subject(stage.people[0])
    lti.post_score(platform, item.url, user, Decimal(7), Decimal(10), stage.clock(), None)
    return services


def _as_teacher(stage: Stage, campus: Campus, browser: FlaskClient) -> FlaskClient:
    """Anybody of the course will do: the role is the session's."""
    with stage.db.reading() as session:
        query = select(Enrolment.person_id).where(Enrolment.course_id == stage.course_id)
        person = session.scalars(query.limit(1)).one()
    made = course_seed.Seeded(campus, stage.course_id, person)
    return course_seed.enter(browser, made, person, "instructor")


def _set_services(stage: Stage, services: dict[str, str]) -> None:
    with stage.db.transaction() as session:
        session.get_one(Course, stage.course_id).services = services


def _read(campus: Campus, course_id: str) -> CollectRun:
    """One reading, here and now."""
    run_id = collect.request(campus, course_id, "button")
    for batch in collect.claim(campus):
        collect.run(campus, batch.ids)
    with campus.db.reading() as session:
        return session.get_one(CollectRun, run_id)
