"""Apps read a learner's record over the Open Badges API, and hostile ones do not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

import html5lib
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from app.cli import main
from app.credentials.verify import verify
from app.errors import UpstreamError
from app.main import create_app
from app.models import AppClient, AppConsent, AppToken, Award, Disclosure, Person
from app.pipeline import app_record, erase, hold, revoke, supersede
from app.pipeline import award as awarding
from app.pipeline.app_record import Wanted
from app.wallet import app_clients
from app.wallet.errors import WalletRefused
from app.web.public.limits import LIMITS
from tests.course_seed import Seeded, enter, make_badge, seed
from tests.integration.badge_app import HOME, OFFLINE, PROFILE, READ, ROOT, App, path_of, schema
from tests.integration.test_races import Second
from tests.integration.trip import Clock
from tests.integration.walk_rig import dump

NAMES = ("Data literacy, level 1", "Reading charts", "Cleaning data")


@dataclass
class Scene:
    """A learner with three badges, another one, and an app."""

    made: Seeded
    clock: Clock
    site: Flask
    learner: str
    other: str
    app: App

    def browser(self, person: str, role: str = "learner") -> FlaskClient:
        made = self.site.test_client()
        made.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return enter(made, self.made, person, role)

    def answer(self, browser: FlaskClient, asked: dict[str, str]):
        """The learner's button, with whatever the page was made to carry."""
        path = f"/courses/{self.made.course_id}/me/apps"
        return browser.post(path, data=asked | {"answer": "allow"})

    def rows(self, table: type) -> list:
        with self.made.campus.db.reading() as session:
            return list(session.scalars(select(table)))

    def awards(self, person: str) -> list[str]:
        with self.made.campus.db.reading() as session:
            query = select(Award.id).where(Award.person_id == person, Award.state == "issued")
            return list(session.scalars(query))


@pytest.fixture
def scene(campus, settings) -> Iterator[Scene]:
    clock = Clock(campus.clock())
    campus = replace(campus, clock=clock)
    made = seed(campus, learners=12)
    for name in NAMES:
        make_badge(made, name)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    with campus.db.reading() as session:
        query = select(Award.person_id).where(Award.state == "issued").order_by(Award.person_id)
        people = list(dict.fromkeys(session.scalars(query)))
    site = create_app(settings, campus)
    app = App(site.test_client(use_cookies=False)).register()
    return Scene(made, clock, site, people[0], people[1], app)


@pytest.fixture
def browser(scene: Scene) -> FlaskClient:
    return scene.browser(scene.learner)


