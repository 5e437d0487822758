"""A course on a real database with a grade source whose numbers the test sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from app.db import Database
from app.gradebook.port import Asked, CourseRef, Listing, Page, SourceColumn, SourceScore, Unit
from app.mastery.frameworks import add_competency
from app.mastery.rules import Clause, RuleDefinition
from app.models import (
    Assessment,
    Course,
    Deployment,
    Enrolment,
    Installation,
    Learner,
    Person,
    Platform,
)
from app.pipeline import award, badges, collect
from app.pipeline.campus import Campus


@dataclass
class Gradebook:
    """A grade source that behaves: columns and scores as the test writes them."""

    key: str = "ags"
    label: str = "LTI"
    rank: int = 10
    unit: Unit = "columns"
    maximum: dict[str, Decimal] = field(default_factory=dict)
    grades: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    reads: int = 0

    def serves(self, course: CourseRef) -> bool:
        return True

    def columns(self, course: CourseRef, asked: Asked) -> Listing:
        return Listing(
            [
                SourceColumn(name, name.title(), top, place, self.tags.get(name))
                for place, (name, top) in enumerate(self.maximum.items(), 1)
            ]
        )

    def read(
        self, course: CourseRef, columns: Sequence[SourceColumn], asked: Asked
    ) -> Iterator[Page]:
        for done, column in enumerate(columns, 1):
            yield Page(
                scores=list(self.scores(course, column)),
                complete_columns=frozenset({column.external_id}),
                done=done,
                total=len(columns),
            )

    def scores(self, course: CourseRef, column: SourceColumn) -> Iterator[SourceScore]:
        self.reads += 1
        for (name, user), raw in list(self.grades.items()):
            if name == column.external_id:
                yield SourceScore(name, user, raw, self.maximum[name])


class Clock:
    """Time that the test moves."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


class Trip:
    """One course with its campus; the verbs that tests call."""

    def __init__(self, campus: Campus) -> None:
        self.book = Gradebook()
        self.clock = Clock(datetime(2026, 11, 20, 10, tzinfo=UTC))
        self.campus = replace(campus, sources={"ags": self.book}, clock=self.clock)
        self.course_id, self.installation_id = seed_course(self.campus.db, self.clock())

    @property
    def db(self) -> Database:
        return self.campus.db

    def learner(self, sub: str, *, email: str | None = "", role: str = "learner") -> str:
        """Enrol somebody; returns the person's id. ``email=None``: the LMS sends none."""
        now = self.clock()
        with self.db.transaction() as session:
            learner = Learner(created_at=now)
            session.add(learner)
            session.flush()
            person = Person(
                installation_id=self.installation_id,
                sub=sub,
                name=sub.title(),
                learner_id=learner.id,
                email=f"{sub}@example.edu" if email == "" else email,
                created_at=now,
            )
            session.add(person)
            session.flush()
            session.add(Enrolment(course_id=self.course_id, person_id=person.id, role=role))
            return person.id

    def collect(self) -> str:
        """Read the course now, as the worker would. Returns the run's id."""
        run_id = collect.request(self.campus, self.course_id, "button")
        for batch in collect.claim(self.campus):
            collect.run(self.campus, batch.ids)
        return run_id

    def sign(self) -> int:
        """Sign what waits; returns how many batches there were."""
        batches = award.claim(self.campus)
        for batch in batches:
            award.run(self.campus, batch.ids)
        return len(batches)

    def badge(self, marks: dict[str, int], *, needs: str | int = "all", **edits: object) -> str:
        """Make, map and publish a badge over columns that have been read."""
        achievement_id = badges.create(self.campus, self.course_id, "Data literacy", "test")
        definition = self.rule(marks, needs)
        with self.db.reading() as session:
            present = badges.draft(session, self.course_id, achievement_id)
        edit = badges.BadgeEdit(
            name="Data literacy",
            description="Reads and prepares data.",
            criteria="",
            design="shield",
            palette="indigo",
            image=None,
            image_alt="A shield",
            regrade=present.achievement.regrade,
            course_column=True,
            definition=definition,
        )
        edit = replace(edit, **edits)  # type: ignore[arg-type]
        badges.save(self.campus, self.course_id, achievement_id, edit, "test")
        badges.publish(self.campus, self.course_id, achievement_id, "test")
        return achievement_id

    def rule(self, marks: dict[str, int], needs: str | int = "all") -> RuleDefinition:
        with self.db.transaction() as session:
            rows = session.scalars(select(Assessment).where(Assessment.course_id == self.course_id))
            ids = {row.external_id: row.id for row in rows}
            competency = add_competency(
                session, self.course_id, "Interprets data", None, self.clock()
            )
        clauses = tuple(
            Clause(ids[name], competency.id, Decimal(mark)) for name, mark in marks.items()
        )
        return RuleDefinition(needs, clauses)  # type: ignore[arg-type]


def seed_course(db: Database, now: datetime) -> tuple[str, str]:
    """An approved registration with one course; returns course and installation id."""
    with db.transaction() as session:
        installation = Installation(
            name="Campus LMS", lms="generic", origin="http://127.0.0.1:8081", created_at=now
        )
        session.add(installation)
        session.flush()
        platform = Platform(
            installation_id=installation.id,
            issuer="http://127.0.0.1:8081",
            client_id="client-1",
            auth_url="http://127.0.0.1:8081/auth",
            token_url="http://127.0.0.1:8081/token",
            jwks_url="http://127.0.0.1:8081/jwks",
            state="active",
            created_at=now,
        )
        session.add(platform)
        session.flush()
        deployment = Deployment(
            platform_id=platform.id, deployment_id="1", state="active", created_at=now
        )
        session.add(deployment)
        session.flush()
        course = Course(
            deployment_id=deployment.id,
            context_id="3",
            title="Statistics",
            label="STAT 101",
            created_at=now,
        )
        session.add(course)
        session.flush()
        return course.id, installation.id
