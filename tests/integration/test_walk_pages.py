"""Clickjacking and markup from outside (rows 16 and 17): every answer, with hostile content everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.demo.html_page import parse
from app.web.access import TABLE
from tests.integration.walk_poison import (
    EVIL,
    EVIL_URL,
    WHO,
    ask,
    check,
    is_page,
    poison,
    problems,
    say,
    stored_evil,
)
from tests.integration.walk_rig import Walk, address, doors, walking

WEB = Path(__file__).parents[2] / "app" / "web"
LMS = "http://127.0.0.1:8081"
FRAMED = ("instructor.", "learner.", "privacy.", "lti.")
"""Areas that stand in an LMS; everything else is framed by nobody."""
FRAMED_BY_ANYBODY = {"public.embed"}
"""Shows a shared badge on other sites: nothing on it runs, sends or can be pressed but its link."""
REFUSALS = {"lti.login", "lti.launch", "lti.again", "lti.prove"}
"""Doors whose refusals any LMS may show, one that waits for its approval too: text, no buttons."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Walk]]:
    with walking(tmp_path_factory.mktemp("pages"), say) as (app, walk):
        reached = poison(walk.campus)
        assert {"person.name", "assessment.title", "delivery.message", "course.title"} <= reached
        assert stored_evil(walk.campus) > 60
        yield app, walk


@pytest.fixture
def app(stage: tuple[Flask, Walk]) -> Flask:
    return stage[0]


@pytest.fixture
def walk(stage: tuple[Flask, Walk]) -> Walk:
    return stage[1]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def test_no_page_runs_what_somebody_stored(app: Flask, walk: Walk, client: FlaskClient) -> None:
    shown = set()
    for route, _ in doors(app, "GET"):
        if TABLE[route.endpoint].commits_on_get:
            continue
        for who in WHO:
            answer = ask(client, who, address(route, walk.values(walk.mine)))
            assert answer.status_code < 500 or route.rule == "/readyz", (route.rule, answer.text)
            check(answer, f"{who} {route.rule}")
            if is_page(answer) and answer.status_code == 200 and "x-pwn" in answer.text:
                shown.add(route.endpoint)
    areas = {one.partition(".")[0] for one in shown}
    assert {"instructor", "learner", "operator", "public", "privacy"} <= areas, areas
    assert len(shown) > 40, sorted(shown)


def asked_for() -> set[str]:
    """Names of everything that a page reads out of its address."""
    reads = re.compile(r"(?:args|values)(?:\.get(?:list)?\(|\[)\s*\"([a-z_]+)\"")
    found = {name for path in WEB.rglob("*.py") for name in reads.findall(path.read_text())}
    assert {"said", "find", "page", "state", "group", "error", "origin"} <= found, found
    return found | {"openid_configuration", "registration_token", "iss", "login_hint", "message_id"}


def test_no_page_runs_what_stands_in_its_address(
    app: Flask, walk: Walk, client: FlaskClient
) -> None:
    for evil in (EVIL, EVIL_URL):
        query = dict.fromkeys(asked_for(), evil)
        for route, _ in doors(app, "GET"):
            url = address(route, walk.values(walk.mine))
            for who in ("operator",) if route.endpoint.startswith("operator.") else WHO[:2]:
                answer = ask(client, who, url, query_string=query)
                assert answer.status_code < 500 or route.rule == "/readyz", route.rule
                check(answer, f"{who} {route.rule}")
                for header, value in answer.headers:
                    assert "x-pwn" not in value or header == "Location", (route.rule, header)
                moved = urlsplit(answer.headers.get("Location", "/"))
                assert moved.scheme in ("", "http"), (route.rule, moved)


def test_no_page_runs_what_stands_in_its_path(app: Flask, client: FlaskClient) -> None:
    """Every parameter of every address, hostile."""
    for evil in (EVIL, "../../etc/passwd", "%00"):
        for route, method in [one for one in doors(app) if one[0].arguments]:
            values = dict.fromkeys([*route.arguments, "token", "kind"], quote(evil))
            for who in ("operator",):
                answer = ask(client, who, address(route, values), method)
                assert answer.status_code < 500 or route.rule == "/readyz", route.rule
                check(answer, f"{method} {route.rule}")


def test_every_answer_says_who_may_frame_it(app: Flask, walk: Walk, client: FlaskClient) -> None:
    """Pages that stand in an LMS: by that LMS. Everything else, errors too: by nobody."""
    framed, anywhere = 0, set()
    for route, method in doors(app):
        for who in WHO if method == "GET" else ("",):
            answer = ask(client, who, address(route, walk.values(walk.mine)), method)
            if 300 <= answer.status_code < 400:
                continue
            framers = answer.headers["Content-Security-Policy"].rpartition("frame-ancestors ")[2]
            if framers == f"'self' * {LMS}" and answer.status_code == 400:
                assert parse(answer.text).forms == [], route.rule
                anywhere.add(route.endpoint)
                continue
            if route.endpoint in FRAMED_BY_ANYBODY:
                assert framers == "*", route.rule
                assert "script-src" not in answer.headers["Content-Security-Policy"]
                assert re.search("<(?:script|form|button|input)", answer.text) is None
                continue
            inside = route.endpoint.startswith(FRAMED)
            wanted = {"'self'", LMS} if inside else {"'none'"}
            assert set(framers.split()) == wanted, (route.rule, framers)
            framed += inside and answer.status_code == 200
    assert framed > 40
    assert anywhere <= REFUSALS


def test_what_does_not_exist_is_no_way_around(client: FlaskClient) -> None:
    for path in (f"/nowhere/{quote(EVIL)}", "/operator/nowhere", "/static/nowhere.js"):
        for method in ("GET", "POST", "PUT", "DELETE", "TRACE", "PATCH"):
            answer = ask(client, "", path, method)
            assert answer.status_code in (404, 405), (method, path)
            check(answer, path)
            assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


@pytest.mark.parametrize(
    "text",
    [
        "<p onclick=x>", "<script>x</script>", "<script src=//evil.example/x.js></script>",
        "<a href='javascript:x'>", "<a href=' java\nscript:x'>", "<p style='x'>", "<x-pwn>",
        "<iframe srcdoc=x>", "<img src=x onerror=y>", "3703701", "<svg><a xlink:href='javascript:x'>",
        "<p hx-on:click=x>", "<p hx-vals='js:x'>", "<form action='data:text/html,x'>", "<base href=/>",
    ],
)  # fmt: skip
def test_the_check_sees_danger(text: str) -> None:
    """The control: a page with this is found."""
    assert problems(f"<!doctype html><title>x</title>{text}")
    assert not problems("<!doctype html><title>x</title><p>javascript: <a href='/x'>onclick=</a>")
