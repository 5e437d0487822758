"""The statements of a badge out of its template's: the same canonical text as reading it whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.credentials.proofs import canonical, data_integrity, skeleton
from tests.interop.samples import Campus

CAMPUS = Campus()
Change = Callable[[dict[str, Any]], object]


def filled(badge: dict[str, Any]) -> bytes | None:
    return skeleton.canonical(badge, canonical.statements)


def identifier(badge: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = badge["credentialSubject"]["identifier"][0]
    return found


text = st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Z")))


@settings(deadline=None)
@given(salt=text, hashed=text, number=st.uuids(), index=text, day=text)
def test_any_values_give_the_same_text(
    salt: str, hashed: str, number: object, index: str, day: str
) -> None:
    badge = CAMPUS.badge()
    badge |= {"id": f"urn:uuid:{number}", "validFrom": day}
    badge["credentialStatus"]["statusListIndex"] = index
    identifier(badge).update(salt=salt, identityHash=hashed)
    assert filled(badge) == data_integrity.canonical_fast(badge)


def test_one_template_is_read_once() -> None:
    """A shape of its own for every badge would cost more than it saves."""
    read: list[object] = []

    def parse(document: Any) -> Any:
        read.append(document)
        return canonical.statements(document)

    for number in range(5):
        badge = CAMPUS.badge()
        badge["id"] = f"urn:uuid:00000000-0000-4000-8000-00000000000{number}"
        identifier(badge)["salt"] = str(number) * 32
        assert skeleton.canonical(badge, parse)
    assert len(read) == 1


SAME: dict[str, Change] = {
    "the badge and its subject have one id": lambda b: b["credentialSubject"].update(id=b["id"]),
    "no identifier": lambda b: b["credentialSubject"].pop("identifier"),
    "no status": lambda b: b.pop("credentialStatus"),
    "two identifiers": lambda b: b["credentialSubject"]["identifier"].append(
        {"type": "IdentityObject", "hashed": False, "identityHash": "Ada", "identityType": "name"}
    ),
    "two equal identifiers": lambda b: b["credentialSubject"]["identifier"].append(
        dict(identifier(b))
    ),
    "a wallet's id": lambda b: b["credentialSubject"].update(id="did:key:z6MkjZRZv3aez3r18pB1R"),
    "an end": lambda b: b.update(validUntil="2027-01-01T00:00:00Z"),
    "a name that looks like a mark": lambda b: b.update(name="urn:tassel:mark:0"),
    "a value that looks like a mark": lambda b: identifier(b).update(salt="urn:tassel:mark:1"),
    "a mark in the place of an id": lambda b: b["credentialSubject"].update(id="urn:tassel:mark:2"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=list(SAME))
def test_other_shapes_give_the_same_text_or_none(change: Change) -> None:
    badge = CAMPUS.badge()
    change(badge)
    whole = data_integrity.canonical_fast(badge)
    assert (filled(badge) or whole) == whole


@pytest.mark.parametrize("url", ["https://a.example/../b", "https://a.example/%zz", "https://[x"])
def test_what_may_be_no_iri_is_read_as_a_whole_or_the_same(url: str) -> None:
    badge = CAMPUS.badge()
    badge["id"] = url
    try:
        whole: bytes | None = data_integrity.canonical_fast(badge)
    except Exception:
        whole = None
    assert filled(badge) in (None, whole)


def test_a_value_that_gets_lost_is_not_left_out_silently() -> None:
    """JSON-LD drops what no context maps; then there is no place to put the value."""
    badge = CAMPUS.badge()
    badge["credentialSubject"]["identifier"][0] = {"type": "Nothing", "salt": "x"}
    whole = data_integrity.canonical_fast(badge)
    assert (filled(badge) or whole) == whole
