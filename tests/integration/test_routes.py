"""About every route: who may use it, that reading never writes, that every page is real HTML."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import html5lib
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from app.credentials import shares
from app.models import (
    AdminLink,
    ApiToken,
    Award,
    BrowserSession,
    BulkRevocation,
    Connection,
    ContentSelection,
    Course,
    Delivery,
    Deployment,
    Endorsement,
    Grant,
    Invitation,
    Issuer,
    Person,
    Platform,
    PublicationRequest,
)
from app.models import Rule as Given
from app.pipeline import endorse, uploads
from app.pipeline.campus import Campus
from app.pipeline.enter import Entered
from app.secrets import token_hash
from app.web.access import TABLE
from app.web.landing import Landing
from app.web.session import admit
from app.web.tokens import SCOPES, mint
from tests.integration.trip import Trip

TEMPLATES = Path(__file__).parents[2] / "app" / "web" / "templates"


@pytest.fixture
def world(campus: Campus) -> dict[str, str]:
    """A campus with something behind every kind of id that stands in an address."""
    trip = Trip(campus)
    trip.clock.now = campus.clock()
    trip.book.maximum = {"quiz": Decimal(10)}
    person = trip.learner("ann")
    teacher = trip.learner("teacher", role="instructor")
    trip.book.grades = {("quiz", "ann"): trip.book.maximum["quiz"]}
    trip.collect()
    achievement = trip.badge({"quiz": 70})
    trip.collect()
    trip.sign()
    now = campus.clock()
    endorsing = endorse.invite(campus, achievement, "Partner Ltd", "test")
    upload = uploads.receive(campus, trip.course_id, b"ID number,Quiz (%)\nS-1,50\n", teacher)
    with campus.db.transaction() as session:
        selection = ContentSelection(
            course_id=trip.course_id,
            person_id=teacher,
            return_url="http://127.0.0.1:8081/return",
            data=None,
            accepts=["ltiResourceLink"],
            targets=["iframe"],
            multiple=True,
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
        session.add(selection)
        connection = Connection(kind="oneroster_csv", name="Campus SIS", config={}, created_at=now)
        session.add(connection)
        session.flush()
        award = session.scalars(select(Award)).one()
        delivery = Delivery(award_id=award.id, connection_id=connection.id, created_at=now)
        session.add(delivery)
        session.add(
            Invitation(
                token_hash=token_hash("invited"),
                lms_origin="http://127.0.0.1:8081",
                created_at=now,
                expires_at=now + timedelta(days=1),
            )
        )
        session.add(
            AdminLink(
                token_hash=token_hash("entering"),
                name="op",
                created_at=now,
                expires_at=now + timedelta(minutes=15),
            )
        )
        here = session.get_one(Course, trip.course_id)
        here.history = ["old"]
        origin = Course(deployment_id=here.deployment_id, context_id="old", created_at=now)
        session.add(origin)
        session.flush()
        session.add(Given(course_id=origin.id, achievement_id=achievement, state="published"))
        session.flush()
        bulk = BulkRevocation(
            reason="Wrong exam.", actor="test", total=1, starts_at=now, created_at=now
        )
        session.add(bulk)
        session.flush()
        asked = PublicationRequest(
            achievement_id=achievement,
            course_id=trip.course_id,
            issuer_id=session.scalars(select(Issuer.id)).one(),
            version=1,
            rule_version=1,
            asked_by=f"person:{teacher}",
            asked_at=now,
        )
        session.add(asked)
        session.flush()
        ids = {
            "bulk_id": bulk.id,
            "request_id": asked.id,
            "course_id": trip.course_id,
            "origin_id": origin.id,
            "selection_id": selection.id,
            "subject_id": person,
            "achievement_id": achievement,
            "award_id": award.id,
            "learner_id": award.learner_id,
            "person_id": person,
            "connection_id": connection.id,
            "delivery_id": delivery.id,
            "platform_id": session.scalars(select(Platform.id)).one(),
            "deployment_id": session.scalars(select(Deployment.id)).one(),
            "slug": session.scalars(select(Issuer.slug)).one(),
            "issuer_id": session.scalars(select(Issuer.id)).one(),
            "share": shares.share(session, award.id, False, now),
            "teacher": teacher,
            "endorsing": endorsing,
            "endorsement_id": session.scalars(select(Endorsement.id)).one(),
            "upload_id": upload,
            "api": mint(session, "test", list(SCOPES), None, "test", now),
            "token_id": session.scalars(select(ApiToken.id)).one(),
        }
        for name, scope, role, who in (
            ("learner", f"course:{trip.course_id}", "learner", person),
            ("instructor", f"course:{trip.course_id}", "instructor", teacher),
            ("operator", "operator", "operator", None),
            ("privacy", f"privacy:{person}", "privacy", teacher),
        ):
            browser = BrowserSession(
                token_hash=token_hash(name), created_at=now, expires_at=now + timedelta(hours=1)
            )
            session.add(browser)
            session.flush()
            session.add(
                Grant(
                    session_id=browser.id,
                    scope=scope,
                    role=role,
                    course_id=trip.course_id if scope.startswith("course:") else None,
                    person_id=who,
                    operator=None if who else "op",
                    created_at=now,
                    expires_at=now + timedelta(hours=1),
                )
            )
    return ids


def rules(app: Flask) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)


def test_every_route_has_a_line_and_every_line_a_route(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in rules(app)}
    assert endpoints - TABLE.keys() == set(), "routes that nobody decided about"
    assert TABLE.keys() - endpoints == set(), "lines without a route"


def test_every_line_says_its_twin_and_every_exception_its_reason() -> None:
    for endpoint, line in TABLE.items():
        assert line.twin, endpoint
        if line.twin.startswith("api."):
            assert line.twin in TABLE, f"{endpoint} names a twin that does not exist"


def test_only_protocol_routes_take_posts_from_elsewhere() -> None:
    outside = {name for name, line in TABLE.items() if line.outside_posts}
    doors = ("token", "nonce", "credential", "notification", "exchange")
    wallet = {f"wallet.{name}" for name in doors}
    lti = {"lti.login", "lti.launch", "lti.again", "lti.notices"}
    apps = {f"apps.{name}" for name in ("register", "token", "revoke")}
    assert outside == {*lti, *wallet, *apps, "api.verify"}
    commits = {name for name, line in TABLE.items() if line.commits_on_get}
    assert commits == {
        "apps.credentials",
        "grades.connected",
        "lti.jwks",
        "operator.sign_in_callback",
    }


FILLED = {
    "kind": "oneroster_rest",
    "number": "1",
    "form": "json",
    "filename": "tassel.css",
    "palette": "indigo",
    "design": "shield",
    "version": "1",
    "name": "campus",
    "size": "96",
    "language": "en",
    "key": "canvas",
    "step": "close",
    "place": "issuers/campus",
    "reference": "nowhere",
    "app_id": "nowhere",
}


def address(rule: Rule, ids: dict[str, str]) -> str:
    """A real address for a rule; tokens are chosen by the area."""
    links = {"lti": "invited", "operator": "entering", "endorser": ids["endorsing"]}
    token = links.get(rule.endpoint.split(".")[0], ids["share"])
    values = {**FILLED, **ids, "token": token, "any": "json"}
    return re.sub(r"<(?:[^:<>]+(?:\([^)]*\))?:)?([a-z_]+)>", lambda m: values[m[1]], rule.rule)


@pytest.fixture
def commits(campus: Campus) -> Iterator[list[str]]:
    """What was written to the database, statement by statement."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            seen.append(statement)

    event.listen(campus.db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(campus.db.engine, "before_cursor_execute", note)


def visit(client: FlaskClient, url: str, who: str, ids: dict[str, str]) -> Response:
    token = ids["api"] if who.startswith("api") else who
    answer = client.get(url, headers={"Authorization": f"Bearer {token}"})
    answer.get_data()
    answer.close()
    return answer


def test_reading_never_writes_and_every_page_parses(
    app: Flask, client: FlaskClient, world: dict[str, str], commits: list[str]
) -> None:
    parser = html5lib.HTMLParser(strict=True)
    pages = 0
    for rule in rules(app):
        if "GET" not in (rule.methods or ()) or TABLE[rule.endpoint].commits_on_get:
            continue
        for who in ("learner", "instructor", "operator", "privacy", "api"):
            commits.clear()
            answer = visit(client, address(rule, world), who, world)
            assert commits == [], f"GET {rule.rule} wrote: {commits[:1]}"
            assert answer.status_code < 500 or rule.rule == "/readyz", rule.rule
            if answer.mimetype == "text/html" and answer.status_code == 200:
                pages += 1
                text = answer.get_data(as_text=True)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    whole = text if "<html" in text else f"<!doctype html><title>x</title>{text}"
                    parser.parse(whole)
                assert " style=" not in text, f"{rule.rule} has an inline style"
                assert not re.search(r"<script(?![^>]* src=)", text), f"{rule.rule}: inline script"
    assert pages > 40


@pytest.mark.parametrize("who", ["nobody", "learner", "instructor", "operator"])
def test_nobody_where_they_do_not_belong(
    app: Flask, client: FlaskClient, world: dict[str, str], who: str
) -> None:
    """Every route by every role: only what the table says opens."""
    may = {
        "nobody": {"public"},
        "learner": {"public", "learner", "course"},
        "instructor": {"public", "staff", "teacher", "course"},
    }
    for rule in rules(app):
        line = TABLE[rule.endpoint]
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        if line.who in ("public", "endorser") or line.outside_posts:
            continue  # whoever has a partner's link is the endorser: see test_endorse_pages
        headers = {"Sec-Fetch-Site": "same-origin"}
        if who != "nobody":
            headers["Authorization"] = f"Bearer {who}"
        answer = client.open(address(rule, world), method=method, headers=headers)
        course_route = "course_id" in rule.arguments
        if who == "operator" and rule.endpoint.startswith("operator."):
            continue
        if course_route and line.who in may.get(who, set()):
            continue
        assert answer.status_code in (401, 403), f"{who} {method} {rule.rule}"


def test_a_grant_for_one_course_opens_no_other(
    client: FlaskClient, world: dict[str, str], campus: Campus
) -> None:
    with campus.db.transaction() as session:
        here = session.get_one(Course, world["course_id"])
        other = Course(deployment_id=here.deployment_id, context_id="4", created_at=campus.clock())
        session.add(other)
        session.flush()
        foreign = other.id
    good = visit(client, f"/courses/{world['course_id']}", "instructor", world)
    bad = visit(client, f"/courses/{foreign}", "instructor", world)
    assert (good.status_code, bad.status_code) == (200, 401)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Authorization": "Basic YTpi", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_from_elsewhere_is_refused(
    app: Flask, world: dict[str, str], headers: dict[str, str]
) -> None:
    """CSRF: a cookie alone is not enough to change anything."""
    client = app.test_client()
    client.set_cookie("__Host-tassel", "instructor", domain="127.0.0.1", secure=True)
    url = f"/courses/{world['course_id']}/badges/new"
    answer = client.post(url, data={"name": "Evil"}, headers=headers, base_url="https://127.0.0.1")
    assert answer.status_code == 403
    own = {"Sec-Fetch-Site": "same-origin"}
    answer = client.post(url, data={"name": "Mine"}, headers=own, base_url="https://127.0.0.1")
    assert answer.status_code == 303


