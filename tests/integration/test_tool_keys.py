"""The keys that LMSs know us by: published first, then signing, listed for a while, destroyed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import delete, select

from app.db import Database
from app.demo.lms.tokens import ToolKeys
from app.errors import UpstreamError
from app.lti.keys import (
    LISTED_AFTER,
    LISTED_BEFORE,
    KeyCache,
    advance_keys,
    last_fetch,
    replace_key,
    rotate_key,
    signing_key,
)
from app.models import AccessToken, AuditEntry, ToolKey
from tests.integration.lti_rig import Rig, rig

YEAR = 365


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), mode="moodle", learners=12) as made:
        yield made


def later(here: Rig, by: timedelta) -> None:
    here.clock.ahead += by
    here.control("clock_skew", seconds=here.clock.ahead.total_seconds())


def sweep(here: Rig) -> None:
    advance_keys(here.db, here.campus.box, YEAR, here.clock())


def states(here: Rig) -> dict[str, str]:
    with here.db.reading() as session:
        rows = session.scalars(select(ToolKey).order_by(ToolKey.created_at))
        return {row.kid: row.state for row in rows}


def listed(here: Rig) -> set[str]:
    url = here.campus.settings.public_url + "/lti/jwks"
    return {key["kid"] for key in requests.request("GET", url).json()["keys"]}


def lms_keys(here: Rig) -> ToolKeys:
    """The part of the LMS that keeps our key set."""
    found: ToolKeys = here.lms.app.extensions["demo_tool_keys"]
    return found


def reads_columns(here: Rig) -> bool:
    """Through a fresh token, so that the LMS has to check a signature of ours."""
    with here.db.transaction() as session:
        session.execute(delete(AccessToken))
    url = here.launch().lineitems_url
    return bool(here.campus.lti.line_items(here.platforms[0], str(url)))


def test_services_never_fail_through_a_rotation(here: Rig) -> None:
    """Against an LMS that keeps our key set for its hour and looks for no new kid in between."""
    assert reads_columns(here)
    lms_keys(here).keep = timedelta(hours=1)
    old = rotate_key(here.db, here.campus.box, "operator:test", here.clock())
    first = next(kid for kid, state in states(here).items() if state == "active")
    assert old.kid != first
    assert listed(here) == {first, old.kid}
    for minutes in (0, 59, 59):
        later(here, timedelta(minutes=minutes))
        sweep(here)
        assert reads_columns(here), "the old key signs until every LMS had time to fetch"
    later(here, timedelta(minutes=3))
    assert reads_columns(here), "the new key signs by the clock, before any sweep"
    sweep(here)
    assert states(here) == {first: "retired", old.kid: "active"}
    assert listed(here) == {first, old.kid}
    later(here, LISTED_AFTER)
    sweep(here)
    assert states(here)[first] == "dropped"
    assert listed(here) == {old.kid}
    assert reads_columns(here)


def test_a_key_that_was_not_published_first_is_refused_by_a_careful_lms(here: Rig) -> None:
    """The control for the test above: this is what the overlap prevents."""
    assert reads_columns(here)
    lms_keys(here).keep = timedelta(hours=1)
    replace_key(here.db, here.campus.box, "operator:test", here.clock())
    with pytest.raises(UpstreamError):
        reads_columns(here)


def test_the_private_half_goes_when_it_signs_no_more(here: Rig) -> None:
    made = rotate_key(here.db, here.campus.box, "operator:test", here.clock())
    later(here, LISTED_BEFORE)
    sweep(here)
    with here.db.reading() as session:
        rows = {row.kid: row for row in session.scalars(select(ToolKey))}
    assert [row.sealed for row in rows.values() if row.state == "retired"] == [""]
    assert rows[made.kid].sealed
    actions = [f"tool-key.{word}" for word in ("published", "retired", "active")]
    with here.db.reading() as session:
        seen = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert [action for action in seen if action.startswith("tool-key.")] == actions


def test_a_leaked_key_is_out_at_once(here: Rig) -> None:
    rotate_key(here.db, here.campus.box, "operator:test", here.clock())
    before = set(states(here))
    made = replace_key(here.db, here.campus.box, "operator:test", here.clock())
    assert listed(here) == {made.kid}
    assert made.kid not in before
    with here.db.reading() as session:
        assert set(session.scalars(select(ToolKey.sealed).where(ToolKey.kid.in_(before)))) == {""}
    assert reads_columns(here), "an LMS that looks for a new kid goes on at once"


def test_rotating_twice_makes_one_next_key(here: Rig) -> None:
    box = here.campus.box
    assert (
        rotate_key(here.db, box, "operator:test", here.clock()).kid
        == rotate_key(here.db, box, "operator:test", here.clock()).kid
    )


def test_an_old_key_is_followed_by_another(here: Rig) -> None:
    sweep(here)
    assert list(states(here).values()) == ["active"]
    later(here, timedelta(days=YEAR))
    sweep(here)
    assert sorted(states(here).values()) == ["active", "next"]
    advance_keys(here.db, here.campus.box, 0, here.clock())
    assert len(states(here)) == 2


def test_signing_needs_no_worker(here: Rig) -> None:
    made = rotate_key(here.db, here.campus.box, "operator:test", here.clock())
    at = here.clock() + LISTED_BEFORE
    assert signing_key(here.db, here.campus.box, KeyCache(), at).kid == made.kid


def test_our_key_set_can_be_kept_and_asked_for_again(here: Rig) -> None:
    url = here.campus.settings.public_url + "/lti/jwks"
    with requests.Session() as session:
        first = session.get(url)
        assert "max-age=3600" in first.headers["Cache-Control"]
        again = session.get(url, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        rotate_key(here.db, here.campus.box, "operator:test", here.clock())
        changed = session.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_who_read_our_keys_last_is_known(here: Rig) -> None:
    url = here.campus.settings.public_url + "/lti/jwks"
    with requests.Session() as session:
        session.get(url, headers={"User-Agent": "Tassel/9"})
        assert last_fetch(here.db) is None
        session.get(url, headers={"User-Agent": "An LMS\t" + "x" * 300})
        seen = last_fetch(here.db)
        assert seen
        assert seen[0] == ("An LMS" + "x" * 300)[:100]
        session.get(url, headers={"User-Agent": "Another"})
        assert last_fetch(here.db) == seen, "at most one line a minute"
        here.clock.ahead += timedelta(minutes=2)
        session.get(url, headers={"User-Agent": "Another"})
    after = last_fetch(here.db)
    assert after
    assert after[0] == "Another"
