"""A wallet's proof of its key: good ones of both kinds pass, one fault each is refused and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.wallet.did_auth import Asked, prove
from app.wallet.errors import WalletRefused
from app.wallet.exchanges import presentation
from tests.integration.oid4vci_wallet import Ed25519Key, P256Key
from tests.integration.vcapi_wallet import OLD, RDFC, SIGNATURE_2020, SUITES, ExchangeWallet

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
LINK = (
    "https://lcw.app/request.html?issuer=did:web:x.example&auth_type=bearer&challenge=c0ffee"
    "&vc_request_url=https%3A%2F%2Fx.example%2Fwallet"
)
ASKED = Asked("c0ffee", "https://x.example", domain_said=True)


@pytest.fixture
def wallet() -> ExchangeWallet:
    made = ExchangeWallet(LINK, NOW)
    made.domain = ASKED.domain
    return made


@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_names_the_holder(wallet: ExchangeWallet, suite: str) -> None:
    assert prove(wallet.prove(suite), ASKED, NOW) == wallet.key.did


@pytest.mark.parametrize("suite", SUITES)
def test_what_wallets_may_add_is_signed_too(wallet: ExchangeWallet, suite: str) -> None:
    def more(document: dict[str, Any]) -> None:
        document["id"] = "urn:uuid:1f6bd5d7-5d4e-4c8e-9d2e-0d3a5a1a6f11"
        document["type"] = "VerifiablePresentation"

    proof = wallet.prove(suite, document=more, options=lambda p: p.update(expires=at(5)))
    assert prove(proof, ASKED, NOW) == wallet.key.did
    for changed in (
        {**proof, "id": "urn:uuid:other"},
        {k: v for k, v in proof.items() if k != "id"},
    ):
        with pytest.raises(WalletRefused, match="signature"):
            prove(changed, ASKED, NOW)


def test_by_the_link_alone_no_domain_is_known(wallet: ExchangeWallet) -> None:
    wallet.domain = None
    bare = wallet.prove(OLD)
    assert prove(bare, Asked("c0ffee", "https://x.example", domain_said=False), NOW)
    with pytest.raises(WalletRefused, match="names no domain"):
        prove(bare, ASKED, NOW)


def at(minutes: float) -> str:
    return f"{NOW + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def says(**members: Any) -> Callable[[dict[str, Any]], None]:
    """Members of the proof that are signed as they are."""
    return lambda proof: proof.update(members)


OTHER = Ed25519Key()
SIGNED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another challenge": (says(challenge="deadbeef"), "another challenge"),
    "challenge in other letters": (says(challenge="C0FFEE"), "another challenge"),
    "foreign domain": (says(domain="https://evil.example"), "another domain"),
    "our domain with a path": (says(domain="https://x.example/"), "another domain"),
    "a statement": (says(proofPurpose="assertionMethod"), "another purpose"),
    "old": (says(created=at(-16)), "just now"),
    "from the future": (says(created=at(3)), "just now"),
    "no zone": (says(created="2026-11-27T09:00:00"), "just now"),
    "over": (says(expires=at(-3)), "over"),
    "end of time": (says(expires="0001-01-01T00:00:00Z"), "over"),
    "another's key named": (says(verificationMethod=OTHER.kid), "holder's key"),
    "key without fragment": (says(verificationMethod=OTHER.did), "holder's key"),
}


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("suite", SUITES)
def test_a_proof_for_something_else_is_refused(
    wallet: ExchangeWallet, suite: str, name: str
) -> None:
    change, why = SIGNED[name]
    with pytest.raises(WalletRefused, match=why):
        prove(wallet.prove(suite, options=change), ASKED, NOW)


def without(member: str) -> Callable[[dict[str, Any]], Any]:
    return lambda made: made.pop(member)


def in_proof(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda made: change(made["proof"])


CREDENTIAL = {"type": ["VerifiableCredential"]}
AFTER: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another holder": (lambda m: m.update(holder=OTHER.did), "holder's key"),
    "another holder and key": (
        lambda m: (m.update(holder=OTHER.did), m["proof"].update(verificationMethod=OTHER.kid)),
        "signature",
    ),
    "no holder": (without("holder"), "did:key"),
    "holder as object": (lambda m: m.update(holder={"id": m["holder"]}), "did:key"),
    "P-256 holder": (lambda m: m.update(holder=P256Key().did), "did:key"),
    "holder with more": (lambda m: m.update(holder=m["holder"] + "> <x"), "did:key"),
    "a name more": (lambda m: m.update(name="x"), "and proof only"),
    "credentials": (lambda m: m.update(verifiableCredential=[CREDENTIAL]), "and proof only"),
    "not a presentation": (lambda m: m.update(type=["VerifiableCredential"]), "not a Verif"),
    "two types": (lambda m: m["type"].append("X"), "not a Verif"),
    "type of another type": (lambda m: m.update(type=7), "not a Verif"),
    "unknown context": (lambda m: m["@context"].append("https://evil.example"), "not known"),
    "context written in": (lambda m: m["@context"].append({"holder": "x"}), "not known"),
    "no context": (without("@context"), "not known"),
    "empty context": (lambda m: m.update({"@context": []}), "first context"),
    "context twice": (lambda m: m["@context"].append(m["@context"][0]), "first context"),
    "both versions": (
        lambda m: m["@context"].append("https://www.w3.org/2018/credentials/v1"),
        "first context",
    ),
    "wrong order": (lambda m: m.update({"@context": [SIGNATURE_2020]}), "first context"),
    "id that is no address": (lambda m: m.update(id="x y"), "no complete address"),
    "id that breaks out": (lambda m: m.update(id="urn:x:> <urn:y"), "no complete address"),
    "id of another type": (lambda m: m.update(id=["urn:x:y"]), "no complete address"),
    "no proof": (without("proof"), "exactly one proof"),
    "empty proofs": (lambda m: m.update(proof=[]), "exactly one proof"),
    "two proofs": (lambda m: m.update(proof=[m["proof"], m["proof"]]), "exactly one proof"),
    "proof is text": (lambda m: m.update(proof="z"), "exactly one proof"),
    "no challenge": (in_proof(without("challenge")), "members"),
    "a member more": (in_proof(lambda p: p.update(nonce="x")), "members"),
    "challenges in a list": (in_proof(lambda p: p.update(challenge=[p["challenge"]])), "not text"),
    "domains in a list": (in_proof(lambda p: p.update(domain=[p["domain"]])), "not text"),
    "another suite": (in_proof(lambda p: p.update(type="JsonWebSignature2020")), "one of"),
    "suite of the other kind": (
        in_proof(lambda p: p.update(cryptosuite="eddsa-jcs-2022")),
        "one of",
    ),
    "garbled value": (in_proof(lambda p: p.update(proofValue=p["proofValue"][:-1])), "signature"),
    "value in hex": (in_proof(lambda p: p.update(proofValue="f00")), "base58"),
    "endless value": (in_proof(lambda p: p.update(proofValue="z" + "2" * 9000)), "base58"),
    "created after signing": (in_proof(lambda p: p.update(created=at(1))), "signature"),
    "end put off": (in_proof(lambda p: p.update(expires=at(9))), "signature"),
}


@pytest.mark.parametrize("name", AFTER)
@pytest.mark.parametrize("suite", SUITES)
def test_a_changed_presentation_is_refused(wallet: ExchangeWallet, suite: str, name: str) -> None:
    change, why = AFTER[name]
    with pytest.raises(WalletRefused, match=why):
        prove(wallet.prove(suite, after=change), ASKED, NOW)


@pytest.mark.parametrize("suite", SUITES)
def test_a_signature_of_another_key_is_refused(wallet: ExchangeWallet, suite: str) -> None:
    with pytest.raises(WalletRefused, match="signature"):
        prove(wallet.prove(suite, signer=OTHER), ASKED, NOW)


def test_the_older_kind_needs_its_context(wallet: ExchangeWallet) -> None:
    proof = wallet.prove(OLD, after=lambda made: made["@context"].remove(SIGNATURE_2020))
    with pytest.raises(WalletRefused, match="context that defines"):
        prove(proof, ASKED, NOW)


def test_the_newer_kind_needs_a_context_that_has_it(wallet: ExchangeWallet) -> None:
    old = ["https://www.w3.org/2018/credentials/v1"]
    proof = wallet.prove(RDFC, after=lambda made: made.update({"@context": old}))
    with pytest.raises(WalletRefused, match="context that defines"):
        prove(proof, ASKED, NOW)


def test_the_answer_survives_a_wallet_that_reads_it_as_html() -> None:
    signed = rb'{"name":"a &quot; \\& b &copy","proof":{}}'
    made = presentation(signed)
    assert b"&" not in made
    assert ExchangeWallet.read(Answer(made)) == {"name": "a &quot; \\& b &copy", "proof": {}}


class Answer:
    """As much of an answer as the wallet reads."""

    status_code = 200

    def __init__(self, content: bytes) -> None:
        self.text = content.decode()
