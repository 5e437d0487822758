"""Which courses are read through a token, and whose. The verbs are in ``pipeline.grade_tokens``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.gradebook.token_grants import TokenSource
from app.models import (
    Course,
    CourseSource,
    Deployment,
    GradeAccess,
    GradeGrant,
    Installation,
    Platform,
)
from app.pipeline.campus import Campus
from app.pipeline.reading import source_row


@dataclass(frozen=True)
class CourseState:
    """How a course stands with the token source of its LMS."""

    source: TokenSource
    row: CourseSource | None
    grant: GradeGrant | None
    access: GradeAccess | None

    @property
    def connected(self) -> bool:
        """Whether grades are read through it now."""
        return self.row is not None and self.row.state == "active" and self.grant is not None


def source_of(campus: Campus, lms: str) -> TokenSource | None:
    """The token source that an LMS has, if any."""
    found = (one for one in campus.sources.values() if isinstance(one, TokenSource))
    return next((one for one in found if one.lms == lms), None)


def installation_of(session: Session, course_id: str) -> Installation:
    """The LMS of a course."""
    return session.scalars(
        select(Installation)
        .join(Platform, Platform.installation_id == Installation.id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .join(Course, Course.deployment_id == Deployment.id)
        .where(Course.id == course_id)
    ).one()


def course_state(campus: Campus, session: Session, course_id: str) -> CourseState | None:
    """How the course is connected; None when its LMS has no such source."""
    installation = installation_of(session, course_id)
    source = source_of(campus, installation.lms)
    if source is None:
        return None
    row = session.scalar(
        select(CourseSource).where(
            CourseSource.course_id == course_id, CourseSource.source == source.key
        )
    )
    grant = session.get(GradeGrant, row.grant_id) if row and row.grant_id else None
    return CourseState(source, row, grant, access_of(session, installation.id, source.key))


def access_of(session: Session, installation_id: str, key: str) -> GradeAccess | None:
    """The entry to one interface of an LMS."""
    return session.scalar(
        select(GradeAccess).where(
            GradeAccess.installation_id == installation_id, GradeAccess.source == key
        )
    )


def site_grant(session: Session, access: GradeAccess | None) -> GradeGrant | None:
    """The grant of an operator's site-wide token."""
    if access is None:
        return None
    return session.scalar(
        select(GradeGrant).where(GradeGrant.access_id == access.id, GradeGrant.person_id.is_(None))
    )


def attach(
    session: Session,
    course_id: str,
    key: str,
    grant_id: str,
    course_key: str,
    person_id: str | None,
    now: datetime,
) -> None:
    """Read a course through a grant from now on."""
    row = source_row(session, course_id, key, now)
    row.state, row.grant_id, row.course_key = "active", grant_id, course_key
    row.connected_by, row.problem = person_id, None


def courses_of(session: Session, installation_id: str) -> list[Course]:
    """The courses of an LMS that are read."""
    query = (
        select(Course)
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .where(Platform.installation_id == installation_id, Course.state == "active")
    )
    return list(session.scalars(query))


def attach_unless_own(
    session: Session, course: Course, key: str, grant: GradeGrant, now: datetime
) -> None:
    """A teacher's working token stays, and so does a teacher's "no"."""
    row = session.scalar(
        select(CourseSource).where(CourseSource.course_id == course.id, CourseSource.source == key)
    )
    if row is None or row.state == "lost" or (row.state == "active" and row.grant_id is None):
        attach(session, course.id, key, grant.id, course.context_id, None, now)


def attach_site(campus: Campus, course_id: str) -> None:
    """Before a reading: a course that came after the site-wide token gets it too."""
    with campus.db.transaction() as session:
        installation = installation_of(session, course_id)
        source = source_of(campus, installation.lms)
        access = access_of(session, installation.id, source.key) if source else None
        grant = site_grant(session, access) if access and access.state == "active" else None
        known = select(CourseSource.id).where(
            CourseSource.course_id == course_id,
            CourseSource.source == (source.key if source else ""),
        )
        if source and grant and session.scalar(known) is None:
            course = session.get_one(Course, course_id)
            attach_unless_own(session, course, source.key, grant, campus.clock())
