"""The fast canonicalizer and the reference agree on everything that we can build."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.credentials import contexts, keys, status
from app.credentials.proofs import data_integrity
from tests.interop.probes import BUILT, achievement
from tests.interop.samples import AWARDED, LIST_URL, ORIGIN, Campus

Change = Callable[[dict[str, Any]], object]

CHANGED: dict[str, Change] = {
    "issuer is a string": lambda d: d.update(issuer=d["issuer"]["id"]),
    "one type as string": lambda d: d["credentialSubject"].update(type="AchievementSubject"),
    "results (one term, two meanings)": lambda d: (
        d["credentialSubject"]["achievement"].update(
            resultDescription=[
                {
                    "id": "urn:uuid:11111111-0000-4000-8000-000000000001",
                    "type": ["ResultDescription"],
                    "name": "Final",
                    "resultType": "Percent",
                    "valueMax": "100",
                    "allowedValue": ["a", "b", "a"],
                }
            ]
        ),
        d["credentialSubject"].update(
            result=[
                {
                    "type": ["Result"],
                    "value": "93",
                    "resultDescription": "urn:uuid:11111111-0000-4000-8000-000000000001",
                }
            ]
        ),
    ),
    "alias type": lambda d: d.update(type=["VerifiableCredential", "AchievementCredential"]),
    "refresh service": lambda d: d.update(
        refreshService={"id": f"{ORIGIN}/refresh", "type": "VerifiableCredential"}
    ),
    "numbers in text places": lambda d: d.update(description=12),
}


@pytest.mark.parametrize("changes", BUILT.values(), ids=list(BUILT))
def test_built_documents_have_one_canonical_form(changes: dict[str, Any]) -> None:
    badge = Campus().badge(**changes)
    assert data_integrity.canonical_fast(badge) == data_integrity.canonical_reference(badge)


@pytest.mark.parametrize("change", CHANGED.values(), ids=list(CHANGED))
def test_other_shapes_have_one_canonical_form(change: Change) -> None:
    badge = Campus().badge()
    change(badge)
    assert data_integrity.canonical_fast(badge) == data_integrity.canonical_reference(badge)


@pytest.mark.parametrize("set_bits", [(), (0,), range(0, 131_072, 7)])
def test_status_lists_have_one_canonical_form(set_bits: tuple[int, ...]) -> None:
    unsigned = status.list_credential(
        url=LIST_URL, issuer_did=Campus().did, bits=status.with_set(set_bits), valid_from=AWARDED
    )
    assert data_integrity.check_trim(unsigned)


@settings(deadline=None)
@given(
    name=st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), min_size=1).filter(
        lambda text: bool(text.strip())
    )
)
def test_any_printable_text_has_one_canonical_form(name: str) -> None:
    badge = Campus(**_KEYS).badge(**achievement(name=name))
    assert data_integrity.check_trim(badge)


def test_a_term_outside_its_scope_is_caught() -> None:
    """Trimmed contexts map `targetName` anywhere, the full ones only in an Alignment."""
    badge = Campus().badge()
    badge["credentialSubject"]["achievement"]["targetName"] = "misplaced"
    assert not data_integrity.check_trim(badge)


def test_an_unknown_context_is_not_fast() -> None:
    badge = Campus().badge()
    badge["@context"].append("https://elsewhere.example/context")
    assert not data_integrity.check_trim(badge)


def test_published_samples_have_one_canonical_form(material: Path) -> None:
    """Credentials that others made: status, endorsement and results included."""
    judged = 0
    for path in sorted((material / "verify/samples/valid").glob("di-*.json")):
        sample = json.loads(path.read_text(encoding="utf-8"))
        sample.pop("proof")
        if set(sample["@context"]) <= contexts.PINNED.keys() and "endorsement" not in sample:
            assert data_integrity.check_trim(sample), path.name
            judged += 1
    assert judged >= 5


def test_proof_options_are_what_json_ld_makes_of_them() -> None:
    method = f"{ORIGIN}/issuers/cs#z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"
    options = {
        "@context": [contexts.CREDENTIALS, contexts.OPEN_BADGES],
        "type": "DataIntegrityProof",
        "cryptosuite": data_integrity.CRYPTOSUITE,
        "created": "2026-09-01T08:30:00Z",
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    expected = hashlib.sha256(data_integrity.canonical_reference(options)).digest()
    assert data_integrity.options_hash("2026-09-01T08:30:00Z", method) == expected


def test_signature_of_the_published_vector() -> None:
    """The numbers of the Open Badges 3.0 test vector (implementation guide, linked data proof):

    key, proof hash followed by document hash, and the proof value that they lead to.
    """
    seed = bytes.fromhex("6241a409e6707bb640a0140a8a32bc3d193c33a661747284d6adfa4ed4180be4")
    raw = Ed25519PrivateKey.from_private_bytes(seed)
    key = keys.SigningKey(raw, keys.PublicKey(keys.KeyKind.ED25519, raw.public_key()))
    data = bytes.fromhex(
        "3cf3c265b6c8ebb29b4d5ea310b87d2f31c79b633eff8af561d2e8c97a85c8cb"
        "d994aebd5e53f4af4495dbe9e1155410bae683811107c26acf83671075c163b3"
    )
    assert key.fragment == "z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"
    assert "z" + base58.b58encode(key.sign(data)).decode() == (
        "zUSD5bjo6mYV1n9i9E6ZwUiHuj4JyZDjCDfDqoJcPi9XJrc9LYstik9mdBvutdwBdquWXjWrwJDVGJrAarvRs8uD"
    )


_ONE = keys.generate(keys.KeyKind.ED25519)
_KEYS: dict[str, Any] = {"ed25519": _ONE, "rsa": _ONE, "p256": _ONE}
"""Properties that never use the slow kinds of key do not make them."""
