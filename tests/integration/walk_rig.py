"""A campus where there is something behind every id that an address can carry, in two courses.

The walks over the access table use it. A new route whose parameters have no sample fails them: add
the id to ``Furnished.values``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule as Route

from app.credentials import designs, shares
from app.db import Base
from app.main import create_app, create_campus
from app.models import (
    Achievement,
    AdminLink,
    ApiToken,
    AppClient,
    AppConsent,
    Assessment,
    Award,
    BrowserSession,
    Competency,
    Connection,
    ContentSelection,
    Course,
    Delivery,
    Deployment,
    Framework,
    Grant,
    Invitation,
    Issuer,
    Person,
    Platform,
    PublicationRequest,
    Rule,
)
from app.pipeline import badges, bulk_revoke, endorse, hand_over, uploads
from app.pipeline.campus import Campus
from app.secrets import token_hash
from app.settings import load
from app.wallet.app_clients import SCOPES as APP_SCOPES
from app.web.tokens import SCOPES, mint
from tests.conftest import fresh_database
from tests.endorsing import accepted
from tests.integration.trip import Trip

ROLES = ("instructor", "assistant", "administrator", "learner", "observer")
FILE = "ID number,{title} (%)\nS-{word},50\n"
NEUTRAL: dict[str, Any] = {
    "kind": "oneroster_rest", "form": "json", "filename": "tassel.css", "size": 96, "number": 1, "language": "en",
    "palette": next(iter(designs.PALETTES)), "design": next(iter(designs.DESIGNS)),
    "step": "accept", "key": "canvas", "place": "issuers/campus", "reference": "nowhere",
}  # fmt: skip
"""Parameters that name no object of anybody."""

KINDS = {
    "learner.download": "json",
    "instructor.example_file": "json",
    "operator.issuer_rotate": "ed25519",
    "operator.issuer_rotate_confirm": "ed25519",
}
"""Routes whose ``kind`` is another one."""


@dataclass
class Furnished:
    """One course with its ids; ``word`` stands in every title and name of it."""

    trip: Trip
    word: str
    people: dict[str, str] = field(default_factory=dict)
    """Role to person; "classmate" is a second learner, "behind" one who has not earned it yet."""
    ids: dict[str, str] = field(default_factory=dict)
    """Parameter of an address to id."""
    things: dict[str, str] = field(default_factory=dict)
    """Ids that stand in forms."""

    @property
    def values(self) -> dict[str, Any]:
        """What fills the addresses of this course."""
        return {**NEUTRAL, **self.ids}

    @property
    def foreign(self) -> set[str]:
        """Every id of an object that belongs to this course."""
        return {*self.ids.values(), *self.things.values(), *self.people.values()}


@dataclass
class Walk:
    """Two courses of one LMS, what the operator has set up, and a session for every role."""

    campus: Campus
    mine: Furnished
    other: Furnished
    common: dict[str, str]

    def values(self, course: Furnished) -> dict[str, Any]:
        """What fills any address, with the ids of one of the courses."""
        return {**self.common, **course.values}


Wording = Callable[[str], str]


@contextmanager
def walking(folder: Path, say: Wording = str) -> Iterator[tuple[Flask, Walk]]:
    """The application on a database of its own, and the campus in it."""
    with fresh_database(folder) as url:
        settings = load(
            {
                "TASSEL_DATABASE_URL": url,
                "TASSEL_DATA_DIR": str(folder / "data"),
                "TASSEL_PUBLIC_URL": "http://127.0.0.1:8080",
                "TASSEL_MASTER_KEY": "A" * 43 + "=",
            }
        )
        campus = create_campus(settings)
        Base.metadata.create_all(campus.db.engine)
        yield create_app(settings, campus), prepare(campus, say)
        campus.http.close()
        campus.db.close()


def furnish(trip: Trip, word: str, say: Wording = str) -> Furnished:
    """Fill a course. ``say`` turns every text that comes from outside into what shall be stored."""
    made, campus, sub = Furnished(trip, word), trip.campus, word.lower()
    made.people = {role: trip.learner(f"{sub}-{role}", role=role) for role in ROLES}
    made.people |= {who: trip.learner(f"{sub}-{who}") for who in ("classmate", "behind")}
    with campus.db.transaction() as session:
        session.get_one(Person, made.people["learner"]).sis_id = f"S-{word}"
    column = f"{sub} quiz"
    trip.book.maximum = {column: Decimal(10)}
    trip.book.grades = {(column, f"{sub}-{who}"): Decimal(9) for who in ("learner", "classmate")}
    trip.book.grades[(column, f"{sub}-behind")] = Decimal(6)
    trip.collect()
    published = trip.badge({column: 70}, name=say(f"{word} literacy"), image_alt=say(word))
    trip.collect()
    trip.sign()
    draft = badges.create(campus, trip.course_id, say(f"{word} draft"), "test")
    asked = _asked(trip, draft)
    upload = uploads.receive(
        campus,
        trip.course_id,
        FILE.format(title=say(word).replace('"', "'"), word=word).encode(),
        made.people["instructor"],
    )
    endorsing = endorse.invite(campus, published, say(f"{word} partner"), "test")
    words = {"asked": f"{word} friend", "name": f"{word} works", "comment": f"{word} praise"}
    stands = accepted(campus, published, **{key: say(one) for key, one in words.items()})
    with campus.db.transaction() as session:
        awards = dict(
            session.execute(
                select(Award.person_id, Award.id).where(Award.achievement_id == published)
            ).all()
        )
        made.ids = {
            "course_id": trip.course_id,
            "achievement_id": published,
            "endorsement_id": stands,
            "endorsing": endorsing,
            "person_id": made.people["learner"],
            "learner_id": session.get_one(Person, made.people["learner"]).learner_id,
            "subject_id": made.people["learner"],
            "award_id": awards[made.people["learner"]],
            "upload_id": upload,
            "request_id": asked,
            "selection_id": _selection(session, made, say),
            "origin_id": _origin(session, made, published, say),
            "token": shares.share(session, awards[made.people["learner"]], True, campus.clock()),
            "app_id": _app(session, made, say),
        }
        frameworks = select(Framework.id).where(Framework.course_id == trip.course_id)
        made.things = {
            "draft": draft,
            "classmate_award": awards[made.people["classmate"]],
            "assessment": session.scalars(
                select(Assessment.id).where(Assessment.course_id == trip.course_id)
            ).one(),
            "competency": session.scalars(
                select(Competency.id).where(Competency.framework_id.in_(frameworks))
            ).one(),
        }
    return made


def _asked(trip: Trip, badge: str) -> str:
    """A request to publish the badge that was taken back, so that the draft can be changed."""
    with trip.db.transaction() as session:
        row = PublicationRequest(
            achievement_id=badge,
            course_id=trip.course_id,
            issuer_id=session.get_one(Achievement, badge).issuer_id,
            version=1,
            rule_version=1,
            state="taken_back",
            asked_by="person:test",
            asked_at=trip.clock(),
            decided_at=trip.clock(),
        )
        session.add(row)
        session.flush()
        return row.id


def _selection(session: Session, made: Furnished, say: Wording) -> str:
    now = made.trip.clock()
    row = ContentSelection(
        course_id=made.trip.course_id,
        person_id=made.people["instructor"],
        return_url="http://127.0.0.1:8081/return",
        data=say("opaque"),
        accepts=["ltiResourceLink"],
        targets=["iframe"],
        multiple=True,
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    session.add(row)
    session.flush()
    return row.id


def _app(session: Session, made: Furnished, say: Wording) -> str:
    """An app that may read the learner's badges."""
    now = made.trip.clock()
    client = AppClient(
        name=say(f"{made.word} app"),
        redirect_uris=["https://app.example/back"],
        scopes=list(APP_SCOPES),
        auth_method="none",
        created_at=now,
        used_at=now,
    )
    session.add(client)
    session.flush()
    consent = AppConsent(
        client_id=client.id,
        person_id=made.people["learner"],
        scopes=list(APP_SCOPES),
        place=say("app.example"),
        started_at=now,
    )
    session.add(consent)
    session.flush()
    return consent.id


