"""A credential that takes another one's place: the award and its date stay, the old bit is set."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import jobs
from app.credentials import shares
from app.errors import Conflict, Invalid, NotFound
from app.models import AuditEntry, Award, Credential, Delivery, Person, SpentEntry
from app.pipeline import award as signing
from app.pipeline import outbox
from app.pipeline.campus import Campus
from app.pipeline.revoke import revoke
from app.pipeline.supersede import supersede, supersede_in
from tests.integration.issuer_rig import Stranger, awards, badged, credentials
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus) -> Trip:
    return badged(campus, learners=3)


def only(trip: Trip) -> Award:
    return awards(trip.campus)[0]


def of(trip: Trip, award_id: str) -> list[Credential]:
    return [one for one in credentials(trip.campus) if one.award_id == award_id]


def body(credential: Credential) -> dict:
    return json.loads(credential.document)


def test_the_new_one_counts_and_the_old_one_is_revoked(trip: Trip, client: FlaskClient) -> None:
    before = only(trip)
    trip.clock.forward(days=40)
    made = supersede(trip.campus, before.id, "recipient", "operator:test")
    old, new = of(trip, before.id)
    assert (new.id, new.number) == (made, 2)
    stranger = Stranger(client)
    assert (stranger.judge(old), stranger.judge(new)) == ("revoked", "valid")
    assert body(old)["id"] != body(new)["id"]
    assert body(old)["validFrom"] == body(new)["validFrom"]
    assert body(new)["proof"]["created"] > body(old)["proof"]["created"]
    after = next(one for one in awards(trip.campus) if one.id == before.id)
    assert (after.state, after.awarded_at, after.revoked_at) == ("issued", before.awarded_at, None)
    others = [one for one in credentials(trip.campus) if one.award_id != before.id]
    assert {stranger.judge(one) for one in others} == {"valid"}


def test_old_and_new_cannot_be_linked_by_the_hash_of_the_address(trip: Trip) -> None:
    award_id = only(trip).id
    supersede(trip.campus, award_id, "regrade", "operator:test")
    old, new = (body(one)["credentialSubject"]["identifier"][0] for one in of(trip, award_id))
    assert old["salt"] != new["salt"]
    assert old["identityHash"] != new["identityHash"]


def test_a_new_address_stands_in_the_new_one(trip: Trip) -> None:
    found = only(trip)
    with trip.db.transaction() as session:
        session.get_one(Person, found.person_id).email = "new@example.edu"
    supersede(trip.campus, found.id, "recipient", "operator:test")
    said = body(of(trip, found.id)[1])["credentialSubject"]["identifier"][0]
    wanted = hashlib.sha256(f"new@example.edu{said['salt']}".encode()).hexdigest()
    assert said["identityHash"] == f"sha256${wanted}"


def test_a_wallet_is_bound(trip: Trip) -> None:
    award_id = only(trip).id
    did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    supersede(trip.campus, award_id, "wallet", "learner:test", subject_id=did)
    old, new = of(trip, award_id)
    assert body(old)["credentialSubject"]["id"].startswith("urn:uuid:")
    assert body(new)["credentialSubject"]["id"] == did


def test_asked_many_times_at_once_it_is_replaced_once(trip: Trip) -> None:
    award_id = only(trip).id
    present = of(trip, award_id)[0].id
    gate = threading.Barrier(6)
    found: list[str] = []

    def ask() -> None:
        gate.wait()
        found.append(
            supersede(trip.campus, award_id, "endorsement", "operator:test", replaces=present)
        )

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.number for one in of(trip, award_id)] == [1, 2]
    assert found == [of(trip, award_id)[1].id] * 6
    with trip.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(SpentEntry)) == 1


def test_again_without_a_name_replaces_the_replacement(trip: Trip, client: FlaskClient) -> None:
    award_id = only(trip).id
    for _ in range(3):
        supersede(trip.campus, award_id, "endorsement", "operator:test")
    stranger = Stranger(client)
    assert [stranger.judge(one) for one in of(trip, award_id)] == ["revoked"] * 3 + ["valid"]


def test_who_dies_before_signing_leaves_work_that_is_done_once(
    trip: Trip, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    award_id = only(trip).id

    def die(_campus: Campus, _ids: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(signing, "run", die)
        with pytest.raises(KeyboardInterrupt):
            supersede(trip.campus, award_id, "regrade", "operator:test")
    assert [one.number for one in of(trip, award_id)] == [1]
    trip.clock.forward(minutes=6)
    jobs.run_until_idle(trip.campus, ["sign"])
    jobs.run_until_idle(trip.campus, ["sign"])
    stranger = Stranger(client)
    assert [stranger.judge(one) for one in of(trip, award_id)] == ["revoked", "valid"]


def test_many_in_one_transaction_are_signed_by_the_worker(trip: Trip, client: FlaskClient) -> None:
    with trip.db.transaction() as session:
        rows = session.scalars(select(Award).order_by(Award.id).with_for_update()).all()
        ask = partial(supersede_in, trip.campus, session, rows, "key-compromised", "operator:test")
        assert len(ask(trip.clock())) == 3
        assert ask(trip.clock()) == []
    stranger = Stranger(client)
    assert {stranger.judge(one) for one in credentials(trip.campus)} == {"revoked"}
    jobs.run_until_idle(trip.campus, ["sign"])
    verdicts = [(one.number, stranger.judge(one)) for one in credentials(trip.campus)]
    assert sorted(verdicts) == [(1, "revoked")] * 3 + [(2, "valid")] * 3


@pytest.mark.parametrize(("reason", "error"), [("because", Invalid), ("", Invalid)])
def test_unknown_reasons(trip: Trip, reason: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        supersede(trip.campus, only(trip).id, reason, "operator:test")
    assert len(of(trip, only(trip).id)) == 1


def test_what_cannot_be_replaced(trip: Trip) -> None:
    first, second, third = awards(trip.campus)
    with pytest.raises(NotFound):
        supersede(trip.campus, "nobody", "regrade", "operator:test")
    foreign = of(trip, second.id)[0].id
    with pytest.raises(NotFound):
        supersede(trip.campus, first.id, "regrade", "operator:test", replaces=foreign)
    revoke(trip.campus, second.id, "By mistake.", "operator:test")
    with pytest.raises(Conflict):
        supersede(trip.campus, second.id, "regrade", "operator:test")
    with trip.db.transaction() as session:
        session.get_one(Person, third.person_id).email = None
    with pytest.raises(Conflict, match="address"):
        supersede(trip.campus, third.id, "regrade", "operator:test")
    assert all(len(of(trip, one.id)) == 1 for one in (first, second, third))


def test_revoked_after_a_replacement_both_are_refused(trip: Trip, client: FlaskClient) -> None:
    award_id = only(trip).id
    supersede(trip.campus, award_id, "regrade", "operator:test")
    revoke(trip.campus, award_id, "By mistake.", "operator:test")
    stranger = Stranger(client)
    assert {stranger.judge(one) for one in of(trip, award_id)} == {"revoked"}


def test_the_learner_is_told_of_each_replacement_once(trip: Trip) -> None:
    with trip.db.transaction() as session:
        outbox.ensure_mail(session, True, trip.clock())
    award_id = only(trip).id
    supersede(trip.campus, award_id, "regrade", "operator:test")
    signing.run(trip.campus, [award_id])
    supersede(trip.campus, award_id, "regrade", "operator:test")
    with trip.db.reading() as session:
        told = session.scalars(select(Delivery.operation).where(Delivery.award_id == award_id))
        assert sorted(told) == ["replace-2", "replace-3"]
        noted = select(func.count()).where(AuditEntry.action == "credential.replaced")
        assert session.scalar(noted) == 2


def test_pages_lead_from_the_old_file_to_the_new(trip: Trip, client: FlaskClient) -> None:
    award_id = only(trip).id
    with trip.db.transaction() as session:
        token = shares.share(session, award_id, False, trip.clock())
    assert client.get(f"/b/{token}/earlier/1").status_code == 404
    made = supersede(trip.campus, award_id, "endorsement", "operator:test")
    page = client.get(f"/b/{token}").get_data(as_text=True)
    assert "Verified just now" in page
    assert f"/b/{token}/earlier/1" in page
    assert client.get(f"/b/{token}/credential.json").json["id"] == f"urn:uuid:{made}"
    old = client.get(f"/b/{token}/earlier/1").get_data(as_text=True)
    assert "Somebody endorsed the badge" in old
    assert f'href="/b/{token}"' in old
    assert client.get(f"/b/{token}/earlier/2").status_code == 404


def test_while_it_is_signed_again_the_page_does_not_cry_revoked(
    trip: Trip, client: FlaskClient
) -> None:
    found = only(trip)
    with trip.db.transaction() as session:
        token = shares.share(session, found.id, False, trip.clock())
        row = session.get_one(Award, found.id)
        supersede_in(trip.campus, session, [row], "regrade", "operator:test", trip.clock())
    page = client.get(f"/b/{token}").get_data(as_text=True)
    assert "Being signed again" in page
    assert "Verified just now" not in page
    assert "taken this badge back" not in page
