"""Choosing who stands behind a badge, and asking those who look at badges before they lend their name.

A request freezes nothing but keeps the draft from being changed, so what is approved is what was
seen. Whoever asked does not decide: two people are needed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import audit
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import AchievementVersion, Course, Issuer, PublicationRequest
from app.pipeline import badges, collect, publication
from app.pipeline.campus import Campus
from app.pipeline.freeze import freeze

LONGEST_WORD: Final = 1000


@dataclass(frozen=True)
class Waiting:
    """One request with what people know it by."""

    request: PublicationRequest
    name: str
    """Of the badge."""
    issuer: Issuer
    course: Course


def choose_issuer(
    campus: Campus, course_id: str, achievement_id: str, issuer_id: str, actor: str
) -> None:
    """Put another issuer behind a badge that was never published.

    Raises NotFound for an issuer that does not exist. Raises Conflict once it was published, since
    badges that people hold, and the lists that they are checked against, name the issuer.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        achievement = badges.draft(session, course_id, achievement_id, to_change=True).achievement
        if achievement.issuer_id == issuer_id:
            return
        if session.get(Issuer, issuer_id) is None:
            raise NotFound("no-such-issuer", "There is no such issuer.")
        if achievement.published_version is not None:
            raise Conflict(
                "issuer-fixed",
                "The issuer of a published badge stays: badges that people hold name it.",
                fix="Make a new badge for the other issuer, and stop this one.",
            )
        publication.refuse_while_waiting(session, achievement_id)
        achievement.issuer_id = issuer_id
        detail = {"issuer": issuer_id}
        audit.record(
            session, actor, "badge.issuer-chosen", f"achievement:{achievement_id}", detail, now
        )


def publish_or_ask(campus: Campus, course_id: str, achievement_id: str, actor: str) -> bool:
    """Publish a badge, or ask its issuer where that is needed; True when it is published.

    Raises Invalid with what is missing in either case.
    """
    with campus.db.reading() as session:
        asks = badges.must_ask(session, badges.draft(session, course_id, achievement_id))
    if asks:
        ask(campus, course_id, achievement_id, actor)
    else:
        badges.publish(campus, course_id, achievement_id, actor)
    return not asks


def ask(campus: Campus, course_id: str, achievement_id: str, actor: str) -> str:
    """Send a badge to its issuer for approval; returns the request's id. Asking twice is harmless.

    Raises Invalid for what could not be published anyway: nobody should look at that.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        present = badges.draft(session, course_id, achievement_id, to_change=True)
        there = publication.waiting(session, achievement_id)
        if there is not None:
            return there.id
        present.definition.check()
        with session.begin_nested() as trial:
            freeze(campus, session, present.achievement, present.version, present.definition, now)
            trial.rollback()
        made = PublicationRequest(
            achievement_id=achievement_id,
            course_id=course_id,
            issuer_id=present.achievement.issuer_id,
            version=present.version.number,
            rule_version=present.rule_version.number,
            asked_by=actor,
            asked_at=now,
        )
        session.add(made)
        session.flush()
        detail = {"request": made.id, "issuer": made.issuer_id}
        audit.record(session, actor, "badge.asked", f"achievement:{achievement_id}", detail, now)
        return made.id


def take_back(campus: Campus, course_id: str, achievement_id: str, actor: str) -> None:
    """End a request of this course that waits; the badge can be changed again. Harmless without one."""
    now = campus.clock()
    with campus.db.transaction() as session:
        badges.draft(session, course_id, achievement_id, to_change=True)
        found = publication.waiting(session, achievement_id)
        if found is not None:
            _decide(session, found, "taken_back", "", actor, now)


def approve(
    campus: Campus, request_id: str, word: str, actor: str, known_as: Collection[str] = ()
) -> None:
    """Publish what was asked for.

    :param known_as: ids of the people whom the one who decides is in a course.
    :raises Forbidden: whoever asked.
    :raises Conflict: it waits no more.
    :raises Invalid: it cannot be published any more, for example because its last day has passed.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        found, present = _open(session, request_id, actor, known_as)
        course_id = found.course_id
        _decide(session, found, "approved", _checked(word), actor, now)
        badges.put_in_force(campus, session, present, actor, now)
    collect.request(campus, course_id, "publish")


def decline(
    campus: Campus, request_id: str, word: str, actor: str, known_as: Collection[str] = ()
) -> None:
    """Leave the badge a draft and tell its teacher why. Raises as :func:`approve`; Invalid without why."""
    now = campus.clock()
    with campus.db.transaction() as session:
        found, _present = _open(session, request_id, actor, known_as)
        if not _checked(word):
            raise Invalid("approval-word", "Say why.", fields={"word": "the teacher reads it"})
        _decide(session, found, "declined", _checked(word), actor, now)


def _open(
    session: Session, request_id: str, actor: str, known_as: Collection[str]
) -> tuple[PublicationRequest, badges.BadgeDraft]:
    """The request, if it waits and somebody else made it, and its badge, locked against changes."""
    found = session.get(PublicationRequest, request_id)
    if found is None:
        raise NotFound("request-unknown", "There is no such request.")
    present = badges.draft(session, found.course_id, found.achievement_id, to_change=True)
    session.refresh(found)
    if found.state != "waiting":
        raise Conflict("request-decided", "This request was answered or taken back already.")
    if found.asked_by in {actor, *(f"person:{person_id}" for person_id in known_as)}:
        raise Forbidden(
            "own-request",
            "You asked for this yourself, so somebody else decides.",
            fix="Another operator or approver opens the list.",
        )
    return found, present


def _checked(word: str) -> str:
    word = word.strip()
    if len(word) > LONGEST_WORD:
        raise Invalid(
            "approval-word",
            "This is too long.",
            fields={"word": f"at most {LONGEST_WORD} characters"},
        )
    return word


def _decide(
    session: Session, found: PublicationRequest, state: str, word: str, actor: str, now: datetime
) -> None:
    found.state, found.word = state, word
    found.decided_by, found.decided_at = actor, now
    detail = {"request": found.id, "state": state}
    audit.record(
        session, actor, "badge.answered", f"achievement:{found.achievement_id}", detail, now
    )


def queue(session: Session) -> list[Waiting]:
    """What waits for an answer, the oldest first."""
    query = (
        select(PublicationRequest, AchievementVersion.name, Issuer, Course)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == PublicationRequest.achievement_id)
            & (AchievementVersion.number == PublicationRequest.version),
        )
        .join(Issuer, Issuer.id == PublicationRequest.issuer_id)
        .join(Course, Course.id == PublicationRequest.course_id)
        .where(PublicationRequest.state == "waiting")
        .order_by(PublicationRequest.asked_at, PublicationRequest.id)
    )
    return [Waiting(*row) for row in session.execute(query)]


def count(session: Session) -> int:
    """How many wait."""
    waits = PublicationRequest.state == "waiting"
    return session.scalar(select(func.count()).select_from(PublicationRequest).where(waits)) or 0
