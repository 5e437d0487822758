"""An award on hold: our pages say so and hand out nothing; the status list does not move."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.credentials import shares
from app.errors import Conflict, Invalid, NotFound
from app.models import AuditEntry, StatusList
from app.pipeline.campus import Campus
from app.pipeline.hold import hold, release
from app.pipeline.revoke import revoke
from app.web.tokens import mint
from tests.integration.issuer_rig import Stranger, awards, badged, credentials
from tests.integration.trip import Trip
from tests.operator_seed import enter

WHY = "Somebody else may have sat the exam."


@pytest.fixture
def trip(campus: Campus) -> Trip:
    return badged(campus, learners=1)


@pytest.fixture
def award_id(trip: Trip) -> str:
    return awards(trip.campus)[0].id


@pytest.fixture
def token(trip: Trip, award_id: str) -> str:
    with trip.db.transaction() as session:
        return shares.share(session, award_id, False, trip.clock())


def test_pages_and_files_for_strangers(
    trip: Trip, client: FlaskClient, award_id: str, token: str
) -> None:
    hold(trip.campus, award_id, WHY, "operator:test")
    page = client.get(f"/b/{token}").get_data(as_text=True)
    assert "On hold" in page
    assert "Verified just now" not in page
    assert "exam" not in page
    files = [f"/b/{token}/credential.{form}" for form in ("json", "jwt", "png")]
    assert {client.get(path).status_code for path in files} == {409}
    asked = client.get(f"/b/{token}", headers={"Accept": "application/json"})
    assert asked.status_code == 409
    release(trip.campus, award_id, "operator:test")
    assert "Verified just now" in client.get(f"/b/{token}").get_data(as_text=True)
    assert {client.get(path).status_code for path in files} == {200}


def test_the_api_says_so(trip: Trip, client: FlaskClient, award_id: str) -> None:
    with trip.db.transaction() as session:
        secret = mint(
            session, "test", ["awards:read", "credentials:read"], None, "test", trip.clock()
        )
    headers = {"Authorization": f"Bearer {secret}"}
    path = f"/api/v1/awards/{award_id}"
    assert client.get(path, headers=headers).json["held_at"] is None
    hold(trip.campus, award_id, WHY, "operator:test")
    found = client.get(path, headers=headers).json
    assert found["held_at"] is not None
    assert found["state"] == "issued"
    assert client.get(f"{path}/credential.json", headers=headers).status_code == 409


def test_nothing_of_it_is_on_the_wire(trip: Trip, client: FlaskClient, award_id: str) -> None:
    with trip.db.reading() as session:
        before = session.scalars(select(StatusList.signed)).one()
    hold(trip.campus, award_id, WHY, "operator:test")
    with trip.db.reading() as session:
        assert session.scalars(select(StatusList.signed)).one() == before
    assert Stranger(client).judge(credentials(trip.campus)[0]) == "valid"


def test_what_cannot_be_held(trip: Trip, award_id: str) -> None:
    with pytest.raises(Invalid):
        hold(trip.campus, award_id, " ", "operator:test")
    with pytest.raises(NotFound):
        hold(trip.campus, "nobody", WHY, "operator:test")
    with pytest.raises(Conflict):
        release(trip.campus, award_id, "operator:test")
    hold(trip.campus, award_id, WHY, "operator:test")
    with pytest.raises(Conflict):
        hold(trip.campus, award_id, WHY, "operator:test")
    release(trip.campus, award_id, "operator:test")
    revoke(trip.campus, award_id, "By mistake.", "operator:test")
    with pytest.raises(Conflict):
        hold(trip.campus, award_id, WHY, "operator:test")
    with trip.db.reading() as session:
        actions = list(session.scalars(select(AuditEntry.action)))
    assert (actions.count("award.held"), actions.count("award.released")) == (1, 1)


def test_revoked_while_on_hold_it_is_revoked(
    trip: Trip, client: FlaskClient, award_id: str, token: str
) -> None:
    hold(trip.campus, award_id, WHY, "operator:test")
    revoke(trip.campus, award_id, "It was so.", "operator:test")
    assert "taken this badge back" in client.get(f"/b/{token}").get_data(as_text=True)


def test_the_operators_pages(trip: Trip, client: FlaskClient, app, award_id: str) -> None:
    enter(client, app.extensions["tassel"])
    path = f"/operator/awards/{award_id}"
    assert "Put this award on hold?" in client.get(f"{path}/hold").get_data(as_text=True)
    assert client.post(f"{path}/hold", data={"reason": ""}).status_code == 422
    assert client.post(f"{path}/hold", data={"reason": WHY}).status_code == 303
    assert WHY in client.get(path).get_data(as_text=True)
    assert client.post(f"{path}/release").status_code == 303
    assert WHY not in client.get(path).get_data(as_text=True)
    assert client.post(f"{path}/release").status_code == 409
