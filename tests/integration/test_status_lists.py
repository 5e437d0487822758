"""Status lists: random entries, a new list when one is full, old ones served, copies kept by caches."""

from __future__ import annotations

import json
import threading

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.credentials import issuers, status
from app.models import Award, Issuer, StatusList
from app.pipeline import revoke
from app.pipeline.campus import Campus
from app.pipeline.supersede import supersede
from tests.integration.issuer_rig import Stranger, awards, badged, credentials
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> Trip:
    """Seven badges over lists that are full with three."""
    monkeypatch.setattr(status, "COMFORTABLE", 3)
    return badged(campus, learners=7)


def lists(trip: Trip) -> list[StatusList]:
    with trip.db.reading() as session:
        return list(session.scalars(select(StatusList).order_by(StatusList.number)))


def test_a_full_list_is_followed_by_another_and_stays_served(
    trip: Trip, client: FlaskClient
) -> None:
    assert [(one.number, one.used) for one in lists(trip)] == [(1, 3), (2, 3), (3, 1)]
    stranger = Stranger(client)
    assert {stranger.judge(one) for one in credentials(trip.campus)} == {"valid"}
    first = next(a for a in awards(trip.campus) if a.status_list_id == lists(trip)[0].id)
    revoke.revoke(trip.campus, first.id, "By mistake.", "operator:test")
    verdicts = {one.award_id: stranger.judge(one) for one in credentials(trip.campus)}
    assert [one for one, verdict in verdicts.items() if verdict == "revoked"] == [first.id]


def test_a_replacement_may_stand_in_another_list(trip: Trip, client: FlaskClient) -> None:
    first = next(a for a in awards(trip.campus) if a.status_list_id == lists(trip)[0].id)
    supersede(trip.campus, first.id, "regrade", "operator:test")
    stranger = Stranger(client)
    old, new = (one for one in credentials(trip.campus) if one.award_id == first.id)
    places = [
        json.loads(c.document)["credentialStatus"]["statusListCredential"] for c in (old, new)
    ]
    assert [place.rpartition("/")[2] for place in places] == ["1", "3"]
    assert (stranger.judge(old), stranger.judge(new)) == ("revoked", "valid")


def test_entries_say_nothing_about_the_order(trip: Trip) -> None:
    entries = [award.status_index for award in awards(trip.campus)]
    assert len(set(entries)) == 7
    assert max(entries) - min(entries) > 7
    assert all(0 <= entry < status.SIZE for entry in entries)


def test_caches_keep_a_list_until_it_changes(trip: Trip, client: FlaskClient) -> None:
    paths = [f"/issuers/campus/status/{number}" for number in (1, 2)]
    tags = [client.get(path).headers["ETag"] for path in paths]
    answer = client.get(paths[0])
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.json["credentialSubject"]["ttl"] == 300_000
    listed = lists(trip)[0].id
    changed = next(a for a in awards(trip.campus) if a.status_list_id == listed)
    revoke.revoke(trip.campus, changed.id, "By mistake.", "operator:test")
    answers = [
        client.get(path, headers={"If-None-Match": tag})
        for path, tag in zip(paths, tags, strict=True)
    ]
    assert [one.status_code for one in answers] == [200, 304]


def test_two_workers_who_find_a_list_full_begin_one(campus: Campus, monkeypatch) -> None:
    monkeypatch.setattr(status, "COMFORTABLE", 2)
    trip = badged(campus, learners=2)
    ids = [award.id for award in awards(trip.campus)]
    with trip.db.transaction() as session:
        for award in session.scalars(select(Award)):
            award.status_list_id = award.status_index = None
    problems: list[Exception] = []

    def draw(award_id: str, begun: threading.Event, go: threading.Event) -> None:
        try:
            with trip.db.transaction() as session:
                award = session.get_one(Award, award_id, with_for_update=True)
                issuer = session.scalars(select(Issuer)).one()
                begun.set()
                issuers.reserve_status(session, issuer, [award])
                go.wait(1)
        except Exception as problem:
            problems.append(problem)

    gate, never = threading.Event(), threading.Event()
    first = threading.Thread(target=draw, args=(ids[0], gate, never))
    first.start()
    gate.wait(10)
    second = threading.Thread(target=draw, args=(ids[1], threading.Event(), gate))
    second.start()
    first.join()
    second.join()
    assert problems == []
    assert [(one.number, one.used) for one in lists(trip)] == [(1, 2), (2, 2)]
