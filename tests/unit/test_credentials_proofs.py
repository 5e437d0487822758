"""Both proof formats: what is signed verifies, and nothing else does."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.credentials import keys
from app.credentials.proofs import FORMATS, ProofError, ProofFormat, data_integrity, vc_jwt
from app.errors import Invalid
from tests.interop.samples import ACHIEVEMENT, AWARDED, Campus

Change = Callable[[dict[str, Any]], object]

CAMPUS = Campus()
BADGE = CAMPUS.badge()
KEYS = {key.kind: key for key in (CAMPUS.ed25519, CAMPUS.rsa, CAMPUS.p256)}
SIGNED = {name: CAMPUS.sign(BADGE, name) for name in FORMATS}

every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))


def public(form: ProofFormat) -> keys.PublicKey:
    return KEYS[form.key_kind].public


@every_format
def test_what_was_signed_verifies_and_comes_back(form: ProofFormat) -> None:
    assert form.verify(SIGNED[form.name], public(form)) == BADGE
    assert form.verify(SIGNED[form.name], public(form), fast=True) == BADGE


@every_format
def test_signed_bytes_are_ascii(form: ProofFormat) -> None:
    assert SIGNED[form.name].isascii()


@every_format
def test_the_key_of_somebody_else_is_refused(form: ProofFormat) -> None:
    other = keys.generate(form.key_kind).public
    with pytest.raises(ProofError):
        form.verify(SIGNED[form.name], other)


@every_format
def test_a_key_of_the_wrong_kind_does_not_sign(form: ProofFormat) -> None:
    wrong = CAMPUS.rsa if form.key_kind is keys.KeyKind.ED25519 else CAMPUS.ed25519
    with pytest.raises(Invalid, match="needs an"):
        form.sign(BADGE, wrong, AWARDED, True)


@every_format
@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"a.b", b"a.b.c", b"{", b"....", b"\xff\xfe"])
def test_junk_is_refused(form: ProofFormat, junk: bytes) -> None:
    with pytest.raises(ProofError):
        form.verify(junk, public(form))


@settings(deadline=None)
@given(data=st.data())
def test_a_flipped_bit_never_verifies(data: st.DataObject) -> None:
    """Except where JSON itself reads the two spellings as the same document."""
    name = data.draw(st.sampled_from(sorted(FORMATS)))
    signed = bytearray(SIGNED[name])
    signed[data.draw(st.integers(0, len(signed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    key = KEYS[FORMATS[name].key_kind].public
    try:
        FORMATS[name].verify(bytes(signed), key, fast=True)
    except ProofError:
        return
    assert name == data_integrity.CRYPTOSUITE
    assert json.loads(signed) == json.loads(SIGNED[name])


@settings(deadline=None)
@given(
    text=st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), min_size=1).filter(
        lambda text: bool(text.strip())
    )
)
def test_any_printable_text_signs_and_verifies(text: str) -> None:
    achievement = dataclasses.replace(ACHIEVEMENT, name=text, criteria_narrative=text)
    badge = CAMPUS.badge(achievement=achievement)
    for name in (data_integrity.CRYPTOSUITE, "vc-jwt-es256"):
        form = FORMATS[name]
        assert form.verify(CAMPUS.sign(badge, name), public(form)) == badge


def test_the_slow_way_signs_the_same() -> None:
    """Ed25519 is deterministic, so both ways to the canonical text give the same bytes."""
    slow = data_integrity.sign(BADGE, CAMPUS.ed25519, now=AWARDED, fast=False)
    assert slow == SIGNED["eddsa-rdfc-2022"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("proof"),
        lambda d: d.update(proof=[d["proof"]]),
        lambda d: d["proof"].update(cryptosuite="eddsa-jcs-2022"),
        lambda d: d["proof"].update(proofPurpose="authentication"),
        lambda d: d["proof"].update(created="2026-09-01T08:30:01Z"),
        lambda d: d["proof"].update(created='x" .\n'),
        lambda d: d["proof"].update(verificationMethod="did:web:evil.example#key"),
        lambda d: d["proof"].update(proofValue="u" + d["proof"]["proofValue"][1:]),
        lambda d: d["proof"].update(proofValue="z0OIl"),
        lambda d: d["proof"].update(proofValue=3),
        lambda d: d["proof"].update(domain="x.example"),
        lambda d: d["issuer"].update(id="did:web:evil.example"),
        lambda d: d.pop("issuer"),
        lambda d: d.update({"@context": []}),
        lambda d: d["@context"].append("https://elsewhere.example/v1"),
        lambda d: d["@context"].append({"name": "https://schema.org/description"}),
        lambda d: d["image"].update(capzion=d["image"].pop("caption")),
        lambda d: d["image"].update(type="Picture"),
        lambda d: d["image"].update(targetName="misplaced"),
        lambda d: d["image"].update(id="@id"),
        lambda d: d["image"].update(id=""),
        lambda d: d["image"].update(id=None),
        lambda d: d.update(name={"@list": ["x"]}),
        lambda d: d.update(name={"@context": {"y": "urn:y"}}),
        lambda d: d["image"].update(capzion="beside it"),
        lambda d: d.update(validUntil="2099-01-01T00:00:00Z"),
        lambda d: d["credentialStatus"].update(statusListIndex="1"),
        lambda d: d["credentialSubject"].update(type=[{"@value": "AchievementSubject"}]),
    ],
)
def test_a_changed_document_is_refused(change: Change) -> None:
    document = json.loads(SIGNED["eddsa-rdfc-2022"])
    change(document)
    with pytest.raises(ProofError):
        data_integrity.verify(json.dumps(document).encode(), CAMPUS.ed25519.public)


@pytest.mark.parametrize("depth", [5, 39, 800, 90_000, 100_000])
def test_a_deeply_nested_document_is_refused_calmly(depth: int) -> None:
    nested = b'{"evidence":' * depth + b"1" + b"}" * depth
    document = json.loads(SIGNED["eddsa-rdfc-2022"])
    text = json.dumps({**document, "evidence": "HERE"}).encode().replace(b'"HERE"', nested)
    for fast in (True, False):
        with pytest.raises(ProofError):
            data_integrity.verify(text, CAMPUS.ed25519.public, fast=fast)


def test_the_token_has_the_header_and_claims_of_the_text() -> None:
    token = SIGNED["vc-jwt-rs256"].decode()
    assert jwt.get_unverified_header(token) == {
        "alg": "RS256",
        "typ": "JWT",
        "kid": f"{CAMPUS.did}#{CAMPUS.rsa.fragment}",
    }
    private = CAMPUS.rsa.private
    assert isinstance(private, RSAPrivateKey)
    claims = jwt.decode(token, private.public_key(), algorithms=["RS256"])
    assert claims["iss"] == BADGE["issuer"]["id"]
    assert claims["sub"] == BADGE["credentialSubject"]["id"]
    assert claims["jti"] == BADGE["id"]
    assert claims["nbf"] == AWARDED.timestamp()
    assert "exp" not in claims
    assert "vc" not in claims


def test_a_badge_that_ends_has_an_expiry() -> None:
    badge = CAMPUS.badge(valid_until=AWARDED + timedelta(days=365))
    assert vc_jwt.claims(badge)["exp"] == (AWARDED + timedelta(days=365)).timestamp()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("id"),
        lambda d: d.pop("validFrom"),
        lambda d: d.update(validFrom="2026-09-01T08:30:00"),
        lambda d: d["credentialSubject"].pop("id"),
        lambda d: d.update(proof={}),
        lambda d: d.pop("issuer"),
    ],
)
def test_a_token_needs_what_its_claims_repeat(change: Change) -> None:
    badge = CAMPUS.badge()
    change(badge)
    with pytest.raises(Invalid):
        vc_jwt.sign(badge, CAMPUS.p256)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "vc+jwt"}, {}),
        ({"jku": "https://evil.example"}, {}),
        ({"alg": "none"}, {}),
        ({"kid": "did:web:evil.example#key"}, {}),
        ({}, {"iss": "did:web:evil.example"}),
        ({}, {"sub": "urn:uuid:other"}),
        ({}, {"nbf": 0}),
        ({}, {"exp": 4_000_000_000}),
    ],
)
def test_a_token_by_the_right_key_with_wrong_contents_is_refused(
    header: dict[str, str], claims: dict[str, Any]
) -> None:
    good = [json.loads(_unpad(part)) for part in SIGNED["vc-jwt-es256"].split(b".")[:2]]
    parts = [{**good[0], **header}, {**good[1], **claims}]
    signing_input = b".".join(_pad(json.dumps(part).encode()) for part in parts)
    token = signing_input + b"." + _pad(CAMPUS.p256.sign(signing_input))
    with pytest.raises(ProofError):
        vc_jwt.verify(token, CAMPUS.p256.public)


def test_the_same_token_in_another_spelling_is_refused() -> None:
    """The last character of a signature has bits that lenient decoders ignore."""
    signed = bytearray(SIGNED["vc-jwt-rs256"])
    last = signed[-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    signed[-1] = alphabet[alphabet.index(last) + 1]
    head, _, signature = bytes(signed).rpartition(b".")
    assert _unpad(signature) == _unpad(SIGNED["vc-jwt-rs256"].rpartition(b".")[2])
    with pytest.raises(ProofError, match="canonical"):
        vc_jwt.verify(head + b"." + signature, CAMPUS.rsa.public)


def test_the_table_names_itself() -> None:
    assert all(form.name == name for name, form in FORMATS.items())
    assert all(form.suffix.startswith(".") for form in FORMATS.values())


def _pad(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _unpad(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def test_a_token_with_the_signature_of_another_is_refused() -> None:
    head = SIGNED["vc-jwt-es256"].rpartition(b".")[0]
    other = CAMPUS.sign(CAMPUS.badge(), "vc-jwt-es256").rpartition(b".")[2]
    with pytest.raises(ProofError, match="signature does not match"):
        vc_jwt.verify(head + b"." + other, CAMPUS.p256.public)


@pytest.mark.parametrize("payload", [b"[]", b"3", b"{", b"\xff", b'{"issuer":"did:web:x.example"}'])
def test_a_token_with_another_payload_is_refused(payload: bytes) -> None:
    head = SIGNED["vc-jwt-es256"].partition(b".")[0]
    signing_input = head + b"." + _pad(payload)
    with pytest.raises(ProofError):
        vc_jwt.verify(
            signing_input + b"." + _pad(CAMPUS.p256.sign(signing_input)), CAMPUS.p256.public
        )


def test_a_large_document_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProofError, match="larger"):
        data_integrity.verify(b"{" + b" " * data_integrity.MAX_BYTES, CAMPUS.ed25519.public)


@pytest.mark.parametrize(
    "canonical", [data_integrity.canonical_fast, data_integrity.canonical_reference]
)
def test_what_is_no_json_ld_has_no_canonical_form(
    canonical: Callable[[dict[str, Any]], bytes],
) -> None:
    badge = CAMPUS.badge()
    badge["image"] = {"id": {"@value": 3}}
    with pytest.raises(Invalid) as refused:
        canonical(badge)
    assert refused.value.code == "not-json-ld"
