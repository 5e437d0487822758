"""The service client against the demo LMS in each mode, and against servers that misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask, Response, request
from sqlalchemy import select, update

from app.db import Database
from app.demo.lms import LmsConfig, create_lms, serve
from app.errors import NotFound, UpstreamError
from app.http import HttpClient
from app.lti.services import LineItem, LtiServices
from app.lti.vocabulary import MEMBERS_SCOPE, RESULT_SCOPE
from app.models import AccessToken, Platform
from tests.integration.lti_rig import Rig, rig, running

MODES = ("moodle", "canvas")
OWN = ("Badge", Decimal(1), "tassel-badge-1", "achievement-1")


@pytest.fixture(params=MODES)
def here(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode=request.param, learners=130) as made:
        yield made


@pytest.fixture
def moodle(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="moodle") as made:
        yield made


@pytest.fixture
def canvas(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="canvas") as made:
        yield made


def items(here: Rig) -> list[LineItem]:
    found = here.launch()
    assert found.lineitems_url
    return here.campus.lti.line_items(here.platforms[0], found.lineitems_url)


def own_item(here: Rig) -> LineItem:
    url = here.launch().lineitems_url
    assert url
    return here.campus.lti.find_or_create_line_item(here.platforms[0], url, *OWN)


def send(here: Rig, item: LineItem, user: str, value: int | None, at: datetime) -> None:
    given = None if value is None else Decimal(value)
    here.campus.lti.post_score(here.platforms[0], item.url, user, given, Decimal(1), at, None)


def learner(here: Rig) -> str:
    return here.launch(person=12).sub


# --- reading -----------------------------------------------------------------------------------


def test_columns_and_every_grade_are_read(here: Rig) -> None:
    """130 learners are two pages where the LMS pages; native columns never show."""
    found = items(here)
    assert len(found) == 12
    assert "Midterm exam" not in {item.label for item in found}
    held = here.lms.app.extensions["demo_lms"].columns.values()
    for item in found[:3]:
        results = list(here.campus.lti.results(here.platforms[0], item.url))
        graded = {one.user_id: one.score for one in results if one.score is not None}
        assert len(graded) > 100
        column = next(one for one in held if one.label == item.label)
        cells = [cell.value for cell in column.grades.values() if cell.value is not None]
        assert sorted(graded.values()) == sorted(Decimal(str(value)) for value in cells)
        assert item.maximum == Decimal(str(column.maximum))


def test_members(here: Rig) -> None:
    url = here.launch().memberships_url
    assert url
    found = list(here.campus.lti.members(here.platforms[0], url))
    people = [one for one in found if not one.is_test]
    assert len(people) == 132
    assert sum(one.role == "instructor" for one in people) == 1
    assert all(one.status == "Active" for one in people)


def test_preview_user_is_marked(canvas: Rig) -> None:
    url = canvas.launch().memberships_url
    assert url
    marked = [one for one in canvas.campus.lti.members(canvas.platforms[0], url) if one.is_test]
    assert all(one.role == "learner" for one in marked)
    people = canvas.lms.app.extensions["demo_lms"].people.values()
    found = canvas.launch(person=next(one.id for one in people if one.is_test))
    assert (found.is_test, found.role) == (True, "learner")


def test_column_is_made_once(here: Rig) -> None:
    first, second = own_item(here), own_item(here)
    assert first == second
    assert (first.tag, first.resource_id, first.maximum) == (OWN[2], OWN[3], Decimal(1))


# --- writing -----------------------------------------------------------------------------------


def test_score_arrives_and_can_be_taken_back(here: Rig) -> None:
    item, user = own_item(here), learner(here)
    lti, now = here.campus.lti, here.clock()
    first = lti.score_timestamp(here.platforms[0], now, None)
    send(here, item, user, 1, first)
    assert score_of(here, item, user) == Decimal(1)
    second = lti.score_timestamp(here.platforms[0], now, first)
    send(here, item, user, None, second)
    assert score_of(here, item, user) is None


def test_zero_is_a_score(here: Rig) -> None:
    item, user = own_item(here), learner(here)
    send(here, item, user, 0, here.clock())
    assert score_of(here, item, user) == Decimal(0)


def score_of(here: Rig, item: LineItem, user: str) -> Decimal | None:
    results = here.campus.lti.results(here.platforms[0], item.url)
    return next((one.score for one in results if one.user_id == user), None)


def test_scores_make_no_attempts(canvas: Rig) -> None:
    item, user = own_item(canvas), learner(canvas)
    now = canvas.clock()
    for step in range(3):
        send(canvas, item, user, 1, now + timedelta(seconds=2 * step))
    posts = canvas.lms.app.extensions["demo_lms"].posts
    assert len(posts) == 3
    extension = "https://canvas.instructure.com/lti/submission"
    assert all(post.body[extension]["new_submission"] is False for post in posts)


def test_older_score_is_told_apart(here: Rig) -> None:
    item, user = own_item(here), learner(here)
    now = here.clock()
    send(here, item, user, 1, now)
    with pytest.raises(UpstreamError) as refusal:
        send(here, item, user, 1, now - timedelta(seconds=30))
    assert refusal.value.code == "ags-stale-timestamp"


def test_score_for_a_teacher_is_refused(here: Rig) -> None:
    item, teacher = own_item(here), here.launch(person=8).sub
    with pytest.raises(UpstreamError) as refusal:
        send(here, item, teacher, 1, here.clock())
    assert (refusal.value.code, refusal.value.permanent) == ("ags-user-refused", True)
    assert "learners" in refusal.value.fix


# --- tokens ------------------------------------------------------------------------------------


def test_token_is_kept_sealed_and_used_again(moodle: Rig) -> None:
    lti, platform = moodle.campus.lti, moodle.platforms[0]
    token = lti.token(platform, [RESULT_SCOPE])
    assert lti.token(platform, [RESULT_SCOPE]) == token
    assert lti.token(platform, [MEMBERS_SCOPE]) != token
    with moodle.db.reading() as session:
        sealed = session.scalars(select(AccessToken.sealed)).all()
    assert len(sealed) == 2
    assert not any(token in one for one in sealed)


def test_token_is_renewed_a_minute_before_its_end(moodle: Rig) -> None:
    lti, platform = moodle.campus.lti, moodle.platforms[0]
    token = lti.token(platform, [RESULT_SCOPE])
    for left, same in ((65, True), (55, False)):
        with moodle.db.transaction() as session:
            ends = moodle.clock() + timedelta(seconds=left)
            session.execute(update(AccessToken).values(expires_at=ends))
        assert (lti.token(platform, [RESULT_SCOPE]) == token) is same


def test_two_registrations_of_one_issuer_share_no_token(moodle: Rig) -> None:
    moodle.add_registration("moodle")
    lti = moodle.campus.lti
    assert lti.token(moodle.platforms[0], [RESULT_SCOPE]) != lti.token(
        moodle.platforms[1], [RESULT_SCOPE]
    )


def test_two_schools_that_share_an_issuer_get_their_own_tokens(canvas: Rig) -> None:
    """Hosted schools have one issuer; their token endpoints and grants are apart."""
    with serve(create_lms(LmsConfig(mode="canvas", learners=12))) as other:
        http = HttpClient((canvas.lms.url, other.url))
        first, canvas.lms = canvas.lms, other
        try:
            canvas.add_registration("canvas", client_id="the-other-school")
        finally:
            canvas.lms = first
        assert canvas.tools[0]["issuer"] == canvas.tools[1]["issuer"]
        lti = LtiServices(canvas.db, canvas.campus.box, http, canvas.clock)
        for platform, lms in zip(canvas.platforms, (first, other), strict=True):
            token = lti.token(platform, [RESULT_SCOPE])
            assert token in lms.app.extensions["demo_lms"].access
            assert lti.token(platform, [RESULT_SCOPE]) == token
        with canvas.db.reading() as session:
            assert len(session.scalars(select(AccessToken)).all()) == 2
        http.close()


def test_token_that_the_lms_forgot_is_dropped_and_asked_again(here: Rig) -> None:
    assert items(here)
    here.lms.app.extensions["demo_lms"].access.clear()
    assert items(here)


def test_revoked_permission_is_named(here: Rig) -> None:
    url = here.launch().memberships_url
    assert url
    tool = next(iter(here.lms.app.extensions["demo_lms"].tools.values()))
    tool.scopes = [scope for scope in tool.scopes if scope != MEMBERS_SCOPE]
    with pytest.raises(UpstreamError) as refusal:
        list(here.campus.lti.members(here.platforms[0], url))
    assert refusal.value.code == "lti-scope-missing"
    assert "administrator" in refusal.value.fix


def test_unreachable_keys_are_named(moodle: Rig) -> None:
    tool = next(iter(moodle.lms.app.extensions["demo_lms"].tools.values()))
    tool.keyset_url = "http://127.0.0.1:9/nobody"
    with pytest.raises(UpstreamError) as refusal:
        moodle.campus.lti.token(moodle.platforms[0], [RESULT_SCOPE])
    assert refusal.value.code == "lti-token-refused"
    assert "/lti/jwks" in refusal.value.fix
    assert not refusal.value.permanent


def test_throttling_is_temporary(canvas: Rig) -> None:
    url = canvas.launch().lineitems_url
    assert url
    canvas.control("throttle", requests=1)
    with pytest.raises(UpstreamError) as refusal:
        canvas.campus.lti.line_items(canvas.platforms[0], url)
    assert (refusal.value.code, refusal.value.permanent) == ("lti-throttled", False)
    assert canvas.campus.lti.line_items(canvas.platforms[0], url)


def test_inactive_registration_gets_no_service(moodle: Rig) -> None:
    with moodle.db.transaction() as session:
        session.execute(update(Platform).values(state="disabled"))
    with pytest.raises(NotFound):
        moodle.campus.lti.token(moodle.platforms[0], [RESULT_SCOPE])


def test_lms_that_is_down_is_named(moodle: Rig) -> None:
    with moodle.db.transaction() as session:
        session.execute(update(Platform).values(token_url="http://127.0.0.1:9/token"))
    with pytest.raises(UpstreamError):
        moodle.campus.lti.token(moodle.platforms[0], [RESULT_SCOPE])


# --- lists that misbehave ----------------------------------------------------------------------


class Misbehaving:
    """A list service that answers what a test says; counts the requests and who had a token."""

    def __init__(self) -> None:
        self.app = Flask("misbehaving")
        self.pages: dict[str, tuple[str, str]] = {}
        self.content_type = "application/json"
        self.asked: list[str] = []
        self.bearers: list[str] = []
        self.app.add_url_rule("/<path:_>", "list", self._list)

    def _list(self, _: str) -> Response:
        path = request.full_path.rstrip("?")
        self.asked.append(path)
        self.bearers.append(request.headers.get("Authorization", ""))
        body, link = self.pages.get(path, ("[]", ""))
        answer = Response(body, content_type=self.content_type)
        if link:
            answer.headers["link"] = link
        return answer


@contextmanager
def misbehaving(here: Rig) -> Iterator[tuple[Misbehaving, str]]:
    server = Misbehaving()
    with running(server.app) as port:
        origin = f"http://127.0.0.1:{port}"
        here.campus.http._allowed |= {origin}
        yield server, origin
        here.campus.http.close()


def item(url: str, label: str) -> str:
    return json.dumps([{"id": url, "label": label, "scoreMaximum": 10}])


def test_foreign_next_page_gets_no_token(moodle: Rig) -> None:
    with misbehaving(moodle) as (server, origin), misbehaving(moodle) as (thief, foreign):
        server.pages["/items"] = (item(origin + "/1", "a"), f'<{foreign}/items>; rel="next"')
        with pytest.raises(UpstreamError) as refusal:
            moodle.campus.lti.line_items(moodle.platforms[0], origin + "/items")
        assert refusal.value.code == "lti-unreadable"
        assert server.bearers[0].startswith("Bearer ")
        assert thief.asked == []


def test_pages_in_a_circle_end(moodle: Rig) -> None:
    with misbehaving(moodle) as (server, origin):
        server.pages["/items"] = (item(origin + "/1", "a"), '</items?p=2>; rel="next"')
        server.pages["/items?p=2"] = (item(origin + "/2", "b"), '</items>; rel="next"')
        with pytest.raises(UpstreamError) as refusal:
            moodle.campus.lti.line_items(moodle.platforms[0], origin + "/items")
        assert refusal.value.code == "lti-unreadable"
        assert server.asked == ["/items", "/items?p=2"]


def test_column_on_a_foreign_site_is_refused(moodle: Rig) -> None:
    with misbehaving(moodle) as (server, origin):
        server.pages["/items"] = (item("http://evil.example/1", "a"), "")
        with pytest.raises(UpstreamError) as refusal:
            moodle.campus.lti.line_items(moodle.platforms[0], origin + "/items")
        assert refusal.value.code == "lti-foreign-address"


def test_rows_without_sense_are_left_out(moodle: Rig) -> None:
    good = {"userId": "1", "resultScore": 69.50, "resultMaximum": 100}
    rows = [good, {"resultScore": 5}, "x", {"userId": "2", "resultScore": "NaN"}, {"userId": "3"}]
    with misbehaving(moodle) as (server, origin):
        server.content_type = "text/html"
        server.pages["/1/results"] = (json.dumps(rows), "")
        found = list(moodle.campus.lti.results(moodle.platforms[0], origin + "/1"))
    assert [(one.user_id, one.score) for one in found] == [
        ("1", Decimal("69.5")),
        ("2", None),
        ("3", None),
    ]


@pytest.mark.parametrize("body", ["<html>Maintenance</html>", '{"error": 1}', "null", "NaN"])
def test_answer_that_is_no_list_is_an_error(moodle: Rig, body: str) -> None:
    with misbehaving(moodle) as (server, origin):
        server.pages["/items"] = (body, "")
        with pytest.raises(UpstreamError):
            moodle.campus.lti.line_items(moodle.platforms[0], origin + "/items")


def test_dates_are_read_with_their_zone(moodle: Rig) -> None:
    rows = [
        {"userId": "1", "timestamp": "2026-11-22T01:37:04+01:00"},
        {"userId": "2", "timestamp": "2026-11-22T00:37:04Z"},
        {"userId": "3", "timestamp": "yesterday"},
    ]
    with misbehaving(moodle) as (server, origin):
        server.pages["/1/results"] = (json.dumps(rows), "")
        found = list(moodle.campus.lti.results(moodle.platforms[0], origin + "/1"))
    moment = datetime(2026, 11, 22, 0, 37, 4, tzinfo=UTC)
    assert [one.timestamp for one in found] == [moment, moment, None]
