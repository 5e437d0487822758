"""The column of ours in the course, against the demo LMS over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import delete, select, update

from app.db import Database
from app.lti.vocabulary import RESULT_SCOPE
from app.models import (
    AchievementVersion,
    Attempt,
    Course,
    CourseColumn,
    CourseScore,
    Delivery,
    Disclosure,
)
from app.pipeline import deliver, outbox
from app.settings import Settings
from tests.integration.send_stage import Stage

SCORES = "/scores"


@pytest.fixture
def build(settings: Settings, db: Database) -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(mode: str = "moodle", learners: int = 6) -> Stage:
        stages.append(Stage(settings, db, mode=mode, learners=learners))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


@pytest.fixture(params=["moodle", "canvas"])
def stage(request: pytest.FixtureRequest, build: Callable[..., Stage]) -> Stage:
    return build(request.param)


def test_full_marks_arrive_once_in_a_column_of_our_own(stage: Stage) -> None:
    stage.queue()
    stage.queue()
    assert stage.states() == {"waiting": 6}
    assert stage.send() == 6
    assert stage.states() == {"sent": 6}
    assert set(stage.values().values()) == {1.0}
    assert set(stage.posts().values()) == {1}
    column = stage.column()
    assert column.label == "Badge: Data literacy"
    assert column.maximum == 1
    assert column.resource_id == stage.achievement_id
    assert stage.send() == 0
    with stage.db.reading() as session:
        assert {d.kind for d in session.scalars(select(Disclosure))} == {"course"}


def test_a_lost_answer_is_read_back_and_not_posted_again(stage: Stage) -> None:
    stage.lms_faults(path=SCORES, kind="commit_then_drop", method="POST", times=2)
    stage.queue()
    stage.send()
    assert stage.states() == {"sent": 6}
    assert set(stage.posts().values()) == {1}
    codes = sorted(row.code for row in stage.deliveries())
    assert codes == ["already-there"] * 2 + ["posted"] * 4


def test_a_worker_that_died_after_the_post_leaves_one_post(stage: Stage) -> None:
    stage.queue()
    stage.send()
    with stage.db.transaction() as session:
        session.execute(update(CourseScore).values(value=None))
        session.execute(update(Delivery).values(state="waiting", next_at=stage.clock()))
    stage.send()
    assert stage.states() == {"sent": 6}
    assert set(stage.posts().values()) == {1}


def test_a_column_made_before_the_answer_was_lost_is_found_by_its_tag(stage: Stage) -> None:
    stage.lms_faults(path="lineitems|line_items", kind="commit_then_drop", method="POST")
    stage.queue()
    stage.send()
    assert stage.states() == {"waiting": 6}
    stage.make_due()
    stage.send()
    assert stage.states() == {"sent": 6}
    assert stage.column() is not None


def test_a_teachers_other_value_stays(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    chosen = stage.people[1]
    answer = stage.lms.app.test_client().post(
        "/_control/grade",
        json={
            "course": stage.lms_course,
            "line_item": stage.column().id,
            "person": chosen.id,
            "score": 0.5,
        },
    )
    assert answer.status_code == 200
    stage.queue(stage.awards)
    stage.send()
    assert stage.states() == {"sent": 6}
    kept = [row for row in stage.deliveries() if row.code == "teacher-value-kept"]
    assert [row.award_id for row in kept] == [stage.awards[1]]
    assert stage.values()[stage.box.vendor.subject(chosen)] == 0.5


def test_a_clock_that_lags_behind_the_lms_gets_there(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    cell = stage.column().grades[stage.people[0].id]
    cell.value = None
    stage.clock.pass_(hours=-1)
    with stage.db.transaction() as session:
        session.execute(update(CourseScore).values(value=None, timestamp=stage.clock()))
        session.execute(update(Delivery).values(state="waiting", next_at=stage.clock()))
    stage.send()
    assert stage.states() == {"waiting": 1}
    assert stage.deliveries()[0].code == "ags-stale-timestamp"
    stage.clock.pass_(hours=1, seconds=3)
    stage.make_due()
    stage.send()
    assert stage.states() == {"sent": 1}
    assert set(stage.values().values()) == {1.0}


def test_revoking_takes_back_our_mark_only(build: Callable[..., Stage]) -> None:
    stage = build("canvas")
    stage.queue()
    stage.send()
    teacher = stage.people[1]
    stage.column().grades[teacher.id].value = 0.25
    stage.revoke(stage.awards[0])
    stage.revoke(stage.awards[1])
    stage.send()
    assert stage.states(operation="revoke") == {"sent": 2}
    codes = {row.award_id: row.code for row in stage.deliveries(operation="revoke")}
    assert codes == {stage.awards[0]: "taken-back", stage.awards[1]: "teacher-value-kept"}
    assert stage.values()[stage.box.vendor.subject(teacher)] == 0.25
    assert stage.values().get(stage.box.vendor.subject(stage.people[0])) is None


def test_what_was_never_tried_is_dropped_and_not_revoked(stage: Stage) -> None:
    stage.queue()
    stage.revoke(stage.awards[0])
    assert stage.states() == {"waiting": 5, "dropped": 1}
    assert stage.deliveries(operation="revoke") == []
    stage.send()
    assert stage.states() == {"sent": 5, "dropped": 1}
    assert len(stage.values()) == 5


def test_a_deleted_column_is_named_and_made_again_on_retry(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    del stage.box.columns[stage.column().id]
    stage.queue(stage.awards[:2])
    stage.send()
    assert stage.states() == {"sent": 1, "dead": 1}
    dead = next(row for row in stage.deliveries() if row.state == "dead")
    assert dead.code == "column-gone"
    deliver.retry(stage.campus, dead.id, "operator:test")
    stage.send()
    assert stage.states() == {"sent": 2}


def test_a_course_without_the_scopes_gets_no_delivery(stage: Stage) -> None:
    with stage.db.transaction() as session:
        course = session.get_one(Course, stage.course_id)
        course.services = course.services | {"ags_scopes": [RESULT_SCOPE]}
    stage.queue()
    assert stage.deliveries() == []


def test_without_the_right_to_read_a_known_post_is_not_repeated(stage: Stage) -> None:
    with stage.db.transaction() as session:
        course = session.get_one(Course, stage.course_id)
        scopes = [s for s in course.services["ags_scopes"] if s != RESULT_SCOPE]
        course.services = course.services | {"ags_scopes": scopes}
    stage.queue()
    stage.send()
    assert stage.states() == {"sent": 6}
    stage.revoke(stage.awards[0])
    stage.send()
    assert stage.deliveries(operation="revoke")[0].code == "no-read-back"


def test_an_lms_that_answers_no_more_is_left_alone(build: Callable[..., Stage]) -> None:
    stage = build("moodle", learners=30)
    stage.queue()
    stage.lms_faults(path=SCORES, kind="status", status=503, method="POST", times=None)
    stage.send()
    assert stage.states() == {"waiting": 30}
    log = stage.lms.app.test_client().get("/_control/requests").get_json()
    tried = [entry for entry in log["requests"] if entry["method"] == "POST" and entry["fault"]]
    assert len(tried) < 10


def test_forgetting_our_rows_writes_nothing_twice(stage: Stage) -> None:
    """A restored backup knows less than the LMS: reading first makes that harmless."""
    stage.queue()
    stage.send()
    with stage.db.transaction() as session:
        session.execute(delete(CourseScore))
        session.execute(delete(CourseColumn))
        session.execute(delete(Attempt))
        session.execute(delete(Delivery))
    stage.queue()
    stage.send()
    assert {row.code for row in stage.deliveries()} == {"already-there"}
    assert set(stage.posts().values()) == {1}


def test_a_deleted_column_is_not_made_again_without_being_asked(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    del stage.box.columns[stage.column().id]
    for some in (stage.awards[:2], stage.awards):
        stage.queue(some)
        stage.send()
    assert stage.states() == {"sent": 1, "dead": 5}
    assert not [one for one in stage.box.columns.values() if one.kind == "tool"]
    with stage.db.transaction() as session:
        outbox.column_again(session, stage.course_id, stage.achievement_id, stage.clock())
    stage.send()
    assert stage.states() == {"sent": 6}
    assert set(stage.values().values()) == {1.0}
    assert len(stage.values()) == 6, "also those who had it in the column that was deleted"


def rename(stage: Stage, name: str) -> None:
    with stage.db.transaction() as session:
        session.execute(update(AchievementVersion).values(name=name))


def test_the_column_follows_the_badges_name(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    before = stage.column().id
    rename(stage, "Data literacy, new")
    stage.queue(stage.awards[:2])
    stage.send()
    column = stage.column()
    assert (column.id, column.label) == (before, "Badge: Data literacy, new")
    assert column.maximum == 1
    assert column.resource_id == stage.achievement_id
    assert stage.states() == {"sent": 2}


def test_a_teachers_name_for_the_column_stays(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    column = stage.column()
    column.label = "Our badge"
    rename(stage, "Data literacy, new")
    stage.queue(stage.awards[:2])
    stage.send()
    assert stage.box.columns[column.id].label == "Our badge"
    assert stage.states() == {"sent": 2}


def test_a_name_that_the_lms_refuses_keeps_no_mark_back(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    rename(stage, "Data literacy, new")
    stage.lms_faults(path="lineitems|line_items", kind="status", method="PUT", status=400, times=9)
    stage.queue(stage.awards[:2])
    stage.send()
    assert stage.states() == {"sent": 2}
    assert stage.column().label == "Badge: Data literacy"


def test_a_column_that_moved_is_found_again(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    stage.send()
    column = stage.column()
    del stage.box.columns[column.id]
    column.id += 500
    stage.box.columns[column.id] = column
    stage.queue(stage.awards[:2])
    stage.send()
    stage.make_due()
    stage.send()
    assert stage.states() == {"sent": 2}
    assert set(stage.values().values()) == {1.0}
    assert len([one for one in stage.box.columns.values() if one.kind == "tool"]) == 1


def test_the_column_asks_nobody_to_hand_something_in(build: Callable[..., Stage]) -> None:
    stage = build("canvas")
    stage.queue(stage.awards[:1])
    stage.send()
    kind = "https://canvas.instructure.com/lti/submission_type"
    assert stage.column().extra[kind] == {"type": "none"}
