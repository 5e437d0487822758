"""Status lists: bits stay where they were put, and the wire form never varies."""

from __future__ import annotations

import base64
import gzip
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openbadgeslib.ob3 import status_list as foreign

from app.credentials import status
from app.errors import Conflict, Invalid
from tests.interop.samples import AWARDED, LIST_URL

INDEX = st.integers(0, status.SIZE - 1)


@settings(deadline=None)
@given(st.sets(INDEX, max_size=50), INDEX, st.booleans())
def test_putting_a_bit_changes_that_bit_alone(before: set[int], index: int, value: bool) -> None:
    after = status.put(status.with_set(before), index, value)
    assert status.get(after, index) is value
    expected = before | {index} if value else before - {index}
    assert after == status.with_set(expected)


@given(st.sets(INDEX, max_size=200))
@settings(deadline=None, max_examples=30)
def test_a_list_survives_the_wire(indexes: set[int]) -> None:
    bits = status.with_set(indexes)
    encoded = status.encode(bits)
    assert status.decode(encoded) == bits
    assert status.encode(bits) == encoded


def test_the_first_bit_is_the_leftmost() -> None:
    assert status.with_set([0])[:2] == b"\x80\x00"
    assert status.with_set([7, 8])[:2] == b"\x01\x80"
    assert len(status.empty()) * 8 == status.SIZE


def test_the_wire_form_is_the_same_on_every_machine() -> None:
    """GZIP writes a time and a system into its header unless told not to."""
    packed = base64.urlsafe_b64decode(status.encode(status.empty())[1:] + "===")
    assert packed[:10] == bytes.fromhex("1f8b08000000000002ff")
    assert gzip.decompress(packed) == status.empty()


def test_an_empty_list_is_small() -> None:
    assert len(status.encode(status.empty())) < 250


@pytest.mark.parametrize("index", [-1, status.SIZE])
def test_an_index_outside_the_list_is_refused(index: int) -> None:
    for act in (
        lambda: status.get(status.empty(), index),
        lambda: status.put(status.empty(), index, True),
        lambda: status.with_set([index]),
    ):
        with pytest.raises(Invalid, match="outside"):
            act()


@pytest.mark.parametrize("text", ["", "u", "uAAAA", "zabc", "u!!!!", "u" + "A" * 50])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        status.decode(text)


def test_a_list_that_unpacks_without_end_is_refused() -> None:
    bomb = base64.urlsafe_b64encode(gzip.compress(bytes(9 * 1024 * 1024))).decode()
    with pytest.raises(Invalid, match="larger than 8 MiB"):
        status.decode("u" + bomb)


@settings(deadline=None)
@given(st.sets(INDEX, max_size=300), st.integers())
def test_a_picked_index_is_free(taken: set[int], seed: int) -> None:
    assert status.pick_index(taken, Random(seed)) not in taken


def test_a_nearly_full_list_still_gives_its_last_entry() -> None:
    last = 77_777
    taken = set(range(status.SIZE)) - {last}
    assert status.pick_index(taken, Random(1)) == last
    with pytest.raises(Conflict, match="no free entry"):
        status.pick_index(taken | {last}, Random(1))


def test_indexes_are_spread_over_the_list() -> None:
    """Neighbouring awards must not sit side by side, or the list tells who was awarded when."""
    rng, taken = Random(3), set[int]()
    for _ in range(1_000):
        taken.add(status.pick_index(taken, rng))
    assert len(taken) == 1_000
    eighths = [sum(index * 8 // status.SIZE == part for index in taken) for part in range(8)]
    assert min(eighths) > 80


def test_the_list_credential_has_plain_strings_where_verifiers_read_them() -> None:
    unsigned = status.list_credential(
        url=LIST_URL, issuer_did="did:web:x.example", bits=status.empty(), valid_from=AWARDED
    )
    subject = unsigned["credentialSubject"]
    assert unsigned["id"] == LIST_URL
    assert unsigned["issuer"] == "did:web:x.example"
    assert (subject["type"], subject["statusPurpose"]) == ("BitstringStatusList", "revocation")
    assert subject["ttl"] == 300_000


def test_a_foreign_library_reads_the_same_bits() -> None:
    indexes = {0, 1, 8, 1_000, status.SIZE - 1}
    assert status.decode(foreign.encode_bitstring(indexes)) == status.with_set(indexes)
