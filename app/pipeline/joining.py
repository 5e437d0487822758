"""Whose grade is it? The ids of a grade source joined to the people of a course.

Only ids join: the LTI ``sub``, the LMS's own number, the student number; never a name or an address.
An id that two people share joins nobody: a grade on the wrong person may earn a badge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db import new_id
from app.gradebook.port import IdKind, SourcePerson, User
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
from app.pipeline.tombstones import Ids, Tombstones
from app.secrets import SecretBox

CHUNK = 500
_COLUMNS: dict[IdKind, InstrumentedAttribute[str] | InstrumentedAttribute[str | None]] = {
    "sub": Person.sub,
    "lms": Person.lms_user_id,
    "sis": Person.sis_id,
}


@dataclass
class People:
    """The people of one course by each of their ids, and what the source said of its own ids.

    Loaded once for a reading; holds ids only, so ten thousand learners are a few megabytes.
    """

    course_id: str
    installation_id: str
    campus_sis: bool
    """Whether this LMS's student numbers hold for the whole campus."""
    box: SecretBox
    known: dict[User, str | None] = field(default_factory=dict)
    """None: several people have this id."""
    sis_ids: dict[User, str] = field(default_factory=dict)
    subs: dict[User, str] = field(default_factory=dict)
    erased: set[User] = field(default_factory=set)
    """Met so far, and nothing is kept of them."""

    @classmethod
    def of(cls, session: Session, course_id: str, box: SecretBox) -> People:
        """Everybody who is or was in the course."""
        installation_id, campus_sis = session.execute(
            select(Installation.id, Installation.sis_authoritative)
            .join(Platform, Platform.installation_id == Installation.id)
            .join(Deployment, Deployment.platform_id == Platform.id)
            .join(Course, Course.deployment_id == Deployment.id)
            .where(Course.id == course_id)
        ).one()
        people = cls(course_id, installation_id, campus_sis, box)
        people.load(session)
        return people

    def load(self, session: Session) -> None:
        """Look again: what a transaction that failed had brought in is not there."""
        self.known.clear()
        query = (
            select(Person.id, Person.sub, Person.lms_user_id, Person.sis_id)
            .join(Enrolment, Enrolment.person_id == Person.id)
            .where(Enrolment.course_id == self.course_id)
        )
        for person_id, sub, lms, sis in session.execute(query):
            self._add(person_id, sub, lms, sis)

    def _add(self, person_id: str, sub: str | None, lms: str | None, sis: str | None) -> None:
        named: tuple[tuple[IdKind, str | None], ...] = (
            ("person", person_id),
            ("sub", sub),
            ("lms", lms),
            ("sis", sis),
        )
        for kind, value in named:
            if value:
                present = self.known.get((kind, value), person_id)
                self.known[kind, value] = person_id if present == person_id else None

    def learn(self, people: Iterable[SourcePerson]) -> None:
        """Keep what the source says of its own ids."""
        for person in people:
            user = (person.kind, person.user)
            if person.sis_id:
                self.sis_ids[user] = person.sis_id
            if person.sub:
                self.subs[user] = person.sub

    def find(self, user: User) -> str | None:
        """The person of an id: by the id itself, by the ``sub`` or the student number behind it."""
        if user in self.known:
            return self.known[user]
        for other in self._others(user):
            if other in self.known:
                return self.known[other]
        return None

    def _others(self, user: User) -> list[User]:
        others: list[User] = []
        if user in self.subs:
            others.append(("sub", self.subs[user]))
        if user in self.sis_ids:
            others.append(("sis", self.sis_ids[user]))
        return others

    def join(self, session: Session, users: Iterable[User], now: datetime) -> None:
        """Bring in people who have a grade but stand on no roster that we may read.

        Somebody whom this installation knows is enrolled as a learner: only learners have results
        (AGS 2.0, 3.3), and a grade must not be lost because the roster service was not granted. An
        unknown ``sub`` is a new person; an unknown number of another kind stays unjoined, because
        the person behind it may come under a ``sub`` any day. Who was erased goes to ``erased``.
        """
        unknown = {user for user in users if self.find(user) is None}
        self._recognise(session, unknown)
        missing = sorted(unknown - self._doubtful() - self.erased)
        if not missing:
            return
        found = self._installed(session, missing)
        self._make_strangers(session, [user for user in missing if user not in found], found, now)
        self._enrol(session, set(found.values()), now)
        for user, person_id in found.items():
            self.known.setdefault(user, person_id)
        self.remember(session, missing)

    def _recognise(self, session: Session, users: Iterable[User]) -> None:
        """Which of these were erased, by the id itself or by those behind it."""
        people = {user: self._ids(user) for user in users if user[0] != "person"}
        found = Tombstones[User](session, self.box).erasures(people)
        self.erased = (self.erased - people.keys()) | found.keys()

    def _ids(self, user: User) -> Ids:
        named = dict((*reversed(self._others(user)), user))
        return Ids(
            self.installation_id,
            named.get("sub"),
            named.get("lms"),
            named.get("sis"),
            campus_sis=self.campus_sis,
        )

    def _doubtful(self) -> set[User]:
        return {user for user, person_id in self.known.items() if person_id is None}

    def remember(self, session: Session, users: Iterable[User]) -> None:
        """Write the LMS's number down for whoever was joined by another id, for the next reading."""
        for kind, value in users:
            person_id = self.find((kind, value))
            if kind == "lms" and person_id and (kind, value) not in self.known:
                session.execute(
                    update(Person)
                    .where(Person.id == person_id, Person.lms_user_id.is_(None))
                    .values(lms_user_id=value)
                )
                self.known[kind, value] = person_id

    def _installed(self, session: Session, users: Sequence[User]) -> dict[User, str]:
        """People of the installation who are not in this course, as far as an id names just one."""
        by_id: dict[User, set[str]] = {}
        for kind, column in _COLUMNS.items():
            wanted = {
                value
                for user in users
                for other, value in (user, *self._others(user))
                if other == kind
            }
            values = sorted(wanted)
            for start in range(0, len(values), CHUNK):
                query = select(column, Person.id).where(
                    Person.installation_id == self.installation_id,
                    column.in_(values[start : start + CHUNK]),
                )
                for value, person_id in session.execute(query):
                    by_id.setdefault((kind, str(value)), set()).add(person_id)
        found: dict[User, str] = {}
        for user in users:
            for one in (user, *self._others(user)):
                if len(by_id.get(one, ())) == 1:
                    found[user] = next(iter(by_id[one]))
                    break
        return found

    def _make_strangers(
        self, session: Session, users: Sequence[User], found: dict[User, str], now: datetime
    ) -> None:
        learners, people = [], []
        for kind, value in users:
            if kind != "sub":
                continue
            learner_id, person_id = new_id(), new_id()
            learners.append({"id": learner_id, "created_at": now})
            people.append(
                {
                    "id": person_id,
                    "installation_id": self.installation_id,
                    "sub": value,
                    "learner_id": learner_id,
                    "created_at": now,
                }
            )
            found[kind, value] = person_id
        if people:
            session.execute(insert(Learner), learners)
            session.execute(insert(Person), people)

    def _enrol(self, session: Session, person_ids: Iterable[str], now: datetime) -> None:
        wanted = sorted(person_ids)
        present: set[str] = set()
        for start in range(0, len(wanted), CHUNK):
            part = wanted[start : start + CHUNK]
            query = select(Enrolment.person_id).where(
                Enrolment.course_id == self.course_id, Enrolment.person_id.in_(part)
            )
            present |= set(session.scalars(query))
        rows = [
            {"id": new_id(), "course_id": self.course_id, "person_id": one, "role": "learner"}
            for one in wanted
            if one not in present
        ]
        history = [
            {
                "enrolment_id": row["id"],
                "at": now,
                "role": "learner",
                "state": "active",
                "source": "grades",
            }
            for row in rows
        ]
        if rows:
            session.execute(insert(Enrolment), rows)
            session.execute(insert(EnrolmentChange), history)
