"""One LMS of any vendor with Tassel beside it, used as its people use it: by browser and by worker."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.db import Base, Database
from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.demo.visitor import Page, Visitor
from app.gradebook.ags import AgsSource
from app.lti import invitation
from app.lti.platforms import LMS
from app.lti.registered import approve, approve_deployment, register_manual
from app.lti.services import AgsResult, LineItem
from app.models import (
    Assessment,
    CollectRun,
    Course,
    Deployment,
    Enrolment,
    Installation,
    Person,
    Platform,
    Result,
)
from app.pipeline import collect, deliver
from app.pipeline.campus import Campus
from tests.conftest import fresh_database
from tests.integration.lti_rig import Clock, tool_beside
from tests.integration.trip import Trip

MODES = ("moodle", "canvas", "blackboard", "brightspace", "openedx", "sakai")
COURSE = 3
OWN = ("Badge: probe", Decimal(1), "tassel-badge-probe", "probe")


class World(Trip):
    """A campus of one vendor. Numbers of people and courses are those of the demo LMS."""

    def __init__(self, mode: str, lms: LmsServer, campus: Campus, clock: Clock) -> None:
        self.mode, self.lms = mode, lms
        self.here = lms.app.extensions["demo_lms"]
        self.campus = replace(campus, sources={"ags": AgsSource(campus.lti)})
        self.clock = clock  # type: ignore[assignment]
        self.visitor = Visitor()

    # --- the LMS -----------------------------------------------------------------------------

    def control(self, command: str, **body: Any) -> dict[str, Any]:
        answer = self.lms.app.test_client().post(f"/_control/{command}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def numbers(self, role: str) -> list[int]:
        """Who has a role in the course, as the LMS knows it; test users left out."""
        entries = self.here.courses[COURSE].enrolments.values()
        people = self.here.people
        return [
            entry.person_id
            for entry in entries
            if entry.role == role and not entry.suspended and not people[entry.person_id].is_test
        ]

    @property
    def admin(self) -> int:
        return next(int(number) for number, one in self.here.people.items() if one.is_admin)

    def sub(self, number: int) -> str:
        return str(self.here.vendor.subject(self.here.people[number]))

    def cells(self, label: str) -> dict[str, Decimal]:
        """Subject to points of one column, as the LMS holds them."""
        column = next(one for one in self.here.columns.values() if one.label == label)
        return {
            self.sub(number): Decimal(str(cell.value))
            for number, cell in column.grades.items()
            if cell.value is not None
        }

    def own_columns(self) -> list[Any]:
        """Columns in the gradebook that Tassel made."""
        return [
            column
            for column in self.here.columns.values()
            if column.kind == "tool" and self.here.vendor.in_gradebook(column)
        ]

    # --- registration and launch -------------------------------------------------------------

    def register(self) -> None:
        """By link where the LMS has that, else by hand; approved, and opened by a teacher.

        Some LMSs tell a deployment by the first launch only, which waits for approval.
        """
        self.visitor.become(self.lms.url, self.admin)
        page = self.visitor.get(self.lms.url + "/admin/tools")
        if any(form.name == "register" for form in page.forms):
            token = invitation.invite(self.db, self.lms.url, self.clock())
            address = f"{self.campus.settings.public_url}/lti/register/{token}"
            landed = self.visitor.register(self.lms.url, address)
            assert landed.status == 200, landed.text
        else:
            self._by_hand()
        self._approve()
        self.launch(self.numbers("teacher")[0])
        self._approve()
        self.enter(self.numbers("teacher")[0])

    def _by_hand(self) -> None:
        base = self.campus.settings.public_url
        custom = LMS[self.mode].custom_parameters()
        page = self.visitor.submit(
            "manual",
            name="Tassel",
            login_url=f"{base}/lti/login",
            redirect_uris=f"{base}/lti/launch",
            keyset_url=f"{base}/lti/jwks",
            target_url=f"{base}/lti/launch",
            custom="\n".join(f"{name}={value}" for name, value in custom.items()),
        )
        shown = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.html))
        register_manual(
            self.db,
            self.campus.box,
            name="Campus LMS",
            lms=self.mode,
            origin=self.lms.url,
            issuer=html.unescape(shown["Issuer (platform id)"]),
            client_id=shown["Client id"],
            auth_url=shown["Authentication request URL"],
            token_url=shown["Access token URL"],
            jwks_url=shown["Public keyset URL"],
            deployment_id=shown["Deployment id"],
            actor="operator:test",
            now=self.clock(),
        )

    def _approve(self) -> None:
        with self.db.reading() as session:
            platforms = list(session.scalars(select(Platform.id)))
            deployments = list(session.scalars(select(Deployment.id)))
        for one in platforms:
            approve(self.db, one, actor="operator:test", now=self.clock())
        for one in deployments:
            approve_deployment(self.db, one, actor="operator:test", now=self.clock())

    def launch(self, number: int, link: str | None = None) -> Page:
        """Somebody opens Tassel from the course."""
        self.visitor.become(self.lms.url, number)
        return self.visitor.launch(self.lms.url, COURSE, link)

    def enter(self, number: int, link: str | None = None) -> Enrolment:
        """A launch that must succeed; what is known of the person in the course afterwards."""
        page = self.launch(number, link)
        assert page.status == 200, f"{self.mode}: {page.text[:400]}"
        found = self.enrolment(self.sub(number))
        assert found is not None
        return found

    def open_links(self) -> None:
        """Where a launch shows the columns of its link only, the teacher opens each once."""
        if self.mode == "openedx":
            for link in self.here.course_links(COURSE):
                self.enter(self.numbers("teacher")[0], None if link.navigation else link.title)

    # --- what Tassel knows -------------------------------------------------------------------

    @property
    def platform(self) -> Platform:
        with self.db.reading() as session:
            return session.scalars(
                select(Platform)
                .join(Installation, Installation.id == Platform.installation_id)
                .where(Installation.origin == self.lms.url)
            ).one()

    @property
    def course(self) -> Course:
        with self.db.reading() as session:
            found = session.scalars(
                select(Course)
                .join(Deployment, Deployment.id == Course.deployment_id)
                .where(Deployment.platform_id == self.platform.id)
                .order_by(Course.created_at)
            ).all()
        wanted = self.here.vendor.context_id(self.here.courses[COURSE])
        return next(course for course in found if course.context_id == wanted)

    @property
    def course_id(self) -> str:  # type: ignore[override]
        return self.course.id

    def person(self, number: int) -> Person:
        with self.db.reading() as session:
            return session.scalars(
                select(Person).where(
                    Person.sub == self.sub(number),
                    Person.installation_id == self.platform.installation_id,
                )
            ).one()

    def enrolment(self, sub: str) -> Enrolment | None:
        with self.db.reading() as session:
            return session.scalar(
                select(Enrolment)
                .join(Person, Person.id == Enrolment.person_id)
                .where(Enrolment.course_id == self.course_id, Person.sub == sub)
            )

    def active(self, role: str) -> set[str]:
        """Subjects with this role in the course; test users left out."""
        with self.db.reading() as session:
            return set(
                session.scalars(
                    select(Person.sub)
                    .join(Enrolment, Enrolment.person_id == Person.id)
                    .where(
                        Enrolment.course_id == self.course_id,
                        Enrolment.role == role,
                        Enrolment.state == "active",
                        Person.is_test.is_(False),
                    )
                )
            )

    def results(self, label: str) -> dict[str, Decimal]:
        """Subject to points of one assessment, as Tassel keeps them."""
        with self.db.reading() as session:
            rows = session.execute(
                select(Person.sub, Result.raw)
                .join(Result, Result.person_id == Person.id)
                .join(Assessment, Assessment.id == Result.assessment_id)
                .where(Assessment.title == label, Assessment.course_id == self.course_id)
            ).all()
        return {sub: raw for sub, raw in rows if raw is not None}

    def titles(self) -> list[str]:
        with self.db.reading() as session:
            query = select(Assessment).where(Assessment.course_id == self.course_id)
            return [row.title for row in session.scalars(query.order_by(Assessment.position))]

    def external(self, label: str) -> str:
        """The source's id of an assessment."""
        with self.db.reading() as session:
            found = session.scalar(
                select(Assessment.external_id).where(
                    Assessment.title == label, Assessment.course_id == self.course_id
                )
            )
        assert found is not None, label
        return found

    # --- the worker --------------------------------------------------------------------------

    def read(self) -> CollectRun:
        """Read the course as the worker does, without asking whether it went well."""
        run_id = collect.request(self.campus, self.course_id, "button")
        for batch in collect.claim(self.campus):
            collect.run(self.campus, batch.ids)
        with self.db.reading() as session:
            return session.get_one(CollectRun, run_id)

    def collected(self) -> None:
        run = self.read()
        assert run.state == "done", run.problem

    def send(self) -> int:
        """Deliver what is due; returns how many batches there were."""
        batches = deliver.claim(self.campus)
        for batch in batches:
            deliver.run(self.campus, batch.ids)
        return len(batches)

    # --- the service client ------------------------------------------------------------------

    def items(self) -> list[LineItem]:
        return self.campus.lti.line_items(self.platform.id, self.course.services["lineitems"])

    def own_item(self) -> LineItem:
        """A column of ours for trying things out."""
        services = self.course.services
        return self.campus.lti.find_or_create_line_item(
            self.platform.id, services["lineitems"], *OWN, services.get("column_link")
        )

    def post(self, number: int, value: int | None, last: datetime | None = None) -> datetime:
        """Send one score into the column for trying out; returns its time stamp."""
        lti, given = self.campus.lti, None if value is None else Decimal(value)
        stamp = lti.score_timestamp(self.platform.id, self.clock(), last)
        url, user = self.own_item().url, self.sub(number)
        lti.post_score(self.platform.id, url, user, given, Decimal(1), stamp, None)
        return stamp

    def shown(self, number: int, url: str | None = None) -> AgsResult | None:
        """What the LMS shows of a person in the column for trying out."""
        found = self.campus.lti.results(self.platform.id, url or self.own_item().url)
        return next((one for one in found if one.user_id == self.sub(number)), None)

    def score(self, number: int) -> Decimal | None:
        found = self.shown(number)
        return None if found is None else found.score


@contextmanager
def worlds(
    folder: Path, *modes: str, learners: int = 12, seeds: tuple[int, ...] = ()
) -> Iterator[tuple[World, ...]]:
    """One Tassel beside one LMS per mode, nothing registered yet."""
    import app.models  # noqa: F401

    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(folder))
        db = Database(url, pool_size=5)
        stack.callback(db.close)
        Base.metadata.create_all(db.engine)
        lmss = [
            stack.enter_context(
                serve(create_lms(LmsConfig(mode, learners, seeds[place] if seeds else 1)))
            )
            for place, mode in enumerate(modes)
        ]
        first, *others = [lms.url for lms in lmss]
        campus, clock = stack.enter_context(tool_beside(first, db, str(folder), *others))
        made = tuple(World(mode, lms, campus, clock) for mode, lms in zip(modes, lmss, strict=True))
        yield made
        for one in made:
            one.visitor.close()


@contextmanager
def world(folder: Path, mode: str, learners: int = 12) -> Iterator[World]:
    """One LMS that knows Tassel."""
    with worlds(folder, mode, learners=learners) as (made,):
        made.register()
        yield made