def test_ids_in_forms_are_never_believed(
    client: FlaskClient, world: dict[str, str], campus: Campus
) -> None:
    """A learner of the course opens only awards of their own."""
    with campus.db.transaction() as session:
        award = session.get_one(Award, world["award_id"])
        stranger = session.get_one(Person, world["teacher"])
        award.learner_id, award.person_id = stranger.learner_id, stranger.id
    url = f"/courses/{world['course_id']}/me/badges/{world['award_id']}"
    assert visit(client, url, "learner", world).status_code == 404
    headers = {"Authorization": "Bearer learner"}
    assert client.post(url + "/share", headers=headers).status_code in (404, 405)


def test_every_template_is_used() -> None:
    files = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html")}
    sources = [*TEMPLATES.rglob("*.html"), *(TEMPLATES.parents[1]).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unused = {name for name in files if f'"{name}"' not in text and f"'{name}'" not in text}
    assert unused == set()


def test_every_page_says_who_may_frame_it(client: FlaskClient, world: dict[str, str]) -> None:
    course = visit(client, f"/courses/{world['course_id']}", "instructor", world)
    operator = visit(client, "/operator/", "operator", world)
    shared = visit(client, f"/b/{world['share']}", "nobody", world)
    assert (
        "frame-ancestors 'self' http://127.0.0.1:8081" in course.headers["Content-Security-Policy"]
    )
    for page in (operator, shared):
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_no_person_stands_on_a_public_page(client: FlaskClient, world: dict[str, str]) -> None:
    answer = visit(client, f"/b/{world['share']}", "nobody", world)
    assert answer.status_code == 200
    for private in ("Ann", "ann@example.edu", world["person_id"]):
        assert private not in answer.get_data(as_text=True)
    assert "noindex" in answer.headers.get("X-Robots-Tag", "") + answer.get_data(as_text=True)


def test_the_fixture_sees_a_write(campus: Campus, commits: list[str]) -> None:
    """The watch itself works: without it the test above could not fail."""
    with campus.db.transaction() as session:
        _touch(session, campus)
    assert commits


def _touch(session: Session, campus: Campus) -> None:
    now = campus.clock()
    session.add(BrowserSession(token_hash="x", created_at=now, expires_at=now))


def test_a_disabled_platform_ends_what_its_launches_opened(
    client: FlaskClient, world: dict[str, str], campus: Campus
) -> None:
    url = f"/courses/{world['course_id']}"
    assert visit(client, url, "instructor", world).status_code == 200
    with campus.db.transaction() as session:
        session.get_one(Platform, world["platform_id"]).state = "disabled"
    assert visit(client, url, "instructor", world).status_code == 401
    assert visit(client, "/operator/", "operator", world).status_code == 200


def test_the_next_person_at_a_shared_computer_does_not_find_the_last_ones_courses(
    app: Flask, world: dict[str, str], campus: Campus
) -> None:
    """The teacher launched before; a learner launches in the same browser."""
    entered = Entered(world["course_id"], world["person_id"], "learner", None)
    with campus.db.transaction() as session:
        here = session.get_one(Course, world["course_id"])
        other = Course(deployment_id=here.deployment_id, context_id="9", created_at=campus.clock())
        session.add(other)
        session.flush()
        browser = session.scalars(
            select(BrowserSession).where(BrowserSession.token_hash == token_hash("instructor"))
        ).one()
        session.add(
            Grant(
                session_id=browser.id,
                scope=f"course:{other.id}",
                course_id=other.id,
                person_id=world["teacher"],
                role="instructor",
                created_at=campus.clock(),
                expires_at=campus.clock() + timedelta(hours=1),
            )
        )
        foreign = other.id
    client = app.test_client()
    headers = {"Authorization": "Bearer instructor"}
    assert client.get(f"/courses/{foreign}", headers=headers).status_code == 200
    with app.test_request_context(headers=headers):
        admit(Landing(entered, "/"))
    assert client.get(f"/courses/{foreign}", headers=headers).status_code == 401
    own = client.get(f"/courses/{world['course_id']}/me", headers=headers)
    assert own.status_code == 200
