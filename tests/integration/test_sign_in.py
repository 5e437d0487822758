"""Operators by the campus's own sign-in, against a real provider: who gets in, and who does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import html5lib
import pytest
import requests
from flask.testing import FlaskClient
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select

from app.db import Database
from app.http import HttpClient
from app.main import create_app, create_campus
from app.models import AuditEntry, Grant, OperatorLogin
from app.pipeline.campus import Campus
from app.settings import Settings
from app.web.campus_login import _challenge
from tests.integration.lti_rig import Clock, running
from tests.integration.oidc_provider import CLIENT, SECRET, Provider

ADA = {"email": "Ada@Example.edu", "email_verified": True, "groups": ["staff"]}


@dataclass
class Door:
    provider: Provider
    campus: Campus
    clock: Clock
    client: FlaskClient

    def begin(self) -> str:
        """The address that the browser is sent to."""
        answer = self.client.post("/operator/sign-in")
        assert answer.status_code == 200, answer.text
        html5lib.HTMLParser(strict=True).parse(answer.text)
        return str(answer.headers["Refresh"].partition("url=")[2])

    def answered(self, address: str) -> str:
        """The path that the provider sends the browser back to."""
        with requests.Session() as session:
            found = session.get(address, allow_redirects=False)
        assert found.status_code == 302, found.text
        back = found.headers["Location"]
        assert back.startswith(self.campus.settings.public_url + "/operator/sign-in/callback?")
        return back.removeprefix(self.campus.settings.public_url)

    def come_back(self, path: str) -> Any:
        """As a link from another site."""
        return self.client.get(path, headers={"Sec-Fetch-Site": "cross-site"})

    def enter(self) -> Any:
        return self.come_back(self.answered(self.begin()))

    def grants(self) -> list[tuple[str, str | None]]:
        with self.campus.db.reading() as session:
            return [(row.role, row.operator) for row in session.scalars(select(Grant))]


@pytest.fixture
def door(db: Database, settings: Settings) -> Iterator[Door]:
    provider = Provider(dict(ADA))
    with running(provider.app) as port:
        provider.issuer = f"http://127.0.0.1:{port}"
        ours = settings.model_copy(
            update={
                "oidc_issuer": provider.issuer,
                "oidc_client_id": CLIENT,
                "oidc_client_secret": SECRET,
                "oidc_operators": ("ada@example.edu", "group:it"),
                "oidc_approvers": ("group:deans",),
                "oidc_sis_administrators": ("u-8", "group:registrar"),
            }
        )
        built, clock = create_campus(ours), Clock()
        http = HttpClient((provider.issuer,))
        campus = replace(built, http=http, clock=clock)
        client = create_app(ours, campus).test_client()
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        yield Door(provider, campus, clock, client)
        http.close()
        built.db.close()


def test_a_listed_person_comes_in(door: Door) -> None:
    assert "Sign in" in door.client.get("/operator/sign-in").text
    answer = door.enter()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/operator/")
    assert door.client.get("/operator/platforms").status_code == 200
    assert door.grants() == [("operator", "oidc-u-4711")]
    with door.campus.db.reading() as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.action) == ("operator:oidc-u-4711", "operator.entered")
    assert "ada" not in str(vars(entry)).lower(), "no address in the audit log"


def test_the_secret_may_have_to_go_into_the_form(door: Door) -> None:
    door.provider.methods = ["client_secret_post"]
    assert door.enter().status_code == 303


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": None, "groups": ["it", "staff"]}, "operator"),
        ({"email": None, "groups": "it"}, "operator"),
        ({"email": None, "groups": ["registrar"]}, "sis_administrator"),
        ({"email": None, "groups": ["deans"]}, "approver"),
        ({"email": None, "sub": "u-8"}, "sis_administrator"),
        ({"email_verified": "true"}, "operator"),
        ({"email_verified": False}, None),
        ({"email_verified": None}, None),
        ({"email": "eve@example.edu"}, None),
        ({"email": None, "sub": "ada@example.edu"}, None),
        ({"email": None, "sub": "group:it"}, None),
        ({"email": None, "groups": ["IT", "it "]}, None),
        ({"email": None, "groups": {"it": True}}, None),
        ({"email": ["ada@example.edu"]}, None),
    ],
)
def test_only_listed_people_with_the_right_role(
    door: Door, claims: dict[str, Any], role: str | None
) -> None:
    door.provider.bend = claims
    answer = door.enter()
    assert answer.status_code == (303 if role else 403)
    assert [found for found, _ in door.grants()] == ([role] if role else [])
    if role == "sis_administrator":
        assert door.client.get("/operator/platforms").status_code == 403


NOW = int(time.time())


@pytest.mark.parametrize(
    "bend",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://other.example"},
        {"iss": None},
        {"exp": NOW - 3600},
        {"exp": None},
        {"iat": NOW + 3600},
        {"iat": None},
        {"sub": None},
    ],
)
def test_a_wrong_token_lets_nobody_in(door: Door, bend: dict[str, Any]) -> None:
    door.provider.bend = bend
    answer = door.enter()
    assert answer.status_code == 403, answer.text
    assert "sign-in-not-believed" in answer.text
    assert door.grants() == []


def test_a_token_for_several_that_names_us(door: Door) -> None:
    door.provider.bend = {"aud": [CLIENT, "another"], "azp": CLIENT}
    assert door.enter().status_code == 303


def test_a_foreign_key_and_a_weak_algorithm(door: Door) -> None:

    door.provider.signs_with = RSAKey.generate_key(2048, {"kid": "k1"})
    assert door.enter().status_code == 403
    door.provider.signs_with = OctKey.import_key(SECRET * 3)
    door.provider.algorithm = "HS256"
    assert door.enter().status_code == 403
    assert door.grants() == []


def test_an_answer_works_once(door: Door) -> None:
    back = door.answered(door.begin())
    assert door.come_back(back).status_code == 303
    asked = door.provider.token_requests
    again = door.come_back(back)
    assert (again.status_code, "sign-in-over" in again.text) == (403, True)
    assert door.provider.token_requests == asked, "a replayed answer reaches nobody"


def test_an_answer_is_for_the_browser_that_began(door: Door) -> None:
    """Otherwise somebody could be signed in as somebody else."""
    back = door.answered(door.begin())
    other = door.client.application.test_client()
    assert other.get(back).status_code == 403
    assert door.come_back(back).status_code == 303


@pytest.mark.parametrize("change", ["state", "iss", "error", "no_code", "late"])
def test_answers_that_fit_no_sign_in(door: Door, change: str) -> None:
    back = door.answered(door.begin())
    if change == "state":
        back = back.replace("state=", "state=x")
    elif change == "iss":
        back = back.replace("iss=http", "iss=https")
    elif change == "error":
        back += "&error=%3Cb%3Eaccess_denied"
    elif change == "no_code":
        back = back.replace("code=", "cod=")
    else:
        door.clock.ahead = timedelta(minutes=11)
    answer = door.come_back(back)
    assert answer.status_code == 403
    assert "access_denied" not in answer.text
    assert door.grants() == []


def test_a_stolen_code_is_worth_nothing(door: Door) -> None:
    """Without the verifier that never leaves this server (RFC 7636)."""
    mine, theirs = door.answered(door.begin()), door.answered(door.begin())
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    own = parse_qs(urlsplit(mine).query)["code"][0]
    answer = door.come_back(theirs.replace(code, own))
    assert answer.status_code == 502
    assert door.grants() == []


def test_a_provider_that_says_it_is_another(door: Door) -> None:
    door.provider.issuer = "https://other.example"
    answer = door.client.post("/operator/sign-in")
    assert answer.status_code == 502
    assert "TASSEL_OIDC_ISSUER" in answer.text


def test_old_sign_ins_are_swept(door: Door) -> None:
    door.begin()
    door.clock.ahead = timedelta(minutes=11)
    door.begin()
    with door.campus.db.reading() as session:
        assert len(session.scalars(select(OperatorLogin)).all()) == 1


def test_without_a_provider_there_is_no_such_way(client: FlaskClient) -> None:
    assert "tassel admin link" in client.get("/operator/sign-in").text
    assert client.post("/operator/sign-in").status_code == 404
    assert client.get("/operator/sign-in/callback?code=1&state=2").status_code == 404


def test_another_site_cannot_start_it(door: Door) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert door.client.post("/operator/sign-in", headers=headers).status_code == 403


def test_what_proves_the_sign_in_is_not_readable_where_it_waits(door: Door) -> None:
    """Whoever reads the database has no code verifier (RFC 7636) to finish somebody's sign-in with."""
    challenge = parse_qs(urlsplit(door.begin()).query)["code_challenge"][0]
    with door.campus.db.reading() as session:
        kept = session.scalars(select(OperatorLogin)).one().verifier
    assert _challenge(kept) != challenge
    assert _challenge(door.campus.box.open(kept).decode()) == challenge
