"""A badge that a wallet took stays that wallet's, whatever makes a new credential necessary."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jwt
import pytest
from alembic import command
from sqlalchemy import select, text

from app import schema
from app.credentials import files
from app.demo.stage import free_port
from app.models import Award, Credential, IssuerKey, Person
from app.pipeline import award as signing
from app.pipeline import compromised, revoke
from app.pipeline.campus import Campus
from app.pipeline.supersede import supersede
from app.settings import Settings
from tests.integration.oid4vci_wallet import Ed25519Key, P256Key, Wallet
from tests.integration.vcapi_wallet import ExchangeWallet
from tests.integration.wallet_rig import Scene, playing


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": f"http://127.0.0.1:{free_port()}"})


@pytest.fixture
def scene(campus: Campus, settings: Settings) -> Iterator[Scene]:
    with playing(campus, settings) as scene:
        yield scene


def taken(scene: Scene, key: type = Ed25519Key) -> tuple[Wallet, dict]:
    wallet = scene.holding(key)
    return wallet, wallet.take("ldp_vc")


def current(scene: Scene) -> Credential:
    with scene.made.campus.db.reading() as session:
        return files.current(session, scene.award.id)


BEHIND = "Your wallet still holds the old one"


def page(scene: Scene) -> str:
    return scene.browser.get(f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}").text


def verdict(scene: Scene, document: dict) -> str:
    return scene.verdict(json.dumps(document).encode()).verdict


@pytest.mark.parametrize("key", [Ed25519Key, P256Key])
def test_a_replacement_is_made_out_to_the_same_wallet(scene: Scene, key: type) -> None:
    wallet, first = taken(scene, key)
    supersede(scene.made.campus, scene.award.id, "regrade", "test")
    after = current(scene)
    said = json.loads(after.document)
    assert said["id"] != first["id"]
    assert said["credentialSubject"]["id"] == wallet.key.did
    assert "identifier" not in said["credentialSubject"]
    assert jwt.get_unverified_header(after.jwt)["alg"] == "ES256"
    assert (verdict(scene, first), verdict(scene, said)) == ("invalid", "valid")
    assert BEHIND in page(scene)
    link, digits = scene.offer()
    wallet.open(link).token(digits)
    assert (wallet.take("ldp_vc"), wallet.take("jwt_vc_json")) == (said, after.jwt)
    assert BEHIND not in page(scene), "it has the new one"


def test_the_new_one_is_offered_by_the_way_the_wallet_came(scene: Scene) -> None:
    ExchangeWallet(scene.exchange(), scene.clock()).take()
    assert BEHIND not in page(scene)
    supersede(scene.made.campus, scene.award.id, "regrade", "test")
    notice = page(scene).partition(BEHIND)[2].partition("</form>")[0]
    assert f"/me/badges/{scene.award.id}/wallet/exchange" in notice


ENDED = {
    "revoked": ("revoked_at", "revoked"),
    "on hold": ("held_at", "issued"),
    "ended": ("expires_at", "issued"),
    "stands in": ("", "superseded"),
}


@pytest.mark.parametrize("words", ENDED)
def test_what_ended_goes_into_no_wallet(scene: Scene, words: str) -> None:
    """Neither by a new offer nor by one that was open when it ended; the page says why."""
    waiting = scene.holding()
    column, state = ENDED[words]
    campus = scene.made.campus
    with campus.db.transaction() as session:
        row = session.get_one(Award, scene.award.id)
        row.state = state
        if column:
            setattr(row, column, scene.clock())
    answer = waiting.ask(waiting.configuration("ldp_vc"), waiting.proof())
    assert (answer.status_code, answer.json()["error"]) == (400, "credential_request_denied")
    assert words in answer.json()["error_description"]
    path = f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}/wallet"
    for way in (path, f"{path}/exchange"):
        refused = scene.browser.post(way)
        assert refused.status_code == (404 if state == "superseded" else 409), refused.text
        assert state == "superseded" or words in refused.text
    shown = scene.browser.get(path.removesuffix("/wallet"))
    assert f'action="{path}"' not in shown.text


def test_the_drill_for_a_stolen_key_keeps_it(scene: Scene) -> None:
    wallet, first = taken(scene)
    campus = scene.made.campus
    with campus.db.reading() as session:
        query = select(IssuerKey.fragment).where(IssuerKey.fragment == current(scene).embedded_key)
        stolen = session.scalars(query).one()
    compromised.run(campus, stolen, "test")
    after = current(scene)
    said = json.loads(after.document)
    assert after.embedded_key != stolen
    assert said["credentialSubject"]["id"] == wallet.key.did
    assert verdict(scene, said) == "valid"
    assert verdict(scene, first) == "invalid"


def test_no_address_is_needed_for_what_a_wallet_holds(scene: Scene) -> None:
    wallet, _ = taken(scene)
    campus = scene.made.campus
    with campus.db.transaction() as session:
        session.get_one(Person, scene.award.person_id).email = None
    supersede(campus, scene.award.id, "endorsement", "test")
    for batch in signing.claim(campus):
        signing.run(campus, batch.ids)
    said = json.loads(current(scene).document)
    assert said["credentialSubject"]["id"] == wallet.key.did
    assert verdict(scene, said) == "valid"


def test_the_file_from_before_and_the_wallets_copy_stand_and_fall_together(scene: Scene) -> None:
    file = json.loads(current(scene).document)
    _, copy = taken(scene)
    assert (verdict(scene, file), verdict(scene, copy)) == ("valid", "valid")
    revoke.revoke(scene.made.campus, scene.award.id, "Given by mistake", "test")
    assert (verdict(scene, file), verdict(scene, copy)) == ("invalid", "invalid")


def test_the_wallet_that_took_it_last_is_the_one(scene: Scene) -> None:
    _, by_first = taken(scene)
    second = ExchangeWallet(scene.exchange(), scene.clock())
    by_second = second.take()
    assert (verdict(scene, by_first), verdict(scene, by_second)) == ("valid", "valid")
    supersede(scene.made.campus, scene.award.id, "regrade", "test")
    assert json.loads(current(scene).document)["credentialSubject"]["id"] == second.key.did
    assert [verdict(scene, one) for one in (by_first, by_second)] == ["invalid", "invalid"]


def test_what_wallets_took_before_awards_knew_of_it_is_found_by_the_migration(
    scene: Scene, database_url: str
) -> None:
    wallet, _ = taken(scene)
    config = schema.config(database_url)
    command.stamp(config, "head")
    command.downgrade(config, "0190")
    with scene.made.campus.db.engine.connect() as line:
        before = line.execute(text("SELECT id, subject_id FROM award")).all()
    assert not [row for row in before if row.subject_id.startswith("did:")]
    command.upgrade(config, "head")
    with scene.made.campus.db.reading() as session:
        awards = session.scalars(select(Award)).all()
        bound = {one.id: one.subject_id for one in awards if one.in_wallet}
    assert len(awards) > 1
    assert bound == {scene.award.id: wallet.key.did}


def test_what_was_replaced_while_it_was_signed_is_not_handed_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.pipeline import exchange, hand_over

    signed = hand_over.sign_for

    def slow(*args: object) -> object:
        made = signed(*args)
        supersede(scene.made.campus, scene.award.id, "regrade", "test")
        monkeypatch.undo()
        return made

    monkeypatch.setattr(exchange.hand_over, "sign_for", slow)
    wallet = ExchangeWallet(scene.exchange(), scene.clock())
    answer = wallet.send(wallet.prove())
    assert (answer.status_code, answer.json()["error"]) == (400, "credential_request_denied")
    got = wallet.take()
    assert verdict(scene, got) == "valid"
