"""One issuer and its badges, made with our own modules: what the verifiers are shown.

Everything random is drawn from a seed that the caller gives, keys excepted.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from app.credentials import bake, designs, did, document, keys, status
from app.credentials.document import (
    AchievementFacts,
    AlignmentFacts,
    EvidenceFacts,
    ImageFacts,
    IssuerProfile,
    RecipientFacts,
    RelatedFacts,
    StatusRef,
)
from app.credentials.proofs import FORMATS

ORIGIN = "https://story.example"
AWARDED = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)
LIST_URL = f"{ORIGIN}/issuers/cs/status/1"

ACHIEVEMENT = AchievementFacts(
    id=f"{ORIGIN}/achievements/0b7c/1",
    name="Reading Tables — Größe, Æther & “quotes”",
    description='Reads and explains data.\nTwo lines, a tab\there, \\ and "quotes", 数据, 🎓.',
    criteria_narrative="Reached **80 %** in both *Quiz 3* and the project.",
    criteria_url=f"{ORIGIN}/achievements/0b7c/1/criteria",
    image=ImageFacts(f"{ORIGIN}/achievements/0b7c/1/badge.png", "A blue shield with a star"),
    alignments=(
        AlignmentFacts(
            target_name="Interpret tabular data",
            target_url="https://frameworks.example/ctdl/ce-10f5",
            target_type="ceasn:Competency",
            target_framework="Data Skills",
            target_code="DS.1.2",
            target_description="Reads tables and says what they mean.",
        ),
        AlignmentFacts("analyse data", "http://data.example/esco/skill/2b92", "ext:ESCOSkill"),
    ),
    tags=("data", "statistics"),
    version="1",
    related=(RelatedFacts(f"{ORIGIN}/achievements/0b7c/1.de", "1"),),
    credits_available=Decimal("2.5"),
)


@dataclass
class Campus:
    """An issuer with a full set of keys, as :mod:`tests.interop.story_check` expects it on disk."""

    rng: Random = field(default_factory=lambda: Random(7))
    did: str = did.did_for(ORIGIN, "cs")
    ed25519: keys.SigningKey = field(default_factory=lambda: keys.generate(keys.KeyKind.ED25519))
    rsa: keys.SigningKey = field(default_factory=lambda: keys.generate(keys.KeyKind.RSA_2048))
    p256: keys.SigningKey = field(default_factory=lambda: keys.generate(keys.KeyKind.P256))
    retired: list[keys.PublicKey] = field(default_factory=list)
    taken: dict[int, str] = field(default_factory=dict)
    """Status index -> id of the credential."""

    @property
    def profile(self) -> IssuerProfile:
        return IssuerProfile(
            did=self.did,
            name="Department of Computing, Universität Beispiel",
            url=f"{ORIGIN}/issuers/cs",
            email="badges@story.example",
            description="Teaches computing.",
            image=ImageFacts(f"{ORIGIN}/logo.png", "Logo of the department"),
        )

    def badge(self, **changes: Any) -> dict[str, Any]:
        """An unsigned badge for a new learner; ``changes`` replace arguments of ``build``."""
        index = status.pick_index(self.taken, self.rng)
        self.taken[index] = credential_id = f"urn:uuid:{self._uuid()}"
        facts: dict[str, Any] = {
            "credential_id": credential_id,
            "issuer": self.profile,
            "achievement": ACHIEVEMENT,
            "recipient": RecipientFacts(
                subject_id=f"urn:uuid:{self._uuid()}",
                email=f"Learner.{index}@Story.example",
                salt=self.rng.randbytes(16).hex(),
            ),
            "status": StatusRef(LIST_URL, index),
            "valid_from": AWARDED,
            "evidence": [
                EvidenceFacts("Quiz 3", "Graded on 2026-08-30.", url=f"{ORIGIN}/evidence/{index}")
            ],
        }
        return document.build(**{**facts, **changes})

    def sign(self, badge: dict[str, Any], format_name: str) -> bytes:
        """``badge`` in a format of the table, with the key it needs."""
        chosen = FORMATS[format_name]
        key = {k.kind: k for k in (self.ed25519, self.rsa, self.p256)}[chosen.key_kind]
        return chosen.sign(badge, key, AWARDED, True)

    def publish(self, www: Path, revoked: set[str]) -> None:
        """Write what the names in the badges resolve to: DID document, JWK set, status list."""
        public = [*self.retired, self.ed25519.public, self.rsa.public, self.p256.public]
        bits = status.with_set([i for i, name in self.taken.items() if name in revoked])
        unsigned = status.list_credential(
            url=LIST_URL, issuer_did=self.did, bits=bits, valid_from=AWARDED
        )
        _write(www / did.did_url_path(self.did)[1:], did.did_document(self.did, public))
        _write(www / ".well-known/jwks.json", did.jwks(self.did, public))
        path = www / LIST_URL.removeprefix(f"{ORIGIN}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.sign(unsigned, "eddsa-rdfc-2022"))

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)


def write_story(folder: Path, *, learners: int = 3) -> Campus:
    """A small story directory; the last learner's badge is revoked, the first key is retired."""
    campus = Campus()
    credentials = folder / "credentials"
    credentials.mkdir(parents=True)
    picture = designs.png("shield", "indigo", size=120)
    revoked: set[str] = set()
    names: list[str] = []
    for number in range(learners):
        badge = campus.badge()
        signed = campus.sign(badge, "eddsa-rdfc-2022")
        (credentials / f"{number}.json").write_bytes(signed)
        (credentials / f"{number}.png").write_bytes(bake.bake(picture, signed))
        (credentials / f"{number}.jwt").write_bytes(campus.sign(badge, "vc-jwt-rs256"))
        (credentials / f"{number}-wallet.jwt").write_bytes(campus.sign(badge, "vc-jwt-es256"))
        if number == 0:
            campus.retired.append(campus.ed25519.public)
            campus.ed25519 = keys.generate(keys.KeyKind.ED25519)
        if number == learners - 1:
            revoked.add(badge["id"])
            names = [f"{number}.json", f"{number}.jwt", f"{number}.png", f"{number}-wallet.jwt"]
    campus.publish(folder / "www", revoked)
    _write(folder / "summary.json", {"revoked": names})
    return campus


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
