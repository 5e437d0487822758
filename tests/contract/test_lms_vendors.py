"""What Tassel does at a campus must not depend on whose LMS it has: one suite over six of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from app.errors import UpstreamError
from app.lti.platforms import LMS
from app.lti.roles import STAFF
from app.models import Award, Delivery, Installation, Person, Section
from app.pipeline.revoke import revoke
from tests.contract.lms_rigs import MODES, World, world

LEARNERS = 104
"""More than one page where a page has a hundred."""
QUIZ = "Quiz 1: Describing data"


@pytest.fixture(scope="module", params=MODES)
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A campus whose course was opened by its teacher and read once."""
    folder = tmp_path_factory.mktemp(request.param)
    with world(folder, request.param, LEARNERS) as made:
        made.open_links()
        made.collected()
        yield made


def test_registration_is_active_and_knows_its_lms(here: World) -> None:
    platform = here.platform
    assert platform.state == "active"
    assert platform.issuer == here.here.vendor.issuer(here.here)
    with here.db.reading() as session:
        assert session.get_one(Installation, platform.installation_id).lms == here.mode


def test_everybody_enters_in_the_right_role(here: World) -> None:
    learner = here.numbers("learner")[0]
    assert here.enter(learner).role == "learner"
    for number in (here.numbers("teacher")[0], here.numbers("assistant")[0], here.admin):
        assert here.enter(number).role in STAFF


def test_a_launch_names_person_and_class_as_the_student_system_does(here: World) -> None:
    number = next(one for one in here.numbers("learner") if here.here.people[one].sis_id)
    enrolment = here.enter(number)
    assert here.person(number).sis_id == here.here.people[number].sis_id
    course = here.here.courses[3]
    with here.db.reading() as session:
        section = session.get_one(Section, enrolment.section_id).sis_class_id
    assert section in {course.sis_id, *(one.sis_id for one in course.sections)}


def test_nobody_gets_an_id_that_the_lms_does_not_know(here: World) -> None:
    number = next(one for one in here.numbers("learner") if not here.here.people[one].sis_id)
    here.enter(number)
    assert here.person(number).sis_id is None


def test_a_preview_user_never_counts(here: World) -> None:
    preview = [one.id for one in here.here.people.values() if one.is_test]
    assert bool(preview) == here.here.vendor.student_view
    for number in preview:
        here.enter(number)
        assert here.person(number).is_test


def test_the_roster_is_complete_and_a_launch_knows_roles_better(here: World) -> None:
    assistant = here.numbers("assistant")[0]
    here.enter(assistant)
    here.collected()
    assert here.active("learner") == {here.sub(one) for one in here.numbers("learner")}
    found = here.enrolment(here.sub(assistant))
    assert found is not None
    assert found.role in STAFF


def test_every_column_and_every_grade_is_read(here: World) -> None:
    plan = [one.label for one in here.here.course_columns(3) if one.kind == "linked"]
    assert len(plan) == 12
    assert sorted(here.titles()) == sorted(plan)
    for label in plan:
        assert here.results(label) == here.cells(label), label
    assert any(Decimal(0) in here.results(label).values() for label in plan)


def test_pages_that_nobody_asked_for_are_followed_to_the_end(here: World) -> None:
    here.control("page_size", size=5)
    try:
        url = here.course.services["memberships"]
        members = list(here.campus.lti.members(here.platform.id, url))
        assert len({one.user_id for one in members}) >= len(here.numbers("learner"))
        assert set(here.titles()) >= {one.label for one in here.items() if one.tag is None}
    finally:
        here.control("page_size", size=0)


def test_who_leaves_is_seen_and_keeps_the_grades(here: World) -> None:
    suspended, gone = here.numbers("learner")[-2:]
    here.control("suspend", course=3, person=suspended)
    here.control("unenrol", course=3, person=gone)
    here.collected()
    for number in (suspended, gone):
        found = here.enrolment(here.sub(number))
        assert found is not None
        assert found.state == "left"
        assert here.sub(number) not in here.active("learner")
    assert here.results(QUIZ) == here.cells(QUIZ)


