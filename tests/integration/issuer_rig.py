"""An issuer with signed badges, and a stranger who judges them by what the world can read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from app.credentials import issuers, status
from app.credentials.keys import KeyKind, PublicKey
from app.credentials.proofs import FORMATS, ProofError
from app.models import Award, Credential, Issuer, IssuerKey
from app.pipeline.campus import Campus
from tests.integration.trip import Trip


def badged(campus: Campus, learners: int = 3) -> Trip:
    """A course in which everybody has a signed badge."""
    trip = Trip(campus)
    trip.book.maximum = {"quiz": Decimal(10)}
    for number in range(learners):
        trip.learner(f"l{number}")
        trip.book.grades["quiz", f"l{number}"] = Decimal(9)
    trip.collect()
    trip.badge({"quiz": 50})
    trip.collect()
    while trip.sign():
        pass
    return trip


def credentials(campus: Campus) -> list[Credential]:
    """Every signed credential, in the order of its award and number."""
    with campus.db.reading() as session:
        query = select(Credential).order_by(Credential.award_id, Credential.number)
        return list(session.scalars(query))


def awards(campus: Campus) -> list[Award]:
    with campus.db.reading() as session:
        return list(session.scalars(select(Award).order_by(Award.id)))


def keys(campus: Campus, kind: KeyKind) -> list[IssuerKey]:
    """The issuer's keys of a kind, oldest first."""
    with campus.db.reading() as session:
        query = select(IssuerKey).where(IssuerKey.kind == kind.value)
        return list(session.scalars(query.order_by(IssuerKey.signs_from, IssuerKey.created_at)))


@dataclass
class Stranger:
    """Verifies with nothing but what is served."""

    client: FlaskClient
    slug: str = issuers.DEFAULT_SLUG

    def json(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        found: dict[str, Any] = json.loads(answer.data)
        return found

    @property
    def listed(self) -> set[str]:
        """Fragments that the DID document says may assert."""
        document = self.json(f"/issuers/{self.slug}/did.json")
        return {one.partition("#")[2] for one in document["assertionMethod"]}

    def key(self, fragment: str) -> PublicKey | None:
        if fragment not in self.listed:
            return None
        for jwk in self.json(f"/issuers/{self.slug}/jwks.json")["keys"]:
            if jwk["kid"].partition("#")[2] == fragment:
                return PublicKey.from_jwk(jwk)
        return None

    def judge(self, credential: Credential) -> str:
        """valid | unlisted (its key is not one of the issuer's) | revoked | forged."""
        verdicts = {
            self._proof(credential.document, "eddsa-rdfc-2022", credential.embedded_key),
            self._proof(credential.jwt.encode(), "vc-jwt-rs256", credential.token_key),
        }
        for bad in ("unlisted", "forged"):
            if bad in verdicts:
                return bad
        return "revoked" if self.is_revoked(credential) else "valid"

    def _proof(self, signed: bytes, form: str, fragment: str) -> str:
        key = self.key(fragment)
        if key is None:
            return "unlisted"
        try:
            FORMATS[form].verify(signed, key)
        except ProofError:
            return "forged"
        return "valid"

    def is_revoked(self, credential: Credential) -> bool:
        """The bit in the list that the credential names; the list's own proof has to hold."""
        entry = json.loads(credential.document)["credentialStatus"]
        path = "/" + entry["statusListCredential"].split("/", 3)[3]
        signed = self.client.get(path).data
        made_with = json.loads(signed)["proof"]["verificationMethod"].partition("#")[2]
        key = self.key(made_with)
        assert key is not None, "the status list is signed with a key that is not listed"
        FORMATS["eddsa-rdfc-2022"].verify(signed, key)
        bits = status.decode(json.loads(signed)["credentialSubject"]["encodedList"])
        return status.get(bits, int(entry["statusListIndex"]))

    def save(self, folder: Path, lists: Sequence[int] = (1,)) -> None:
        """What the world reads of the issuer, as files for verifiers without a network."""
        for path in ("did.json", "jwks.json", *(f"status/{number}" for number in lists)):
            place = folder / "issuers" / self.slug / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.client.get(f"/issuers/{self.slug}/{path}").data)


def issuer(campus: Campus) -> Issuer:
    with campus.db.reading() as session:
        return session.scalars(select(Issuer)).one()
