"""A stage for sending: the demo LMS and SIS over HTTP, and a campus with awards to deliver."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, jsonify
from sqlalchemy import select, update
from werkzeug.serving import WSGIRequestHandler, make_server

from app.db import Database
from app.demo.lms import LmsConfig, create_lms, serve
from app.demo.sis.config import SisConfig, SisPerson
from app.demo.sis.server import SisServer
from app.gradebook.grants import Grants
from app.http import HttpClient
from app.lti.keys import ensure_key, public_jwks
from app.lti.services import LtiServices
from app.models import (
    Achievement,
    AchievementVersion,
    Attempt,
    Award,
    Connection,
    Course,
    Delivery,
    Deployment,
    Enrolment,
    Installation,
    Issuer,
    Learner,
    Person,
    Platform,
    Rule,
    Section,
)
from app.pipeline import deliver
from app.pipeline.campus import Campus
from app.secrets import SecretBox
from app.settings import Settings

CLASS = "STAT101-2026-AUT-A"


class Clock:
    """The real time, plus what the test lets pass."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_(self, **amount: float) -> None:
        self.ahead += timedelta(**amount)


class _Quiet(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        """Say nothing."""


class Stage:
    """Everything; ``close`` ends it. ``learners`` people earned one badge in one course."""

    def __init__(
        self, settings: Settings, db: Database, *, mode: str = "moodle", learners: int = 6
    ) -> None:
        self.lms = serve(create_lms(LmsConfig(mode, learners=learners, complete=True)))
        self.box = self.lms.app.extensions["demo_lms"]
        self.clock = Clock()
        self.db = db
        self._jwks_server()
        self.sis: SisServer | None = None
        self.settings = settings.model_copy(update={"allowed_origins": (self.lms.url,)})
        self.campus = self._campus()
        ensure_key(db, self.campus.box, self.clock())
        self.tool = self._register()
        self._fill()

    def _campus(self) -> Campus:
        http = HttpClient(self.settings.allowed_origins)
        box = SecretBox([self.settings.master_key])
        lti = LtiServices(self.db, box, http, self.clock)
        grants = Grants(self.db, box, self.clock)
        return Campus(self.settings, self.db, box, http, self.clock, lti, {}, grants)

    def _jwks_server(self) -> None:
        app = Flask("jwks")
        app.add_url_rule("/jwks", view_func=lambda: jsonify(public_jwks(self.db)))
        self._keys = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        self._keys_thread = threading.Thread(target=self._keys.serve_forever)
        self._keys_thread.start()

    def _register(self) -> dict[str, Any]:
        base = f"http://127.0.0.1:{self._keys.server_port}"
        form = {
            "name": "Tassel",
            "login_url": base + "/login",
            "redirect_uris": [base + "/launch"],
            "keyset_url": base + "/jwks",
            "target_url": base + "/launch",
        }
        client = self.lms.app.test_client()
        answer = client.post("/_control/registration", json=form)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def _fill(self) -> None:
        at = self.clock()
        here = self.box
        course = next(iter(here.courses.values()))
        self.lms_course = course.id
        tool = here.tools[self.tool["tool"]]
        learners = [
            here.people[entry.person_id]
            for entry in course.enrolments.values()
            if entry.role == "learner" and not here.people[entry.person_id].is_test
        ]
        with self.db.transaction() as session:
            installation = Installation(
                name="Campus LMS", lms=here.vendor.name, origin=self.lms.url, created_at=at
            )
            session.add(installation)
            session.flush()
            platform = Platform(
                installation_id=installation.id,
                issuer=self.tool["issuer"],
                client_id=self.tool["client_id"],
                auth_url=self.tool["authorization_endpoint"],
                token_url=self.tool["token_endpoint"],
                jwks_url=self.tool["jwks_uri"],
                state="active",
                created_at=at,
            )
            session.add(platform)
            session.flush()
            deployment = Deployment(
                platform_id=platform.id,
                deployment_id=self.tool["deployment_id"],
                state="active",
                created_at=at,
            )
            session.add(deployment)
            session.flush()
            row = Course(
                deployment_id=deployment.id,
                context_id=here.vendor.context_id(course),
                title=course.title,
                label=course.label,
                services={
                    "lineitems": here.vendor.lineitems_url(here, tool, course.id),
                    "ags_scopes": [s for s in tool.scopes if "lti-ags" in s],
                },
                created_at=at,
            )
            issuer = Issuer(
                slug="main",
                did="did:web:x:main",
                name="Main",
                url="https://x.example",
                created_at=at,
            )
            session.add_all([row, issuer])
            session.flush()
            achievement = Achievement(
                issuer_id=issuer.id, course_id=row.id, published_version=1, created_at=at
            )
            section = Section(course_id=row.id, sis_class_id=CLASS)
            session.add_all([achievement, section])
            session.flush()
            rule = Rule(course_id=row.id, achievement_id=achievement.id, state="published")
            session.add_all(
                [
                    rule,
                    AchievementVersion(
                        achievement_id=achievement.id,
                        number=1,
                        name="Data literacy",
                        description="Reads charts.",
                        created_at=at,
                    ),
                ]
            )
            session.flush()
            self.course_id, self.achievement_id = row.id, achievement.id
            self.installation_id, self.platform_id = installation.id, platform.id
            self.awards = [
                self._award(session, person, installation.id, rule.id, section.id, at)
                for person in learners
            ]
        self.people = learners

    def _award(
        self, session: Any, person: Any, installation: str, rule: str, section: str, at: datetime
    ) -> str:
        learner = Learner(created_at=at)
        session.add(learner)
        session.flush()
        row = Person(
            installation_id=installation,
            sub=self.box.vendor.subject(person),
            learner_id=learner.id,
            name=person.name,
            email=person.email or None,
            sis_id=person.sis_id or None,
            created_at=at,
        )
        session.add(row)
        session.flush()
        enrolment = Enrolment(
            course_id=self.course_id, person_id=row.id, role="learner", section_id=section
        )
        award = Award(
            learner_id=learner.id,
            person_id=row.id,
            course_id=self.course_id,
            achievement_id=self.achievement_id,
            achievement_version=1,
            rule_id=rule,
            rule_version=1,
            state="issued",
            awarded_at=at,
            subject_id=f"urn:uuid:{learner.id}",
            salt="s",
        )
        session.add_all([enrolment, award])
        session.flush()
        return str(award.id)

    # --- the SIS ---------------------------------------------------------------------------

    def add_sis(self, kind: str = "oneroster_rest", **changes: str) -> str:
        """A running SIS that knows the learners, and a connection to it; returns its id."""
        people = tuple(
            SisPerson(p.sis_id, p.given, p.family, classes=(CLASS,))
            for p in self.people
            if p.sis_id
        )
        self.sis = SisServer(SisConfig(people=people))
        self.sis.__enter__()
        origins = (*self.settings.allowed_origins, self.sis.url)
        self.settings = self.settings.model_copy(update={"allowed_origins": origins})
        self.campus.http.close()
        self.campus = self._campus()
        config = {
            "name": "Campus SIS",
            "gradebook_url": f"{self.sis.url}/ims/oneroster/gradebook/v1p2",
            "token_url": f"{self.sis.url}/oauth/token",
            "client_id": "tassel",
            "record": "assessmentResult",
            "category_id": "CAT-MICRO",
            "school_id": "SCHOOL-1",
        }
        secret = {"client_secret": "sis-demo-secret"}
        with self.db.transaction() as session:
            row = Connection(
                kind=kind,
                name="Campus SIS",
                config=config | changes,
                sealed=self.campus.box.seal(json.dumps(secret).encode()),
                state="active",
                created_at=self.clock(),
            )
            session.add(row)
            session.flush()
            return row.id

    # --- what happens ----------------------------------------------------------------------

    def queue(self, awards: list[str] | None = None) -> None:
        with self.db.transaction() as session:
            wanted = awards if awards is not None else self.awards
            rows = session.scalars(select(Award).where(Award.id.in_(wanted))).all()
            deliver.queue(session, rows, self.clock())

    def revoke(self, award_id: str) -> None:
        with self.db.transaction() as session:
            award = session.get_one(Award, award_id)
            award.state, award.revoked_at = "revoked", self.clock()
            award.revoke_reason = "By mistake"
            session.flush()
            deliver.queue_revocations(session, award, self.clock())

    def send(self) -> int:
        """Everything that is due, once; returns how many rows were tried."""
        batches = deliver.claim(self.campus)
        for batch in batches:
            deliver.run(self.campus, batch.ids)
        return sum(len(batch.ids) for batch in batches)

    def make_due(self) -> None:
        """As if the waiting time of everything that was put off had passed."""
        with self.db.transaction() as session:
            session.execute(
                update(Delivery).where(Delivery.state == "waiting").values(next_at=self.clock())
            )

    # --- what is seen ----------------------------------------------------------------------

    def deliveries(self, kind: str = "course", operation: str = "create") -> list[Delivery]:
        with self.db.reading() as session:
            query = (
                select(Delivery)
                .join(Connection, Connection.id == Delivery.connection_id)
                .where(Connection.kind == kind, Delivery.operation == operation)
                .order_by(Delivery.created_at, Delivery.id)
            )
            return list(session.scalars(query))

    def states(self, kind: str = "course", operation: str = "create") -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.deliveries(kind, operation):
            found[row.state] = found.get(row.state, 0) + 1
        return found

    def attempts(self) -> list[Attempt]:
        with self.db.reading() as session:
            return list(session.scalars(select(Attempt).order_by(Attempt.id)))

    def column(self) -> Any:
        """Our column as the LMS holds it."""
        (found,) = [c for c in self.box.columns.values() if c.tag.startswith("tassel-badge")]
        return found

    def values(self) -> dict[str, float | None]:
        """LTI user to the value in our column."""
        here = self.box
        return {
            here.vendor.subject(here.people[key]): cell.value
            for key, cell in self.column().grades.items()
        }

    def posts(self) -> dict[int, int]:
        """LMS person to the number of accepted score posts to our column."""
        column = self.column().id
        return {who: n for (col, who), n in self.box.post_counts.items() if col == column}

    def lms_faults(self, **rule: Any) -> None:
        answer = self.lms.app.test_client().post("/_control/faults", json=rule)
        assert answer.status_code == 201, answer.text

    def lms_heal(self) -> None:
        self.lms.app.test_client().delete("/_control/faults")

    def close(self) -> None:
        self.lms_heal()
        self.campus.http.close()
        if self.sis is not None:
            self.sis.__exit__(None, None, None)
        self._keys.shutdown()
        self._keys_thread.join()
        self._keys.server_close()
        self.lms.stop()
