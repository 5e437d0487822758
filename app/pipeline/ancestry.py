"""What the LMS tells of the courses and links that a course was copied from."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.lti.launch import LaunchContext
from app.lti.platforms.base import MOST_COPIES
from app.models import CopyNotice, Course, Deployment, LinkHistory


def remember(session: Session, course: Course, launch: LaunchContext) -> None:
    """What the LMS knows of the courses and links that these were copied from."""
    known = list(launch.previous_context_ids)
    notices = select(CopyNotice.origins).where(
        CopyNotice.deployment_id == course.deployment_id,
        CopyNotice.context_id == course.context_id,
    )
    for origins in session.scalars(notices.order_by(CopyNotice.at.desc())):
        known += origins
    learn(course, known)
    deployment = session.get_one(Deployment, course.deployment_id)
    if launch.notices_url and deployment.notices_url != launch.notices_url:
        deployment.notices_url, deployment.notices_state = launch.notices_url[:1000], ""
        deployment.notices_tried_at = None
    link = launch.resource_link_id
    if not link or not launch.previous_link_ids or len(link) > 300:
        return
    chosen = select(LinkHistory).where(
        LinkHistory.course_id == course.id, LinkHistory.link_id == link
    )
    row = session.scalar(chosen)
    if row is None:
        row = LinkHistory(course_id=course.id, link_id=link)
        session.add(row)
    row.previous = list(launch.previous_link_ids)


def learn(course: Course, ids: Iterable[str]) -> None:
    """Add context ids to what is known, newest first; a course is never its own ancestor."""
    merged = [one for one in dict.fromkeys((*ids, *course.history)) if one != course.context_id]
    if merged[:MOST_COPIES] != course.history:
        course.history = merged[:MOST_COPIES]
