"""A badge goes into a wallet over real HTTP, and what must not go does not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import select

from app.db import table_of
from app.demo.stage import free_port
from app.models import Credential, Disclosure, WalletOffer
from app.pipeline import hold, revoke
from app.pipeline.campus import Campus
from app.settings import Settings
from tests.course_seed import enter
from tests.integration.oid4vci_wallet import Ed25519Key, P256Key, Wallet
from tests.integration.wallet_rig import Scene, playing

FORMS = ("ldp_vc", "jwt_vc_json")
KEYS = [Ed25519Key, P256Key]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": f"http://127.0.0.1:{free_port()}"})


@pytest.fixture
def scene(campus: Campus, settings: Settings) -> Iterator[Scene]:
    with playing(campus, settings) as scene:
        yield scene


def refused(answer: requests.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_wallet_takes_a_badge_that_verifies(scene: Scene, form: str, key: type) -> None:
    wallet = scene.holding(key)
    taken = wallet.take(form)
    signed = taken.encode() if isinstance(taken, str) else json.dumps(taken).encode()
    report = scene.verdict(signed)
    assert report.verdict == "valid", report.as_json()
    subject = report.document["credentialSubject"]
    assert subject["id"] == wallet.key.did
    assert "identifier" not in subject
    assert wallet.tell("credential_accepted").status_code == 204
    assert scene.row().outcome == "credential_accepted"


def test_both_formats_are_one_credential_signed_once(scene: Scene) -> None:
    wallet = scene.holding()
    first, token, again = (wallet.take(form) for form in ("ldp_vc", "jwt_vc_json", "ldp_vc"))
    assert first == again
    with scene.made.campus.db.reading() as session:
        query = select(Credential).where(Credential.award_id == scene.award.id)
        one, two = session.scalars(query.order_by(Credential.number)).all()
        assert (json.loads(two.document), two.jwt) == (first, token)
        assert one.id != two.id
        query = select(Disclosure.kind).where(Disclosure.award_id == scene.award.id)
        assert list(session.scalars(query)).count("wallet") == 1
    assert (
        wallet.tell("credential_accepted", "invented").json()["error"] == "invalid_notification_id"
    )
    assert wallet.tell("eaten").json()["error"] == "invalid_notification_request"


def test_the_same_wallet_gets_the_same_bytes_from_a_second_offer(scene: Scene) -> None:
    wallet = scene.holding()
    first = wallet.take("ldp_vc")
    link, digits = scene.offer()
    wallet.open(link).token(digits)
    assert wallet.take("ldp_vc") == first


def test_the_learner_sees_where_it_went(scene: Scene) -> None:
    scene.holding().take("ldp_vc")
    page = scene.browser.get(f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}").text
    assert "Taken into a wallet (OpenID4VCI)" in page


def test_a_wrong_tx_code_is_refused_and_five_close_the_offer(scene: Scene) -> None:
    wallet, digits = scene.wallet()
    wrong = f"{(int(digits) + 1) % 10**6:06d}"
    refused(wallet.ask_token(None), "invalid_request")
    for _ in range(5):
        refused(wallet.ask_token(wrong), "invalid_grant")
    refused(wallet.ask_token(digits), "invalid_grant")
    assert scene.row().state == "locked"


def test_four_mistakes_are_forgiven(scene: Scene) -> None:
    wallet, digits = scene.wallet()
    for _ in range(4):
        refused(wallet.ask_token(f"{(int(digits) + 1) % 10**6:06d}"), "invalid_grant")
    assert wallet.token(digits)


def test_a_code_serves_once_and_its_offer_is_gone(scene: Scene) -> None:
    link, digits = scene.offer()
    wallet = Wallet(Ed25519Key(), 0).open(link)
    wallet.token(digits)
    refused(wallet.ask_token(digits), "invalid_grant")
    with pytest.raises(AssertionError, match="There is no such offer"):
        wallet.open(link)


def test_an_expired_offer_is_refused(scene: Scene) -> None:
    wallet, digits = scene.wallet()
    scene.clock.forward(minutes=15)
    refused(wallet.ask_token(digits), "invalid_grant")


def test_a_withdrawn_offer_is_refused_and_so_is_one_replaced(scene: Scene) -> None:
    replaced, first = scene.wallet()
    wallet, digits = scene.wallet()
    refused(replaced.ask_token(first), "invalid_grant")
    path = f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}/wallet/withdraw"
    assert scene.browser.post(path).status_code == 303
    refused(wallet.ask_token(digits), "invalid_grant")


def test_a_revoked_badge_goes_into_no_wallet(scene: Scene) -> None:
    wallet = scene.holding()
    revoke.revoke(scene.made.campus, scene.award.id, "Given by mistake", "test")
    answer = wallet.ask(wallet.configuration("ldp_vc"), wallet.proof())
    refused(answer, "credential_request_denied")


def test_a_badge_on_hold_goes_into_no_wallet_until_it_is_released(scene: Scene) -> None:
    wallet = scene.holding()
    hold.hold(scene.made.campus, scene.award.id, "Somebody asked", "test")
    refused(wallet.ask(wallet.configuration("ldp_vc"), wallet.proof()), "credential_request_denied")
    hold.release(scene.made.campus, scene.award.id, "test")
    assert wallet.ask(wallet.configuration("ldp_vc"), wallet.proof()).status_code == 200


def test_an_access_token_ends_and_cannot_be_invented(scene: Scene) -> None:
    wallet = scene.holding()
    proof, form = wallet.proof(), wallet.configuration("ldp_vc")
    refused(wallet.ask(form, proof, access="invented"), "invalid_token", 401)
    scene.clock.forward(minutes=10)
    refused(wallet.ask(form, proof), "invalid_token", 401)


PROOFS = {
    "foreign audience": (lambda w: w.proof(aud="https://other.example/issuers/campus"), "proof"),
    "several audiences": (lambda w: w.proof(aud=[w.issuer, "https://other.example"]), "proof"),
    "no audience": (lambda w: w.proof(aud=None), "proof"),
    "invented nonce": (lambda w: w.proof(nonce="invented"), "nonce"),
    "nonce of odd letters": (lambda w: w.proof(nonce="gAAAAÄ"), "nonce"),
    "no nonce": (lambda w: w.proof(nonce=None), "proof"),
    "alg none": (lambda w: w.proof({"alg": "none"}), "proof"),
    "alg HS256": (lambda w: w.proof({"alg": "HS256"}), "proof"),
    "another key than named": (lambda w: w.proof(signer=Ed25519Key()), "proof"),
    "named key of somebody else": (lambda w: w.proof({"kid": Ed25519Key().kid}), "proof"),
    "fragment of another key": (
        lambda w: w.proof({"kid": w.key.did + "#" + Ed25519Key().did[8:]}),
        "proof",
    ),
    "did:web": (lambda w: w.proof({"kid": "did:web:example.org#key"}), "proof"),
    "not a key": (lambda w: w.proof({"kid": "did:key:z6Mk#z6Mk"}), "proof"),
    "key beside the name": (lambda w: w.proof({"jwk": {"kty": "OKP"}}), "proof"),
    "no kid": (lambda w: w.proof({"kid": None}), "proof"),
    "another type": (lambda w: w.proof({"typ": "JWT"}), "proof"),
    "critical extension": (lambda w: w.proof({"crit": ["x"], "x": 1}), "proof"),
    "old": (lambda w: w.proof(iat=w.now - 16 * 60), "proof"),
    "from the future": (lambda w: w.proof(iat=w.now + 3 * 60), "proof"),
    "no time": (lambda w: w.proof(iat=None), "proof"),
    "endless time": (lambda w: w.proof(iat=float("inf")), "proof"),
    "not a token": (lambda w: "nonsense", "proof"),
}


@pytest.mark.parametrize("name", PROOFS)
def test_a_bad_proof_is_refused_and_a_good_one_still_serves(scene: Scene, name: str) -> None:
    wallet = scene.holding()
    make, error = PROOFS[name]
    refused(wallet.ask(wallet.configuration("ldp_vc"), make(wallet)), f"invalid_{error}")
    assert wallet.take("ldp_vc")


def test_a_proof_serves_once(scene: Scene) -> None:
    wallet = scene.holding()
    proof, form = wallet.proof(), wallet.configuration("ldp_vc")
    assert wallet.ask(form, proof).status_code == 200
    refused(wallet.ask(form, proof), "invalid_nonce")


def test_a_nonce_ends(scene: Scene) -> None:
    wallet = scene.holding()
    proof = wallet.proof()
    scene.clock.forward(minutes=5, seconds=1)
    refused(wallet.ask(wallet.configuration("ldp_vc"), proof), "invalid_nonce")


def test_one_offer_serves_one_key(scene: Scene) -> None:
    wallet = scene.holding()
    wallet.take("ldp_vc")
    wallet.key = Ed25519Key()
    answer = wallet.ask(wallet.configuration("jwt_vc_json"), wallet.proof())
    refused(answer, "credential_request_denied")


def test_odd_requests_get_the_words_of_the_specification(scene: Scene) -> None:
    wallet = scene.holding()
    refused(wallet.ask("other", wallet.proof()), "unknown_credential_configuration")
    send = {"headers": {"Authorization": f"Bearer {wallet.access}"}, "timeout": 10}
    where = wallet.metadata["credential_endpoint"]
    refused(requests.post(where, data="[]", **send), "invalid_credential_request")
    body = {"credential_configuration_id": wallet.configuration("ldp_vc")}
    refused(requests.post(where, json=body, **send), "invalid_proof")
    refused(requests.post(where, json=body, timeout=10), "invalid_token", 401)
    other = requests.post(wallet.server["token_endpoint"], data={"grant_type": "x"}, timeout=10)
    refused(other, "unsupported_grant_type")
    gone = requests.get(scene.url + "/.well-known/openid-credential-issuer/campus", timeout=10)
    assert gone.status_code == 404


def test_nothing_of_the_secrets_or_the_learner_stands_where_it_must_not(scene: Scene) -> None:
    link, digits = scene.offer()
    wallet = Wallet(Ed25519Key(), int(scene.clock().timestamp())).open(link)
    access = wallet.token(digits)
    reference = link.rpartition("%2F")[2]
    with scene.made.campus.db.reading() as session:
        kept = str(session.execute(select(table_of(WalletOffer))).all())
    assert not [secret for secret in (reference, wallet.code, access) if secret in kept]
    assert scene.award.person_id not in link
    assert scene.award.learner_id not in link
    assert "@" not in json.dumps([wallet.offer, wallet.metadata["display"]])


def test_another_learner_cannot_offer_it(scene: Scene) -> None:
    other = next(p for p in scene.made.learners if p != scene.award.person_id)
    enter(scene.browser, scene.made, other, "learner")
    path = f"/courses/{scene.made.course_id}/me/badges/{scene.award.id}/wallet"
    assert scene.browser.post(path).status_code == 404
    assert scene.row() is None
