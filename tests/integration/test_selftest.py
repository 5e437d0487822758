"""The self-test of a registration against a real LMS and its faults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select, update

from app.db import Database
from app.lti import selftest
from app.lti.keys import replace_key
from app.lti.selftest import Finding
from app.lti.vocabulary import LINE_ITEM_SCOPE, MEMBERS_SCOPE, SCOPES
from app.models import AccessToken, Course, Deployment, Platform
from app.pipeline.enter import enter
from tests.integration.lti_rig import Rig, rig

TOKEN = "/token"


@pytest.fixture(params=["moodle", "canvas"])
def here(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode=request.param, learners=12) as made:
        yield made


@pytest.fixture
def moodle(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="moodle", learners=12) as made:
        yield made


def check(here: Rig, platform_id: str = "") -> dict[str, Finding]:
    campus = here.campus
    found = selftest.run(
        campus.db,
        campus.http,
        campus.lti,
        campus.settings,
        campus.clock,
        platform_id or here.platforms[0],
    )
    return {finding.key: finding for finding in found}


def opened(here: Rig) -> None:
    """A teacher came in, as seen by the whole tool."""
    enter(here.campus, here.launch(person=8))


def change(here: Rig, **values: Any) -> None:
    with here.db.transaction() as session:
        session.execute(update(Platform).where(Platform.id == here.platforms[0]).values(**values))


def fault(here: Rig, path: str, **rule: Any) -> None:
    body = {"path": path, "kind": "status", "times": None, **rule}
    answer = requests.request("POST", f"{here.lms.url}/_control/faults", json=body)
    assert answer.status_code == 201, answer.text


def tool(here: Rig) -> Any:
    """What the LMS holds of us."""
    return here.lms.app.extensions["demo_lms"].tool_by_client(here.tools[0]["client_id"])


def say(finding: Finding) -> str:
    return f"{finding.message} {finding.fix}"


def test_a_registration_in_order(here: Rig) -> None:
    opened(here)
    found = check(here)
    states = {key: finding.state for key, finding in found.items()}
    # A loopback address is worth a word; everything else is as it should be.
    assert states.pop("our_keys") == "warn"
    assert set(states.values()) == {"good"}, found
    assert re.search("1[45] members", found["roster"].message), "the preview user is a member too"
    assert "12 columns" in found["columns"].message
    with here.db.reading() as session:
        row = session.get_one(Platform, here.platforms[0])
        assert row.checked_at is not None
        assert set(row.scopes_given or []) == set(SCOPES)
        assert {line.key: line for line in selftest.stored(row)} == found
        columns = here.lms.app.extensions["demo_lms"].columns
    assert len([c for c in columns.values() if c.course_id == 3]) == 15, "nothing was made"


def test_before_anybody_came_in(here: Rig) -> None:
    found = check(here)
    assert {key for key, one in found.items() if one.state == "warn"} == {
        "our_keys",
        "launch",
        "roster",
        "columns",
    }
    assert selftest.worst(list(found.values())) == "warn"


def test_it_works_before_the_approval_too(here: Rig) -> None:
    change(here, state="pending")
    found = check(here)
    assert found["approval"].state == "warn"
    assert found["token"].state == "good"
    assert found["roster"].state == "skip"


def test_a_deployment_that_waits_is_named(moodle: Rig) -> None:
    with moodle.db.transaction() as session:
        session.add(
            Deployment(
                platform_id=moodle.platforms[0],
                deployment_id="other",
                state="pending",
                created_at=moodle.clock(),
            )
        )
    found = check(moodle)["deployments"]
    assert (found.state, found.who) == ("warn", "Operator of Tassel")


# --- no token ----------------------------------------------------------------------------------


def test_an_lms_that_cannot_fetch_our_keys(moodle: Rig) -> None:
    """A web page under 404, as real ones answer for a private address or another port."""
    tool(moodle).keyset_url = "http://127.0.0.1:1/lti/jwks"
    found = check(moodle)
    assert found["token"].state == "bad"
    assert "cannot fetch Tassel's keys" in found["token"].message
    assert "HTTP security" in found["token"].fix
    assert found["readers"].state == "warn"
    assert {found[key].state for key in ("scopes", "roster", "columns", "making")} == {"skip"}


def test_an_lms_that_holds_an_older_key_set(here: Rig) -> None:
    assert check(here)["token"].state == "good"
    here.lms.app.extensions["demo_tool_keys"].keep = timedelta(hours=1)
    replace_key(here.db, here.campus.box, "operator:test", here.clock())
    found = check(here)["token"]
    assert found.state == "bad"
    assert "does not find the key" in found.message
    assert "/lti/jwks" in found.fix or "HTTP security" in found.fix


def test_a_tool_that_was_switched_off(here: Rig) -> None:
    opened(here)
    tool(here).active = False
    found = check(here)["token"]
    assert "switched off or removed" in found.message
    assert found.who == "Administrator of the LMS"


def test_a_wrong_client_id(here: Rig) -> None:
    change(here, client_id="somebody-else")
    found = check(here)["token"]
    assert "does not know the client id somebody-else" in found.message


def test_a_wrong_audience(db: Database, tmp_path: Path) -> None:
    with rig(db, str(tmp_path), mode="canvas", learners=12) as canvas:
        change(canvas, token_audience="https://elsewhere.example")
        found = check(canvas)["token"]
    assert "addressed to somebody else" in found.message
    assert found.who == "Operator of Tassel"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "html"}, "web page"),
        ({"kind": "html", "status": 503}, "busy or out of order"),
        ({"status": 429}, "busy or out of order"),
        ({"status": 400, "body": '{"error": "invalid_scope"}'}, "allows it no service"),
        ({"status": 400, "body": '{"error":"A "kid" is not there"}'}, "does not find the key"),
        ({"status": 200, "body": "[]"}, "gave no token (200)"),
        ({"kind": "drop_before"}, "could not be reached"),
    ],
)
def test_other_answers_of_a_token_endpoint(moodle: Rig, rule: Any, words: str) -> None:
    fault(moodle, TOKEN, **rule)
    found = check(moodle)["token"]
    assert found.state == "bad"
    assert words in found.message
    assert found.fix


def test_a_token_address_that_does_not_exist(moodle: Rig) -> None:
    address = moodle.lms.url + "/nothing/here"
    change(moodle, token_url=address)
    found = check(moodle)["token"]
    assert found.state == "bad"
    assert address in found.fix


# --- scopes ------------------------------------------------------------------------------------


def test_what_the_token_gives_is_the_truth(moodle: Rig) -> None:
    """The registration claimed all five; the LMS lets us read only."""
    tool(moodle).scopes = [one for one in SCOPES if one not in (LINE_ITEM_SCOPE, MEMBERS_SCOPE)]
    opened(moodle)
    found = check(moodle)
    assert found["scopes"].state == "warn"
    assert "lineitem, contextmembership.readonly" in found["scopes"].message
    assert found["making"].state == "warn"
    assert found["roster"].state == "bad"
    assert found["columns"].state == "good"
    with moodle.db.reading() as session:
        row = session.get_one(Platform, moodle.platforms[0])
        assert set(row.scopes_granted) == set(SCOPES)
        assert LINE_ITEM_SCOPE not in (row.scopes_given or [])


def test_one_refused_scope_does_not_hide_the_others(moodle: Rig) -> None:
    fault(moodle, TOKEN, status=400, body='{"error": "invalid_scope"}', times=1)
    found = check(moodle)
    assert found["token"].state == "good"
    assert found["scopes"].state == "good"


# --- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [
        (5, "good", "agree"),
        (30, "warn", "30 seconds ahead"),
        (-30, "warn", "30 seconds behind"),
        (240, "bad", "4 minutes ahead"),
        (-240, "bad", "4 minutes behind"),
    ],
)
def test_clocks(moodle: Rig, seconds: int, state: str, words: str) -> None:
    moodle.control("clock_skew", seconds=seconds)
    found = check(moodle)["clock"]
    assert found.state == state
    assert words in found.message.replace("29 sec", "30 sec").replace("31 sec", "30 sec")


def test_a_launch_tells_the_time_too(moodle: Rig) -> None:
    moodle.control("clock_skew", seconds=40)
    opened(moodle)
    moodle.control("clock_skew", seconds=0)
    found = check(moodle)["clock"]
    assert found.state == "warn"
    with moodle.db.reading() as session:
        row = session.get_one(Platform, moodle.platforms[0])
    assert row.launched_at is not None
    assert 35 < float(row.launch_skew or 0) < 41


# --- services ----------------------------------------------------------------------------------


def test_a_roster_that_is_closed(here: Rig) -> None:
    opened(here)
    with here.db.reading() as session:
        services = session.scalars(select(Course.services)).one()
    path = "/" + services["memberships"].split("/", 3)[3].split("?")[0]
    fault(here, path.replace(".", r"\."), status=403)
    found = check(here)
    assert found["roster"].state == "bad"
    assert "(403)" in found["roster"].message
    assert "concluded" in found["roster"].fix
    assert found["columns"].state == "good"


def test_columns_that_cannot_be_read(here: Rig) -> None:
    opened(here)
    with here.db.reading() as session:
        services = session.scalars(select(Course.services)).one()
    path = "/" + services["lineitems"].split("/", 3)[3].split("?")[0]
    fault(here, path.replace(".", r"\."), status=401)
    found = check(here)
    assert found["columns"].state == "bad"
    assert found["roster"].state == "good"


@pytest.mark.parametrize("body", ["<h1>Moved</h1>", "[]", '{"keys": []}'])
def test_a_key_set_of_the_lms_that_is_none(moodle: Rig, body: str) -> None:
    fault(moodle, "certs", status=200, body=body)
    found = check(moodle)["their_keys"]
    assert found.state == "bad"
    assert moodle.tools[0]["jwks_uri"] in found.fix


def test_another_server_at_our_address(moodle: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    other = moodle.campus.settings.model_copy(update={"public_url": moodle.lms.url})
    campus = moodle.campus
    args = (campus.db, campus.http, campus.lti)
    found = selftest.run(*args, other, campus.clock, moodle.platforms[0])
    line = next(one for one in found if one.key == "our_keys")
    assert line.state == "warn"
    assert "does not answer" in line.message


def test_a_test_needs_no_token_that_is_kept_and_keeps_none(moodle: Rig) -> None:
    check(moodle)
    with moodle.db.reading() as session:
        assert session.scalars(select(AccessToken)).all() == []
