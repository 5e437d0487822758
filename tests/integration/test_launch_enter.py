"""From a verified launch and a roster to courses, people and enrolments, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import LaunchRefused, UpstreamError
from app.lti.launch import LaunchContext
from app.lti.platforms import LMS
from app.models import (
    AuditEntry,
    Course,
    Enrolment,
    EnrolmentChange,
    Installation,
    Learner,
    Person,
    Section,
    Term,
)
from app.pipeline import enter as entering
from app.pipeline.enter import Entered, enter
from app.pipeline.roster import RosterChange, sync_roster
from tests.integration.lti_rig import COURSE, Rig, rig


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path)) as made:
        yield made


@pytest.fixture
def canvas(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="canvas") as made:
        yield made


@pytest.fixture
def parameters(canvas: Rig) -> None:
    """What a registration by link would have declared."""
    tool = next(iter(canvas.lms.app.extensions["demo_lms"].tools.values()))
    tool.custom = LMS["canvas"].custom_parameters()


def come(here: Rig, **order: Any) -> tuple[LaunchContext, Entered]:
    found = here.launch(**order)
    return found, enter(here.campus, found)


def person_of(here: Rig, sub: str) -> Person:
    with here.db.reading() as session:
        return session.scalars(select(Person).where(Person.sub == sub)).one()


def counted(session: Session, table: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def enrolment(here: Rig, sub: str) -> Enrolment:
    with here.db.reading() as session:
        return session.scalars(select(Enrolment).join(Person).where(Person.sub == sub)).one()


# --- enter -------------------------------------------------------------------------------------


def test_first_learner_does_not_start_the_schedule_and_the_teacher_does(here: Rig) -> None:
    _, entered = come(here, person=12)
    with here.db.reading() as session:
        assert session.get_one(Course, entered.course_id).next_collect_at is None
    come(here, person=8)
    with here.db.reading() as session:
        course = session.get_one(Course, entered.course_id)
    assert course.next_collect_at is not None
    assert (course.label, course.title) == (COURSE, "Introduction to Statistics")
    assert set(course.services) == {"lineitems", "ags_scopes", "memberships"}


def test_coming_again_changes_nothing_but_the_time(here: Rig) -> None:
    for _ in range(3):
        _, entered = come(here, person=12)
    with here.db.reading() as session:
        for table in (Course, Person, Learner, Enrolment, EnrolmentChange, Section):
            assert counted(session, table) == 1
    assert entered.role == "learner"


def test_role_change_is_remembered(here: Rig) -> None:
    found, _ = come(here, person=12)
    enter(here.campus, replace(found, role="instructor"))
    with here.db.reading() as session:
        history = session.scalars(select(EnrolmentChange).order_by(EnrolmentChange.id)).all()
    assert [(row.role, row.source) for row in history] == [
        ("learner", "launch"),
        ("instructor", "launch"),
    ]


def test_two_courses_two_roles(here: Rig) -> None:
    """The statistics teacher is a learner in the other course."""
    one, teaching = come(here, person=8, course=COURSE)
    two, learning = come(here, person=8, course="TEACH 500")
    assert (teaching.role, learning.role) == ("instructor", "learner")
    assert teaching.person_id == learning.person_id
    assert teaching.course_id != learning.course_id
    assert one.context_id != two.context_id


@pytest.mark.usefixtures("parameters")
def test_section_and_term(canvas: Rig) -> None:
    found, _ = come(canvas, person=12)
    with canvas.db.reading() as session:
        term = session.scalars(select(Term)).one()
        section = session.scalars(select(Section)).one()
        enrolled = session.scalars(select(Enrolment)).one()
    assert term.name == "Autumn 2026"
    assert section.sis_class_id == found.section_sis_id
    assert enrolled.section_id == section.id


def test_test_student_is_marked_and_never_becomes_somebody_else(canvas: Rig) -> None:
    with canvas.db.transaction() as session:
        session.execute(update(Installation).values(sis_authoritative=True))
    people = canvas.lms.app.extensions["demo_lms"].people.values()
    _, entered = come(canvas, person=next(one.id for one in people if one.is_test))
    with canvas.db.reading() as session:
        person = session.get_one(Person, entered.person_id)
        assert person.is_test
        assert person.learner.sis_id is None


def test_launch_without_course_or_role_is_refused(here: Rig) -> None:
    found = here.launch()
    for changed, code in (({"context_id": None}, "no-course"), ({"role": "none"}, "no-role")):
        with pytest.raises(LaunchRefused) as refusal:
            enter(here.campus, replace(found, **changed))  # type: ignore[arg-type]
        assert refusal.value.code == code


def test_ids_of_another_lms_are_other_people(here: Rig) -> None:
    """``sub`` 12 here and ``sub`` 12 there, even with one e-mail address, are two persons."""
    found, entered = come(here, person=12)
    with here.db.transaction() as session:
        other = Installation(
            name="Other", lms="generic", origin="https://other.example", created_at=here.clock()
        )
        session.add(other)
        session.flush()
        other_id = other.id
    again = enter(here.campus, replace(found, installation_id=other_id, context_id="other"))
    assert again.person_id != entered.person_id
    with here.db.reading() as session:
        assert counted(session, Learner) == 2


def test_equal_sis_ids_join_only_where_they_are_trusted(here: Rig) -> None:
    found, first = come(here, person=12)
    with here.db.transaction() as session:
        other = Installation(
            name="Other", lms="generic", origin="https://other.example", created_at=here.clock()
        )
        session.add(other)
        session.flush()
        other_id = other.id
    elsewhere = replace(found, installation_id=other_id, context_id="other")
    second = enter(here.campus, elsewhere)
    learners = {first.person_id: "", second.person_id: ""}
    assert len(joined(here, learners)) == 2
    with here.db.transaction() as session:
        session.execute(update(Installation).values(sis_authoritative=True))
    enter(here.campus, found)
    enter(here.campus, elsewhere)
    assert len(joined(here, learners)) == 1
    with here.db.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert "learner.joined" in actions


def joined(here: Rig, people: dict[str, str]) -> set[str]:
    with here.db.reading() as session:
        return {session.get_one(Person, person_id).learner_id for person_id in people}


def test_first_launches_at_once_make_one_course(here: Rig) -> None:
    launches = [here.launch(person=number) for number in (12, 12, 13, 14, 8, 8)]
    ready = threading.Barrier(len(launches))
    entered: list[Entered] = []

    def run(found: LaunchContext) -> None:
        ready.wait()
        entered.append(enter(here.campus, found))

    threads = [threading.Thread(target=run, args=(found,)) for found in launches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == len(launches)
    assert len({one.course_id for one in entered}) == 1
    with here.db.reading() as session:
        assert (counted(session, Course), counted(session, Person)) == (1, 4)
        assert counted(session, Enrolment) == 4


def test_launch_that_lost_a_race_tries_again(here: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one's rows stand by then, so the second try finds them."""
    found, first = come(here, person=12)
    real, tries = entering._enter, []

    def beaten_once(*args: Any) -> Entered:
        tries.append(args)
        if len(tries) == 1:
            raise IntegrityError("insert", {}, Exception("unique"))
        return real(*args)

    monkeypatch.setattr(entering, "_enter", beaten_once)
    assert enter(here.campus, found) == first
    assert len(tries) == 2


