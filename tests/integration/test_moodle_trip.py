"""Moodle's own grades in a course of Tassel: connect, read, lose the token, connect again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from app.errors import AppError, Invalid
from app.models import Course, CourseColumn, CourseSource, GradeGrant
from app.pipeline import badges, grade_tokens
from app.settings import Settings
from tests.integration.moodle_stage import LEARNERS, Stage, moodle_stage


@pytest.fixture
def stage(settings: Settings, db: object) -> Iterator[Stage]:
    with moodle_stage(settings) as made:
        yield made


def test_native_columns_hidden_grades_and_the_way_back(stage: Stage, caplog: Any) -> None:
    stage.post("moodle/column", course=3, line_item="Attendance", hidden=True)
    stage.post("moodle/column", course=3, line_item="Midterm exam", person=12, overridden=True)
    token = stage.token(8)
    checked = stage.connect(token)
    assert (checked.account_id, checked.learners, checked.columns) == ("8", LEARNERS, 14)
    run = stage.collect()
    assert (run.state, run.problem, run.done, run.total) == ("done", None, LEARNERS, LEARNERS)
    found = stage.results()
    titles = {title for title, _ in found}
    assert {"Midterm exam", "Attendance", "Quiz 1: Describing data"} <= titles
    assert "Course total" not in titles
    assert "" not in titles
    assert not any(row.posted for (title, _), row in found.items() if title == "Attendance")
    assert found["Midterm exam", "12"].posted
    # A second reading finds nothing new.
    assert stage.collect().changed == 0
    # A grade taken away is one that is gone; a suspended person keeps what there was.
    stage.post("grade", course=3, line_item="Midterm exam", person=12, score=None)
    stage.post("suspend", course=3, person=13)
    assert stage.collect().changed == 1
    after = stage.results()
    assert after["Midterm exam", "12"].raw is None
    assert after["Midterm exam", "13"].raw == found["Midterm exam", "13"].raw
    # The token stands nowhere in clear.
    with stage.campus.db.reading() as session:
        grant = session.scalars(select(GradeGrant)).one()
        assert token not in grant.sealed
        assert grant.person_id == stage.teacher
    assert token not in caplog.text


def test_a_lost_token_keeps_the_data_and_says_whose_it_was(stage: Stage) -> None:
    token = stage.token(8)
    stage.connect(token)
    stage.collect()
    before = {key: row.raw for key, row in stage.results().items()}
    stage.post("moodle/site", revoke=token)
    run = stage.collect()
    assert run.state == "failed"
    assert run.problem is not None
    assert run.problem["code"] == "source-lost"
    row = stage.row()
    assert row is not None
    assert row.state == "lost"
    assert {key: one.raw for key, one in stage.results().items()} == before
    with stage.campus.db.reading() as session:
        assert session.scalars(select(GradeGrant.name)).one() == "Marisol Ortúzar-Lind"
    stage.connect(stage.token(8))
    assert stage.collect().state == "done"
    row = stage.row()
    assert row is not None
    assert (row.state, row.problem) == ("active", None)


def test_tassels_own_column_is_never_an_assessment(stage: Stage) -> None:
    """Known by the number of its line item; its name is one that a teacher might use too."""
    state = stage.http.get(f"{stage.lms.url}/_control/state?parts=line_items", timeout=5).json()
    lab = next(one for one in state["line_items"] if one["label"].startswith("Lab 1"))
    badge = badges.create(stage.campus, stage.course_id, "Data literacy", "test")
    with stage.campus.db.transaction() as session:
        session.add(
            CourseColumn(
                course_id=stage.course_id,
                achievement_id=badge,
                tag="tassel-badge-x",
                label="Some badge",
                maximum=Decimal(100),
                url=f"{stage.lms.url}/mod/lti/services.php/3/lineitems/{lab['id']}/lineitem?type_id=1",
            )
        )
    stage.connect(stage.token(8))
    stage.collect()
    titles = {title for title, _ in stage.results()}
    assert "Lab 1: Exploring a data set" not in titles
    assert len(titles) == 13


@pytest.mark.parametrize(
    ("person", "site", "code"),
    [
        (12, {}, "source-lost"),
        (10, {}, "source-lost"),
        (8, {"missing": ["gradereport_user_get_grade_items"]}, "token-functions-missing"),
    ],
)
def test_a_token_that_does_not_open_the_course_is_not_kept(
    stage: Stage, person: int, site: dict[str, Any], code: str
) -> None:
    token = stage.token(person)
    stage.post("moodle/site", **site)
    with pytest.raises(AppError) as caught:
        stage.connect(token)
    assert caught.value.code == code
    assert stage.row() is None
    with stage.campus.db.reading() as session:
        assert session.scalars(select(GradeGrant)).all() == []


@pytest.mark.parametrize("token", ["", "short", "with blank in it", "x" * 600, "new\nline-token"])
def test_what_is_no_token_never_leaves(stage: Stage, token: str) -> None:
    with pytest.raises(Invalid):
        stage.connect(token)
    calls = stage.http.get(f"{stage.lms.url}/_control/moodle/calls", timeout=5).json()["calls"]
    assert calls == {}


def test_a_site_wide_token_opens_every_course_also_later_ones(stage: Stage) -> None:
    own = stage.token(8)
    stage.connect(own)
    checked = grade_tokens.connect_site(
        stage.campus, stage.installation_id, stage.lms.url + "/", stage.token(2), "operator:x"
    )
    assert checked.account_id == "2"
    # The teacher's own token stays for the teacher's course.
    with stage.campus.db.reading() as session:
        rows = {row.course_id: row for row in session.scalars(select(CourseSource))}
        names = {
            course_id: session.get_one(GradeGrant, row.grant_id).lms_user_id
            for course_id, row in rows.items()
            if row.source == "moodle_ws"
        }
    assert names == {stage.course_id: "8", stage.second_id: "2"}
    assert stage.collect(stage.second_id).state == "done"
    assert len(stage.results(stage.second_id)) > 3
    with stage.campus.db.transaction() as session:
        first = session.get_one(Course, stage.course_id)
        later = Course(
            deployment_id=first.deployment_id, context_id="99", created_at=stage.campus.clock()
        )
        session.add(later)
        session.flush()
        later_id = later.id
    run = stage.collect(later_id)
    assert run.problem is not None
    assert run.problem["code"] == "ws-course-gone"
    grade_tokens.pause_site(stage.campus, stage.installation_id, "operator:x")
    stage.post("grade", course=4, line_item="Lesson plan", person=12, score=1)
    assert stage.collect(stage.second_id).changed == 0


def test_disconnecting_destroys_a_token_that_opens_nothing_else(stage: Stage) -> None:
    stage.connect(stage.token(8))
    stage.collect()
    before = len(stage.results())
    grade_tokens.disconnect_course(stage.campus, stage.course_id, "person:x")
    with stage.campus.db.reading() as session:
        assert session.scalars(select(GradeGrant)).all() == []
    row = stage.row()
    assert row is not None
    assert row.state == "off"
    assert stage.collect().changed == 0
    assert len(stage.results()) == before


def test_the_address_of_a_site_stays_at_its_origin(stage: Stage) -> None:
    with pytest.raises(Invalid) as caught:
        grade_tokens.connect_site(
            stage.campus, stage.installation_id, "https://evil.example", "t" * 32, "operator:x"
        )
    assert "base_url" in caught.value.fields


def test_a_maintenance_page_loses_nothing(stage: Stage) -> None:
    stage.connect(stage.token(8))
    stage.collect()
    before = {key: row.raw for key, row in stage.results().items()}
    rule = {"path": "/webservice/", "kind": "html", "times": 9}
    stage.http.post(f"{stage.lms.url}/_control/faults", json=rule, timeout=5)
    run = stage.collect()
    assert run.state == "failed"
    assert run.problem is not None
    assert "maintenance" in run.problem["fix"]
    assert {key: row.raw for key, row in stage.results().items()} == before
    stage.http.delete(f"{stage.lms.url}/_control/faults", timeout=5)
    assert stage.collect().state == "done"
