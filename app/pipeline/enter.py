"""ENTER: a verified launch becomes course, person and enrolment rows.

Everything stands in one transaction; the unique constraints make it safe to run twice, and two
first launches at the same moment end as one set of rows (the later one tries again). Most launches
say nothing new: a fingerprint of the last one lets them pass with one query and one update.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from app.db import new_id, table_of
from app.errors import LaunchRefused
from app.lti.launch import LaunchContext
from app.lti.platforms import lms_for
from app.lti.roles import STAFF
from app.models import (
    Course,
    CourseColumn,
    Deployment,
    Enrolment,
    EnrolmentChange,
    Installation,
    Learner,
    Person,
    Platform,
    Section,
    Term,
)
from app.pipeline import ancestry, collect, learners, legacy, tombstones
from app.pipeline.campus import Campus
from app.secrets import SecretBox


@dataclass(frozen=True)
class Entered:
    """Who entered which course (row ids) in which role."""

    course_id: str
    person_id: str
    role: str
    locale: str | None


def enter(campus: Campus, launch: LaunchContext) -> Entered:
    """Keep course, person and enrolment up with the launch.

    LaunchRefused when the launch names no course or gives no role in it; ErasedPerson for somebody
    who was erased and has not asked to begin afresh.
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
    launch = legacy.proven(campus, launch)
    said = fingerprint(launch)
    return campus.db.settle(
        lambda session: _enter(session, campus.box, launch, said, campus.clock())
    )


def fingerprint(launch: LaunchContext) -> str:
    """The same for two launches of a person in a course that leave the same rows behind.

    What differs from click to click (the moment, the link, the way back) is left out of it; the
    link stays where each has its own columns.
    """
    link = launch.resource_link_id if launch.collection_per_link else None
    lasting = replace(
        launch,
        issued_at=0.0,
        message_type="",
        target_path="",
        resource_link_id=link,
        resource_link_title=None,
        lineitem_url=launch.lineitem_url if link else None,
        return_url=None,
        document_target=None,
        deep_linking=None,
        for_user=None,
    )
    return hashlib.sha256(repr(lasting).encode()).hexdigest()


NOTED_EVERY = timedelta(minutes=1)
_KNOWN = (
    select(
        Enrolment.id,
        Enrolment.course_id,
        Enrolment.person_id,
        Course.state,
        Course.next_collect_at,
        Platform.launched_at,
    )
    .select_from(Enrolment)
    .join(Course, Course.id == Enrolment.course_id)
    .join(Person, Person.id == Enrolment.person_id)
    .join(Installation, Installation.id == Person.installation_id)
    .join(Learner, Learner.id == Person.learner_id)
    .join(Platform, Platform.id == bindparam("platform_id"))
    .where(
        Person.installation_id == bindparam("installation_id"),
        Person.sub == bindparam("sub"),
        Course.deployment_id == bindparam("deployment_id"),
        Course.context_id == bindparam("context_id"),
        Enrolment.launch_fingerprint == bindparam("said"),
        Enrolment.state == "active",
        Enrolment.role == bindparam("role"),
        # A SIS id that waits to be claimed has to be looked at.
        or_(
            Installation.sis_authoritative.is_(False),
            Person.sis_id.is_(None),
            Learner.sis_id.is_not(None),
        ),
    )
)
_SEEN_AGAIN = (
    update(table_of(Enrolment))
    .where(table_of(Enrolment).c.id == bindparam("enrolment_id"))
    .values(launched_at=bindparam("at"))
)


def _returning(session: Session, launch: LaunchContext, said: str, now: datetime) -> Entered | None:
    """Somebody whose launch says what their last one said; None when there is something to keep."""
    wanted = {
        "platform_id": launch.platform_id,
        "installation_id": launch.installation_id,
        "sub": launch.sub,
        "deployment_id": launch.deployment_id,
        "context_id": launch.context_id,
        "role": launch.role,
        "said": said,
    }
    found = session.connection().execute(_KNOWN, wanted).first()
    if found is None:
        return None
    if launch.role in STAFF and found.next_collect_at is None and found.state == "active":
        return None
    session.connection().execute(_SEEN_AGAIN, {"enrolment_id": found.id, "at": now})
    if found.launched_at is None or found.launched_at <= now - NOTED_EVERY:
        _note(session, launch, now)
    return Entered(found.course_id, found.person_id, launch.role, launch.locale)