def _origin(session: Session, made: Furnished, achievement: str, say: Wording) -> str:
    """A course of which this one is a copy, with a badge of its own kind."""
    here = session.get_one(Course, made.trip.course_id)
    here.history = [f"before-{made.word}"]
    here.title, here.label = say(f"{made.word} statistics"), say(f"{made.word} 101")
    origin = Course(
        deployment_id=here.deployment_id,
        context_id=here.history[0],
        title=say(f"{made.word} last year"),
        created_at=made.trip.clock(),
    )
    session.add(origin)
    session.flush()
    session.add(Rule(course_id=origin.id, achievement_id=achievement, state="published"))
    session.flush()
    return origin.id


def beside(trip: Trip, context_id: str) -> Trip:
    """Another course of the same deployment, with a gradebook that the same source reads."""
    other = copy(trip)
    with trip.db.transaction() as session:
        here = session.get_one(Course, trip.course_id)
        course = Course(
            deployment_id=here.deployment_id, context_id=context_id, created_at=trip.clock()
        )
        session.add(course)
        session.flush()
        other.course_id = course.id
    return other


def prepare(campus: Campus, say: Wording = str) -> Walk:
    """The whole campus."""
    trip = Trip(campus)
    trip.clock.now = campus.clock()
    other = furnish(beside(trip, "far"), "Fareast", say)
    mine = furnish(trip, "Nearby", say)
    now = campus.clock()
    hand_over.offer(trip.campus, mine.things["classmate_award"], "test")
    choice = bulk_revoke.Choice(awards=(other.things["classmate_award"],))
    bulk = bulk_revoke.begin(trip.campus, choice, say("Wrong exam."), "test", 1)
    with campus.db.transaction() as session:
        connection = Connection(kind="oneroster_rest", name=say("SIS"), config={}, created_at=now)
        session.add(connection)
        session.flush()
        delivery = Delivery(
            award_id=mine.ids["award_id"], connection_id=connection.id, created_at=now
        )
        once = {"created_at": now, "expires_at": now + timedelta(hours=1)}
        session.add_all(
            (
                delivery,
                Invitation(token_hash=token_hash("inviting"), lms_origin="http://127.0.0.1:8081", **once),
                AdminLink(token_hash=token_hash("entering"), name="op", **once),
            )
        )  # fmt: skip
        api = mint(session, say("test"), list(SCOPES), None, "test", now)
        session.flush()
        common = {
            "bulk_id": bulk,
            "connection_id": connection.id,
            "delivery_id": delivery.id,
            "platform_id": session.scalars(select(Platform.id)).one(),
            "deployment_id": session.scalars(select(Deployment.id)).one(),
            "slug": session.scalars(select(Issuer.slug)).one(),
            "issuer_id": session.scalars(select(Issuer.id)).one(),
            "token_id": session.scalars(select(ApiToken.id)).one(),
            "version": "1",
            "name": "campus",
            "api": api,
        }
        for course in (mine, other):
            _sessions(session, course, now)
        for role in ("operator", "sis_administrator", "approver"):
            _enter(session, f"-{role}", now, scope="operator", role=role, operator=role)
    return Walk(trip.campus, mine, other, common)


