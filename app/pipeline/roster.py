"""The LMS's member list (NRPS) keeps enrolments up: people who never launched, and who left.

The list is read completely before anything is written; then one transaction writes it in bulk, so
ten thousand members cost a handful of statements. A launch's role wins over the list's.
Members who were erased are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import UpstreamError
from app.lti.platforms import lms_for
from app.lti.services import Member
from app.models import (
    Course,
    Deployment,
    Enrolment,
    EnrolmentChange,
    Installation,
    Learner,
    Person,
    Platform,
)
from app.pipeline import learners
from app.pipeline.campus import Campus
from app.pipeline.tombstones import Ids, Tombstones, beside
from app.secrets import SecretBox

CHUNK = 500


@dataclass(frozen=True)
class RosterChange:
    """How many enrolments were new, changed, ended."""

    added: int
    updated: int
    left: int


@dataclass
class _Rows:
    """Rows to write, gathered first and written in bulk."""

    learners: list[dict[str, Any]] = field(default_factory=list)
    named_learners: list[dict[str, Any]] = field(default_factory=list)
    people: list[dict[str, Any]] = field(default_factory=list)
    described: list[dict[str, Any]] = field(default_factory=list)
    claims: list[tuple[str, str]] = field(default_factory=list)
    enrolled: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def sync_roster(campus: Campus, course_id: str) -> RosterChange:
    """Read the course's roster and bring enrolments in line with it.

    Without a roster service nothing changes. UpstreamError when the LMS does not give the whole
    list: then nothing was written.
    """
    begun = campus.clock()
    with campus.db.reading() as session:
        course, platform_id, installation = _where(session, course_id)
    url = course.services.get("memberships")
    if not url:
        return RosterChange(0, 0, 0)
    rlid = lms_for(installation.lms).roster_link(course.context_id)
    members = _read(campus, platform_id, url, rlid)
    if not members:  # a list without even a teacher says nothing about anybody
        return RosterChange(0, 0, 0)
    return campus.db.settle(
        lambda session: _apply(session, campus.box, course_id, installation, members, begun)
    )


def _read(campus: Campus, platform_id: str, url: str, rlid: str | None) -> dict[str, Member]:
    """The whole list by ``sub``; without custom fields where the LMS refuses to add them."""
    try:
        return {member.user_id: member for member in campus.lti.members(platform_id, url, rlid)}
    except UpstreamError as error:
        if rlid is None or not error.permanent:
            raise
    return {member.user_id: member for member in campus.lti.members(platform_id, url)}


def _apply(
    session: Session,
    box: SecretBox,
    course_id: str,
    installation: Installation,
    members: Mapping[str, Member],
    begun: datetime,
) -> RosterChange:
    """Write the differences between a complete list and what is known."""
    beside(session)
    rows = _Rows()
    ids = _people(session, box, rows, installation, members, begun)
    found = {person_id: members[sub] for sub, person_id in ids.items()}
    _enrolments(session, rows, course_id, found, begun)
    _flush(session, rows, course_id, begun)
    return RosterChange(len(rows.enrolled), len(rows.changed), len(rows.left))


def _where(session: Session, course_id: str) -> tuple[Course, str, Installation]:
    """The course, the id of its registration, its installation."""
    row = session.execute(
        select(Course, Platform.id, Installation)
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .join(Installation, Installation.id == Platform.installation_id)
        .where(Course.id == course_id)
    ).one()
    return row[0], row[1], row[2]


# --- people ------------------------------------------------------------------------------------


def _people(
    session: Session,
    box: SecretBox,
    rows: _Rows,
    installation: Installation,
    members: Mapping[str, Member],
    now: datetime,
) -> dict[str, str]:
    """Person ids by ``sub``, none for the erased; new and changed people go into ``rows``."""
    known = _known_people(session, installation.id, members)
    strangers = {sub: one for sub, one in members.items() if sub not in known}
    erased = _erased(session, box, installation, strangers)
    by_sis_id: dict[str, str] = {}
    if installation.sis_authoritative:
        by_sis_id = _learners_by_sis_id(session, members.values())
    ids: dict[str, str] = {}
    for sub, member in members.items():
        if sub in erased:
            continue
        found = known.get(sub)
        if found is None:
            ids[sub] = _new_person(rows, installation, member, by_sis_id, now)
            continue
        person, learner_sis_id = found
        ids[sub] = person.id
        described = _described(installation, member, person)
        if described != _description(person):
            rows.described.append({"id": person.id, **described})
        if installation.sis_authoritative and learner_sis_id is None:
            _claim(rows, person, described["sis_id"], by_sis_id)
    return ids


def _erased(
    session: Session, box: SecretBox, installation: Installation, members: Mapping[str, Member]
) -> Collection[str]:
    """Who of these was erased. What else the list calls them is marked too."""
    lms = lms_for(installation.lms)
    people = {
        sub: Ids(
            installation.id,
            sub,
            _cut(lms.own_user_id(one.custom), 300),
            _cut(one.person_sis_id, 200),
            campus_sis=installation.sis_authoritative,
        )
        for sub, one in members.items()
    }
    graves = Tombstones[str](session, box)
    erased = graves.erasures(people)
    graves.widen(people, erased)
    return erased.keys()


def _known_people(
    session: Session, installation_id: str, subs: Iterable[str]
) -> dict[str, tuple[Person, str | None]]:
    """Person and the SIS id of its learner, by ``sub``."""
    found: dict[str, tuple[Person, str | None]] = {}
    for part in _chunks(subs):
        chosen = (
            select(Person, Learner.sis_id)
            .join(Learner, Learner.id == Person.learner_id)
            .where(Person.installation_id == installation_id, Person.sub.in_(part))
        )
        found |= {person.sub: (person, sis_id) for person, sis_id in session.execute(chosen)}
    return found


def _learners_by_sis_id(session: Session, members: Iterable[Member]) -> dict[str, str]:
    """Learner ids by SIS id, as far as there are any already."""
    found: dict[str, str] = {}
    for part in _chunks({one.person_sis_id for one in members if one.person_sis_id}):
        chosen = select(Learner.sis_id, Learner.id).where(
            Learner.sis_id.in_(part), Learner.joined_into_id.is_(None)
        )
        for sis_id, learner_id in session.execute(chosen.order_by(Learner.created_at.desc())):
            found[str(sis_id)] = learner_id
    return found


def _new_person(
    rows: _Rows,
    installation: Installation,
    member: Member,
    by_sis_id: dict[str, str],
    now: datetime,
) -> str:
    """A person with a learner of its own, or with the one who has the same (trusted) SIS id."""
    described = _described(installation, member, None)
    trusted = installation.sis_authoritative and not member.is_test
    sis_id = described["sis_id"] if trusted else None
    learner_id = by_sis_id.get(sis_id) if sis_id else None
    if learner_id is None:
        learner_id = new_id()
        rows.learners.append({"id": learner_id, "sis_id": sis_id, "created_at": now})
        if sis_id:
            by_sis_id[sis_id] = learner_id
    person_id = new_id()
    rows.people.append(
        {
            "id": person_id,
            "installation_id": installation.id,
            "sub": member.user_id,
            "learner_id": learner_id,
            "created_at": now,
            **described,
        }
    )
    return person_id


def _claim(rows: _Rows, person: Person, sis_id: str | None, by_sis_id: dict[str, str]) -> None:
    """A learner without SIS id gets it, or is joined one by one where somebody has it already."""
    if not sis_id or person.is_test:
        return
    if sis_id in by_sis_id:
        rows.claims.append((person.id, sis_id))
        return
    by_sis_id[sis_id] = person.learner_id
    rows.named_learners.append({"id": person.learner_id, "sis_id": sis_id})


def _described(installation: Installation, member: Member, person: Person | None) -> dict[str, Any]:
    """The personal fields after this list; what it leaves out stays as it was."""
    own_id = lms_for(installation.lms).own_user_id(member.custom)
    return {
        "name": (member.name or (person.name if person else ""))[:300],
        "given_name": (member.given_name or (person.given_name if person else ""))[:200],
        "family_name": (member.family_name or (person.family_name if person else ""))[:200],
        "email": _cut(member.email, 320) or (person.email if person else None),
        "sis_id": _cut(member.person_sis_id, 200) or (person.sis_id if person else None),
        "lms_user_id": _cut(own_id, 300) or (person.lms_user_id if person else None),
        "is_test": member.is_test or (person.is_test if person else False),
    }


def _description(person: Person) -> dict[str, Any]:
    names = ("name", "given_name", "family_name", "email", "sis_id", "lms_user_id", "is_test")
    return {name: getattr(person, name) for name in names}


def _cut(text: str | None, length: int) -> str | None:
    return text[:length] if text else None


# --- enrolments --------------------------------------------------------------------------------


def _enrolments(
    session: Session, rows: _Rows, course_id: str, members: Mapping[str, Member], begun: datetime
) -> None:
    """New, changed and ended enrolments; ``members`` by person id."""
    chosen = (
        select(Enrolment, Person.is_test)
        .join(Person, Person.id == Enrolment.person_id)
        .where(Enrolment.course_id == course_id)
    )
    known = {row.person_id: (row, is_test) for row, is_test in session.execute(chosen)}
    for person_id, member in members.items():
        state = "active" if member.status == "Active" else "left"
        found = known.get(person_id)
        if found is None:
            if state == "active":
                _new_enrolment(rows, course_id, person_id, member, begun)
            continue
        _compare(rows, found[0], member.role, state, begun)
    for person_id, (row, is_test) in known.items():
        if person_id not in members and not is_test and _dropped(row, begun):
            _end(rows, row, begun)


def _new_enrolment(
    rows: _Rows, course_id: str, person_id: str, member: Member, now: datetime
) -> None:
    enrolment_id = new_id()
    rows.enrolled.append(
        {
            "id": enrolment_id,
            "course_id": course_id,
            "person_id": person_id,
            "role": member.role,
            "roster_role": member.role,
            "state": "active",
            "roster_seen_at": now,
        }
    )
    _remember(rows, enrolment_id, member.role, "active", now)


def _compare(rows: _Rows, row: Enrolment, roster_role: str, state: str, now: datetime) -> None:
    """Keep what the list says about a known enrolment; a launch's role counts more."""
    if state == "left":
        if row.state != "left":
            _end(rows, row, now)
        return
    role = row.launch_role or roster_role
    if (row.roster_role, row.role, row.state) == (roster_role, role, state):
        return
    rows.changed.append({"id": row.id, "roster_role": roster_role, "role": role, "state": state})
    if (row.role, row.state) != (role, state):
        _remember(rows, row.id, role, state, now)


