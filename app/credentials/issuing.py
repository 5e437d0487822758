"""From an award to its signed credential: composed from rows, sealed once, checked, kept.

The bytes are made outside any transaction; everything that they depend on (id, date, status entry)
stands on the award row before, so a repetition signs the same statement.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy.orm import Session

from app.credentials import contexts, document
from app.credentials.issuers import profile, signing_key, status_url
from app.credentials.keys import KeyKind, SigningKey
from app.credentials.proofs import FORMATS
from app.models import AchievementVersion, Award, Issuer
from app.secrets import SecretBox

EMBEDDED = "eddsa-rdfc-2022"
TOKEN = "vc-jwt-rs256"  # noqa: S105 - the name of a proof format


@dataclass(frozen=True)
class Signers:
    """The two keys of an issuer that seal a badge."""

    embedded: SigningKey
    token: SigningKey


@dataclass(frozen=True)
class Sealed:
    """What is kept of one credential."""

    document: bytes
    sha256: str
    jwt: str
    contexts: dict[str, Any]


def signers(session: Session, box: SecretBox, issuer_id: str) -> Signers:
    """The active keys of an issuer."""
    return Signers(
        signing_key(session, box, issuer_id, KeyKind.ED25519),
        signing_key(session, box, issuer_id, KeyKind.RSA_2048),
    )


def compose(
    *,
    credential_id: str,
    award: Award,
    version: AchievementVersion,
    issuer: Issuer,
    list_number: int,
    email: str,
    public_url: str,
) -> dict[str, Any]:
    """The unsigned document. ``award`` must hold its status entry. Raises Invalid."""
    assert award.status_index is not None
    return document.build(
        credential_id=f"urn:uuid:{credential_id}",
        issuer=profile(issuer),
        achievement=achievement_facts(version, public_url),
        recipient=document.RecipientFacts(award.subject_id, email=email, salt=award.salt),
        status=document.StatusRef(status_url(public_url, issuer, list_number), award.status_index),
        valid_from=award.awarded_at,
    )


def achievement_facts(version: AchievementVersion, public_url: str) -> document.AchievementFacts:
    """What every credential of this version says about the achievement."""
    address = f"{public_url}/achievements/{version.achievement_id}"
    return document.AchievementFacts(
        id=address,
        name=version.name,
        description=version.description or version.name,
        criteria_narrative=version.criteria,
        image=document.ImageFacts(f"{address}.png", version.image_alt or version.name),
        criteria_url=address,
        alignments=tuple(_alignment(item, address) for item in version.alignments),
        version=str(version.number),
    )


def _alignment(item: dict[str, Any], address: str) -> document.AlignmentFacts:
    """A competency without an address of its own is found on the achievement's page."""
    own = f"{address}#competency-{quote(item['code'], safe='')}"
    return document.AlignmentFacts(
        target_name=item["statement"],
        target_url=item.get("uri") or own,
        target_code=item["code"],
        target_type="CFItem" if item.get("case_id") else None,
        target_framework=item.get("framework"),
    )


def seal(facts: dict[str, Any], keys: Signers, now: datetime, *, fast: bool) -> Sealed:
    """Sign both forms and check each by its own verifier before anything is kept."""
    embedded = FORMATS[EMBEDDED].sign(facts, keys.embedded, now, fast)
    token = FORMATS[TOKEN].sign(facts, keys.token, now, fast)
    FORMATS[EMBEDDED].verify(embedded, keys.embedded.public, fast=fast)
    FORMATS[TOKEN].verify(token, keys.token.public)
    return Sealed(
        document=embedded,
        sha256=hashlib.sha256(embedded).hexdigest(),
        jwt=token.decode("ascii"),
        contexts=dict(contexts.hashes_used(facts)),
    )