def test_a_score_arrives_and_can_be_taken_back_at_once(here: World) -> None:
    number = here.numbers("learner")[1]
    stamp = here.post(number, 1)
    assert here.score(number) == 1
    here.post(number, None, stamp)
    assert here.score(number) is None


def test_zero_is_a_score(here: World) -> None:
    number = here.numbers("learner")[2]
    here.post(number, 0)
    assert here.score(number) == 0


def test_a_score_for_somebody_who_is_not_graded_is_refused_in_plain_words(here: World) -> None:
    with pytest.raises(UpstreamError) as refusal:
        here.post(here.numbers("teacher")[0], 1)
    assert (refusal.value.code, refusal.value.permanent) == ("ags-user-refused", True)


def test_an_older_score_is_told_apart(here: World) -> None:
    number = here.numbers("learner")[3]
    stamp = here.post(number, 1)
    item, lti = here.own_item(), here.campus.lti
    with pytest.raises(UpstreamError) as refusal:
        lti.post_score(
            here.platform.id,
            item.url,
            here.sub(number),
            Decimal(1),
            Decimal(1),
            stamp - timedelta(minutes=1),
            None,
        )
    assert refusal.value.code == "ags-stale-timestamp"


def test_a_busy_lms_is_waited_for(here: World) -> None:
    rule = {"path": "/results$", "kind": "status", "status": 429, "retry_after": 1}
    here.lms.app.test_client().post("/_control/faults", json=rule)
    begun = here.clock()
    assert here.read().state == "waiting"
    with passing(here, minutes=1):
        here.collected()
    assert here.course.collected_at > begun


def test_a_badge_reaches_its_column_and_the_teacher_has_the_last_word(here: World) -> None:
    """Who reaches the mark has full marks in one column of ours, which is never an assessment.

    Without an e-mail address a badge waits for its recipient, so these people are left out.
    """
    here.collected()
    people = here.here.people
    learners = {here.sub(one) for one in here.numbers("learner") if people[one].email}
    earn = {s for s, v in here.cells(QUIZ).items() if v >= 9 and s in learners}
    assert len(earn) > 3
    columns = len(here.own_columns())
    here.badge({here.external(QUIZ): 90})
    here.collected()
    here.sign()
    while here.send():
        pass
    (column,) = here.own_columns()[columns:]
    assert full(here, column) == earn
    here.collected()
    assert column.label not in here.titles()
    kept, withdrawn = sorted(earn)[:2]
    here.control("grade", course=3, line_item=str(column.id), person=kept, score=0.5)
    for sub in (kept, withdrawn):
        revoke(here.campus, award_of(here, sub), "by mistake", "operator:test")
    while here.send():
        pass
    assert full(here, column) == earn - {kept, withdrawn}
    held = {here.sub(number): cell.value for number, cell in column.grades.items()}
    assert (held[kept], held.get(withdrawn)) == (0.5, None)
    with here.db.reading() as session:
        states = set(session.scalars(select(Delivery.state)))
    assert states == {"sent"}


@contextmanager
def passing(here: World, **amount: float) -> Iterator[None]:
    """Let some time pass at Tassel's clock, for a while."""
    clock: Any = here.clock
    clock.ahead = timedelta(**amount)
    yield
    clock.ahead = timedelta(0)


def full(here: World, column: object) -> set[str]:
    """Who has full marks in a column."""
    grades: dict[int, object] = column.grades  # type: ignore[attr-defined]
    return {here.sub(number) for number, cell in grades.items() if cell.value == 1.0}  # type: ignore[attr-defined]


def award_of(here: World, sub: str) -> str:
    with here.db.reading() as session:
        found = session.scalars(
            select(Award.id).join(Person, Person.id == Award.person_id).where(Person.sub == sub)
        ).one()
    return str(found)


def test_every_vendor_is_here() -> None:
    """A seventh platform cannot be added without standing in this suite."""
    assert set(MODES) == set(LMS) - {"generic"}
