"""Forged ids and roles (rows 13 and 14): every route with the ids of another course, by everybody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule as Route
from werkzeug.test import TestResponse

from app.web.access import TABLE
from app.web.tokens import SCOPES, mint
from tests.integration.walk_rig import NEUTRAL, ROLES, Walk, address, changed, doors, dump, walking

OF_EVERYBODY = {"instructor.drawn"}
"""Routes with a course in their address that show nothing of it: a drawing for anybody."""

FINDS_NOTHING = {
    ("instructor.drop_upload", "POST"): 303,
    ("instructor.undo_upload", "POST"): 409,
}
"""Forms that look within the course only and find nothing: to delete, which is no error; to undo."""

OUTSIDE_COURSES = {"api", "apps", "public", "wallet", "operator", "static"}
"""Areas whose routes ask for no course role: tokens, capabilities, public names, the operator."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Walk]]:
    with walking(tmp_path_factory.mktemp("ids")) as made:
        yield made


@pytest.fixture
def app(stage: tuple[Flask, Walk]) -> Flask:
    return stage[0]


@pytest.fixture
def walk(stage: tuple[Flask, Walk]) -> Walk:
    """Nothing that a test here does may change it."""
    return stage[1]


def ask(client: FlaskClient, who: str, url: str, method: str) -> TestResponse:
    """As a page of ours would, in a session of ``who`` ("" is nobody)."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    if who:
        headers["Authorization"] = f"Bearer {who}"
    return client.open(url, method=method, headers=headers, data={"reason": "No business of mine"})


def objects(route: Route) -> set[str]:
    """Parameters of a route that name something inside a course."""
    return set(route.arguments) - {"course_id", "filename"} - NEUTRAL.keys()


def inside(app: Flask) -> list[tuple[Route, str]]:
    """Every route, with each of its methods, that belongs to a course or a person."""
    found = [
        (route, method)
        for route, method in doors(app)
        if {"course_id", "subject_id"} & route.arguments
        and route.endpoint not in OF_EVERYBODY
        and route.endpoint.partition(".")[0] not in OUTSIDE_COURSES
    ]
    assert len(found) > 60
    return found


def test_every_parameter_has_a_sample(app: Flask, walk: Walk) -> None:
    """What the walks cannot fill they cannot try: a new kind of id needs a sample in the rig."""
    for route, _ in doors(app):
        address(route, walk.values(walk.mine))
    for route, _ in inside(app):
        for name in objects(route):
            assert walk.mine.ids[name] != walk.other.ids[name], name


@pytest.mark.parametrize("role", [*ROLES, "privacy", ""])
def test_another_course_is_closed(app: Flask, client: FlaskClient, walk: Walk, role: str) -> None:
    who = f"{walk.mine.word}-{role}" if role else ""
    before = dump(walk.campus)
    for route, method in inside(app):
        answer = ask(client, who, address(route, walk.values(walk.other)), method)
        assert answer.status_code in (401, 403, 404), (method, route.rule)
        assert walk.other.word not in answer.text, (method, route.rule)
    assert changed(before, dump(walk.campus)) == {}


@pytest.mark.parametrize("role", ROLES)
def test_things_of_another_course_are_not_in_mine(
    app: Flask, client: FlaskClient, walk: Walk, role: str
) -> None:
    """The own course stands in the address, and one by one every other id is a foreign one."""
    who, before, tried = f"{walk.mine.word}-{role}", dump(walk.campus), 0
    for route, method in inside(app):
        for name in objects(route) - {"subject_id"}:
            values = walk.values(walk.mine) | {name: walk.other.ids[name]}
            answer = ask(client, who, address(route, values), method)
            wanted = FINDS_NOTHING.get((route.endpoint, method), 404)
            assert answer.status_code in (401, 403, wanted), (method, route.rule, answer.text)
            assert walk.other.word not in answer.text, (method, route.rule)
            tried += answer.status_code == wanted
    assert changed(before, dump(walk.campus)) == {}
    assert tried > {"instructor": 20, "administrator": 20, "assistant": 8, "learner": 6}.get(
        role, 0
    )


def test_a_classmate_is_a_stranger_too(app: Flask, client: FlaskClient, walk: Walk) -> None:
    who, before, tried = f"{walk.mine.word}-learner", dump(walk.campus), 0
    for route, method in inside(app):
        if "award_id" in route.arguments:
            theirs = {"award_id": walk.mine.things["classmate_award"]}
            answer = ask(client, who, address(route, walk.values(walk.mine) | theirs), method)
            assert answer.status_code in (403, 404), (method, route.rule)
            tried += answer.status_code == 404
    assert tried >= 6
    assert changed(before, dump(walk.campus)) == {}


MAY_CHANGE = {
    "assistant": {
        "instructor.refresh", "instructor.read_all", "instructor.try_mapping",
        "instructor.try_look", "instructor.try_validity",
        "instructor.place", "instructor.cancel_content",
    },
    "learner": {
        "learner.download", "learner.share", "learner.unshare", "learner.wallet",
        "learner.withdraw", "learner.save_settings", "learner.tells",
        "learner.take_endorsed",
        "learner.record_file", "learner.exchange",
        "learner.export_data", "learner.erase_data",
        "learner.answer_app", "learner.end_app", "learner.app_tab",
    },
    "observer": set[str](),
    "privacy": {"privacy.export"},
    "": set[str](),
}  # fmt: skip
"""Forms of the own course that who is not its teacher may send: said here once more, so that a slip
in the access table is seen."""


@pytest.mark.parametrize("role", MAY_CHANGE)
def test_nobody_sends_forms_above_their_role(
    app: Flask, client: FlaskClient, walk: Walk, role: str
) -> None:
    who, before = (f"{walk.mine.word}-{role}" if role else ""), dump(walk.campus)
    opened = set()
    for route, method in inside(app):
        if method == "GET":
            continue
        if route.endpoint in MAY_CHANGE[role]:
            opened.add(route.endpoint)
            continue
        answer = ask(client, who, address(route, walk.values(walk.mine)), method)
        assert answer.status_code in (401, 403), (role, route.rule)
    assert opened == MAY_CHANGE[role]
    assert changed(before, dump(walk.campus)) == {}


@pytest.mark.parametrize("role", ["assistant", "learner", "observer", "privacy", ""])
def test_nobody_reads_above_their_role(
    app: Flask, client: FlaskClient, walk: Walk, role: str
) -> None:
    """A course page opens for exactly the roles that its line names."""
    who = f"{walk.mine.word}-{role}" if role else ""
    may = {
        "assistant": {"staff", "course"},
        "learner": {"learner", "course"},
        "observer": {"course"},
        "privacy": {"privacy"},
    }.get(role, set())
    for route, method in inside(app):
        line = TABLE[route.endpoint]
        if method == "GET" and line.who not in may:
            answer = ask(client, who, address(route, walk.values(walk.mine)), method)
            assert answer.status_code in (401, 403), (role, route.rule)
            assert walk.mine.word not in answer.text


FOR_SIS = {
    "operator.leave", "operator.delivery_retry", "operator.deliveries_retry",
    "operator.delivery_drop_confirm", "operator.connection_make", "operator.connection_save",
    "operator.connection_test", "operator.connection_pause", "operator.connection_resume",
}  # fmt: skip


HELPERS = {
    "sis_administrator": ({"area", "deliveries"}, FOR_SIS),
    "approver": ({"area", "approvals"}, {"operator.leave", "operator.approval_answer"}),
}
"""Role of the operator's area to its permissions and the forms that these open."""