def _enter(
    session: Session, box: SecretBox, launch: LaunchContext, said: str, now: datetime
) -> Entered:
    returning = _returning(session, launch, said, now)
    if returning is not None:
        return returning
    tombstones.beside(session)
    installation = session.get_one(Installation, launch.installation_id)
    if launch.guid:
        installation.guid = launch.guid[:300]
    course = _course(session, launch, now)
    ancestry.remember(session, course, launch)
    section = _section(session, course, launch.section_sis_id)
    person = person_of(session, box, installation, launch, now)
    enrolment = _enrol(session, course, person, section, launch, now)
    enrolment.launch_fingerprint = said
    if launch.role in STAFF and course.next_collect_at is None and course.state == "active":
        course.next_collect_at = now
        # The teacher's first page shows at once that the grades are being read.
        collect.request_in(session, course, "launch", now)
    _note(session, launch, now)
    return Entered(course.id, person.id, launch.role, launch.locale)


def _note(session: Session, launch: LaunchContext, now: datetime) -> None:
    """That the registration is in use, and how the LMS's clock goes; at most once a minute."""
    lately = Platform.launched_at > now - NOTED_EVERY
    session.execute(
        update(Platform)
        .where(Platform.id == launch.platform_id, Platform.launched_at.is_(None) | ~lately)
        .values(launched_at=now, launch_skew=launch.issued_at - now.timestamp())
        .execution_options(synchronize_session=False)
    )


def _course(session: Session, launch: LaunchContext, now: datetime) -> Course:
    """The course of the context. Its services come from verified launches only."""
    course = session.scalar(
        select(Course).where(
            Course.deployment_id == launch.deployment_id, Course.context_id == launch.context_id
        )
    )
    if course is None:
        course = _continued(session, launch)
    if course is None:
        course = Course(
            id=new_id(),
            deployment_id=launch.deployment_id,
            context_id=str(launch.context_id),
            services={},
            history=[],
            state="active",
            created_at=now,
        )
        session.add(course)
    course.title = (launch.context_title or course.title or "")[:300]
    course.label = (launch.context_label or course.label or "")[:200]
    term_id = _term_id(session, launch)
    course.term_id = term_id or course.term_id
    named: dict[str, Any] = {
        "lineitems": launch.lineitems_url,
        "ags_scopes": list(launch.ags_scopes) or None,
        "memberships": launch.memberships_url,
        "lms_course_id": _own_course_id(session, launch),
    }
    if launch.collection_per_link:
        named |= _of_this_link(course.services, launch)
    services = {**course.services, **{key: value for key, value in named.items() if value}}
    if services != course.services:
        course.services = services
    session.flush()
    return course


def _continued(session: Session, launch: LaunchContext) -> Course | None:
    """The course as an older registration knew it, moved over with all that belongs to it.

    Columns that the old registration made are not shown to the new one: they are found or made
    again. Only an operator says that a registration continues another.
    """
    platform = session.get(Platform, launch.platform_id)
    seen: set[str] = set()
    while platform is not None and platform.continues_id and platform.id not in seen:
        seen.add(platform.id)
        platform = session.get(Platform, platform.continues_id)
        course = session.scalar(
            select(Course)
            .join(Deployment, Deployment.id == Course.deployment_id)
            .where(
                Deployment.platform_id == (platform.id if platform else ""),
                Course.context_id == launch.context_id,
            )
            .limit(1)
        )
        if course is not None:
            course.deployment_id, course.services = launch.deployment_id, {}
            columns = update(CourseColumn).where(CourseColumn.course_id == course.id)
            session.execute(columns.values(url=None))
            return course
    return None


def _own_course_id(session: Session, launch: LaunchContext) -> str | None:
    """By which the LMS's own interface names the course."""
    installation = session.get_one(Installation, launch.installation_id)
    found = lms_for(installation.lms).own_course_id(launch.custom)
    return found[:300] if found else None


def _of_this_link(services: Mapping[str, Any], launch: LaunchContext) -> dict[str, Any]:
    """Where each link has a collection of its own, all that were opened are kept.

    Columns of ours go to the first link that had no column of its own: in another one they would
    overwrite its grade.
    """
    link, address = launch.resource_link_id, launch.lineitems_url
    if not link or not address:
        return {}
    home = services.get("column_link") or (None if launch.lineitem_url else link)
    return {
        "collections": {**services.get("collections", {}), link: address},
        "column_link": home,
        "lineitems": address if home == link else services.get("lineitems"),
        "ags_scopes": sorted({*services.get("ags_scopes", ()), *launch.ags_scopes}),
    }


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


def person_of(
    session: Session,
    box: SecretBox,
    installation: Installation,
    launch: LaunchContext,
    now: datetime,
) -> Person:
    """The person of a verified launch, made or brought up to date. ErasedPerson: see ``enter``."""
    person = session.scalar(
        select(Person).where(Person.installation_id == installation.id, Person.sub == launch.sub)
    )
    if person is None:
        tombstones.refuse_erased(session, box, installation, launch)
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
    own_id = lms_for(installation.lms).own_user_id(launch.custom)
    person.lms_user_id = (own_id or person.lms_user_id or "")[:300] or None
    session.flush()
    legacy.keep(session, person, launch, now)
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
) -> Enrolment:
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
    return enrolment