def _dropped(row: Enrolment, begun: datetime) -> bool:
    """Whether somebody who is missing in a complete list has left.

    An LMS leaves out site administrators who came by launch, so only learners and people who were
    listed before count; and nobody who launched after the reading began.
    """
    if row.state != "active" or (row.launched_at is not None and row.launched_at >= begun):
        return False
    return row.roster_role is not None or row.role == "learner"


def _end(rows: _Rows, row: Enrolment, now: datetime) -> None:
    rows.left.append({"id": row.id, "roster_role": None, "state": "left"})
    _remember(rows, row.id, row.role, "left", now)


def _remember(rows: _Rows, enrolment_id: str, role: str, state: str, now: datetime) -> None:
    rows.history.append(
        {"enrolment_id": enrolment_id, "at": now, "role": role, "state": state, "source": "roster"}
    )


# --- writing -----------------------------------------------------------------------------------


def _flush(session: Session, rows: _Rows, course_id: str, now: datetime) -> None:
    """Write everything gathered, parents before children."""
    for inserted, found in (
        (Learner, rows.learners),
        (Person, rows.people),
        (Enrolment, rows.enrolled),
        (EnrolmentChange, rows.history),
    ):
        if found:
            session.execute(insert(inserted), found)
    for updated, found in (
        (Learner, rows.named_learners),
        (Person, rows.described),
        (Enrolment, rows.changed),
        (Enrolment, rows.left),
    ):
        if found:
            session.execute(update(updated), found)
    for person_id, sis_id in rows.claims:
        learners.claim_sis_id(session, session.get_one(Person, person_id), sis_id, now)
    session.execute(
        update(Enrolment)
        .where(Enrolment.course_id == course_id, Enrolment.roster_role.is_not(None))
        .values(roster_seen_at=now)
        .execution_options(synchronize_session=False)
    )


def _chunks(values: Iterable[str | None]) -> Iterator[list[str]]:
    """Parts small enough for one statement's parameters."""
    found = [value for value in values if value is not None]
    for start in range(0, len(found), CHUNK):
        yield found[start : start + CHUNK]
