"""The doors over HTTP: cookies, parallel launches, refusals that repeat nothing, our public pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select, update

from app.db import Database
from app.demo.visitor import Visitor
from app.errors import LaunchRefused, UpstreamError
from app.lti.keys import replace_key
from app.models import AnsweredLogin, Platform
from tests.integration.lti_rig import Rig, rig


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path)) as made:
        yield made


class Tab:
    """One browser without rules of its own: shows every cookie that it was given."""

    def __init__(self, here: Rig) -> None:
        self.here, self.base = here, here.campus.settings.public_url
        self.cookies: dict[str, str] = {}
        self.headers: list[str] = []

    def send(self, method: str, path: str, **fields: str) -> requests.Response:
        sent = {"Cookie": "; ".join(f"{key}={value}" for key, value in self.cookies.items())}
        answer = requests.request(
            method,
            self.base + path,
            params=fields if method == "GET" else None,
            data=fields if method == "POST" else None,
            headers=sent,
            allow_redirects=False,
        )
        self.headers = answer.raw.headers.getlist("Set-Cookie")
        for header in self.headers:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in header:
                del self.cookies[name]
        return answer

    def login(
        self, method: str = "POST", path: str = "/lti/login", **changes: str
    ) -> dict[str, str]:
        """Begin a launch; what the LMS was asked."""
        tool = self.here.tools[0]
        fields = {
            "iss": tool["issuer"],
            "client_id": tool["client_id"],
            "login_hint": "8",
            "lti_message_hint": '{"cmid":5,"launchid":"a b+c"}',
            "target_link_uri": self.base + "/lti/launch",
        } | changes
        answer = self.send(method, path, **{key: value for key, value in fields.items() if value})
        assert answer.status_code == 302, answer.text
        found = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {key: values[0] for key, values in found.items()}

    def finish(self, asked: dict[str, str], **order: object) -> requests.Response:
        body = {"person": 12, "course": "STAT 101", "nonce": asked["nonce"]} | order
        token = self.here.control("forge", **body)["id_token"]
        return self.send("POST", "/lti/launch", state=asked["state"], id_token=token)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_login_asks_the_lms_as_the_standard_says(here: Rig, method: str) -> None:
    asked = Tab(here).login(method)
    base = here.campus.settings.public_url
    assert asked["response_mode"] == "form_post"
    assert asked["response_type"] == "id_token"
    assert (asked["prompt"], asked["scope"]) == ("none", "openid")
    assert asked["redirect_uri"] == f"{base}/lti/launch"
    assert asked["client_id"] == here.tools[0]["client_id"]
    assert (asked["login_hint"], asked["lti_message_hint"]) == (
        "8",
        '{"cmid":5,"launchid":"a b+c"}',
    )
    assert len(asked["state"]) > 43
    assert len(asked["nonce"]) >= 43


def test_proof_is_a_partitioned_cookie_of_this_origin_alone(here: Rig) -> None:
    tab = Tab(here)
    asked = tab.login()
    header = tab.headers[0]
    assert header.startswith("__Host-tassel-launch-")
    for attribute in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"):
        assert attribute in header
    assert "Domain" not in header
    assert asked["state"] not in header
    assert next(iter(tab.cookies.values())) not in asked["state"]


def test_launch_lands_and_takes_its_proof_away(here: Rig) -> None:
    tab = Tab(here)
    answer = tab.finish(tab.login())
    assert answer.status_code == 303
    assert "/courses/" in answer.headers["Location"]
    assert [name for name in tab.cookies if "launch" in name] == []
    assert all(len(value) < 60 for value in tab.cookies.values()), "a random token, nothing else"


def test_launches_at_once_do_not_take_each_others_proof(here: Rig) -> None:
    """Two frames of one page begin before either ends."""
    tab = Tab(here)
    one, two = tab.login(), tab.login()
    teaching = tab.finish(one, person=8)
    learning = tab.finish(two, person=8, course="TEACH 500")
    assert (teaching.status_code, learning.status_code) == (303, 303)
    assert teaching.headers["Location"] != learning.headers["Location"]
    assert tab.send("GET", urlsplit(teaching.headers["Location"]).path).status_code == 200
    assert tab.send("GET", urlsplit(learning.headers["Location"]).path).status_code == 200


def test_browser_without_cookies_is_told_what_to_do(here: Rig) -> None:
    tab = Tab(here)
    asked = tab.login()
    tab.cookies.clear()
    answer = tab.finish(asked)
    assert answer.status_code == 200
    assert "Open in a new tab" in answer.text
    assert tab.cookies == {}, "nobody was let in"
    with here.db.reading() as session:
        assert session.scalars(select(AnsweredLogin)).all() == []


def test_login_by_the_address_of_one_registration(here: Rig) -> None:
    tab = Tab(here)
    path = f"/lti/login/{here.platforms[0]}"
    assert tab.finish(tab.login(path=path, client_id="")).status_code == 303
    stranger = tab.send("POST", path, iss="https://other.example", login_hint="1")
    assert stranger.status_code == 400


def test_issuer_with_two_registrations_needs_the_client(here: Rig) -> None:
    here.add_registration("moodle")
    tab = Tab(here)
    fields = {"iss": here.tools[0]["issuer"], "login_hint": "1"}
    assert "client-id-missing" in tab.send("POST", "/lti/login", **fields).text


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://<b>x"},
        {"client_id": "<b>x"},
        {"login_hint": ""},
        {"target_link_uri": "https://<b>x/lti/launch"},
        {"target_link_uri": "http://[<b>x"},
        {"target_link_uri": ""},
        {"lti_message_hint": "<b>x" * 2000},
    ],
)
def test_bad_login_is_refused_without_repeating_it(here: Rig, changes: dict[str, str]) -> None:
    tab = Tab(here)
    fields = {
        "iss": here.tools[0]["issuer"],
        "client_id": here.tools[0]["client_id"],
        "login_hint": "8",
        "target_link_uri": tab.base + "/lti/launch",
    } | changes
    answer = tab.send("POST", "/lti/login", **fields)
    assert answer.status_code == 400
    assert "<b>x" not in answer.text
    assert "&lt;b&gt;x" not in answer.text
    assert tab.cookies == {}


def test_bad_launch_is_refused_without_repeating_it(here: Rig) -> None:
    tab = Tab(here)
    answer = tab.send("POST", "/lti/launch", state="<b>x", id_token="<b>x", error="<b>x")
    assert answer.status_code == 400
    assert "x</b>" not in answer.text
    assert "b&gt;x" not in answer.text
    assert tab.send("GET", "/lti/launch").status_code == 405


def test_our_keys_are_public_and_hold_nothing_private(here: Rig) -> None:
    url = here.campus.settings.public_url + "/lti/jwks"
    first = requests.request("GET", url).json()["keys"]
    kid = replace_key(here.db, here.campus.box, "operator:test", here.clock()).kid
    keys = requests.request("GET", url).json()["keys"]
    assert [key["kid"] for key in keys] == [kid] != [key["kid"] for key in first]
    assert all(set(key) == {"kty", "alg", "use", "kid", "n", "e"} for key in keys)
    url = here.launch().lineitems_url
    assert url
    assert here.campus.lti.line_items(here.platforms[0], url), "the LMS fetches the new key"


def test_addresses_for_setting_up_by_hand(here: Rig) -> None:
    tab = Tab(here)
    assert "/lti/config/canvas" in tab.send("GET", "/lti/config").text
    page = tab.send("GET", "/lti/config/moodle")
    for path in ("/lti/login", "/lti/launch", "/lti/jwks"):
        assert tab.base + path in page.text
    assert tab.base + "/lti/canvas.json" in tab.send("GET", "/lti/config/canvas").text
    assert tab.send("GET", "/lti/config/nothing").status_code == 404
    described = tab.send("GET", "/lti/canvas.json").json()
    assert described["oidc_initiation_url"] == tab.base + "/lti/login"
    assert described["extensions"][0]["privacy_level"] == "public"
    assert tab.send("GET", "/lti/moodle.json").status_code == 404
    assert tab.send("GET", "/lti/nothing.json").status_code == 404


def test_a_person_walks_in_and_a_demo_browser_keeps_the_cookies(here: Rig) -> None:
    """With the cookie rules of a browser, inside the LMS's frame."""
    with Visitor() as browser:
        browser.become(here.lms.url, 8)
        assert "instructor" in browser.launch(here.lms.url, 3).text


