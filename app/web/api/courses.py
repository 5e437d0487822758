"""Courses, read only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import (
    Achievement,
    Award,
    Course,
    Deployment,
    Enrolment,
    Installation,
    Person,
    Platform,
)
from app.pipeline import sign_all
from app.web import session
from app.web.api.blueprint import bp
from app.web.api.cursors import read_page
from app.web.api.schemas import CourseDetail, CourseList, CourseOut, CourseQuery


def _query() -> Select[*tuple[Any, ...]]:
    return (
        select(Course, Installation.name)
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .join(Installation, Installation.id == Platform.installation_id)
    )


def _out(course: Course, platform: str) -> dict[str, Any]:
    return {
        "id": course.id,
        "title": course.title,
        "label": course.label,
        "state": course.state,
        "platform": platform,
        "created_at": course.created_at,
        "collected_at": course.collected_at,
    }


@bp.get("/courses")
@bp.input(CourseQuery, location="query")
@bp.output(CourseList)
def courses(query_data: CourseQuery) -> CourseList:
    """List courses, oldest first."""
    query = _query()
    if query_data.state:
        query = query.where(Course.state == query_data.state)
    with session.campus().db.reading() as db:
        rows, following = read_page(
            db,
            query,
            Course.created_at,
            Course.id,
            after=query_data.cursor,
            limit=query_data.limit,
            key=lambda row: (row[0].created_at, row[0].id),
        )
    return CourseList(data=[CourseOut(**_out(*row)) for row in rows], next=following)


@bp.get("/courses/<course_id>")
@bp.output(CourseDetail)
def course(course_id: str) -> CourseDetail:
    """Read one course with its numbers."""
    with session.campus().db.reading() as db:
        row = db.execute(_query().where(Course.id == course_id)).one_or_none()
        if row is None:
            raise NotFound("no-such-course", "There is no such course.")
        facts: dict[str, Any] = {**_out(*row), **_numbers(db, course_id)}
        return CourseDetail(**facts)


def _numbers(db: Session, course_id: str) -> dict[str, int]:
    learners = (
        select(func.count())
        .select_from(Enrolment)
        .join(Person, Person.id == Enrolment.person_id)
        .where(
            Enrolment.course_id == course_id,
            Enrolment.role == "learner",
            Enrolment.state == "active",
            Person.is_test.is_(False),
        )
    )
    badges = select(func.count(Achievement.id)).where(
        Achievement.course_id == course_id, Achievement.state == "published"
    )
    awards = select(func.count(Award.id)).where(
        Award.course_id == course_id, Award.state.in_(("waiting", "needs_recipient", "issued"))
    )
    signing = sign_all.progress(db, Award.course_id == course_id)
    return {
        "learners": db.scalar(learners) or 0,
        "badges": db.scalar(badges) or 0,
        "awards": db.scalar(awards) or 0,
        "signed": signing.signed,
        "waiting": signing.waiting,
    }