def refused(answer, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text


# --- the way -------------------------------------------------------------------------------------


def test_an_app_reads_what_the_learner_agreed_to_until_that_ends(scene, browser, material):
    app = scene.app
    page = browser.get(path_of(app.places["authorizationUrl"]), query_string=app.asks())
    html5lib.HTMLParser(strict=True).parse(page.text)
    assert "nobody has checked it" in page.text
    assert "portfolio.example.org" in page.text
    assert "3 badges are there" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' https:;" in policy
    assert "frame-ancestors 'none'" in policy
    tokens = app.redeem(app.press(browser, page.text, "allow")["code"])
    assert tokens.headers["Cache-Control"] == "no-store"
    said = tokens.json
    assert said["token_type"] == "Bearer"
    assert set(said["scope"].split()) == {READ, PROFILE, OFFLINE}

    answer = app.get("credentials", said["access_token"])
    schema(material, "getopenbadgecredentialsresponse").validate(answer.json)
    found = answer.json["credential"]
    assert (len(found), answer.headers["X-Total-Count"]) == (3, "3")
    assert answer.json["compactJwsString"] == []
    assert {one["credentialSubject"]["achievement"]["name"] for one in found} == set(NAMES)
    raw = answer.data[len(b'{"credential":[') :]
    whole, _ = json.JSONDecoder().raw_decode(raw.decode())
    assert whole == found[0]
    report = verify(json.dumps(found[0]).encode(), lookup_at(scene), scene.clock())
    assert report.verdict == "valid", report

    profile = app.get("profile", said["access_token"]).json
    schema(material, "profile").validate(profile)
    with scene.made.campus.db.reading() as session:
        person = session.get_one(Person, scene.learner)
    assert (profile["name"], profile["email"]) == (person.name, person.email)
    consent = scene.rows(AppConsent)[0]
    assert profile["id"] == f"urn:uuid:{consent.id}"

    told = [one for one in scene.rows(Disclosure) if one.kind == "app"]
    assert {one.award_id for one in told} == set(scene.awards(scene.learner))
    assert app.get("credentials", said["access_token"]).status_code == 200
    assert len([one for one in scene.rows(Disclosure) if one.kind == "app"]) == len(told)
    base = f"/courses/{scene.made.course_id}/me"
    badge = browser.get(f"{base}/badges/{told[0].award_id}").text
    assert "Read by the app Portfolio (portfolio.example.org)" in badge
    data = browser.get(f"{base}/data").text
    assert f"{base}/apps/{consent.id}/end" in data

    stranger = scene.browser(scene.other)
    assert stranger.post(f"{base}/apps/{consent.id}/end").status_code == 404
    assert app.get("profile", said["access_token"]).status_code == 200
    ended = browser.post(f"{base}/apps/{consent.id}/end")
    assert ended.status_code == 303
    assert app.get("credentials", said["access_token"]).status_code == 401
    refused(app.refresh(said["refresh_token"]), "invalid_grant")
    assert "None. An app" in browser.get(f"{base}/data").text


def lookup_at(scene: Scene):
    """The issuer's names, answered by the application itself."""

    def lookup(url: str) -> bytes:
        answer = scene.site.test_client().get(re.sub(r"^https?://[^/]+", "", url))
        if answer.status_code != 200:
            raise UpstreamError("not-there", url, system="test", permanent=True)
        return answer.data

    return lookup


def test_pages_of_the_record_and_the_other_form(scene, browser, material):
    access = scene.app.connect(browser)["access_token"]
    first = scene.app.get(
        "credentials?limit=2", access, "application/vc+jwt, application/json;q=0.5"
    )
    schema(material, "getopenbadgecredentialsresponse").validate(first.json)
    assert (len(first.json["compactJwsString"]), first.json["credential"]) == (2, [])
    links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["Link"]))
    by_rel = {rel: path_of(address).removeprefix(f"{ROOT}/") for address, rel in links.items()}
    assert set(by_rel) == {"first", "last", "next"} or set(by_rel) == {"first", "next"}
    second = scene.app.get(by_rel["next"], access)
    assert len(second.json["credential"]) == 1
    assert 'rel="prev"' in second.headers["Link"]
    assert 'rel="next"' not in second.headers["Link"]
    beyond = scene.app.get("credentials?offset=99", access)
    assert (beyond.json["credential"], beyond.headers["X-Total-Count"]) == ([], "3")
    now = scene.clock() + timedelta(seconds=1)
    for written in (now.isoformat(), quote(now.isoformat()), f"{now:%Y-%m-%dT%H:%M:%SZ}"):
        later = scene.app.get(f"credentials?since={written}", access)
        assert (later.status_code, later.headers["X-Total-Count"]) == (200, "0"), written
    for wrong in ("limit=0", "limit=-1", "limit=x", "offset=-1", "since=yesterday", "limit=²"):
        answer = scene.app.get(f"credentials?{wrong}", access)
        assert answer.status_code == 400, wrong
        schema(material, "imsx_statusinfo").validate(answer.json)


def test_what_does_not_count_today_is_not_handed_out(scene, browser):
    access = scene.app.connect(browser)["access_token"]
    awards = scene.awards(scene.learner)
    hold.hold(scene.made.campus, awards[0], "Looked into.", "test")
    revoke.revoke(scene.made.campus, awards[1], "Wrong exam.", "test")
    found = scene.app.get("credentials", access).json["credential"]
    assert len(found) == 1


def test_the_newest_file_is_found_without_a_walk_through_those_of_others(scene, browser):
    access = scene.app.connect(browser)["access_token"]
    supersede.supersede(scene.made.campus, scene.awards(scene.learner)[0], "endorsement", "test")
    answer = scene.app.get("credentials", access)
    named = {one["credentialSubject"]["achievement"]["name"] for one in answer.json["credential"]}
    assert (answer.headers["X-Total-Count"], named) == ("3", set(NAMES))
    with scene.made.campus.db.reading() as session:
        if not scene.made.campus.db.is_sqlite:
            return
        query = app_record._standing("x", scene.clock()).compile(session.connection())
        blanks = ("x",) * len(query.positiontup)
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", blanks)
        assert not [row for row in plan if row[3].startswith("SCAN")]


