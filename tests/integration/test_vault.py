"""Keys that a vault keeps: signatures hold, faults are said clearly, what waits is signed later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.credentials import issuers, vault
from app.credentials.keys import KeyKind
from app.db import Database
from app.errors import ConfigurationError, UpstreamError
from app.main import create_app, create_campus
from app.models import StatusList
from app.pipeline import award, compromised, lists, revoke
from app.pipeline.campus import Campus
from app.settings import Settings, load
from tests.integration.issuer_rig import Stranger, awards, badged, credentials, issuer, keys
from tests.integration.trip import Trip
from tests.integration.vault_rig import TOKEN, FakeVault


@pytest.fixture
def fake() -> Iterator[FakeVault]:
    made = FakeVault()
    yield made
    made.close()


@pytest.fixture
def kept(settings: Settings, db: Database, fake: FakeVault) -> Iterator[Campus]:
    changed = {"vault_url": fake.url, "vault_token": TOKEN, "allowed_origins": (fake.url,)}
    made = create_campus(settings.model_copy(update=changed))
    yield made
    made.http.close()
    made.db.close()


@pytest.fixture
def trip(kept: Campus) -> Trip:
    return badged(kept)


def stranger(campus: Campus) -> Stranger:
    return Stranger(create_app(campus.settings, campus).test_client())


def run_lists(campus: Campus) -> None:
    for batch in lists.claim(campus):
        lists.run(campus, batch.ids)


def one_more(trip: Trip) -> None:
    trip.learner("late")
    trip.book.grades["quiz", "late"] = trip.book.maximum["quiz"]
    trip.collect()


@pytest.mark.parametrize("kind", list(KeyKind))
def test_each_kind_is_made_there_and_signs(kept: Campus, fake: FakeVault, kind: KeyKind) -> None:
    made = kept.keyring.make("cs", kind)
    assert (made.keeper, made.sealed, made.public.kind) == ("vault", "", kind)
    assert made.remote in fake.keys
    signer = vault.Vault(kept.http, f"{fake.url}/v1/transit", TOKEN, "").signer(
        made.remote, made.public
    )
    assert made.public.verifies(signer.sign(b"data"), b"data")


def test_badges_and_revocations_hold_without_a_private_key_here(trip: Trip) -> None:
    world = stranger(trip.campus)
    assert {world.judge(c) for c in credentials(trip.campus)} == {"valid"}
    assert {row.sealed for kind in KeyKind for row in keys(trip.campus, kind)} == {""}
    gone = awards(trip.campus)[0].id
    revoke.revoke(trip.campus, gone, "By mistake", "test")
    run_lists(trip.campus)
    assert [world.judge(c) for c in credentials(trip.campus)].count("revoked") == 1


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [("sealed", 503, "Unseal"), ("forbidden", 403, "TASSEL_VAULT_TOKEN"), ("slow", None, "")],
)
def test_a_fault_is_said_clearly_and_nothing_is_lost(
    trip: Trip,
    fake: FakeVault,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    status: int | None,
    words: str,
) -> None:
    monkeypatch.setattr(vault, "TIMEOUT", (1.0, 0.5))
    one_more(trip)
    fake.fault = fault
    (batch,) = award.claim(trip.campus)
    with pytest.raises(UpstreamError) as caught:
        award.run(trip.campus, batch.ids)
    assert caught.value.status == status
    assert not caught.value.permanent
    assert words in caught.value.fix
    (key,) = keys(trip.campus, KeyKind.ED25519)
    assert (key.problem or {})["message"] == caught.value.message
    assert TOKEN not in str(caught.value.__dict__)
    assert len(credentials(trip.campus)) == 3
    assert award.claim(trip.campus) == [], "it rests for a while"

    fake.fault = ""
    trip.clock.forward(minutes=6)
    assert trip.sign() == 1
    assert len(credentials(trip.campus)) == 4
    (key,) = keys(trip.campus, KeyKind.ED25519)
    assert key.problem is None


def test_what_was_signed_before_the_fault_is_kept(trip: Trip, fake: FakeVault) -> None:
    for name in ("x", "y", "z"):
        trip.learner(name)
        trip.book.grades["quiz", name] = trip.book.maximum["quiz"]
    trip.collect()
    fake.stop_after = fake.signed + 4
    (batch,) = award.claim(trip.campus)
    with pytest.raises(UpstreamError):
        award.run(trip.campus, batch.ids)
    assert len(credentials(trip.campus)) == 5
    fake.stop_after = -1
    trip.clock.forward(minutes=6)
    trip.sign()
    assert len(credentials(trip.campus)) == 6


def test_a_signature_by_another_key_is_not_kept(trip: Trip, fake: FakeVault) -> None:
    one_more(trip)
    fake.fault = "stranger"
    (batch,) = award.claim(trip.campus)
    with pytest.raises(UpstreamError) as caught:
        award.run(trip.campus, batch.ids)
    assert caught.value.code == "vault-odd-answer"
    assert len(credentials(trip.campus)) == 3


def test_a_revocation_waits_for_a_sealed_vault(trip: Trip, fake: FakeVault) -> None:
    fake.fault = "sealed"
    revoke.revoke(trip.campus, awards(trip.campus)[0].id, "By mistake", "test")
    (batch,) = lists.claim(trip.campus)
    with pytest.raises(UpstreamError):
        lists.run(trip.campus, batch.ids)
    fake.fault = ""
    trip.clock.forward(minutes=2)
    run_lists(trip.campus)
    world = stranger(trip.campus)
    assert [world.judge(c) for c in credentials(trip.campus)].count("revoked") == 1
    assert lists.claim(trip.campus) == []


def test_the_drill_works_with_a_vault(trip: Trip) -> None:
    (key,) = keys(trip.campus, KeyKind.ED25519)
    compromised.run(trip.campus, key.fragment, "test")
    run_lists(trip.campus)
    world = stranger(trip.campus)
    assert [world.judge(c) for c in credentials(trip.campus)] == ["unlisted", "valid"] * 3
    with trip.db.reading() as session:
        assert {one.signed_revision for one in session.query(StatusList)} != {-1}


def test_without_its_settings_such_a_key_says_so(trip: Trip, campus: Campus) -> None:
    with campus.db.reading() as session, pytest.raises(ConfigurationError) as caught:
        issuers.signing_key(
            session, campus.keyring, issuer(campus).id, KeyKind.ED25519, trip.clock()
        )
    assert "vault" in caught.value.problems[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"TASSEL_VAULT_URL": "https://vault.example.edu"},
        {"TASSEL_VAULT_URL": "http://vault.example.edu", "TASSEL_VAULT_TOKEN": "t"},
        {"TASSEL_VAULT_URL": "vault", "TASSEL_VAULT_TOKEN": "t"},
    ],
)
def test_half_a_setting_does_not_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        load(wrong)
