"""A Canvas with a course that Tassel reads through its REST interface, authorised by the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from sqlalchemy import func, select

from app.db import Database
from app.gradebook.canvas_client import CanvasClient
from app.gradebook.canvas_rest import KEY, CanvasRest
from app.lti.platforms import LMS
from app.models import (
    Assessment,
    CollectRun,
    Course,
    CourseSource,
    Installation,
    Person,
    Result,
)
from app.pipeline import collect, sources
from app.pipeline.campus import Campus
from app.pipeline.enter import enter
from tests.integration.lti_rig import COURSE, Rig, rig

TEACHER = 8


@dataclass
class Stage:
    """The rig, the course and what is told to the demo LMS. ``slept`` are waits on the spot."""

    rig: Rig
    campus: Campus
    course_id: str
    person_id: str
    slept: list[float]
    key: dict[str, str]

    def control(self, command: str, **body: Any) -> dict[str, Any]:
        return self.rig.control(f"canvas/{command}", **body)

    def calls(self) -> dict[str, int]:
        found = requests.get(f"{self.rig.lms.url}/_control/canvas/calls").json()
        return dict(found["calls"])

    def collect(self, *, whole: bool = False) -> CollectRun:
        """Read the course now, as often as a source puts it off."""
        run_id = collect.request(self.campus, self.course_id, "button", whole=whole)
        for _ in range(40):
            for batch in collect.claim(self.campus):
                collect.run(self.campus, batch.ids)
            run = self.run(run_id)
            if run.state in ("done", "failed"):
                return run
            self.rig.clock.ahead += timedelta(minutes=1)
        raise AssertionError("the run does not end")

    def run(self, run_id: str) -> CollectRun:
        with self.campus.db.reading() as session:
            return session.get_one(CollectRun, run_id)

    def connect(self, person: int = TEACHER) -> None:
        """The consent of a person, without the pages."""
        ticket = sources.ask(self.campus, self.course_id, KEY, self.person_id)
        begun = sources.start(self.campus, ticket)
        query = parse_qs(urlsplit(begun.url).query)
        code = self.control(
            "consent",
            client_id=query["client_id"][0],
            redirect_uri=query["redirect_uri"][0],
            person=person,
        )["code"]
        sources.finish(self.campus, query["state"][0], begun.binding, code)

    def source(self, key: str = KEY) -> CourseSource:
        with self.campus.db.reading() as session:
            return session.scalars(
                select(CourseSource).where(
                    CourseSource.course_id == self.course_id, CourseSource.source == key
                )
            ).one()

    def columns(self) -> dict[str, Assessment]:
        """Present assessments by title."""
        with self.campus.db.reading() as session:
            rows = session.scalars(
                select(Assessment).where(
                    Assessment.course_id == self.course_id, Assessment.state == "active"
                )
            )
            return {row.title: row for row in rows}

    def result(self, title: str, lms_user_id: int) -> Result | None:
        with self.campus.db.reading() as session:
            return session.scalar(
                select(Result)
                .join(Assessment, Assessment.id == Result.assessment_id)
                .join(Person, Person.id == Result.person_id)
                .where(
                    Assessment.course_id == self.course_id,
                    Assessment.title == title,
                    Person.lms_user_id == str(lms_user_id),
                )
            )

    def results(self) -> int:
        """Grades that are there, over all columns."""
        with self.campus.db.reading() as session:
            query = select(func.count()).select_from(Result).where(Result.raw.is_not(None))
            return session.scalar(query) or 0


@contextmanager
def canvas_stage(db: Database, folder: str, learners: int = 30, **key: Any) -> Iterator[Stage]:
    """Everything running, the course entered by its teacher and connected."""
    with rig(db, folder, mode="canvas", learners=learners) as here:
        slept: list[float] = []
        campus = here.campus
        source = CanvasRest(CanvasClient(campus.http, slept.append), campus.grants)
        campus = replace(campus, sources={**campus.sources, KEY: source})
        for tool in here.lms.app.extensions["demo_lms"].tools.values():
            tool.custom = LMS["canvas"].custom_parameters()
        entered = enter(campus, here.launch(person=TEACHER, course=COURSE))
        with db.transaction() as session:
            installation = session.scalars(select(Installation.id)).one()
            session.get_one(Course, entered.course_id).next_collect_at = None
        uri = sources.redirect_uri(campus)
        made = here.control("canvas/key", redirect_uris=[uri], **key)
        values = {"base_url": here.lms.url, **made}
        sources.save_access(campus, installation, KEY, values, "operator:test")
        yield Stage(here, campus, entered.course_id, entered.person_id, slept, made)