# --- roster ------------------------------------------------------------------------------------


def test_roster_brings_those_who_never_launched(here: Rig) -> None:
    _, entered = come(here, person=8)
    change = sync_roster(here.campus, entered.course_id)
    assert change == RosterChange(added=31, updated=1, left=0)
    assert sync_roster(here.campus, entered.course_id) == RosterChange(0, 0, 0)
    with here.db.reading() as session:
        named = session.scalars(select(Person).where(Person.sub == "12")).one()
        assert named.name
        assert named.sis_id
        assert counted(session, EnrolmentChange) == 32


def test_role_of_the_launch_wins_over_the_list(here: Rig) -> None:
    """The assistant is Instructor at launch and Learner in the list."""
    found, entered = come(here, person=9)
    sync_roster(here.campus, entered.course_id)
    row = enrolment(here, found.sub)
    assert (row.role, row.launch_role, row.roster_role) == ("instructor", "instructor", "learner")


def test_dropping_out_and_coming_back(here: Rig) -> None:
    _, entered = come(here, person=8)
    sync_roster(here.campus, entered.course_id)
    here.control("suspend", course=COURSE, person=12)
    here.control("unenrol", course=COURSE, person=13)
    assert sync_roster(here.campus, entered.course_id) == RosterChange(0, 0, 2)
    assert enrolment(here, "12").state == "left"
    assert sync_roster(here.campus, entered.course_id) == RosterChange(0, 0, 0)
    here.control("suspend", course=COURSE, person=12, suspended=False)
    assert sync_roster(here.campus, entered.course_id) == RosterChange(0, 1, 0)
    assert enrolment(here, "12").state == "active"


