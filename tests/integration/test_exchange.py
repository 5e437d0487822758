"""The Learner Credential Wallet's way: a link, a proof of its key, the badge. And what must not pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select

from app.db import table_of
from app.demo.stage import free_port
from app.models import Award, Credential, WalletOffer
from app.pipeline import hold, personal, revoke
from app.pipeline.campus import Campus
from app.settings import Settings
from tests.course_seed import enter
from tests.integration.oid4vci_wallet import Ed25519Key
from tests.integration.vcapi_wallet import OLD, RDFC, SUITES, ExchangeWallet
from tests.integration.wallet_rig import Scene, playing

NAME = 'Data "literacy" & more &quot;'


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": f"http://127.0.0.1:{free_port()}"})


@pytest.fixture
def scene(campus: Campus, settings: Settings) -> Iterator[Scene]:
    with playing(campus, settings, NAME) as scene:
        yield scene


def opened(scene: Scene, key: Ed25519Key | None = None) -> ExchangeWallet:
    """A wallet that has just read the link on the learner's page."""
    return ExchangeWallet(scene.exchange(), scene.clock(), key)


def begun(scene: Scene) -> ExchangeWallet:
    """One that speaks the whole protocol."""
    wallet = opened(scene)
    wallet.begin()
    return wallet


def refused(answer: requests.Response, error: str = "invalid_proof", status: int = 400) -> None:
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text


def gone(answer: requests.Response) -> None:
    refused(answer, "invalid_request", 404)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("ready", [opened, begun])
def test_a_wallet_takes_a_badge_that_verifies(scene: Scene, suite: str, ready: object) -> None:
    wallet = ready(scene)
    taken = wallet.take(suite)
    report = scene.verdict(json.dumps(taken).encode())
    assert report.verdict == "valid", report.as_json()
    assert taken["credentialSubject"]["id"] == wallet.key.did
    assert "identifier" not in taken["credentialSubject"]
    assert taken["credentialSubject"]["achievement"]["name"] == NAME
    assert scene.row().state == "claimed"


def test_the_award_keeps_the_wallet_and_the_learner_sees_it(scene: Scene) -> None:
    wallet = opened(scene)
    taken = wallet.take(OLD)
    with scene.made.campus.db.reading() as session:
        assert session.get_one(Award, scene.award.id).subject_id == wallet.key.did
        newest = select(Credential).order_by(Credential.number.desc())
        kept = session.scalars(newest.where(Credential.award_id == scene.award.id)).first()
    assert json.loads(kept.document) == taken
    page = scene.browser.get(f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}").text
    assert "Taken into a wallet (VC-API)" in page
    assert "made out to a wallet" in page


def test_an_empty_message_is_answered_and_changes_nothing(scene: Scene) -> None:
    wallet = opened(scene)
    requests_made = [wallet.begin(body) for body in (b"", b"{}", b" \n")]
    assert requests_made[0] == requests_made[1] == requests_made[2]
    assert wallet.domain == scene.url
    assert wallet.take()


def test_what_is_for_another_exchange_or_place_is_refused_and_the_right_one_still_serves(
    scene: Scene,
) -> None:
    old = begun(scene)
    replayed = old.prove()
    scene.clock.forward(seconds=1)
    wallet = begun(scene)
    other = Ed25519Key()
    refused(wallet.send(replayed))
    for suite in SUITES:
        refused(wallet.send(wallet.prove(suite, options=lambda p: p.update(domain="https://e.x"))))
        refused(wallet.send(wallet.prove(suite, options=lambda p: p.pop("domain"))))
        purpose = wallet.prove(suite, options=lambda p: p.update(proofPurpose="assertionMethod"))
        refused(wallet.send(purpose))
        refused(wallet.send(wallet.prove(suite, signer=other)))
        refused(wallet.send(wallet.prove(suite, after=lambda m: m.update(holder=other.did))))
        refused(wallet.send(wallet.prove(suite, options=lambda p: p.update(challenge="x"))))
    assert scene.row().state == "open"
    assert wallet.take()


def test_a_proof_that_waited_too_long_is_refused(scene: Scene) -> None:
    wallet = opened(scene)
    late = wallet.prove(options=lambda p: p.update(created="2020-01-01T00:00:00Z"))
    refused(wallet.send(late))
    ended = wallet.prove(options=lambda p: p.update(expires="2020-01-01T00:00:00Z"))
    refused(wallet.send(ended))


def test_it_serves_once(scene: Scene) -> None:
    wallet = begun(scene)
    proof = wallet.prove()
    assert wallet.send(proof).status_code == 200
    gone(wallet.send(proof))
    gone(wallet.post(b"{}"))
    wallet.key = Ed25519Key()
    gone(wallet.send(wallet.prove()))


def test_of_many_at_once_one_gets_it(scene: Scene) -> None:
    link, now = scene.exchange(), scene.clock()
    wallets = [ExchangeWallet(link, now) for _ in range(4)]
    proofs = [wallet.prove() for wallet in wallets]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda pair: pair[0].send(pair[1]), zip(wallets, proofs, strict=True))
        )
    assert sorted(a.status_code for a in answers).count(200) == 1, [a.text for a in answers]
    with scene.made.campus.db.reading() as session:
        query = select(Credential.id).where(Credential.award_id == scene.award.id)
        assert len(session.scalars(query).all()) == 2


