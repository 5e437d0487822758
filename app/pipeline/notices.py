"""Notices of copied courses: order them from a platform, and keep what arrives.

The order is placed by the worker when it reads a course, so that no launch waits for the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.errors import AppError, Invalid, NotFound
from app.lti import notices
from app.lti.vocabulary import COPY_NOTICE
from app.models import CopyNotice, Course, Deployment, Platform
from app.pipeline import ancestry
from app.pipeline.campus import Campus
from app.secrets import token_hash

AGAIN = {"": timedelta(0), "asked": timedelta(days=30), "refused": timedelta(days=1)}
"""How long an order stands before it is placed again, by its state."""
MOST = 100
"""Notices in one post."""

log = structlog.get_logger()


def keep_subscribed(campus: Campus, course_id: str) -> None:
    """Order the notices of a course's deployment when that is due. Never raises AppError."""
    now = campus.clock()
    with campus.db.reading() as session:
        course = session.get_one(Course, course_id)
        deployment = session.get_one(Deployment, course.deployment_id)
    url, tried = deployment.notices_url, deployment.notices_tried_at
    if url is None or (tried is not None and tried + AGAIN[deployment.notices_state] > now):
        return
    handler = f"{campus.settings.public_url}/lti/notices/{deployment.platform_id}"
    try:
        campus.lti.order_notices(deployment.platform_id, url, COPY_NOTICE, handler)
        state = "asked"
    except AppError as error:
        log.warning("notices-refused", platform=deployment.platform_id, code=error.code)
        state = "refused"
    with campus.db.transaction() as session:
        row = session.get_one(Deployment, deployment.id)
        if row.notices_url == url:
            row.notices_state, row.notices_tried_at = state, now


def receive(campus: Campus, platform_id: str, tokens: Sequence[str]) -> None:
    """Keep every notice that is genuine; then raise Invalid if one was not."""
    if not 0 < len(tokens) <= MOST:
        raise Invalid("notice-refused", f"Send a list of 1 to {MOST} notices.")
    now = campus.clock()
    with campus.db.reading() as session:
        chosen = select(Platform).where(Platform.id == platform_id)
        platform = session.scalar(chosen.options(joinedload(Platform.installation)))
    if platform is None:
        raise NotFound("no-platform", "There is no such registration.")
    refused: Invalid | None = None
    for token in tokens:
        try:
            told = notices.verify(campus.db, campus.http, platform, token, now)
            campus.db.settle(partial(_keep, campus, platform_id, told))
        except Invalid as error:
            refused = error
    if refused is not None:
        raise refused


def _keep(campus: Campus, platform_id: str, told: notices.Copied, session: Session) -> None:
    """Once per notice: a repeated one is known already, and that is all right."""
    deployment = session.scalar(
        select(Deployment).where(
            Deployment.platform_id == platform_id,
            Deployment.deployment_id == told.deployment_id,
            Deployment.state == "active",
        )
    )
    if deployment is None:
        raise Invalid("notice-refused", "The notice was refused. Its deployment is not approved.")
    digest = token_hash(told.notice_id)
    known = select(CopyNotice.id).where(
        CopyNotice.platform_id == platform_id, CopyNotice.notice_id == digest
    )
    if session.scalar(known) is not None:
        return
    session.add(
        CopyNotice(
            platform_id=platform_id,
            notice_id=digest,
            deployment_id=deployment.id,
            context_id=told.context_id,
            origins=list(told.origins),
            at=campus.clock(),
        )
    )
    course = session.scalar(
        select(Course).where(
            Course.deployment_id == deployment.id, Course.context_id == told.context_id
        )
    )
    if course is not None:
        ancestry.learn(course, told.origins)