# --- keys of the LMS ---------------------------------------------------------------------------


def fetches(here: Rig) -> int:
    """How often the LMS's key set was stored anew (by its time)."""
    with here.db.reading() as session:
        found = session.scalars(select(Platform.jwks_fetched_at)).one()
    return int(found.timestamp() * 1000) if found else 0


def test_new_key_of_the_lms_is_fetched_when_it_is_seen(here: Rig) -> None:
    here.launch()
    here.control("rotate_keys", keep_old=False)
    later(here, 61)
    assert here.launch()


def later(here: Rig, seconds: int) -> None:
    here.clock.ahead += timedelta(seconds=seconds)
    here.control("clock_skew", seconds=here.clock.ahead.total_seconds())


def test_unknown_keys_are_looked_for_once_a_minute(here: Rig) -> None:
    here.launch()
    later(here, 61)
    before = fetches(here)
    with pytest.raises(LaunchRefused):
        here.launch(kind="unknown_kid")
    once = fetches(here)
    assert once > before
    later(here, 30)
    with pytest.raises(LaunchRefused):
        here.launch(kind="unknown_kid")
    assert fetches(here) == once
    assert here.launch(), "good launches go on meanwhile"


def test_last_good_keys_serve_while_the_lms_is_silent(here: Rig) -> None:
    here.launch()
    with here.db.transaction() as session:
        session.execute(update(Platform).values(jwks_url="http://127.0.0.1:9/keys"))
    later(here, 2 * 3600)
    assert here.launch()


def test_keys_that_were_never_read_are_named(here: Rig) -> None:
    with here.db.transaction() as session:
        session.execute(update(Platform).values(jwks_url=here.lms.url + "/"))
    with pytest.raises(UpstreamError) as refusal:
        here.launch()
    assert refusal.value.system == "Demo LMS"


def test_keys_are_fetched_once_for_many_launches(here: Rig) -> None:
    here.launch()
    first = fetches(here)
    later(here, 120)
    here.launch()
    assert fetches(here) == first
    later(here, 3600)
    here.launch()
    assert fetches(here) > first


def test_clocks_may_differ_by_a_minute(here: Rig) -> None:
    for seconds in (-55, 55):
        here.control("clock_skew", seconds=seconds)
        assert here.launch()
    here.control("clock_skew", seconds=75)
    with pytest.raises(LaunchRefused) as refusal:
        here.launch()
    assert refusal.value.code == "token-from-future"
