"""A learner record: badges in it as they were signed, an outer proof, and nothing that verifiers refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.credentials import contexts, record
from app.credentials.document import RecipientFacts
from app.credentials.proofs import ProofError, data_integrity, vc_jwt
from app.credentials.verify import verify
from app.errors import Invalid, UpstreamError
from tests.interop.samples import AWARDED, LIST_URL, Campus

SUBJECT = "urn:uuid:00000000-0000-4000-8000-0000000c0002"
RECORD = "urn:uuid:00000000-0000-4000-8000-0000000c0001"


@pytest.fixture(scope="module")
def campus() -> Campus:
    return Campus()


def badges(campus: Campus, number: int = 2) -> list[dict[str, Any]]:
    return [json.loads(campus.sign(campus.badge(), "eddsa-rdfc-2022")) for _ in range(number)]


def build(campus: Campus, inside: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    facts = {
        "record_id": RECORD,
        "name": "Learner record",
        "issuer": campus.profile,
        "recipient": RecipientFacts(SUBJECT, "a@b.example", "00" * 16, "Zoë Ünal"),
        "badges": inside,
        "partial": False,
        "valid_from": AWARDED,
    }
    return record.build(**{**facts, **changes})


def judge(campus: Campus, signed: bytes, tmp_path) -> dict[str, str]:
    """Our own verifier's findings that are neither good nor beside the point."""
    campus.publish(tmp_path, set())

    def lookup(url: str) -> bytes:
        path = tmp_path / url.removeprefix("https://story.example/")
        if not path.is_file():
            raise UpstreamError("404", url, system=url, permanent=True)
        return path.read_bytes()

    report = verify(signed, lookup, AWARDED)
    return {c.name: c.why for c in report.checks if c.result.value in ("fail", "unknown")}


def test_badges_stand_in_it_byte_for_byte(campus: Campus) -> None:
    inside = badges(campus)
    kept = [json.dumps(badge, separators=(",", ":")).encode() for badge in inside]
    signed = data_integrity.sign(build(campus, inside), campus.ed25519, now=AWARDED, fast=False)
    assert all(part in signed for part in kept)
    document = data_integrity.verify(signed, campus.ed25519.public)
    for part in document["credentialSubject"]["verifiableCredential"]:
        again = json.dumps(part, separators=(",", ":")).encode()
        data_integrity.verify(again, campus.ed25519.public)


def test_every_proof_inside_is_part_of_what_the_outer_one_signs(campus: Campus) -> None:
    """A badge's proof is a graph of its own: taken out or changed, the record's proof breaks."""
    signed = data_integrity.sign(
        build(campus, badges(campus)), campus.ed25519, now=AWARDED, fast=False
    )
    for change in ({}, {"created": "2020-01-01T00:00:00Z"}, {"proofValue": "z1111"}):
        forged = json.loads(signed)
        inner = forged["credentialSubject"]["verifiableCredential"][0]
        inner["proof"] = {**inner["proof"], **change} if change else None
        if not change:
            del inner["proof"]
        with pytest.raises(ProofError, match="does not match"):
            data_integrity.verify(json.dumps(forged).encode(), campus.ed25519.public)


def test_our_verifier_accepts_it_and_looks_into_every_badge(campus: Campus, tmp_path) -> None:
    made = build(campus, badges(campus, 3))
    signed = data_integrity.sign(made, campus.ed25519, now=AWARDED, fast=False)
    assert judge(campus, signed, tmp_path) == {}
    assert judge(campus, vc_jwt.sign(made, campus.rsa), tmp_path) == {}


def test_a_forged_badge_inside_is_found_though_the_outer_proof_holds(
    campus: Campus, tmp_path
) -> None:
    inside = badges(campus)
    inside[1]["credentialSubject"]["achievement"]["name"] = "Doctor of Everything"
    signed = data_integrity.sign(build(campus, inside), campus.ed25519, now=AWARDED, fast=False)
    found = judge(campus, signed, tmp_path)
    assert set(found) == {"credentialSubject.verifiableCredential[1].proof"}


def test_the_longest_record_is_within_what_our_verifier_reads(campus: Campus, tmp_path) -> None:
    made = build(campus, badges(campus, record.MAX_BADGES))
    signed = data_integrity.sign(made, campus.ed25519, now=AWARDED, fast=False)
    assert judge(campus, signed, tmp_path) == {}


def test_what_it_says(campus: Campus) -> None:
    made = build(campus, badges(campus, 1), partial=True)
    assert made["@context"] == [contexts.CREDENTIALS, contexts.CLR, contexts.OPEN_BADGES]
    assert made["partial"] is True
    assert made["validUntil"] > made["validFrom"]
    assert {"awardedDate", "credentialStatus"}.isdisjoint(made)
    subject = made["credentialSubject"]
    assert "a@b.example" not in json.dumps(subject["identifier"])
    assert data_integrity.misplaced(made) == []
    assert contexts.unmapped(made) == []
    assert LIST_URL in json.dumps(subject["verifiableCredential"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda inside: inside.clear(), "record-empty"),
        (lambda inside: inside.append(inside[0]), "record-doubled"),
        (lambda inside: inside[0].pop("proof"), "record-unsigned"),
        (lambda inside: inside.extend(inside * record.MAX_BADGES), "record-too-long"),
    ],
)
def test_what_is_refused(campus: Campus, change, code: str) -> None:
    inside = badges(campus)
    change(inside)
    with pytest.raises(Invalid) as refused:
        build(campus, inside)
    assert refused.value.code == code