def test_a_reading_that_meets_the_end_of_its_consent_is_refused(scene, browser):
    access = scene.app.connect(browser)["access_token"]
    campus = scene.made.campus
    with campus.db.transaction() as session:
        session.execute(delete(AppToken))
        session.execute(delete(AppConsent))
        second = Second(lambda: app_record.read(campus, access, Wanted(9, 0, None)))
    with pytest.raises(WalletRefused, match="token"):
        second.result()


def test_what_is_asked_for_is_what_is_given(scene, browser, material):
    """Fewer scopes: no profile, no refresh token. Refusals are what the standard says."""
    said = scene.app.redeem(scene.app.code(browser, scope=READ)).json
    assert "refresh_token" not in said
    denied = scene.app.get("profile", said["access_token"])
    assert denied.status_code == 403
    assert 'error="insufficient_scope"' in denied.headers["WWW-Authenticate"]
    none = scene.app.http.get(f"{ROOT}/credentials")
    assert none.status_code == 401
    writing = scene.app.http.post(f"{ROOT}/credentials", json={})
    assert writing.status_code == 405
    nowhere = scene.app.http.get(f"{ROOT}/nowhere")
    assert nowhere.status_code == 404
    for answer in (denied, none, writing, nowhere):
        schema(material, "imsx_statusinfo").validate(answer.json)
    scene.clock.forward(minutes=61)
    assert scene.app.get("credentials", said["access_token"]).status_code == 401


def test_the_learner_may_say_no(scene, browser):
    said = scene.app.answered(browser, "no")
    assert said["error"] == "access_denied"
    assert "code" not in said
    assert scene.rows(AppConsent) == []


def test_of_equal_codes_at_once_one_serves(scene, browser):
    code = scene.app.code(browser)
    with ThreadPoolExecutor(4) as pool:
        apps = [
            replace(scene.app, http=scene.site.test_client(use_cookies=False)) for _ in range(4)
        ]
        answers = list(pool.map(lambda app: app.redeem(code).status_code, apps))
    assert sorted(answers) == [200, 400, 400, 400]
    assert scene.rows(AppConsent)[0].ended_at is not None


def test_who_has_not_come_in_is_told_how(scene):
    for visitor in (
        scene.site.test_client(),
        scene.browser(scene.made.teacher, "instructor"),
    ):
        page = visitor.get(f"{ROOT}/oauth/authorize", query_string=scene.app.asks())
        assert page.status_code == 401
        assert "Open Tassel from your course first" in page.text
        assert "Location" not in page.headers
    learner = scene.browser(scene.learner)
    path = f"/courses/{scene.made.course_id}/me/apps/tab"
    code = re.search(r'name="code" value="([^"]+)"', learner.post(path).text)[1]
    fresh = scene.site.test_client()
    fresh.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    own = {"base_url": "https://127.0.0.1:8080"}
    asked = scene.app.asks()
    assert fresh.get(f"{ROOT}/oauth/authorize", query_string=asked, **own).status_code == 401
    fresh.post("/lti/tab", data={"code": code}, **own)
    page = fresh.get(f"{ROOT}/oauth/authorize", query_string=asked, **own)
    assert (page.status_code, "May “Portfolio” read" in page.text) == (200, True)


# --- hostile apps --------------------------------------------------------------------------------

ADDRESSES = [
    "",
    "https://evil.example/",
    "https://portfolio.example.org/back",
    "https://portfolio.example.org/back?tenant=7&x=1",
    "https://portfolio.example.org/back?tenant=7#x",
    "https://portfolio.example.org/BACK?tenant=7",
    "https://portfolio.example.org:443/back?tenant=7",
    "https://portfolio.example.org@evil.example/back?tenant=7",
    "https://portfolio.example.org/back/../back?tenant=7",
    "//portfolio.example.org/back?tenant=7",
    "javascript:alert(1)",
]


