"""Badges of a real database before and after rotation, judged by software that nobody here wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient
from openbadgeslib.ob3 import OB3VerificationError, OB3Verifier

from app.credentials import issuers
from app.credentials.keys import KeyKind, PublicKey
from app.credentials.proofs import FORMATS
from app.db import Database
from app.main import create_app, create_campus
from app.pipeline import issuer_keys
from app.pipeline.campus import Campus
from app.settings import Settings
from tests.integration.issuer_rig import Stranger, badged, credentials, issuer
from tests.integration.trip import Trip
from tests.interop import story_check

pytestmark = pytest.mark.interop
ORIGIN = "https://badges.example.edu"


@pytest.fixture(autouse=True)
def tools() -> None:
    reason = story_check.missing_tools()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def public_campus(settings: Settings, db: Database) -> Iterator[Campus]:
    made = create_campus(settings.model_copy(update={"public_url": ORIGIN}))
    yield made
    made.http.close()
    made.db.close()


def verdicts(verifier: str, www: Path, *files: Path) -> list[str]:
    answers = story_check.run_verifier(verifier, files, [f"{ORIGIN}={www}"])
    return [verdict for _, verdict, _ in answers]


def es256(campus: Campus, number: int) -> bytes:
    """The same badge in the form for wallets."""
    document = json.loads(credentials(campus)[number].document)
    document.pop("proof")
    with campus.db.reading() as session:
        key = issuers.signing_key(
            session, campus.keyring, issuer(campus).id, KeyKind.P256, campus.clock()
        )
    return FORMATS["vc-jwt-es256"].sign(document, key, campus.clock(), True)


def write(folder: Path, campus: Campus) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {".json": [], ".jwt": []}
    for number, credential in enumerate(credentials(campus)):
        for name, content in (
            (f"{number}.json", credential.document),
            (f"{number}-rs256.jwt", credential.jwt.encode()),
            (f"{number}-es256.jwt", es256(campus, number)),
        ):
            path = folder / name
            path.write_bytes(content)
            found[path.suffix].append(path)
    return found


def rotated(trip: Trip) -> None:
    for kind in KeyKind:
        issuer_keys.rotate(trip.campus, issuer(trip.campus).id, kind, "test")
    trip.clock.forward(hours=2)
    trip.learner("late")
    trip.book.grades["quiz", "late"] = trip.book.maximum["quiz"]
    trip.collect()
    trip.sign()


def test_every_form_is_accepted_before_and_after_rotation(
    public_campus: Campus, tmp_path: Path
) -> None:
    trip = badged(public_campus, learners=1)
    old = es256(trip.campus, 0)
    rotated(trip)
    client = create_app(public_campus.settings, replace(public_campus)).test_client()
    Stranger(client).save(tmp_path / "www")
    files = write(tmp_path, trip.campus)
    files[".jwt"].append(tmp_path / "old-es256.jwt")
    files[".jwt"][-1].write_bytes(old)
    used = {c.embedded_key for c in credentials(trip.campus)}
    assert len(used) == 2
    for verifier in ("verifier-core", "digitalbazaar-vc"):
        assert verdicts(verifier, tmp_path / "www", *files[".json"]) == ["valid"] * 2
    assert verdicts("jose", tmp_path / "www", *files[".jwt"]) == ["valid"] * 5


def test_openbadgeslib_accepts_both_tokens(public_campus: Campus) -> None:
    """It finds each key by the token's ``kid`` in the DID document that is served."""
    trip = badged(public_campus, learners=1)
    client = create_app(public_campus.settings, replace(public_campus)).test_client()
    did = issuer(trip.campus).did
    for token in (credentials(trip.campus)[0].jwt, es256(trip.campus, 0).decode()):
        verifier = OB3Verifier(*_key(client, token), issuer_did=did)
        assert verifier.verify(token)
        with pytest.raises(OB3VerificationError):
            verifier.verify(token[:-8] + "AAAAAAAA")


def _key(client: FlaskClient, token: str) -> tuple[bytes]:
    kid = jwt.get_unverified_header(token)["kid"]
    (method,) = [
        one
        for one in Stranger(client).json("/issuers/campus/did.json")["verificationMethod"]
        if one["id"] == kid
    ]
    key = PublicKey.from_jwk(method["publicKeyJwk"]).raw
    return (key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),)
