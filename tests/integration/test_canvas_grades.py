"""Whole courses through Canvas's REST interface, against the demo LMS with its faults."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.db import Database
from app.errors import Unauthenticated, UpstreamError
from app.gradebook.canvas_rest import KEY
from app.models import (
    ColumnSource,
    Course,
    CourseColumn,
    Enrolment,
    GradeAccess,
    GradeGrant,
    Person,
    UnjoinedResult,
)
from app.pipeline import badges, collect, sources
from app.pipeline.enter import enter
from tests.bench.soak_grades import measure
from tests.integration.canvas_stage import TEACHER, Stage, canvas_stage
from tests.integration.lti_rig import COURSE

QUIZ, MIDTERM = "Quiz 1: Describing data", "Midterm exam"


@pytest.fixture
def stage(db: Database, tmp_path: Path) -> Iterator[Stage]:
    with canvas_stage(db, str(tmp_path)) as made:
        yield made


def graded(stage: Stage, title: str) -> int:
    """A learner who has a grade in a column at the LMS."""
    state = stage.rig.lms.app.extensions["demo_lms"]
    column = next(one for one in state.columns.values() if one.label == title)
    return next(
        person
        for person, grade in sorted(column.grades.items())
        if grade.value and not state.people[person].is_test
    )


def test_native_columns_join_and_shared_ones_stay_one(stage: Stage) -> None:
    """Connecting later takes over the AGS columns: same rows, so that rules go on working."""
    first = stage.collect()
    assert (first.state, first.source) == ("done", "ags")
    before = {title: row.id for title, row in stage.columns().items()}
    assert MIDTERM not in before
    stage.connect()
    second = stage.collect()
    assert (second.state, second.source, second.unit) == ("done", KEY, "columns")
    after = stage.columns()
    assert after[MIDTERM].source == KEY
    assert {title: after[title].id for title in before} == before
    assert {row.source for row in after.values()} == {KEY}
    assert after[MIDTERM].kind == "quiz"
    assert len(after) == len(before) + 2
    assert "Course total" not in after
    with stage.campus.db.reading() as session:
        shared = (
            select(func.count())
            .select_from(ColumnSource)
            .where(ColumnSource.assessment_id == after[QUIZ].id, ColumnSource.state == "active")
        )
        assert session.scalar(shared) == 2
    assert stage.source().unjoined == 0


def test_changes_cost_few_requests_and_arrive(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    calls, learner = stage.calls(), graded(stage, MIDTERM)
    stage.rig.control("grade", course=COURSE, line_item=MIDTERM, person=learner, score=99.5)
    run = stage.collect()
    assert run.changed == 1
    row = stage.result(MIDTERM, learner)
    assert row is not None
    assert row.raw == Decimal("99.5")
    assert stage.calls()["submissions"] - calls["submissions"] == 1
    assert stage.calls()["users"] == calls["users"]


def test_what_changes_without_a_new_time_comes_with_the_next_whole_reading(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    hidden, excused = graded(stage, MIDTERM), graded(stage, "Attendance")
    stage.control("post", course=COURSE, column=MIDTERM, person=hidden, hidden=True)
    stage.control("post", course=COURSE, column="Attendance", person=excused, excused=True)
    assert stage.collect().changed == 0
    assert stage.collect(whole=True).changed == 2
    row, other = stage.result(MIDTERM, hidden), stage.result("Attendance", excused)
    assert row is not None
    assert not row.posted
    assert other is not None
    assert other.excused
    assert other.raw is None


def test_a_quiz_that_waits_for_a_person_stays_as_it_was(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    learner = graded(stage, MIDTERM)
    before = stage.result(MIDTERM, learner)
    stage.control("post", course=COURSE, column=MIDTERM, person=learner, pending=True)
    assert stage.collect(whole=True).changed == 0
    after = stage.result(MIDTERM, learner)
    assert before is not None
    assert after is not None
    assert (after.raw, after.version) == (before.raw, before.version)


def test_a_column_that_is_published_later_is_read_from_its_beginning(stage: Stage) -> None:
    stage.control("post", course=COURSE, column=MIDTERM, published=False)
    stage.connect()
    stage.collect()
    assert MIDTERM not in stage.columns()
    stage.control("post", course=COURSE, column=MIDTERM, published=True)
    stage.collect()
    assert stage.result(MIDTERM, graded(stage, MIDTERM)) is not None
    stage.control("post", course=COURSE, column=MIDTERM, published=False)
    stage.collect()
    assert MIDTERM not in stage.columns()


def test_our_own_column_is_never_an_assessment(stage: Stage) -> None:
    """In AGS it is told by its tag; in the REST interface it has none."""
    launch = stage.rig.launch(person=TEACHER, course=COURSE)
    assert launch.lineitems_url
    achievement_id = badges.create(stage.campus, stage.course_id, "Data literacy", "test")
    item = stage.campus.lti.find_or_create_line_item(
        stage.rig.platforms[0], launch.lineitems_url,
        "Badge: Data literacy", Decimal(1), "tassel-badge-1", "tassel-badge-1",
    )  # fmt: skip
    stage.connect()
    stage.collect()
    assert "Badge: Data literacy" in stage.columns(), "the LMS lists it, and nothing tells it yet"
    with stage.campus.db.transaction() as session:
        stage_column = CourseColumn(
            course_id=stage.course_id,
            achievement_id=achievement_id,
            tag="tassel-badge-1",
            label="Badge: Data literacy",
            maximum=Decimal(1),
            url=item.url,
        )
        session.add(stage_column)
    stage.collect()
    assert "Badge: Data literacy" not in stage.columns()


def without_lti_services(stage: Stage) -> None:
    with stage.campus.db.transaction() as session:
        course = session.get_one(Course, stage.course_id)
        course.services = {"lms_course_id": course.services["lms_course_id"]}


def test_people_join_by_student_number_or_wait(stage: Stage) -> None:
    """Without a roster: learners are known by launch only; the others' grades are kept."""
    without_lti_services(stage)
    stage.connect()
    first = stage.collect()
    waiting = stage.source().unjoined
    assert (first.state, stage.results()) == ("done", 0)
    assert waiting >= 29
    learner = graded(stage, MIDTERM)
    enter(stage.campus, stage.rig.launch(person=learner, course=COURSE))
    without_lti_services(stage)
    stage.collect()
    row = stage.result(MIDTERM, learner)
    assert row is not None
    assert row.raw is not None
    assert stage.source().unjoined == waiting - 1
    with stage.campus.db.reading() as session:
        left = select(func.count()).where(UnjoinedResult.user == str(learner))
        assert session.scalar(left) == 0