@pytest.mark.usefixtures("parameters")
def test_own_user_ids_come_by_launch_and_by_roster(canvas: Rig) -> None:
    """Canvas tells its own ids of those who never came when asked with the navigation's link."""
    found, entered = come(canvas, person=12)
    assert person_of(canvas, found.sub).lms_user_id == "12"
    sync_roster(canvas.campus, entered.course_id)
    with canvas.db.reading() as session:
        ids = session.scalars(select(Person.lms_user_id)).all()
    assert len(set(ids)) == len(ids) == 33
    assert None not in ids


@pytest.mark.usefixtures("parameters")
def test_roster_without_custom_fields_is_read_where_rlid_is_refused(canvas: Rig) -> None:
    _, entered = come(canvas, person=8)
    links = canvas.lms.app.extensions["demo_lms"].links
    for number in [key for key, link in links.items() if link.navigation]:
        del links[number]
    assert sync_roster(canvas.campus, entered.course_id).added == 32


def test_custom_fields_are_not_asked_where_nothing_is_gained(here: Rig) -> None:
    found, entered = come(here, person=8)
    sync_roster(here.campus, entered.course_id)
    assert person_of(here, found.sub).lms_user_id is None


def test_inactive_member_has_left(canvas: Rig) -> None:
    _, entered = come(canvas, person=8)
    sync_roster(canvas.campus, entered.course_id)
    canvas.control("suspend", course=COURSE, person=12)
    assert sync_roster(canvas.campus, entered.course_id).left == 1


def test_site_administrator_outside_the_list_stays(here: Rig) -> None:
    found, entered = come(here, person=2)
    sync_roster(here.campus, entered.course_id)
    assert enrolment(here, found.sub).state == "active"


def test_launch_during_the_reading_is_not_undone(here: Rig) -> None:
    """Somebody who is not in a list that was read before the launch has not left."""
    found, entered = come(here, person=12)
    here.control("unenrol", course=COURSE, person=12)
    here.clock.ahead = timedelta(seconds=-5)
    sync_roster(here.campus, entered.course_id)
    assert enrolment(here, found.sub).state == "active"
    here.clock.ahead = timedelta()
    sync_roster(here.campus, entered.course_id)
    assert enrolment(here, found.sub).state == "left"


def test_half_a_list_changes_nothing(here: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    _, entered = come(here, person=8)
    sync_roster(here.campus, entered.course_id)
    whole = here.campus.lti.members

    def broken(platform_id: str, url: str, _rlid: str | None) -> Iterator[Any]:
        for number, member in enumerate(whole(platform_id, url)):
            if number == 5:
                raise UpstreamError("x", "cut off", system="LMS", permanent=False)
            yield member

    monkeypatch.setattr(here.campus.lti, "members", broken)
    with pytest.raises(UpstreamError):
        sync_roster(here.campus, entered.course_id)
    with here.db.reading() as session:
        states = session.scalars(select(Enrolment.state)).all()
    assert set(states) == {"active"}


def test_trusted_roster_names_learners(here: Rig) -> None:
    _, entered = come(here, person=8)
    sync_roster(here.campus, entered.course_id)
    with here.db.transaction() as session:
        session.execute(update(Installation).values(sis_authoritative=True))
    sync_roster(here.campus, entered.course_id)
    with here.db.reading() as session:
        rows = session.execute(
            select(Person.sis_id, Learner.sis_id).join(Learner, Learner.id == Person.learner_id)
        ).all()
    assert all(person == learner for person, learner in rows)
    assert sum(person is not None for person, _ in rows) >= 30


def test_big_roster_takes_few_statements(db: Database, tmp_path: Path) -> None:
    """Statements grow with pages of people, not with people."""
    with rig(db, str(tmp_path), learners=3000) as here:
        _, entered = come(here, person=8)
        spoken: list[str] = []
        event.listen(db.engine, "before_cursor_execute", lambda *args: spoken.append(str(args[2])))
        assert sync_roster(here.campus, entered.course_id).added == 3001
        assert len(spoken) < 60
        spoken.clear()
        assert sync_roster(here.campus, entered.course_id) == RosterChange(0, 0, 0)
        assert len(spoken) < 40