def test_nobody_is_sent_to_an_address_that_was_not_registered(scene, browser):
    for address in ADDRESSES:
        asked = scene.app.asks(redirect_uri=address)
        page = browser.get(f"{ROOT}/oauth/authorize", query_string=asked)
        for one in (page, scene.answer(browser, asked)):
            assert one.status_code == 400, address
            assert "Location" not in one.headers
            assert "<a href" not in one.text.partition("<main")[2]
    twice = [*scene.app.asks().items(), ("scope", PROFILE)]
    assert browser.get(f"{ROOT}/oauth/authorize", query_string=twice).status_code == 400
    for name in ("nobody", "\0", "x" * 5000, "../../etc"):
        unknown = scene.app.asks(client_id=name)
        assert browser.get(f"{ROOT}/oauth/authorize", query_string=unknown).status_code == 400
    assert scene.rows(AppToken) == []


WRONG = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"code_challenge": ""}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"scope": f"{READ} {READ.replace('readonly', 'upsert')}"}, "invalid_scope"),
    ({"scope": OFFLINE}, "invalid_scope"),
]


def test_a_wrong_request_goes_nowhere_by_itself(scene, browser):
    """An app that registers for a phishing page gets no open redirect: the way back is a link."""
    for wrong, error in WRONG:
        asked = scene.app.asks(**wrong)
        page = browser.get(f"{ROOT}/oauth/authorize", query_string=asked)
        assert page.status_code == 400, wrong
        assert "Location" not in page.headers
        assert f"error={error}" in page.text
        assert scene.answer(browser, asked).status_code == 400
    assert scene.rows(AppToken) == []


SAID = {"redirect_uris": ["https://app.example/cb"]}


REFUSED = [
    {},
    [],
    {"redirect_uris": []},
    {"redirect_uris": "https://app.example/cb"},
    {"redirect_uris": ["https://app.example/cb"] * 11},
    *(
        {"redirect_uris": [one]}
        for one in (
            "http://app.example/cb",
            "https://app.example/cb#x",
            "https://user@app.example/cb",
            "https://app.example;x/cb",
            "https://app.example'/cb",
            "https:///cb",
            "https://app.example:x/cb",
            "https://app.example/ cb",
            "https://app.example/\ncb",
            "https://app.example\\@evil.example/",
            "https://äpp.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "/cb",
            "https://app.example/" + "x" * 600,
            7,
        )
    ),
    SAID | {"client_name": "x" * 101},
    SAID | {"client_name": "Bank\u202egro.elpmaxe"},
    SAID | {"client_name": ""},
    SAID | {"client_name": {"en": "x"}},
    SAID | {"client_uri": "javascript:alert(1)"},
    SAID | {"scope": READ.replace("readonly", "upsert")},
    SAID | {"scope": 7},
    SAID | {"token_endpoint_auth_method": "private_key_jwt"},
    SAID | {"grant_types": ["implicit"]},
    SAID | {"response_types": ["token"]},
]


def test_registrations_that_are_refused(scene, monkeypatch):
    monkeypatch.setitem(LIMITS, "apps.register", 1000)
    for raw in (b"", b"[" * 15_000, b'{"redirect_uris":["https://a.example/"],"redirect_uris":[]}'):
        answer = scene.app.http.post(
            f"{ROOT}/oauth/register", data=raw, content_type="application/json"
        )
        refused(answer, "invalid_client_metadata")
    long = scene.app.http.post(f"{ROOT}/oauth/register", json=SAID | {"x": "x" * 30_000})
    assert long.status_code == 413
    for said in REFUSED:
        answer = scene.app.http.post(f"{ROOT}/oauth/register", json=said)
        assert answer.status_code == 400, said
        assert answer.json["error"] in ("invalid_redirect_uri", "invalid_client_metadata")
    assert len(scene.rows(AppClient)) == 1


def test_registrations_that_nobody_uses_go(scene, browser, monkeypatch):
    scene.app.connect(browser)
    App(scene.app.http, "Unused").register()
    scene.clock.forward(hours=25)
    App(scene.app.http, "Fresh").register(client_name="<script>alert(1)</script>")
    assert {one.name for one in scene.rows(AppClient)} == {"Portfolio", "<script>alert(1)</script>"}
    monkeypatch.setattr(app_clients, "MOST_UNUSED", 2)
    for name in ("Second", "Third"):
        scene.clock.forward(minutes=1)
        App(scene.app.http, name).register()
    left = {one.name for one in scene.rows(AppClient)}
    assert left == {"Portfolio", "Second", "Third"}, "a flood shuts the door to nobody"


