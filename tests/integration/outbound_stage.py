"""A hostile outside and a Tassel that is led to it: what the tests of the ways out share."""

from __future__ import annotations

import itertools
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.db import Base, Database
from app.errors import AppError
from app.http import HttpClient
from app.lti.keys import ensure_key
from app.main import compose, create_app
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    CollectRun,
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
    Result,
    Rule,
    Section,
)
from app.pipeline import collect, deliver
from app.pipeline.campus import Campus
from app.secrets import SecretBox
from app.settings import Settings, load
from app.web.operator import make_admin_link
from tests.conftest import fresh_database

HOSTILE, FINE = "/hostile", "/fine"
Page = tuple[bytes, tuple[str, ...]]


class Outside:
    """A server of somebody else. Below ``/fine`` it answers as told, below ``/hostile`` it attacks.

    ``attack`` writes to the socket until it returns; ``everywhere``: whatever is asked for. ``heard``
    are the request lines with their Authorization.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.pages: dict[str, Page] = {}
        self.attack: Callable[[socket.socket], None] = lambda peer: None
        self.everywhere = False
        self.heard: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        with peer:
            try:
                method, path = self._listen(peer)
                page = self.pages.get(f"{method} {path}") or self.pages.get(path)
                if page is None or self.everywhere:
                    self.attack(peer)
                else:
                    peer.sendall(reply(page[0], *page[1]))
            except OSError:
                return

    def _listen(self, peer: socket.socket) -> tuple[str, str]:
        with peer.makefile("rb") as lines:
            method, target, _ = lines.readline().decode().split(" ")
            length, bearer = 0, ""
            while line := lines.readline().decode("latin-1").strip():
                name, _, value = line.partition(":")
                length = int(value) if name.lower() == "content-length" else length
                bearer = value.strip() if name.lower() == "authorization" else bearer
            lines.read(length)
        self.heard.append(f"{method} {target} {bearer}")
        return method, target.partition("?")[0]

    def show(self, path: str, body: Any, *headers: str) -> str:
        """Answer at ``path`` (or "METHOD path") with JSON; returns the address."""
        self.pages[path] = (json.dumps(body).encode(), headers)
        return self.url + path.rpartition(" ")[2]

    def attacked(self) -> bool:
        """Whether Tassel walked into it."""
        return any(self.everywhere or HOSTILE in line for line in self.heard)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """One whole answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


dialled: list[tuple[Any, ...]] = []
"""Every address that this process has connected to, by whatever library."""


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        dialled.append(args[1])


sys.addaudithook(_note)


@dataclass(frozen=True)
class Place:
    """One registration with a course and a learner who has a grade and an award."""

    number: int
    installation_id: str
    platform_id: str
    deployment_id: str
    course_id: str
    person_id: str
    award_id: str
    achievement_id: str
    issuer: str
    client_id: str


