"""Learner records that we sign, judged by software that nobody here wrote, and by our own verifier."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from openbadgeslib.ob3 import OB3VerificationError, clr, ldp

from app.credentials import contexts, record
from app.credentials.document import RecipientFacts
from app.credentials.proofs import FORMATS
from app.credentials.verify import verify
from app.errors import UpstreamError
from tests.interop import story_check
from tests.interop.samples import AWARDED, ORIGIN, Campus

pytestmark = pytest.mark.interop
LINKED = ("verifier-core", "digitalbazaar-vc")


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    reason = story_check.missing_tools()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def campus() -> Campus:
    """Its department signs the badges, with a key that is retired by the time of the record."""
    return Campus()


@pytest.fixture(scope="module")
def www(campus: Campus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    campus.publish(folder, set())
    return folder


def inside(campus: Campus, number: int = 3) -> list[dict[str, Any]]:
    return [json.loads(campus.sign(campus.badge(), "eddsa-rdfc-2022")) for _ in range(number)]


def unsigned(campus: Campus, badges: list[dict[str, Any]]) -> dict[str, Any]:
    return record.build(
        record_id="urn:uuid:00000000-0000-4000-8000-0000000c0001",
        name="Learner record, Universität Beispiel",
        issuer=campus.profile,
        recipient=RecipientFacts(
            "urn:uuid:00000000-0000-4000-8000-0000000c0002", "a@b.example", "00" * 16, "Zoë Ünal"
        ),
        badges=badges,
        partial=len(badges) == 1,
        valid_from=AWARDED,
    )


def signed(campus: Campus, document: dict[str, Any], form: str = "eddsa-rdfc-2022") -> bytes:
    key = campus.ed25519 if form.startswith("eddsa") else campus.rsa
    return FORMATS[form].sign(document, key, AWARDED, False)


def judge(verifier: str, www: Path, *files: Path) -> list[tuple[str, str]]:
    """The record's own context is not among those that the verifiers bring along."""
    standards = www / "standards"
    address = contexts.CLR.split("/", 3)
    place = standards / address[3]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(contexts.raw(contexts.CLR))
    places = [f"{ORIGIN}={www}", f"{'/'.join(address[:3])}={standards}"]
    answers = story_check.run_verifier(verifier, files, places)
    return [(verdict, why) for _, verdict, why in answers]


@pytest.fixture(scope="module")
def records(campus: Campus, www: Path) -> list[Path]:
    """One badge, and three."""
    files = []
    for number in (1, 3):
        files.append(www / f"record-{number}.json")
        made = unsigned(campus, inside(campus, number))
        files[-1].write_bytes(signed(campus, made))
        files[-1].with_suffix(".jwt").write_bytes(signed(campus, made, "vc-jwt-rs256"))
    campus.publish(www, set())
    return files


@pytest.mark.parametrize("verifier", LINKED)
def test_records_are_accepted(verifier: str, records: list[Path], www: Path) -> None:
    assert judge(verifier, www, *records) == [("valid", "")] * len(records)


def test_tokens_are_accepted(records: list[Path], www: Path) -> None:
    tokens = [path.with_suffix(".jwt") for path in records]
    assert judge("jose", www, *tokens) == [("valid", "")] * len(records)


def reading(www: Path, url: str) -> bytes:
    path = www / url.removeprefix(f"{ORIGIN}/").partition("#")[0]
    if not path.is_file():
        raise OSError(f"nothing stands at {url}")
    return path.read_bytes()


def openbadgeslib(campus: Campus, text: str) -> None:
    """Its door for learner records: the proof alone, with the contexts that it bundles."""
    public = serialization.load_pem_private_key(campus.ed25519.to_pem(), None).public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    ldp.verify_data_integrity_proof(
        json.loads(text), pem, extra_contexts=clr.bundled_clr_contexts()
    )


def test_openbadgeslib_accepts_them(records: list[Path], campus: Campus) -> None:
    for path in records:
        openbadgeslib(campus, path.read_text())
        with pytest.raises(OB3VerificationError):
            openbadgeslib(campus, path.read_text().replace("Learner record", "Learner Record"))


def test_the_official_schema_accepts_them(records: list[Path], material: Path) -> None:
    schemas = material / "standards/clr"
    files = [*records, *(path.with_suffix(".jwt") for path in records)]
    answers = [
        (verdict, why) for _, verdict, why in story_check.run_verifier("schema", files, [], schemas)
    ]
    assert answers == [("valid", "")] * len(files)


def test_the_official_schema_can_refuse(records: list[Path], www: Path, material: Path) -> None:
    document = json.loads(records[1].read_text())
    del document["credentialSubject"]["verifiableCredential"]
    path = www / "incomplete.json"
    path.write_text(json.dumps(document))
    [(_, verdict, why)] = story_check.run_verifier("schema", [path], [], material / "standards/clr")
    assert verdict == "invalid"
    assert "verifiableCredential" in why


@pytest.mark.parametrize("verifier", LINKED)
def test_a_change_anywhere_breaks_the_outer_proof(
    verifier: str, records: list[Path], www: Path
) -> None:
    """Also in the proof of a badge inside, which is a graph of its own."""
    good = json.loads(records[1].read_text())
    forged = {
        "partial": lambda d: d.update(partial=True),
        "name": lambda d: d["credentialSubject"]["identifier"][0].update(identityHash="Xoë"),
        "dropped": lambda d: d["credentialSubject"]["verifiableCredential"].pop(),
        "inner": lambda d: d["credentialSubject"]["verifiableCredential"][0].update(name="Doctor"),
        "proof": lambda d: d["credentialSubject"]["verifiableCredential"][0]["proof"].update(
            created="2020-01-01T00:00:00Z"
        ),
    }
    files = []
    for name, change in forged.items():
        document = copy.deepcopy(good)
        change(document)
        files.append(www / f"changed-{name}.json")
        files[-1].write_text(json.dumps(document))
    assert {verdict for verdict, _ in judge(verifier, www, *files)} == {"invalid"}


def test_only_we_look_at_the_badges_inside(campus: Campus, www: Path) -> None:
    """A badge that was forged before the record was sealed: the others take the record's word."""
    badges = inside(campus)
    badges[1]["credentialSubject"]["achievement"]["name"] = "Doctor of Everything"
    campus.publish(www, set())
    path = www / "forged.json"
    path.write_bytes(signed(campus, unsigned(campus, badges)))
    for verifier in LINKED:
        assert judge(verifier, www, path) == [("valid", "")]
    assert ours(www, path) == {"credentialSubject.verifiableCredential[1].proof"}


def test_a_badge_that_was_revoked_since_is_found_by_us(campus: Campus, www: Path) -> None:
    badges = inside(campus)
    path = www / "revoked.json"
    path.write_bytes(signed(campus, unsigned(campus, badges)))
    campus.publish(www, {badges[2]["id"]})
    assert ours(www, path) == {"credentialSubject.verifiableCredential[2].status"}


def ours(www: Path, path: Path) -> set[str]:
    def lookup(url: str) -> bytes:
        try:
            return reading(www, url)
        except OSError as missing:
            raise UpstreamError("404", str(missing), system=url, permanent=True) from None

    report = verify(path.read_bytes(), lookup, AWARDED)
    return {check.name for check in report.checks if check.result.value in ("fail", "unknown")}
