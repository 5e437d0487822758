"""A teacher places a badge in the LMS course: the request is kept, answered once, and found again.

Content selection (LTI Deep Linking 2.0) begins with a launch and ends with a signed answer that
the browser carries to the LMS. Between them stands one row, bound to the person and the course.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import Conflict, NotFound
from app.lti import deep_linking
from app.lti.deep_linking import Asked, Outcome
from app.lti.launch import LaunchContext
from app.lti.metadata import tool_data
from app.models import ContentSelection, Course, Platform, Rule
from app.pipeline.campus import Campus
from app.pipeline.enter import Entered

LIFE = timedelta(hours=2)
"""Long enough to make a badge first; the LMS's own page rarely lives longer."""

BADGE = "badge"
VIEW = "tassel_view"
PROGRESS = "progress"
"""Custom values of our links: ``badge`` names one, ``tassel_view`` = ``progress`` all of one's own."""


@dataclass(frozen=True)
class Answer:
    """What the browser takes back: a form with ``token`` as ``JWT``, for ``return_url``."""

    return_url: str
    token: str
    lms: str


def begin(campus: Campus, launch: LaunchContext, entered: Entered) -> str:
    """Keep what the LMS asked for; returns the row's id. LaunchRefused for a foreign way back."""
    now = campus.clock()
    with campus.db.transaction() as session:
        platform = session.get_one(Platform, launch.platform_id)
        asked = deep_linking.asked_from(launch.deep_linking, platform)
        session.execute(delete(ContentSelection).where(ContentSelection.expires_at < now))
        row = ContentSelection(
            id=new_id(),
            course_id=entered.course_id,
            person_id=entered.person_id,
            return_url=asked.return_url,
            data=asked.data,
            accepts=list(asked.accepts),
            targets=list(asked.targets),
            multiple=asked.multiple,
            created_at=now,
            expires_at=now + LIFE,
        )
        session.add(row)
        return row.id


def asked(
    session: Session, campus: Campus, course_id: str, selection_id: str, person_id: str | None
) -> Asked:
    """What waits for this person's choice. NotFound for anybody else's, Conflict when answered."""
    return _asked(_row(session, campus, course_id, selection_id, person_id))


def _row(
    session: Session, campus: Campus, course_id: str, selection_id: str, person_id: str | None
) -> ContentSelection:
    row = session.get(ContentSelection, selection_id)
    mine = row is not None and (row.course_id, row.person_id) == (course_id, person_id)
    if row is None or not mine or row.expires_at <= campus.clock():
        raise NotFound(
            "selection-over",
            "This choice of content is over.",
            fix="Begin it again in the LMS, where the activity is to stand.",
        )
    if row.used_at is not None:
        raise _answered()
    return row


def _answered() -> Conflict:
    return Conflict(
        "selection-answered",
        "This choice of content was handed to the LMS already.",
        fix="Begin another one in the LMS, where the next activity is to stand.",
    )


def _asked(row: ContentSelection) -> Asked:
    return Asked(row.return_url, tuple(row.accepts), tuple(row.targets), row.multiple, row.data)


def answer(
    campus: Campus, course_id: str, selection_id: str, person_id: str | None, outcome: Outcome
) -> Answer:
    """Use the request up and sign what was chosen. NotFound and Conflict as for ``asked``."""
    key = campus.lti.signing_key()
    now = campus.clock()
    with campus.db.transaction() as session:
        row = _row(session, campus, course_id, selection_id, person_id)
        used = session.execute(
            update(ContentSelection)
            .where(ContentSelection.id == row.id, ContentSelection.used_at.is_(None))
            .values(used_at=now)
            .returning(ContentSelection.id)
        )
        if used.first() is None:
            raise _answered()
        deployment = session.get_one(Course, course_id).deployment
        token = deep_linking.signed_answer(
            deployment.platform,
            deployment.deployment_id,
            _asked(row),
            outcome,
            campus.settings.public_url + tool_data()["target_path"],
            key,
            now,
        )
        return Answer(row.return_url, token, deployment.platform.installation.name)


def badge_of(session: Session, course_id: str, custom: Mapping[str, str]) -> str | None:
    """The badge that a link of ours names, when this course has it; never another course's."""
    named = custom.get(BADGE, "")
    return session.scalar(
        select(Rule.achievement_id).where(
            Rule.course_id == course_id, Rule.achievement_id == named[:36]
        )
    )
