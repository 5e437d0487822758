"""A demo Moodle and a Tassel that knows two of its courses, for the tests of its grade source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from sqlalchemy import select

from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.main import create_campus
from app.models import (
    Assessment,
    CollectRun,
    Course,
    CourseSource,
    Installation,
    Learner,
    Person,
    Platform,
    Result,
)
from app.pipeline import collect, grade_tokens
from app.pipeline.campus import Campus
from app.settings import Settings
from tests.integration.trip import seed_course

LEARNERS = 20


class Stage:
    """A demo Moodle and a Tassel that knows two of its courses."""

    def __init__(self, lms: LmsServer, campus: Campus) -> None:
        self.lms, self.campus = lms, campus
        self.http = requests.Session()
        self.course_id, self.installation_id = seed_course(campus.db, campus.clock())
        with campus.db.transaction() as session:
            installation = session.get_one(Installation, self.installation_id)
            installation.lms, installation.origin = "moodle", lms.url
            platform = session.scalars(select(Platform)).one()
            platform.issuer = lms.url
            first = session.get_one(Course, self.course_id)
            second = Course(
                deployment_id=first.deployment_id, context_id="4", label="TEACH", title="Teaching",
                created_at=campus.clock(),
            )  # fmt: skip
            session.add(second)
            session.flush()
            self.second_id = second.id
            teacher = Person(
                installation_id=self.installation_id, sub="8", name="T", created_at=campus.clock(),
                learner_id=self._learner(session),
            )  # fmt: skip
            session.add(teacher)
            session.flush()
            self.teacher = teacher.id

    def _learner(self, session: Any) -> str:
        learner = Learner(created_at=self.campus.clock())
        session.add(learner)
        session.flush()
        return learner.id

    def post(self, name: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.lms.url}/_control/{name}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, person: int) -> str:
        return str(self.post("moodle/token", person=person)["token"])

    def connect(self, token: str) -> Any:
        return grade_tokens.connect_course(
            self.campus, self.course_id, token, self.teacher, f"person:{self.teacher}"
        )

    def collect(self, course_id: str = "", *, whole: bool = False) -> CollectRun:
        run_id = collect.request(self.campus, course_id or self.course_id, "button", whole=whole)
        for batch in collect.claim(self.campus):
            collect.run(self.campus, batch.ids)
        with self.campus.db.reading() as session:
            return session.get_one(CollectRun, run_id)

    def results(self, course_id: str = "") -> dict[tuple[str, str], Result]:
        """(title, Moodle user) to the result."""
        with self.campus.db.reading() as session:
            query = (
                select(Assessment.title, Person.sub, Result)
                .join(Result, Result.assessment_id == Assessment.id)
                .join(Person, Person.id == Result.person_id)
                .where(Assessment.course_id == (course_id or self.course_id))
            )
            return {(title, sub): row for title, sub, row in session.execute(query)}

    def row(self, course_id: str = "") -> CourseSource | None:
        with self.campus.db.reading() as session:
            return session.scalar(
                select(CourseSource).where(
                    CourseSource.course_id == (course_id or self.course_id),
                    CourseSource.source == "moodle_ws",
                )
            )


@contextmanager
def moodle_stage(settings: Settings) -> Iterator[Stage]:
    """Set up and taken down again; the tables must be there."""
    lms = serve(create_lms(LmsConfig("moodle", learners=LEARNERS)))
    campus = create_campus(settings.model_copy(update={"allowed_origins": (lms.url,)}))
    made = Stage(lms, campus)
    try:
        yield made
    finally:
        made.http.close()
        campus.http.close()
        campus.db.close()
        lms.stop()
