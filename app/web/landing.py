"""After a verified launch: what is kept, and which page of Tassel opens. One line per message type.

Every rung of the launch ladder ends here, so a message type is served the same way whether the
browser keeps our cookie or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from flask import g, url_for

from app.errors import LaunchRefused
from app.lti import registered
from app.lti.addresses import safe_origin
from app.lti.launch import LaunchContext
from app.lti.roles import STAFF
from app.lti.vocabulary import (
    DATA_PRIVACY,
    DATA_PRIVACY_DRAFT,
    DEEP_LINK,
    RESOURCE_LINK,
    SUBMISSION_REVIEW,
)
from app.pipeline import content, personal
from app.pipeline.campus import Campus
from app.pipeline.enter import Entered, enter
from app.pipeline.review import badge_behind, learner_of

PRIVACY: Final = "privacy"
"""The role of somebody who asks on behalf of the LMS what is held."""


@dataclass(frozen=True)
class Landing:
    """Who came in, as rows, and the path of the page that opens for them."""

    entered: Entered
    path: str
    scope: str = ""
    """What the visitor may open; the course when it is empty."""


def land(campus: Campus, launch: LaunchContext) -> Landing:
    """Keep what the launch says and choose its page.

    Raises LaunchRefused for a launch that leads nowhere: no course, no role, nothing to do.
    """
    return _LANDINGS[launch.message_type](campus, launch)


def _course(campus: Campus, launch: LaunchContext) -> Landing:
    """The badge that the link stands for, else the home of the person's role in the course."""
    entered = enter(campus, launch)
    if entered.role == "administrator" and registered.admin_role(campus.db, launch.installation_id):
        return Landing(entered, url_for("lti.administration", course_id=entered.course_id))
    if content.BADGE not in launch.custom:
        return _home(entered)
    with campus.db.reading() as session:
        badge = content.badge_of(session, entered.course_id, launch.custom)
    if badge is None:
        return _home(entered, said="no-such-badge")
    page = "instructor.badge" if entered.role in STAFF else "learner.about"
    return Landing(entered, url_for(page, course_id=entered.course_id, achievement_id=badge))


def _review(campus: Campus, launch: LaunchContext) -> Landing:
    """From the LMS's gradebook: staff see the learner in question, a learner only ever oneself.

    The resource link is not looked at: some LMSs name a wrong one here.
    """
    entered = enter(campus, launch)
    badge = badge_behind(campus, entered.course_id, launch.lineitem_url)
    if entered.role not in STAFF:
        if badge is None or entered.role != "learner":
            return _home(entered)
        path = url_for("learner.about", course_id=entered.course_id, achievement_id=badge)
        return Landing(entered, path)
    person_id = learner_of(campus, entered.course_id, launch.for_user)
    if person_id is None:
        path = url_for("instructor.learners", course_id=entered.course_id, said="no-such-learner")
        return Landing(entered, path)
    anchor = f"b-{badge}" if badge else None
    path = url_for(
        "instructor.learner", course_id=entered.course_id, person_id=person_id, _anchor=anchor
    )
    return Landing(entered, path)


def _privacy(campus: Campus, launch: LaunchContext) -> Landing:
    """For those who look after the LMS: what Tassel holds about one person, or about all of it."""
    person_id, subject = personal.begin(campus, launch)
    entered = Entered("", person_id, PRIVACY, launch.locale)
    path = url_for("privacy.home", subject_id=subject)
    return Landing(entered, path, f"privacy:{subject}")


def _home(entered: Entered, said: str | None = None) -> Landing:
    """``said``: a notice for the page (``notices.notice``)."""
    home = "instructor.home" if entered.role in STAFF else "learner.home"
    return Landing(entered, url_for(home, course_id=entered.course_id, said=said))


def _selection(campus: Campus, launch: LaunchContext) -> Landing:
    """Where staff choose what should stand in the course. LaunchRefused for everybody else."""
    entered = enter(campus, launch)
    if entered.role not in STAFF:
        raise LaunchRefused(
            "not-for-learners",
            "Only the staff of the course can add content to it.",
            fix="Open Tassel from the course to see your badges.",
        )
    selection_id = content.begin(campus, launch, entered)
    settings = launch.deep_linking or {}
    g.form_targets = (safe_origin(str(settings["deep_link_return_url"])),)
    path = url_for(
        "instructor.choose_content", course_id=entered.course_id, selection_id=selection_id
    )
    return Landing(entered, path)


_LANDINGS: Final[Mapping[str, Callable[[Campus, LaunchContext], Landing]]] = {
    RESOURCE_LINK: _course,
    SUBMISSION_REVIEW: _review,
    DEEP_LINK: _selection,
    DATA_PRIVACY: _privacy,
    DATA_PRIVACY_DRAFT: _privacy,
}
"""Message type (``lti.vocabulary.MESSAGES``) to what happens."""
