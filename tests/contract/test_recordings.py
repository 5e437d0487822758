"""What real platforms sent is understood: launches, line items, results, members, token, ``Link``.

Launch claims are signed again with a key of the test under the recorded ``kid``; only the address
of the recorded tool is replaced by ours. Service answers are replayed by a server on loopback with
their status, media type and headers; only the origin in them is replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, request
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import update

from app.db import Database
from app.errors import UpstreamError
from app.http import HttpClient
from app.lti import login as logins
from app.lti.launch import LaunchContext, begin_login, prove_launch
from app.lti.registration import approve, register_manual
from app.lti.services import LtiServices
from app.lti.vocabulary import LINE_ITEMS_TYPE, MEMBERS_TYPE, RESULTS_TYPE, SCORE_TYPE
from app.models import Platform
from app.secrets import SecretBox
from app.settings import load
from tests.integration.lti_rig import running

FOLDER = Path(__file__).parent.parent / "recordings"
MOODLE = "moodle-4.5.6"
OPENEDX = "openedx-lti-consumer-11.4.4"
TARGET = "https://purl.imsglobal.org/spec/lti/claim/target_link_uri"
SETTINGS = load({"TASSEL_PUBLIC_URL": "http://127.0.0.1:8080"})


def recorded(folder: str, name: str) -> Any:
    return json.loads((FOLDER / folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def box() -> SecretBox:
    return SecretBox([Fernet.generate_key().decode()])


def registered(db: Database, box: SecretBox, lms: str, **values: str) -> str:
    now = datetime.now(UTC)
    platform_id = register_manual(
        db, box, name=lms, lms=lms, actor="operator:test", now=now, **values
    )
    approve(db, platform_id, actor="operator:test", now=now)
    return platform_id


# --- launches ----------------------------------------------------------------------------------


def relaunch(
    db: Database, box: SecretBox, key: rsa.RSAPrivateKey, folder: str, name: str
) -> LaunchContext:
    found, begun = recorded(folder, name), recorded(folder, "login-initiation")
    claims, kid = dict(found["claims"]), found["header"]["kid"]
    target = f"{SETTINGS.public_url}/lti/launch"
    claims[TARGET] = target
    issuer = claims["iss"]
    platform_id = registered(
        db,
        box,
        "moodle" if folder == MOODLE else "generic",
        origin=issuer,
        issuer=issuer,
        client_id=claims["aud"],
        auth_url=issuer + "/auth?x=1",
        token_url=issuer + "/token",
        jwks_url=issuer + "/keys",
        deployment_id=claims["https://purl.imsglobal.org/spec/lti/claim/deployment_id"],
    )
    now = datetime.fromtimestamp(claims["iat"], UTC)
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    with db.transaction() as session:
        session.execute(
            update(Platform)
            .where(Platform.id == platform_id)
            .values(
                jwks={"keys": [{**public, "kid": kid}]},
                jwks_expires_at=now.replace(year=now.year + 1),
            )
        )
    params = {**begun["params"], "target_link_uri": target, "client_id": claims["aud"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logins, "new_token", lambda: claims["nonce"])
        login = begin_login(db, box, SETTINGS, params, now, None)
    assert f"{issuer}/auth?x=1&" in login.redirect_url
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})
    form = {"state": login.state, "id_token": token}
    proven = prove_launch(db, box, HttpClient(), SETTINGS, form, login.binding, now)
    return proven.context


@pytest.mark.parametrize(
    ("name", "role", "sub"),
    [
        ("launch-teacher", "instructor", "10"),
        ("launch-noneditingteacher", "instructor", "11"),
        ("launch-siteadmin", "instructor", "2"),
        ("launch-student", "learner", "12"),
        ("launch-student-embedded", "learner", "14"),
        ("launch-student-deeplinked", "learner", "12"),
        ("launch-student-no-name-email", "learner", "14"),
        ("launch-submission-review", "instructor", "10"),
        ("deep-linking-request", "instructor", "10"),
    ],
)
def test_moodle_launch(
    db: Database, box: SecretBox, key: rsa.RSAPrivateKey, name: str, role: str, sub: str
) -> None:
    found = relaunch(db, box, key, MOODLE, name)
    claims = recorded(MOODLE, name)["claims"]
    assert (found.role, found.sub, found.is_test) == (role, sub, False)
    assert found.context_id == claims["https://purl.imsglobal.org/spec/lti/claim/context"]["id"]
    assert found.name == claims.get("name", "")
    assert found.email == claims.get("email")
    assert found.family == "moodle"
    assert "?type_id=" in (found.lineitems_url or "")
    roster = claims.get("https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice", {})
    assert found.memberships_url == roster.get("context_memberships_url")
    assert "due" not in found.custom, "an unresolved variable counts as left out"
    assert (found.deep_linking is not None) == (name == "deep-linking-request")


def test_moodle_launch_names_the_student_and_the_class(
    db: Database, box: SecretBox, key: rsa.RSAPrivateKey
) -> None:
    found = relaunch(db, box, key, MOODLE, "launch-student-no-name-email")
    assert (found.person_sis_id, found.section_sis_id) == ("S-0003", "SIS-BIO101-2026")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("launch-teacher-ags-declarative", "instructor"),
        ("launch-teacher-ags-programmatic", "instructor"),
        ("launch-student-ags-declarative", "learner"),
        ("launch-student-ags-programmatic", "learner"),
        ("deep-linking-request", "instructor"),
    ],
)
def test_openedx_launch(
    db: Database, box: SecretBox, key: rsa.RSAPrivateKey, name: str, role: str
) -> None:
    found = relaunch(db, box, key, OPENEDX, name)
    claims = recorded(OPENEDX, name)["claims"]
    assert found.role == role
    assert found.context_id == "course-v1:LabX+BIO101+2026"
    assert found.name == claims["name"]
    ags = claims.get("https://purl.imsglobal.org/spec/lti-ags/claim/endpoint", {})
    assert (found.lineitems_url, found.lineitem_url) == (
        ags.get("lineitems"),
        ags.get("lineitem"),
    )


# --- services ----------------------------------------------------------------------------------


class Replay:
    """A platform that says what was recorded. ``answers``: path with query -> recorded answer."""

    def __init__(self, recorded_origin: str) -> None:
        self.recorded_origin = recorded_origin
        self.origin = ""
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.token_type = "text/html; charset=utf-8"
        self.app = Flask("replay")
        self.app.add_url_rule("/token", "token", self._token, methods=["POST"])
        self.app.add_url_rule("/<path:_>", "any", self._any, methods=["GET", "POST"])

    def _token(self) -> Response:
        body = {"access_token": "abc", "token_type": "Bearer", "expires_in": 3600}
        body["scope"] = request.form["scope"]
        return Response(json.dumps(body), content_type=self.token_type)

    def _any(self, _: str) -> Response:
        path = request.full_path.rstrip("?")
        media = request.headers.get("Content-Type" if request.method == "POST" else "Accept", "")
        self.asked.append((request.method, path, media))
        if request.headers.get("Authorization") != "Bearer abc" or path not in self.answers:
            return Response("{}", 404, content_type="application/json")
        found = self.answers[path]
        text = "" if found["body"] is None else json.dumps(found["body"])
        answer = Response(self._ours(text), found["status"], content_type=found["content_type"])
        if found["link"]:
            answer.headers["Link"] = self._ours(found["link"]).encode().decode("latin-1")
        return answer

    def _ours(self, text: str) -> str:
        return text.replace(self.recorded_origin, self.origin)


def ok(body: Any, media: str, link: str | None = None) -> dict[str, Any]:
    return {"status": 200, "content_type": media, "link": link, "body": body}


class Services:
    """The client at a replayed platform."""

    def __init__(self, replay: Replay, services: LtiServices, platform_id: str) -> None:
        self.replay, self.services, self.platform_id = replay, services, platform_id

    def url(self, path: str) -> str:
        return self.replay.origin + path


def connect(db: Database, box: SecretBox, lms: str, recorded_origin: str) -> Iterator[Services]:
    replay = Replay(recorded_origin)
    with running(replay.app) as port:
        replay.origin = origin = f"http://127.0.0.1:{port}"
        http = HttpClient((origin,))
        platform_id = registered(
            db,
            box,
            lms,
            origin=origin,
            issuer=origin,
            client_id="client",
            auth_url=origin + "/auth",
            token_url=origin + "/token",
            jwks_url=origin + "/keys",
        )
        services = LtiServices(db, box, http, lambda: datetime.now(UTC))
        yield Services(replay, services, platform_id)
        http.close()


@pytest.fixture
def moodle(db: Database, box: SecretBox) -> Iterator[Services]:
    yield from connect(db, box, "moodle", "http://127.0.0.1:8480")


@pytest.fixture
def openedx(db: Database, box: SecretBox) -> Iterator[Services]:
    yield from connect(db, box, "generic", "http://127.0.0.1:8482")


LINEITEMS = "/mod/lti/services.php/3/lineitems?type_id=1"


def test_moodle_line_items_keep_their_query(moodle: Services) -> None:
    moodle.replay.answers[LINEITEMS] = ok(recorded(MOODLE, "ags-lineitems"), LINE_ITEMS_TYPE)
    items = moodle.services.line_items(moodle.platform_id, moodle.url(LINEITEMS))
    assert [item.label for item in items] == [
        "Extra column renamed",
        "Adaptive practice",
        "Deep linked activity",
        "Same-site embedded",
    ]
    assert items[1].url == moodle.url("/mod/lti/services.php/3/lineitems/11/lineitem?type_id=1")
    assert (items[1].tag, items[1].resource_id, items[1].resource_link_id) == (None, None, "1")
    assert items[2].maximum == Decimal(50)
    assert moodle.replay.asked == [("GET", LINEITEMS, LINE_ITEMS_TYPE)], "no limit is sent"


def test_moodle_results(moodle: Services) -> None:
    path = "/mod/lti/services.php/3/lineitems/11/lineitem/results?type_id=1"
    moodle.replay.answers[path] = ok(recorded(MOODLE, "ags-results"), RESULTS_TYPE)
    item = "/mod/lti/services.php/3/lineitems/11/lineitem?type_id=1"
    found = list(moodle.services.results(moodle.platform_id, moodle.url(item)))
    assert [(one.user_id, one.score) for one in found] == [
        ("12", Decimal(88)),
        ("13", Decimal(0)),
        ("14", Decimal(75)),
        ("15", Decimal(100)),
    ]
    assert found[0].comment == "Well done & <b>good</b>"
    assert found[0].timestamp == datetime(2026, 11, 22, 0, 37, 4, tzinfo=UTC)


def test_malformed_link_is_followed(moodle: Services) -> None:
    """Typographic quotes and ``&amp;``: standard parsers find no next page here."""
    first = recorded(MOODLE, "ags-exchanges")["lineitems_limit"]
    every = recorded(MOODLE, "ags-exchanges")["lineitems"]["body"]
    assert "“next”" in first["link"]
    assert "&amp;" in first["link"]
    start = LINEITEMS + "&limit=2"
    moodle.replay.answers[start] = first
    moodle.replay.answers[start + "&from=2"] = ok(every[2:], LINE_ITEMS_TYPE)
    items = moodle.services.line_items(moodle.platform_id, moodle.url(start))
    assert [item.label for item in items] == [row["label"] for row in every]


def test_moodle_members(moodle: Services) -> None:
    path = "/mod/lti/services.php/CourseSection/3/bindings/1/memberships"
    moodle.replay.answers[path] = ok(recorded(MOODLE, "nrps-course"), MEMBERS_TYPE)
    found = {
        one.user_id: one for one in moodle.services.members(moodle.platform_id, moodle.url(path))
    }
    assert found["10"].role == "instructor"
    assert found["11"].role == "learner", "a non-editing teacher is a Learner in the list"
    assert (found["12"].name, found["12"].person_sis_id) == ("Ana Ábrego", "S-0001")
    assert len(found) == 7


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("score_old", "ags-stale-timestamp"),
        ("score_neg", "ags-stale-timestamp"),
        ("score_teacher", "ags-user-refused"),
        ("score_nouser", "ags-user-refused"),
        ("score_notenrolled", "ags-user-refused"),
    ],
)
def test_moodle_score_refusals(moodle: Services, name: str, code: str) -> None:
    answer = recorded(MOODLE, "ags-exchanges")[name]
    with pytest.raises(UpstreamError) as refusal:
        post(moodle, "/mod/lti/services.php/3/lineitems/8/lineitem", "?type_id=1", answer)
    assert refusal.value.code == code


def test_moodle_score_is_sent_as_it_demands(moodle: Services) -> None:
    answer = recorded(MOODLE, "ags-exchanges")["score_80"]
    post(moodle, "/mod/lti/services.php/3/lineitems/8/lineitem", "?type_id=1", answer)
    sent = "/mod/lti/services.php/3/lineitems/8/lineitem/scores?type_id=1"
    assert moodle.replay.asked == [("POST", sent, SCORE_TYPE)]


def post(here: Services, item: str, query: str, answer: dict[str, Any]) -> None:
    here.replay.answers[f"{item}/scores{query}"] = answer
    here.services.post_score(
        here.platform_id,
        here.url(item + query),
        "12",
        Decimal(80),
        Decimal(100),
        datetime.now(UTC),
        None,
    )


@pytest.mark.parametrize("variant", ["services-ags-declarative", "services-ags-programmatic"])
def test_openedx_services(openedx: Services, variant: str) -> None:
    found = recorded(OPENEDX, variant)
    base = "/api/lti_consumer/v1/lti/1/"
    openedx.replay.token_type = "application/json"
    openedx.replay.answers = {
        base + "lti-ags": found["lineitems"],
        base + "lti-ags/1/results": found["results"],
        base + "memberships": found["nrps_limit"],
        base + "memberships?limit=2&page=2": {
            **found["nrps"],
            "body": {"members": found["nrps"]["body"]["members"][2:]},
        },
    }
    services, platform_id = openedx.services, openedx.platform_id
    items = services.line_items(platform_id, openedx.url(base + "lti-ags"))
    assert len(items) == len(found["lineitems"]["body"])
    results = list(services.results(platform_id, openedx.url(base + "lti-ags/1")))
    assert [one.user_id for one in results] == [row["userId"] for row in found["results"]["body"]]
    assert results[0].comment is None
    members = list(services.members(platform_id, openedx.url(base + "memberships")))
    assert [one.role for one in members] == ["instructor", "learner", "learner", "learner"]


@pytest.mark.parametrize("name", ["score_comment", "score_older"])
def test_openedx_stale_score(openedx: Services, name: str) -> None:
    answer = recorded(OPENEDX, "services-ags-declarative")[name]
    with pytest.raises(UpstreamError) as refusal:
        post(openedx, "/api/lti_consumer/v1/lti/1/lti-ags/1", "", answer)
    assert refusal.value.code == "ags-stale-timestamp"