def test_a_failure_half_way_keeps_what_came_and_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gradebook.canvas_rest.GROUP_ROWS", 31)
    stage.connect()
    stage.control("switch", fail_after=8)
    run = stage.collect()
    assert (run.state, run.problem and run.problem["code"]) == ("failed", "upstream-500")
    kept, before = stage.results(), stage.calls()["submissions"]
    assert kept > 0
    done = len((stage.source().cursor or {})["done"])
    assert 0 < done < 14
    again = stage.collect()
    assert again.state == "done"
    assert stage.results() > kept
    assert stage.calls()["submissions"] - before == 14 - done
    assert stage.source().problem is None


def test_throttling_is_waited_for_and_put_off_but_loses_nothing(stage: Stage) -> None:
    without_lti_services(stage)
    stage.connect()
    stage.collect()
    stage.rig.control("throttle", requests=1)
    assert stage.collect().state == "done"
    assert stage.slept == [1.0]
    stage.rig.control("throttle", requests=30)
    run = stage.collect(whole=True)
    assert run.state == "done"
    assert run.delays > 2
    assert max(stage.slept) <= 3.0
    whole_at = stage.source().whole_at
    assert whole_at is not None
    assert run.started_at is not None
    assert whole_at > run.started_at, "put off before it began, it still reads everything"


def test_tokens_renew_themselves_and_a_rotated_one_is_kept(db: Database, tmp_path: Path) -> None:
    with canvas_stage(db, str(tmp_path), lifetime=90, rotate=True) as stage:
        stage.connect()
        assert stage.collect().state == "done"
        for _ in range(3):
            stage.rig.clock.ahead += timedelta(minutes=5)
            assert stage.collect().state == "done"
        assert stage.calls()["token"] == 4
        stage.control("end_grants", only_access=True)
        assert stage.collect().state == "done", "401 once: renewed, and asked again"