@pytest.mark.parametrize("who", [*HELPERS, "Nearby-instructor", "Nearby-administrator"])
def test_the_operators_area_is_closed(
    app: Flask, client: FlaskClient, walk: Walk, who: str
) -> None:
    before, opened = dump(walk.campus), set()
    may, forms = HELPERS.get(who, (set(), set()))
    for route, method in doors(app):
        if not route.endpoint.startswith("operator.") or TABLE[route.endpoint].who == "public":
            continue
        if TABLE[route.endpoint].who in may:
            opened |= {route.endpoint} if method != "GET" else set()
            continue
        answer = ask(client, who, address(route, walk.values(walk.mine)), method)
        assert answer.status_code in (401, 403), (method, route.rule)
    assert opened == forms
    assert changed(before, dump(walk.campus)) == {}


def test_a_token_opens_its_scopes_only(app: Flask, client: FlaskClient, walk: Walk) -> None:
    for scope in SCOPES:
        with walk.campus.db.transaction() as session:
            token = mint(session, "one", [scope], None, "test", walk.campus.clock())
        for route, method in doors(app):
            line = TABLE[route.endpoint]
            if line.who.startswith("api:") and line.who != f"api:{scope}":
                answer = ask(client, token, address(route, walk.values(walk.mine)), method)
                assert answer.status_code == 403, (scope, route.rule)


@pytest.mark.parametrize("who", ["Nearby-instructor", "operator", ""])
def test_a_session_is_no_token(app: Flask, client: FlaskClient, walk: Walk, who: str) -> None:
    for route, method in doors(app):
        if TABLE[route.endpoint].who.startswith("api:"):
            answer = ask(client, who, address(route, walk.values(walk.mine)), method)
            assert answer.status_code == 401, route.rule