@dataclass
class Stage:
    """Tassel, the outside, another allowed system, and a server inside that nobody may reach."""

    campus: Campus
    app: Flask
    outside: Outside
    other: Outside
    inside: Outside
    key: rsa.RSAPrivateKey
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        self.client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        path = make_admin_link(self.campus, "test").removeprefix(self.campus.settings.public_url)
        assert self.client.post(path).status_code == 303

    def stranger(self) -> FlaskClient:
        """A browser without cookies, at an address of its own: doors count who knocks."""
        client = self.app.test_client(use_cookies=False)
        number = next(self.numbers)
        client.environ_base["REMOTE_ADDR"] = f"198.18.{number // 250}.{number % 250}"
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return client

    @contextmanager
    def settings(self, **changes: Any) -> Iterator[Campus]:
        """The application with other settings."""
        campus = replace(self.campus, settings=self.campus.settings.model_copy(update=changes))
        self.app.extensions["tassel"] = campus
        try:
            yield campus
        finally:
            self.app.extensions["tassel"] = self.campus

    def change(self, model: Any, row_id: str, **values: Any) -> None:
        """Set columns of one row."""
        with self.campus.db.transaction() as session:
            session.execute(update(model).where(model.id == row_id).values(**values))

    def place(
        self, *, lms: str = "generic", services: dict[str, Any] | None = None, **urls: str
    ) -> Place:
        """A registration whose addresses are fine except those named."""
        number, now, out = next(self.numbers), self.campus.clock(), self.outside
        token = {"access_token": "t-" + "x" * 20, "expires_in": 3600, "token_type": "Bearer"}
        known = {
            "issuer": out.url,
            "auth_url": f"{out.url}/auth",
            "token_url": out.show(f"{FINE}/token", token),
            "jwks_url": out.show(f"{FINE}/keys", {"keys": []}),
        } | urls
        with self.campus.db.transaction() as session:

            def kept(row: Any) -> Any:
                session.add(row)
                session.flush()
                return row

            home = kept(Installation(name="LMS", lms=lms, origin=out.url, created_at=now))
            platform = kept(
                Platform(
                    installation_id=home.id, client_id=f"c{number}", state="active",
                    created_at=now, **known,
                )
            )  # fmt: skip
            door = kept(
                Deployment(
                    platform_id=platform.id, deployment_id="1", state="active", created_at=now
                )
            )
            course = kept(
                Course(
                    deployment_id=door.id, context_id="3", title="Statistics", created_at=now,
                    services={"lms_course_id": "5"} | (services or {}),
                )
            )  # fmt: skip
            learner = kept(Learner(created_at=now))
            person = kept(
                Person(
                    installation_id=home.id, sub="12", lms_user_id="12", name="Ada",
                    learner_id=learner.id, sis_id=f"S-{number}", created_at=now,
                )
            )  # fmt: skip
            section = kept(Section(course_id=course.id, sis_class_id="A"))
            kept(
                Enrolment(
                    course_id=course.id, person_id=person.id, role="learner", section_id=section.id
                )
            )
            column = kept(
                Assessment(
                    course_id=course.id, source="csv_upload", external_id="q", title="Quiz",
                    maximum=Decimal(10), seen_at=now,
                )
            )  # fmt: skip
            kept(
                Result(
                    assessment_id=column.id, person_id=person.id, version=1, raw=Decimal(7),
                    maximum=Decimal(10), changed_at=now,
                )
            )  # fmt: skip
            achievement_id, award_id = _award(kept, number, course, person, learner, now)
        return Place(
            number, home.id, platform.id, door.id, course.id, person.id, award_id, achievement_id,
            known["issuer"], f"c{number}",
        )  # fmt: skip

    def collected(self, place: Place) -> str:
        """Read the course as the worker does; the code of what went wrong."""
        run_id = collect.request(self.campus, place.course_id, "button", whole=True)
        for batch in collect.claim(self.campus):
            collect.run(self.campus, batch.ids)
        with self.campus.db.reading() as session:
            problem = session.get_one(CollectRun, run_id).problem
        return str((problem or {}).get("code", "none"))

    def sent(self, place: Place, connection: Connection | None = None) -> str:
        """Send the award as the worker does; the code of the delivery, which has to be there still."""
        with self.campus.db.transaction() as session:
            session.execute(update(Connection).values(state="paused"))
            if connection is not None:
                session.add(connection)
                session.flush()
            award = session.get_one(Award, place.award_id)
            deliver.queue(session, [award], self.campus.clock())
        for batch in deliver.claim(self.campus):
            deliver.run(self.campus, batch.ids)
        with self.campus.db.reading() as session:
            chosen = (
                select(Delivery)
                .join(Connection, Connection.id == Delivery.connection_id)
                .where(Delivery.award_id == place.award_id, Connection.state != "paused")
            )
            (row,) = session.scalars(chosen)
        if row.state == "sent":
            return "sent"
        assert row.state in ("waiting", "held", "dead"), row.state
        assert row.message
        return str(row.code)

    def kept(self) -> set[tuple[Any, ...]]:
        """What no attack may change: people, enrolments, grades, awards, registrations."""
        queries = (
            select(Person.id, Person.name, Person.sis_id),
            select(Enrolment.id, Enrolment.role, Enrolment.state),
            select(Result.id, Result.raw, Result.version),
            select(Award.id, Award.state),
            select(Platform.id, Platform.state, Platform.client_id),
        )
        with self.campus.db.reading() as session:
            return {tuple(row) for query in queries for row in session.execute(query)}


def _award(
    kept: Callable[[Any], Any], number: int, course: Course, person: Person, learner: Learner,
    now: datetime,
) -> tuple[str, str]:  # fmt: skip
    """An issued award; the ids of its achievement and its own."""
    issuer = kept(
        Issuer(
            slug=f"i{number}", did=f"did:web:x:{number}", name="Main", url="https://x.example",
            created_at=now,
        )
    )  # fmt: skip
    badge = kept(
        Achievement(issuer_id=issuer.id, course_id=course.id, published_version=1, created_at=now)
    )
    kept(AchievementVersion(achievement_id=badge.id, number=1, name="Data", created_at=now))
    rule = kept(Rule(course_id=course.id, achievement_id=badge.id, state="published"))
    award = kept(
        Award(
            learner_id=learner.id, person_id=person.id, course_id=course.id,
            achievement_id=badge.id, achievement_version=1, rule_id=rule.id, rule_version=1,
            state="issued", awarded_at=now, subject_id=f"urn:uuid:{learner.id}", salt="s",
        )
    )  # fmt: skip
    return badge.id, award.id


def told(act: Callable[[], object]) -> str:
    """The code of the error that ``act`` ends with."""
    try:
        act()
    except AppError as error:
        return error.code if error.message else "without a message"
    return "none"


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Everything running; one for all tests of a module."""
    outside, other, inside = Outside(), Outside(), Outside()
    with fresh_database(folder) as url:
        settings: Settings = load(
            {
                "TASSEL_DATABASE_URL": url,
                "TASSEL_DATA_DIR": str(folder / "data"),
                "TASSEL_PUBLIC_URL": "http://127.0.0.1:8080",
                "TASSEL_MASTER_KEY": "A" * 43 + "=",
                "TASSEL_ALLOWED_ORIGINS": f"{outside.url},{other.url}",
            }
        )
        db = Database(url, pool_size=5)
        Base.metadata.create_all(db.engine)
        http, box = HttpClient(settings.allowed_origins), SecretBox([settings.master_key])
        campus = compose(settings, db, box, http, lambda: datetime.now(UTC))
        ensure_key(db, box, campus.clock())
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        yield Stage(campus, create_app(settings, campus), outside, other, inside, key)
        http.close()
        db.close()
    for server in (outside, other, inside):
        server.close()
