"""The builder writes what verifiers accept and refuses what they read differently."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.credentials import wording
from app.credentials.document import (
    AlignmentFacts,
    EvidenceFacts,
    ImageFacts,
    RecipientFacts,
    StatusRef,
    identity_hash,
)
from app.errors import Invalid
from tests.interop.samples import ACHIEVEMENT, AWARDED, LIST_URL, Campus

CAMPUS = Campus()
SALT = "00112233445566778899aabbccddeeff"
SUBJECT = "urn:uuid:0e1b2c3d-1111-4222-8333-444455556666"


def changed(**facts: Any) -> dict[str, Any]:
    return {"achievement": dataclasses.replace(ACHIEVEMENT, **facts)}


def test_a_badge_says_everything_twice_that_wallets_look_for() -> None:
    badge = CAMPUS.badge()
    achievement = badge["credentialSubject"]["achievement"]
    assert badge["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert badge["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert (badge["name"], badge["description"]) == (
        achievement["name"],
        achievement["description"],
    )
    assert badge["image"] == achievement["image"]
    assert badge["issuer"]["id"] == CAMPUS.did


def test_sets_are_arrays_and_every_member_has_its_type() -> None:
    badge = CAMPUS.badge()
    subject = badge["credentialSubject"]
    achievement = subject["achievement"]
    members = [
        *badge["evidence"],
        *subject["identifier"],
        *achievement["alignment"],
        badge["issuer"],
        subject,
        achievement,
    ]
    assert all("type" in member for member in members)
    assert isinstance(achievement["tag"], list)
    assert achievement["criteria"].keys() == {"id", "narrative"}


def test_there_is_one_status_and_its_id_is_not_the_list() -> None:
    entry = CAMPUS.badge(status=StatusRef(LIST_URL, 42))["credentialStatus"]
    assert entry == {
        "id": f"{LIST_URL}#42",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "42",
        "statusListCredential": LIST_URL,
    }


def test_the_mail_is_only_there_as_a_hash_of_its_lower_case_and_the_salt() -> None:
    recipient = RecipientFacts(SUBJECT, "Ann.Lee@Campus.Example ".strip(), SALT)
    badge = CAMPUS.badge(recipient=recipient)
    [identity] = badge["credentialSubject"]["identifier"]
    digest = hashlib.sha256(b"ann.lee@campus.example" + SALT.encode()).hexdigest()
    assert identity == {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": f"sha256${digest}",
        "identityType": "emailAddress",
        "salt": SALT,
    }
    assert "Ann" not in str(badge)


def test_a_name_stands_before_the_hash_because_wallets_show_the_first() -> None:
    recipient = RecipientFacts(SUBJECT, "a@b.example", SALT, "Ann Lee")
    first, second = CAMPUS.badge(recipient=recipient)["credentialSubject"]["identifier"]
    assert (first["identityHash"], first["hashed"]) == ("Ann Lee", False)
    assert second["hashed"]


def test_nobody_is_named_without_mail_and_name() -> None:
    badge = CAMPUS.badge(recipient=RecipientFacts(SUBJECT))
    assert "identifier" not in badge["credentialSubject"]
    assert badge["credentialSubject"]["id"] == SUBJECT


def test_times_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=9))
    badge = CAMPUS.badge(
        valid_from=datetime(2026, 9, 1, 8, 30, 59, 999_999, tzinfo=east),
        valid_until=datetime(2027, 9, 1, tzinfo=UTC),
    )
    assert badge["validFrom"] == "2026-08-31T23:30:59Z"
    assert badge["validUntil"] == "2027-09-01T00:00:00Z"


@pytest.mark.parametrize(
    ("credits_", "written"), [("3.0", "3"), ("3", "3"), ("2.5", "2.5"), ("0", "0")]
)
def test_whole_credits_have_no_point(credits_: str, written: str) -> None:
    """JavaScript writes 3.0 as 3, so 3.0 would be signed as another number than is verified."""
    badge = CAMPUS.badge(**changed(credits_available=Decimal(credits_)))
    assert str(badge["credentialSubject"]["achievement"]["creditsAvailable"]) == written


BAD_TEXT = ["", "  ", "bell\x07", "delete\x7f", "c1\x85", "nul\x00", "\ud800", "\ufffe", "\ufdd0"]
BAD_IRIS = [
    "",
    "badge.png",
    "/relative",
    "//host/x",
    "https:///nohost",
    "https://",
    "http:opaque",
    "https://a.example/a b",
    "https://a.example/\u00a0",
    "https://a.example/<x>",
    "https://a.example/%zz",
    "https://a.example/#a#b",
    "https://a.example/\n",
    "javascript:alert(1)",
    "data:image/png;base64,AAAA",
    "file:///etc/passwd",
    "_:b0",
    "@id",
]


@pytest.mark.parametrize("text", BAD_TEXT)
def test_text_that_is_signed_differently_is_refused(text: str) -> None:
    for facts in (
        changed(name=text),
        changed(criteria_narrative=text),
        changed(tags=("good", text)),
        changed(image=ImageFacts("https://a.example/x.png", text)),
        changed(alignments=(AlignmentFacts(text, "https://a.example/x"),)),
        {"recipient": RecipientFacts(SUBJECT, name=text)},
        {"evidence": [EvidenceFacts("Essay", narrative=text)]},
    ):
        with pytest.raises(Invalid) as refused:
            CAMPUS.badge(**facts)
        assert refused.value.code == "bad-text"
        assert refused.value.fields


@pytest.mark.parametrize("address", BAD_IRIS)
def test_addresses_that_would_not_be_signed_are_refused(address: str) -> None:
    for facts in (
        changed(id=address),
        changed(criteria_url=address),
        changed(image=ImageFacts(address, "x")),
        changed(alignments=(AlignmentFacts("x", address),)),
        {"credential_id": address},
        {"status": StatusRef(address, 1)},
        {"evidence": [EvidenceFacts("Essay", url=address)]},
    ):
        with pytest.raises(Invalid) as refused:
            CAMPUS.badge(**facts)
        assert refused.value.code == "bad-iri"


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example",
        "http://127.0.0.1:8080/x",
        "https://[2001:db8::1]/x".replace("[2001:db8::1]", "a.example"),
        "https://a.example/%C3%BC?q=1&r=(2)#part",
        "https://bücher.example/größe",
        "urn:uuid:0e1b2c3d-1111-4222-8333-444455556666",
        "did:web:a.example%3A8443:issuers:cs",
    ],
)
def test_complete_addresses_pass(address: str) -> None:
    assert wording.iri(address, "x") == address


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"valid_from": datetime(2026, 9, 1)}, "naive-time"),  # noqa: DTZ001
        ({"valid_until": AWARDED}, "bad-validity"),
        ({"recipient": RecipientFacts("urn:uuid:1")}, "bad-subject"),
        ({"recipient": RecipientFacts("https://campus.example/people/ann")}, "bad-subject"),
        ({"recipient": RecipientFacts(SUBJECT, "a@b.example")}, "bad-salt"),
        ({"recipient": RecipientFacts(SUBJECT, "a@b.example", "abc")}, "bad-salt"),
        ({"recipient": RecipientFacts(SUBJECT, "not an address", SALT)}, "bad-email"),
        ({"status": StatusRef(LIST_URL, -1)}, "bad-status"),
        (changed(credits_available=Decimal("NaN")), "bad-credits"),
        (changed(credits_available=Decimal(-1)), "bad-credits"),
        (changed(alignments=(AlignmentFacts("x", "urn:x:1", "Skill"),)), "bad-target-type"),
    ],
)
def test_other_nonsense_is_refused(facts: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        CAMPUS.badge(**facts)
    assert refused.value.code == code


@settings(deadline=None)
@given(st.emails(), st.binary(min_size=16, max_size=16))
def test_the_hash_does_not_keep_the_case_of_an_address(email: str, salt: bytes) -> None:
    assert identity_hash(email.upper().lower(), salt.hex()) == identity_hash(email, salt.hex())
    assert identity_hash(email, salt.hex()) != identity_hash(email, (salt + b"\0").hex())


@settings(deadline=None)
@given(st.text(max_size=60))
def test_text_is_accepted_exactly_if_no_character_is_troublesome(value: str) -> None:
    troublesome = any(
        (ord(c) < 32 and c not in "\t\n\r")
        or 127 <= ord(c) < 160
        or 0xD800 <= ord(c) < 0xE000
        or 0xFDD0 <= ord(c) <= 0xFDEF
        or ord(c) % 0x10000 >= 0xFFFE
        for c in value
    )
    try:
        accepted = wording.text(value, "x") == value
    except Invalid:
        accepted = False
    assert accepted == (bool(value.strip()) and not troublesome)