def test_a_lost_authorisation_says_who_must_reconnect(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    before = stage.results()
    stage.control("end_grants", person=TEACHER)
    run = stage.collect()
    source = stage.source()
    assert (run.state, source.state) == ("failed", "lost")
    assert source.problem is not None
    assert "Marisol" in source.problem["message"]
    assert stage.results() == before
    assert stage.columns()[QUIZ].source == KEY, "what is known to be hidden stays so"
    assert stage.collect().state == "done", "the other source still works"
    stage.connect()
    assert stage.collect().state == "done"
    assert stage.source().state == "active"


def test_disconnecting_gives_the_authorisation_back(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    sources.disconnect(stage.campus, stage.course_id, KEY, "person:1")
    stage.collect()
    after = stage.columns()
    assert MIDTERM not in after
    assert after[QUIZ].source == "ags"
    with stage.campus.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(GradeGrant)) == 0
    assert not stage.rig.lms.app.extensions["demo_lms"].rest.refreshers


def test_a_concluded_course_is_read_once_more_and_then_left_alone(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    learner = graded(stage, MIDTERM)
    stage.rig.control("grade", course=COURSE, line_item=MIDTERM, person=learner, score=1)
    stage.control("switch", conclude=COURSE)
    assert stage.collect().state == "done"
    row = stage.result(MIDTERM, learner)
    assert row is not None
    assert row.raw == Decimal(1)
    with stage.campus.db.transaction() as session:
        course = session.get_one(Course, stage.course_id)
        assert (course.state, course.next_collect_at) == ("concluded", None)
    assert collect.schedule(stage.campus) == 0
    stage.control("switch", open=True)
    stage.collect()
    with stage.campus.db.reading() as session:
        assert session.get_one(Course, stage.course_id).state == "active"


def test_a_deleted_course_stops_and_keeps_everything(stage: Stage) -> None:
    stage.connect()
    stage.collect()
    before = stage.results()
    stage.control("switch", delete=COURSE)
    run = stage.collect()
    assert run.state == "failed"
    assert stage.results() == before
    with stage.campus.db.reading() as session:
        assert session.get_one(Course, stage.course_id).state == "concluded"


def test_consent_belongs_to_one_browser_and_is_used_once(stage: Stage) -> None:
    ticket = sources.ask(stage.campus, stage.course_id, KEY, stage.person_id)
    begun = sources.start(stage.campus, ticket)
    with pytest.raises(Unauthenticated):
        sources.start(stage.campus, ticket)
    with pytest.raises(Unauthenticated):
        sources.finish(stage.campus, ticket, "another-browser", "code")
    with pytest.raises(Unauthenticated):
        sources.finish(stage.campus, ticket, "", "code")
    stage.rig.clock.ahead += timedelta(minutes=20)
    with pytest.raises(Unauthenticated):
        sources.finish(stage.campus, ticket, begun.binding, "code")


def test_a_key_that_the_lms_does_not_know_is_named(stage: Stage) -> None:
    with stage.campus.db.reading() as session:
        row = session.scalars(select(GradeAccess)).one()
    assert sources.test_access(stage.campus, row.id) is None
    values = {"base_url": row.base_url, "client_id": "1", "client_secret": "no"}
    sources.save_access(stage.campus, row.installation_id, KEY, values, "operator:test")
    found = sources.test_access(stage.campus, row.id)
    assert found is not None
    assert found.code == "canvas-key-refused"


def test_no_roster_still_enrols_whom_the_installation_knows(stage: Stage) -> None:
    """Somebody who came through another course is a learner here when a grade says so."""
    learner = graded(stage, MIDTERM)
    without_lti_services(stage)
    enter(stage.campus, stage.rig.launch(person=learner, course="TEACH 500"))
    stage.connect()
    stage.collect()
    with stage.campus.db.reading() as session:
        query = (
            select(Enrolment.role)
            .join(Person, Person.id == Enrolment.person_id)
            .where(Enrolment.course_id == stage.course_id, Person.lms_user_id == str(learner))
        )
        assert session.scalar(query) == "learner"


@pytest.mark.slow
def test_a_big_course_is_read_through_a_failure_and_a_throttle(stage: Stage) -> None:
    """The size of ``make soak`` is ten times this one in both directions; the code is the same."""
    found, good = measure(stage, learners=300, columns=12)
    assert good, found
    assert found["nothing changed"]["requests"] <= 4
    assert found["until the failure"]["requests"] + found["the rest"]["requests"] < 125


def test_workers_never_renew_a_token_at_the_same_time(db: Database, tmp_path: Path) -> None:
    """With rotation the loser of a race would end the authorisation of both."""
    with canvas_stage(db, str(tmp_path), lifetime=90, rotate=True) as stage:
        stage.connect()
        grant_id = stage.source().grant_id
        source = sources.connectable(stage.campus, KEY)
        assert grant_id is not None
        stage.rig.clock.ahead += timedelta(minutes=5)

        def ask(_: int) -> str:
            try:
                return stage.campus.grants.token(grant_id, source)
            except UpstreamError as error:
                return f"{error.code} {error.retry_after}"

        with ThreadPoolExecutor(4) as workers:
            found = set(workers.map(ask, range(4)))
        assert len(found - {"grant-busy 5.0"}) == 1
        assert stage.calls()["token"] == 2
        stage.rig.clock.ahead += timedelta(minutes=5)
        assert ask(0) not in found, "the rotated refresh token was kept"
        assert stage.calls()["token"] == 3