def _sessions(session: Session, course: Furnished, now: Any) -> None:
    """Tokens like ``Nearby-learner``."""
    inside = {"scope": f"course:{course.trip.course_id}", "course_id": course.trip.course_id}
    for role in ROLES:
        name = f"{course.word}-{role}"
        _enter(session, name, now, **inside, role=role, person_id=course.people[role])
    about = f"privacy:{course.ids['subject_id']}"
    officer = course.people["administrator"]
    _enter(session, f"{course.word}-privacy", now, scope=about, role="privacy", person_id=officer)


def _enter(session: Session, token: str, now: Any, **grant: Any) -> None:
    once = {"created_at": now, "expires_at": now + timedelta(hours=1)}
    browser = BrowserSession(token_hash=token_hash(token.lstrip("-")), **once)
    session.add(browser)
    session.flush()
    session.add(Grant(session_id=browser.id, **once, **grant))


def doors(app: Flask, *methods: str) -> Iterator[tuple[Route, str]]:
    """Every route with each of these methods that it takes (all but HEAD and OPTIONS if none)."""
    for route in sorted(app.url_map.iter_rules(), key=lambda one: (one.rule, one.endpoint)):
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            if not methods or method in methods:
                yield route, method


def address(route: Route, values: dict[str, Any]) -> str:
    """A real address of a route. A parameter without a sample is a KeyError: give it one."""
    area = route.endpoint.partition(".")[0]
    links = {"lti": "inviting", "operator": "entering", "endorser": values.get("endorsing")}
    token = links.get(area) or values["token"]
    filled = {**values, "token": token, "kind": KINDS.get(route.endpoint, values["kind"])}
    return re.sub(
        r"<(?:[^:<>]+(?:\([^)]*\))?:)?([a-z_]+)>", lambda m: str(filled[m[1]]), route.rule
    )


def dump(campus: Campus) -> dict[str, list[str]]:
    """Every row of every table as text."""
    found = {}
    with campus.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(select(table)).mappings()
            found[table.name] = sorted(repr(sorted(row.items())) for row in rows)
    return found


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """Rows that are only in one of two dumps, by table."""
    return {
        name: sorted(set(before[name]) ^ set(after[name]))
        for name in before
        if before[name] != after[name]
    }