def test_what_is_not_given_is_not_registered(scene):
    app = App(scene.app.http, scope=f"{READ} {READ.replace('readonly', 'upsert')}").register()
    assert app.client["scope"] == READ
    assert "logo_uri" not in app.client
    native = App(scene.app.http, method="none", redirect="http://127.0.0.1:7000/cb").register()
    assert "client_secret" not in native.client


# --- stolen codes and tokens ---------------------------------------------------------------------


def test_a_code_serves_once_and_its_second_use_ends_everything(scene, browser):
    code = scene.app.code(browser)
    tokens = scene.app.redeem(code).json
    refused(scene.app.redeem(code), "invalid_grant")
    assert scene.app.get("credentials", tokens["access_token"]).status_code == 401
    refused(scene.app.refresh(tokens["refresh_token"]), "invalid_grant")
    assert scene.rows(AppConsent)[0].ended_at is not None


def test_a_code_with_anything_wrong_is_worth_nothing(scene, browser):
    for wrong in (
        {"code_verifier": "x" * 64},
        {"redirect_uri": "https://portfolio.example.org/back"},
    ):
        code = scene.app.code(browser)
        refused(scene.app.redeem(code, **wrong), "invalid_grant")
        refused(scene.app.redeem(code), "invalid_grant")
    refused(scene.app.redeem("made-up"), "invalid_grant")
    thief = App(scene.app.http, "Thief").register()
    code = scene.app.code(browser)
    thief.verifier = scene.app.verifier
    refused(thief.redeem(code), "invalid_grant")
    scene.clock.forward(seconds=121)
    refused(scene.app.redeem(code), "invalid_grant")


def test_an_app_proves_who_it_is_as_it_registered(scene, browser):
    code = scene.app.code(browser)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": scene.app.redirect,
        "code_verifier": scene.app.verifier,
    }
    name, secret = scene.app.client["client_id"], scene.app.client["client_secret"]
    door = f"{ROOT}/oauth/token"
    for more, auth in (
        ({"client_id": name}, None),
        ({"client_id": name, "client_secret": secret}, None),
        ({}, (name, "wrong")),
        ({}, ("nobody", secret)),
        ({"client_id": name, "client_secret": secret}, (name, secret)),
        ({"client_id": "other"}, (name, secret)),
        ({}, None),
    ):
        refused(scene.app.http.post(door, data=form | more, auth=auth), "invalid_client", 401)
    twice = [*form.items(), ("code", "x")]
    body = "&".join(f"{key}={quote(value)}" for key, value in twice)
    kind = "application/x-www-form-urlencoded"
    repeated = scene.app.http.post(door, data=body, content_type=kind, auth=(name, secret))
    refused(repeated, "invalid_request")
    bad = scene.app.token(grant_type="password", username="x", password="y")
    refused(bad, "unsupported_grant_type")
    assert scene.app.redeem(code).status_code == 200

    for method in ("client_secret_post", "none"):
        app = App(scene.app.http, "Other", method=method).register()
        tokens = app.connect(browser)
        assert app.get("profile", tokens["access_token"]).status_code == 200


def test_refresh_tokens_turn_and_a_stolen_one_ends_everything(scene, browser):
    first = scene.app.connect(browser)
    second = scene.app.refresh(first["refresh_token"], scope=READ).json
    assert second["scope"] == READ
    assert scene.app.get("profile", second["access_token"]).status_code == 403
    assert scene.app.get("credentials", first["access_token"]).status_code == 401
    refused(scene.app.refresh(second["refresh_token"], scope="more"), "invalid_scope")
    third = scene.app.refresh(second["refresh_token"]).json
    assert scene.app.get("profile", third["access_token"]).status_code == 200
    refused(scene.app.refresh(first["refresh_token"]), "invalid_grant")
    assert scene.app.get("credentials", third["access_token"]).status_code == 401
    refused(scene.app.refresh(third["refresh_token"]), "invalid_grant")
    first = scene.app.connect(browser)
    scene.clock.forward(days=91)
    refused(scene.app.refresh(first["refresh_token"]), "invalid_grant")


