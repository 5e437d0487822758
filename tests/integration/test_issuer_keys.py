"""Keys of issuers: three kinds each, rotation with overlap, retired ones stay listed."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app import audit
from app.credentials import issuers
from app.credentials.keys import KeyKind
from app.errors import Conflict, Invalid, NotFound
from app.models import IssuerKey
from app.pipeline import issuer_keys
from app.pipeline.campus import Campus
from tests.integration.issuer_rig import Stranger, badged, credentials, issuer, keys
from tests.integration.trip import Trip

KINDS = {kind.value for kind in KeyKind}


@pytest.fixture
def trip(campus: Campus) -> Trip:
    return badged(campus)


def sign_one_more(trip: Trip, name: str) -> None:
    trip.learner(name)
    trip.book.grades["quiz", name] = trip.book.maximum["quiz"]
    trip.collect()
    trip.sign()


def test_every_issuer_has_the_three_kinds_in_both_lists(
    campus: Campus, client: FlaskClient
) -> None:
    issuer_keys.default_issuer(campus)
    issuer_keys.found_department(campus, "cs", "Computer Science", "test")
    methods: set[str] = set()
    for slug in ("campus", "cs"):
        stranger = Stranger(client, slug)
        document = stranger.json(f"/issuers/{slug}/did.json")
        jwks = stranger.json(f"/issuers/{slug}/jwks.json")
        ids = [method["id"] for method in document["verificationMethod"]]
        assert document["assertionMethod"] == ids == [jwk["kid"] for jwk in jwks["keys"]]
        assert sorted(jwk["alg"] for jwk in jwks["keys"]) == ["ES256", "EdDSA", "RS256"]
        assert all(one.startswith(f"did:web:127.0.0.1%3A8080:issuers:{slug}#") for one in ids)
        assert not methods & set(ids)
        methods |= set(ids)


@pytest.mark.parametrize(
    ("slug", "name"), [("CS", "Computer Science"), ("a b", "Two"), ("-x", "Dash"), ("cs", "")]
)
def test_a_department_needs_a_usable_name(campus: Campus, slug: str, name: str) -> None:
    with pytest.raises(Invalid):
        issuer_keys.found_department(campus, slug, name, "test")


def test_a_name_is_taken_once(campus: Campus) -> None:
    issuer_keys.found_department(campus, "cs", "Computer Science", "test")
    with pytest.raises(Invalid) as caught:
        issuer_keys.found_department(campus, "cs", "Other", "test")
    assert "slug" in caught.value.fields


def test_an_issuer_of_an_earlier_version_gets_the_missing_kind(campus: Campus) -> None:
    issuer_keys.default_issuer(campus)
    with campus.db.transaction() as session:
        for row in keys(campus, KeyKind.P256):
            session.delete(session.get_one(IssuerKey, row.id))
    assert issuer_keys.complete(campus) == 1
    assert len(keys(campus, KeyKind.P256)) == 1
    assert issuer_keys.complete(campus) == 0


@pytest.mark.parametrize("kind", [KeyKind.ED25519, KeyKind.RSA_2048])
def test_a_rotated_key_signs_after_the_overlap_and_old_badges_hold(
    trip: Trip, client: FlaskClient, kind: KeyKind
) -> None:
    stranger = Stranger(client)
    (old,) = keys(trip.campus, kind)
    made = issuer_keys.rotate(trip.campus, issuer(trip.campus).id, kind, "test")
    assert {old.fragment, made.fragment} <= stranger.listed, "listed before it signs"
    sign_one_more(trip, "early")
    used = {c.embedded_key for c in credentials(trip.campus)}
    used |= {c.token_key for c in credentials(trip.campus)}
    assert made.fragment not in used, "nobody has read the new key yet"

    trip.clock.forward(seconds=issuers.OVERLAP.total_seconds() + 1)
    sign_one_more(trip, "late")
    signed = credentials(trip.campus)
    by_new = [c for c in signed if made.fragment in (c.embedded_key, c.token_key)]
    by_old = [c for c in signed if old.fragment in (c.embedded_key, c.token_key)]
    assert (len(by_new), len(by_old)) == (1, 4)
    assert {stranger.judge(c) for c in signed} == {"valid"}
    assert {old.fragment, made.fragment} <= stranger.listed


def test_a_second_rotation_waits_for_the_first(trip: Trip) -> None:
    here = issuer(trip.campus).id
    issuer_keys.rotate(trip.campus, here, KeyKind.P256, "test")
    with pytest.raises(Conflict) as caught:
        issuer_keys.rotate(trip.campus, here, KeyKind.P256, "test")
    assert "signs from" in caught.value.message
    trip.clock.forward(hours=2)
    issuer_keys.rotate(trip.campus, here, KeyKind.P256, "test")
    states = [row.state for row in keys(trip.campus, KeyKind.P256)]
    assert states == ["retired", "retired", "active"]
    with trip.db.reading() as session:
        assert audit.broken_at(session) is None


def test_a_retired_key_signs_nothing_more(trip: Trip) -> None:
    here = issuer(trip.campus).id
    issuer_keys.rotate(trip.campus, here, KeyKind.ED25519, "test")
    (old, new) = keys(trip.campus, KeyKind.ED25519)
    begins = new.signs_from
    with trip.db.reading() as session:
        before = issuers.key_row(session, here, KeyKind.ED25519, trip.clock())
        after = issuers.key_row(session, here, KeyKind.ED25519, begins)
    assert (before.id, after.id) == (old.id, new.id)


def test_an_unknown_issuer_has_no_key_to_rotate(campus: Campus) -> None:
    with pytest.raises(NotFound):
        issuer_keys.rotate(campus, "nobody", KeyKind.P256, "test")
