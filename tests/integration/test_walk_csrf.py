"""Requests from other sites (row 15): every route that changes something, with the visitor's cookie."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule as Route
from werkzeug.test import TestResponse

from app.web.access import TABLE
from tests.integration.walk_rig import Walk, address, changed, doors, dump, walking

DOORS = {
    "lti.login": "the LMS begins a launch; it stores nothing and shows nothing of a session",
    "lti.launch": "the LMS posts the signed token; the login's secret proves the browser",
    "lti.again": "a sandboxed frame has no origin; begins a login and nothing else",
    "lti.notices": "the LMS's server calls; signed, no browser",
    "wallet.token": "a wallet calls; single-use code, no session is looked at",
    "wallet.nonce": "a wallet calls; nothing is written",
    "wallet.credential": "a wallet calls; its own access token",
    "wallet.notification": "a wallet calls; its own access token",
    "wallet.exchange": "a wallet calls; single-use address and proof of its key",
    "apps.register": "an app calls; its words are believed by nobody and go unless somebody agrees",
    "apps.token": "an app calls; its secret, a single-use code and PKCE",
    "apps.revoke": "an app calls; its secret and its own token",
    "api.verify": "answers about what it was sent, knows no visitor",
}
"""Protocol doors that take requests from elsewhere, each with the reason."""

FROM_ELSEWHERE = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another site that claims our origin": {
        "Sec-Fetch-Site": "cross-site",
        "Origin": "http://127.0.0.1:8080",
    },
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9999"},
    "typed or from another program": {"Sec-Fetch-Site": "none"},
    "an old browser": {"Origin": "https://evil.example"},
    "a near miss of our origin": {"Origin": "http://127.0.0.1:8080.evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "a browser that says nothing": {},
    "our address in the referer only": {"Referer": "http://127.0.0.1:8080/"},
    "no bearer": {"Authorization": "Bearer ", "Sec-Fetch-Site": "cross-site"},
    "a proxy's password": {"Authorization": "Basic YTpi", "Sec-Fetch-Site": "cross-site"},
    "an override": {"X-HTTP-Method-Override": "GET", "Sec-Fetch-Site": "cross-site"},
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Walk]]:
    with walking(tmp_path_factory.mktemp("csrf")) as made:
        yield made


@pytest.fixture
def app(stage: tuple[Flask, Walk]) -> Flask:
    return stage[0]


@pytest.fixture
def walk(stage: tuple[Flask, Walk]) -> Walk:
    """Nothing that a test here does may change it."""
    return stage[1]


def changing(app: Flask) -> list[tuple[Route, str]]:
    """Every route with a method that may change something."""
    found = [(route, method) for route, method in doors(app) if method != "GET"]
    assert len(found) > 80
    return found


def session_for(route: Route, walk: Walk) -> str:
    """The cookie of somebody who may use the route."""
    area = route.endpoint.partition(".")[0]
    roles = {"operator": "operator", "learner": "Nearby-learner", "privacy": "Nearby-privacy"}
    if TABLE[route.endpoint].who == "lms_administrator":
        return f"{walk.mine.word}-administrator"
    return roles.get(area, f"{walk.mine.word}-instructor")


def forge(
    app: Flask, walk: Walk, route: Route, method: str, headers: dict[str, str], cookie: str
) -> TestResponse:
    client = app.test_client()
    client.set_cookie("__Host-tassel", cookie, domain="127.0.0.1", secure=True)
    return client.open(
        address(route, walk.values(walk.mine)),
        method=method,
        headers=headers,
        data={"name": "Evil", "reason": "Forged by another site"},
        base_url="https://127.0.0.1",
    )


def test_every_door_is_marked_and_has_its_reason() -> None:
    assert {name for name, line in TABLE.items() if line.outside_posts} == DOORS.keys()


@pytest.mark.parametrize("origin", FROM_ELSEWHERE)
def test_a_request_from_elsewhere_changes_nothing(app: Flask, walk: Walk, origin: str) -> None:
    before, headers = dump(walk.campus), FROM_ELSEWHERE[origin]
    for route, method in changing(app):
        answer = forge(app, walk, route, method, headers, session_for(route, walk))
        if route.endpoint in DOORS:
            assert answer.status_code < 500, route.rule
        elif TABLE[route.endpoint].who.startswith("api:"):
            assert answer.status_code == 401, (route.rule, "a cookie is no token")
        else:
            assert answer.status_code == 403, (method, route.rule)
            assert "forged-post" in answer.text, (method, route.rule)
    assert changed(before, dump(walk.campus)) == {}


def test_a_made_up_bearer_does_not_let_the_cookie_through(app: Flask, walk: Walk) -> None:
    """Whoever sends a bearer is nobody but the bearer's."""
    before = dump(walk.campus)
    headers = {"Authorization": "Bearer made-up", "Sec-Fetch-Site": "cross-site"}
    for route, method in changing(app):
        answer = forge(app, walk, route, method, headers, session_for(route, walk))
        public = TABLE[route.endpoint].who in ("public", "endorser")  # a link, not a session
        assert answer.status_code == 401 or (public and answer.status_code < 500), route.rule
    after = changed(before, dump(walk.campus))
    assert after.keys() <= {"admin_link", "browser_session", "grant", "audit_entry"}, after


def test_reading_is_not_changing(app: Flask, walk: Walk) -> None:
    """A link from another site opens a page and changes nothing by it."""
    before = dump(walk.campus)
    for route, method in doors(app, "GET"):
        if not TABLE[route.endpoint].commits_on_get:
            headers = {"Sec-Fetch-Site": "cross-site"}
            answer = forge(app, walk, route, method, headers, session_for(route, walk))
            assert answer.status_code < 500 or route.rule == "/readyz", route.rule
            answer.close()
    assert changed(before, dump(walk.campus)) == {}


def test_our_own_pages_get_through(app: Flask, walk: Walk) -> None:
    """The control: the same requests are not refused for where they come from when they are ours."""
    passed = 0
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8080"}):
        for route, method in changing(app):
            if route.endpoint.startswith(("instructor.", "learner.", "privacy.")):
                answer = forge(app, walk, route, method, headers, "made-up")
                assert answer.status_code == 401, route.rule
                passed += 1
    assert passed > 60
