"""Whom and what a launch from the LMS's gradebook is about (LTI Submission Review 1.0)."""

from __future__ import annotations

from sqlalchemy import select

from app.models import CourseColumn, Enrolment, Person
from app.pipeline.campus import Campus


def learner_of(campus: Campus, course_id: str, sub: str | None) -> str | None:
    """The person id of a learner of this course, also one who left, by the LMS's id."""
    with campus.db.reading() as session:
        return session.scalar(
            select(Person.id)
            .join(Enrolment, Enrolment.person_id == Person.id)
            .where(
                Enrolment.course_id == course_id,
                Enrolment.role == "learner",
                Person.sub == (sub or ""),
            )
        )


def badge_behind(campus: Campus, course_id: str, lineitem_url: str | None) -> str | None:
    """The badge whose column of ours is meant, if it is one of ours in this course."""
    with campus.db.reading() as session:
        return session.scalar(
            select(CourseColumn.achievement_id).where(
                CourseColumn.course_id == course_id, CourseColumn.url == (lineitem_url or "")
            )
        )
