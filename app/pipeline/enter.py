"""ENTER: a verified launch becomes course, person and enrolment rows.

Everything stands in one transaction; the unique constraints make it safe to run twice, and two
first launches at the same moment end as one set of rows (the later one tries again).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import LaunchRefused
from app.lti.launch import LaunchContext
from app.lti.roles import STAFF
from app.models import (
    Course,
    Enrolment,
    EnrolmentChange,
    Installation,
    Learner,
    Person,
    Section,
    Term,
)
from app.pipeline import learners
from app.pipeline.campus import Campus


@dataclass(frozen=True)
class Entered:
    """Who entered which course (row ids) in which role."""

    course_id: str
    person_id: str
    role: str
    locale: str | None


def enter(campus: Campus, launch: LaunchContext) -> Entered:
    """Keep course, person and enrolment up with the launch.

    LaunchRefused when the launch names no course or gives no role in it.
    """
    if not launch.context_id or len(launch.context_id) > 300:
        raise LaunchRefused(
            "no-course",
            "Tassel was not opened from a course.",
            fix="Open it from a course page of the LMS.",
        )
    if launch.role == "none":
        raise LaunchRefused(
            "no-role",
            "Your account has no role in this course.",
            fix="The teacher of the course can enrol you.",
        )
    return campus.db.settle(lambda session: _enter(session, launch, campus.clock()))


def _enter(session: Session, launch: LaunchContext, now: datetime) -> Entered:
    installation = session.get_one(Installation, launch.installation_id)
    if launch.guid:
        installation.guid = launch.guid[:300]
    course = _course(session, launch, now)
    section = _section(session, course, launch.section_sis_id)
    person = _person(session, installation, launch, now)
    _enrol(session, course, person, section, launch, now)
    if launch.role in STAFF and course.next_collect_at is None and course.state == "active":
        course.next_collect_at = now
    return Entered(course.id, person.id, launch.role, launch.locale)


def _course(session: Session, launch: LaunchContext, now: datetime) -> Course:
    """The course of the context. Its services come from verified launches only."""
    course = session.scalar(
        select(Course).where(
            Course.deployment_id == launch.deployment_id, Course.context_id == launch.context_id
        )
    )
    if course is None:
        course = Course(
            id=new_id(),
            deployment_id=launch.deployment_id,
            context_id=str(launch.context_id),
            services={},
            state="active",
            created_at=now,
        )
        session.add(course)
    course.title = (launch.context_title or course.title or "")[:300]
    course.label = (launch.context_label or course.label or "")[:200]
    term_id = _term_id(session, launch)
    course.term_id = term_id or course.term_id
    named = {
        "lineitems": launch.lineitems_url,
        "ags_scopes": list(launch.ags_scopes) or None,
        "memberships": launch.memberships_url,
    }
    services = {**course.services, **{key: value for key, value in named.items() if value}}
    if services != course.services:
        course.services = services
    session.flush()
    return course


def _term_id(session: Session, launch: LaunchContext) -> str | None:
    """The term by its name: a launch gives no other id of it."""
    if not launch.term_name:
        return None
    name = launch.term_name[:200]
    chosen = select(Term).where(Term.installation_id == launch.installation_id, Term.sis_id == name)
    term = session.scalar(chosen)
    if term is None:
        term = Term(id=new_id(), installation_id=launch.installation_id, sis_id=name, name=name)
        session.add(term)
        session.flush()
    return term.id


def _section(session: Session, course: Course, sis_id: str | None) -> Section | None:
    if not sis_id or len(sis_id) > 200:
        return None
    chosen = select(Section).where(Section.course_id == course.id, Section.sis_class_id == sis_id)
    section = session.scalar(chosen)
    if section is None:
        section = Section(id=new_id(), course_id=course.id, sis_class_id=sis_id)
        session.add(section)
        session.flush()
    return section


def _person(
    session: Session, installation: Installation, launch: LaunchContext, now: datetime
) -> Person:
    person = session.scalar(
        select(Person).where(Person.installation_id == installation.id, Person.sub == launch.sub)
    )
    if person is None:
        learner = Learner(id=new_id(), created_at=now)
        session.add(learner)
        session.flush()
        person = Person(
            id=new_id(),
            installation_id=installation.id,
            sub=launch.sub,
            learner_id=learner.id,
            created_at=now,
        )
        session.add(person)
    _describe(person, launch)
    session.flush()
    if installation.sis_authoritative and person.sis_id and not person.is_test:
        learners.claim_sis_id(session, person, person.sis_id, now)
    return person


def _describe(person: Person, launch: LaunchContext) -> None:
    """What the launch says about the person; what it leaves out stays as it was."""
    person.name = (launch.name or person.name or "")[:300]
    person.given_name = (launch.given_name or person.given_name or "")[:200]
    person.family_name = (launch.family_name or person.family_name or "")[:200]
    person.email = (launch.email or person.email or "")[:320] or None
    person.locale = (launch.locale or person.locale or "")[:40] or None
    person.sis_id = (launch.person_sis_id or person.sis_id or "")[:200] or None
    person.is_test = launch.is_test or bool(person.is_test)


def _enrol(
    session: Session,
    course: Course,
    person: Person,
    section: Section | None,
    launch: LaunchContext,
    now: datetime,
) -> None:
    """The enrolment with the launch's role, and a line of history when role or state changed."""
    enrolment = session.scalar(
        select(Enrolment).where(Enrolment.course_id == course.id, Enrolment.person_id == person.id)
    )
    before = (enrolment.role, enrolment.state) if enrolment else None
    if enrolment is None:
        enrolment = Enrolment(id=new_id(), course_id=course.id, person_id=person.id)
        session.add(enrolment)
    enrolment.role = enrolment.launch_role = launch.role
    enrolment.state = "active"
    enrolment.launched_at = now
    if section is not None:
        enrolment.section_id = section.id
    session.flush()
    if before != (enrolment.role, enrolment.state):
        session.add(
            EnrolmentChange(
                enrolment_id=enrolment.id,
                at=now,
                role=enrolment.role,
                state=enrolment.state,
                source="launch",
            )
        )