def test_the_same_wallet_gets_the_same_badge_again(scene: Scene) -> None:
    wallet = opened(scene)
    first = wallet.take()
    again = opened(scene, wallet.key)
    assert again.take(OLD) == first


def test_an_exchange_ends_by_itself_by_a_new_offer_and_by_hand(scene: Scene) -> None:
    late = opened(scene)
    scene.clock.forward(minutes=10)
    gone(late.post(b"{}"))
    gone(late.send(late.prove()))
    replaced = opened(scene)
    open_now = opened(scene)
    gone(replaced.post(b"{}"))
    scene.offer()
    gone(open_now.post(b"{}"))
    last = opened(scene)
    path = f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}/wallet/withdraw"
    assert scene.browser.post(path).status_code == 303
    gone(last.send(last.prove()))


def test_the_two_doors_do_not_open_each_other(scene: Scene) -> None:
    link, _ = scene.offer()
    reference = link.rpartition("%2F")[2]
    base = f"{scene.url}/issuers/campus/wallet"
    issuer = parse_qs(urlsplit(link).query)["credential_offer_uri"][0].split("/wallet/")[0]
    base = f"{issuer}/wallet"
    gone(requests.post(f"{base}/exchanges/{reference}", timeout=10))
    wallet = opened(scene)
    reference = wallet.url.rpartition("/")[2]
    gone(requests.get(f"{base}/offers/{reference}", timeout=10))
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:pre-authorized_code",
        "pre-authorized_code": wallet.challenge,
        "tx_code": "000000",
    }
    refused(requests.post(f"{base}/token", data=form, timeout=10), "invalid_grant")
    assert wallet.take()


def test_a_badge_that_does_not_stand_goes_nowhere(scene: Scene) -> None:
    wallet = opened(scene)
    hold.hold(scene.made.campus, scene.award.id, "Somebody asked", "test")
    refused(wallet.send(wallet.prove()), "credential_request_denied")
    hold.release(scene.made.campus, scene.award.id, "test")
    stranger = ExchangeWallet(scene.exchange(), scene.clock())
    revoke.revoke(scene.made.campus, scene.award.id, "Given by mistake", "test")
    refused(stranger.send(stranger.prove()), "credential_request_denied")


def test_odd_messages_are_told_what_is_wrong(scene: Scene) -> None:
    wallet = opened(scene)
    for odd in (b"[]", b"7", b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":"\\ud800"}', b'{"a":NaN}'):
        refused(wallet.post(odd), "invalid_request")
    refused(wallet.post({"verifiablePresentation": "x"}), "invalid_request")
    refused(wallet.post({"verifiablePresentation": {}}))
    refused(wallet.post(b'{"a":' * 3000 + b"1" + b"}" * 3000), "invalid_request")
    refused(wallet.post(b" " * 20_001), "invalid_request", 413)
    chunked = wallet.http.post(wallet.url, data=iter([b"x" * 9000] * 4), timeout=10)
    assert chunked.status_code in (400, 413)
    gone(requests.post(wallet.url + "x", timeout=10))
    gone(requests.post(wallet.url.replace("/issuers/", "/issuers/no-"), timeout=10))
    assert wallet.take(RDFC)


def test_nothing_of_the_secrets_or_the_learner_stands_where_it_must_not(scene: Scene) -> None:
    link = scene.exchange()
    wallet = ExchangeWallet(link, scene.clock())
    reference = wallet.url.rpartition("/")[2]
    with scene.made.campus.db.reading() as session:
        kept = str(session.execute(select(table_of(WalletOffer))).all())
    assert len(reference) >= 32
    assert not [secret for secret in (reference, wallet.challenge) if secret in kept]
    assert not [
        i for i in (scene.award.person_id, scene.award.learner_id, scene.award.id) if i in link
    ]
    assert "@" not in link


def test_the_learner_gets_a_copy_of_what_is_held_about_it(scene: Scene) -> None:
    """The export of a person holds offers and exchanges, without what opens them."""
    scene.offer()
    wallet = opened(scene)
    wallet.take()
    with scene.made.campus.db.reading() as session:
        rows = personal.held(session, scene.award.person_id)["wallet_offer"]
    assert sorted((row["door"], row["state"]) for row in rows) == [
        ("openid4vci", "revoked"),
        ("vc-api", "claimed"),
    ]
    assert wallet.key.did in {row["holder"] for row in rows}
    assert not any({"tx_code", "code_hash", "reference_hash"} & row.keys() for row in rows)


def test_another_learner_cannot_offer_it(scene: Scene) -> None:
    other = next(p for p in scene.made.learners if p != scene.award.person_id)
    enter(scene.browser, scene.made, other, "learner")
    path = f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}/wallet/exchange"
    assert scene.browser.post(path).status_code == 404
    assert scene.row() is None
