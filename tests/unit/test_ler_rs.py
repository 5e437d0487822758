"""The preview of an LER-RS: nothing in it that the published samples do not show."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.credentials import ler_rs
from app.credentials.ler_rs import HolderFacts, SignedBadge
from tests.interop.samples import ACHIEVEMENT, AWARDED, Campus

HOLDER = HolderFacts("Zoë Ünal", "Zoë", "Ünal", "zoe@example.edu")


def built(holder: HolderFacts | None = HOLDER, badges: int = 2) -> tuple[dict[str, Any], list]:
    campus = Campus()
    signed = [
        campus.sign(campus.badge(valid_until=AWARDED.replace(year=2030)), "eddsa-rdfc-2022")
        for _ in range(badges)
    ]
    made = ler_rs.build(
        document_id="71202e91-a760-4173-a595-97bdfb514a63",
        issuer="Universität Beispiel",
        badges=[SignedBadge(json.loads(one), one) for one in signed],
        holder=holder,
        now=AWARDED,
    )
    return made, signed


def paths(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every key path with the JSON type of what stands there; list indices left out."""
    yield place, type(node).__name__
    if isinstance(node, dict):
        for name, part in node.items():
            yield from paths(part, f"{place}.{name}")
    elif isinstance(node, list):
        for part in node:
            yield from paths(part, f"{place}[]")


def known(material: Path) -> set[tuple[str, str]]:
    samples = sorted((material / "standards/ler-rs").glob("*.sample.json"))
    assert len(samples) == 2
    return {found for path in samples for found in paths(json.loads(path.read_text()))}


def test_every_key_path_and_type_occurs_in_the_samples(material: Path) -> None:
    allowed = known(material)
    for holder in (HOLDER, None):
        strange = set(paths(built(holder)[0])) - allowed
        assert strange == set()


def test_a_path_of_ones_own_is_seen(material: Path) -> None:
    made, _ = built()
    made["credentialSubject"]["certifications"][0]["grade"] = "A"
    made["credentialSubject"]["skills"][0]["comments"].append(1)
    assert set(paths(made)) - known(material) == {
        (".credentialSubject.certifications[].grade", "str"),
        (".credentialSubject.skills[].comments[]", "int"),
    }


def test_the_signed_badges_are_attached_as_they_are() -> None:
    made, signed = built()
    subject = made["credentialSubject"]
    inside = [base64.b64decode(one["content"]["value"]) for one in subject["attachments"]]
    assert inside == signed
    assert [one["name"] for one in subject["certifications"]] == [ACHIEVEMENT.name] * 2
    assert [len(one["comments"]) for one in subject["skills"]] == [2, 2], "each skill once"


def test_it_says_that_it_is_not_signed_and_names_nobody_unasked() -> None:
    made, _ = built(None)
    assert "proof" not in made
    text = json.dumps(made, ensure_ascii=False)
    assert "is not signed" in text
    assert {"person", "communication"}.isdisjoint(made["credentialSubject"])
    assert HOLDER.name not in text