def test_an_app_gives_its_tokens_up_and_nobody_elses(scene, browser):
    tokens = scene.app.connect(browser)
    thief = App(scene.app.http, "Thief").register()
    for token in (tokens["access_token"], tokens["refresh_token"], "made-up"):
        assert thief.revoke(token).status_code == 200
    assert scene.app.get("profile", tokens["access_token"]).status_code == 200
    assert scene.app.revoke(tokens["access_token"]).status_code == 200
    assert scene.app.get("profile", tokens["access_token"]).status_code == 401
    again = scene.app.refresh(tokens["refresh_token"]).json
    assert scene.app.revoke(again["refresh_token"]).status_code == 200
    assert scene.app.get("profile", again["access_token"]).status_code == 401
    assert scene.rows(AppConsent)[0].ended_at is not None


def test_each_learner_and_each_app_is_apart(scene, browser):
    mine = scene.app.connect(browser)
    theirs = scene.app.connect(scene.browser(scene.other))
    other = App(scene.app.http, "Other").register().connect(browser)
    ids = {
        scene.app.get("profile", one["access_token"]).json["id"] for one in (mine, theirs, other)
    }
    assert len(ids) == 3
    seen = scene.app.get("credentials", theirs["access_token"]).json["credential"]
    own = scene.app.get("credentials", mine["access_token"]).json["credential"]
    assert not {one["id"] for one in seen} & {one["id"] for one in own}
    again = scene.app.connect(browser)
    assert scene.app.get("profile", again["access_token"]).json["id"] in ids
    assert scene.app.get("profile", mine["access_token"]).status_code == 401, "begun anew"


def test_no_secret_is_kept_and_an_erasure_ends_all(scene, browser):
    code = scene.app.code(browser)
    tokens = scene.app.redeem(code).json
    rows = json.dumps(dump(scene.made.campus))
    for secret in (
        code,
        tokens["access_token"],
        tokens["refresh_token"],
        scene.app.client["client_secret"],
        scene.app.verifier,
    ):
        assert secret not in rows
    with scene.made.campus.db.reading() as session:
        learner = session.get_one(Person, scene.learner).learner_id
    erase.erase(scene.made.campus, learner, "test")
    assert scene.rows(AppConsent) == scene.rows(AppToken) == []
    assert scene.app.get("credentials", tokens["access_token"]).status_code == 401
    refused(scene.app.refresh(tokens["refresh_token"]), "invalid_grant")


def test_an_operator_ends_an_app_for_everybody(scene, browser, monkeypatch):
    tokens = scene.app.connect(browser)
    settings = scene.made.campus.settings
    for name, value in {
        "DATABASE_URL": settings.database,
        "DATA_DIR": str(settings.data_dir),
        "PUBLIC_URL": settings.public_url,
        "MASTER_KEY": "A" * 43 + "=",
    }.items():
        monkeypatch.setenv(f"TASSEL_{name}", value)
    told = CliRunner().invoke(main, ["app", "list"]).output
    assert re.search(rf"{scene.app.client['client_id']} +1 'Portfolio' {re.escape(HOME)}", told)
    told = CliRunner().invoke(main, ["app", "end", scene.app.client["client_id"]]).output
    assert "consents of 1 account" in told
    assert scene.app.get("profile", tokens["access_token"]).status_code == 401
    refused(scene.app.refresh(tokens["refresh_token"]), "invalid_client", 401)
    page = browser.get(f"{ROOT}/oauth/authorize", query_string=scene.app.asks())
    assert page.status_code == 400
    assert CliRunner().invoke(main, ["app", "end", "nobody"]).exit_code == 2


def test_the_server_describes_itself(scene):
    said = scene.app.http.get(f"/.well-known/oauth-authorization-server{ROOT}").json
    assert said["issuer"] == f"http://127.0.0.1:8080{ROOT}"
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["authorization_response_iss_parameter_supported"] is True
    scopes = scene.app.places["scopes"]
    assert set(scopes) == {READ, PROFILE, OFFLINE}
    page = scene.app.http.get(f"{ROOT}/about")
    assert 'id="privacy"' in page.text
    assert 'id="terms"' in page.text
