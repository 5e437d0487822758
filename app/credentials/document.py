"""An Open Badges 3.0 credential before it is signed: facts in, one JSON document out.

The document is what every verifier known to us accepts: arrays wherever the specification allows
several values, name, description and image on the top level too (wallets show those), and exactly
one ``credentialStatus`` (the 1EdTech schema refuses an array). Only properties that every copy of
the contexts in circulation maps are ever written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.credentials import wording
from app.credentials.contexts import CREDENTIALS, OPEN_BADGES
from app.errors import Invalid

TARGET_TYPES: Final = frozenset(
    {
        "ceasn:Competency",
        "ceterms:Credential",
        "CFItem",
        "CFRubric",
        "CFRubricCriterion",
        "CFRubricCriterionLevel",
        "CTDL",
    }
)
"""What an alignment may point to (Open Badges 3.0, AlignmentTargetType), or ``ext:`` and a name."""

_EXTENSION = re.compile(r"ext:[A-Za-z0-9._-]+")
_SALT = re.compile(r"[0-9a-f]{32,}")
_URN_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A picture: its address and what it shows, in words."""

    url: str
    caption: str


@dataclass(frozen=True, slots=True)
class IssuerProfile:
    """Who signs. ``did`` must be the controller of the signing key."""

    did: str
    name: str
    url: str
    email: str | None = None
    description: str | None = None
    image: ImageFacts | None = None


@dataclass(frozen=True, slots=True)
class AlignmentFacts:
    """One competency that the achievement shows, in the words of its framework."""

    target_name: str
    target_url: str
    target_type: str | None = None
    """One of :data:`TARGET_TYPES` or ``ext:Something``: decided by the kind of framework."""
    target_framework: str | None = None
    target_code: str | None = None
    target_description: str | None = None


@dataclass(frozen=True, slots=True)
class ResultDescriptionFacts:
    """A mark that was asked for, in percent. ``id`` is an address below the achievement's."""

    id: str
    name: str
    required: Decimal


@dataclass(frozen=True, slots=True)
class RelatedFacts:
    """The same achievement in another language, at an address of its own."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class AchievementFacts:
    """One version of what was achieved. ``id`` is the same for every learner."""

    id: str
    name: str
    description: str
    criteria_narrative: str
    """How one earns it, in Markdown."""
    image: ImageFacts
    achievement_type: str = "MicroCredential"
    """A name of the AchievementType enumeration of Open Badges 3.0."""
    criteria_url: str | None = None
    alignments: tuple[AlignmentFacts, ...] = ()
    tags: tuple[str, ...] = ()
    version: str | None = None
    credits_available: Decimal | None = None
    results: tuple[ResultDescriptionFacts, ...] = ()
    related: tuple[RelatedFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """Who earned it. The e-mail leaves this object only as a salted hash."""

    subject_id: str
    """``urn:uuid:…``, random per award, or a wallet's DID after proof of control."""
    email: str | None = None
    salt: str | None = None
    """At least 128 bits as lower-case hex, new for each credential; required with ``email``."""
    name: str | None = None
    """Only with the learner's consent."""


@dataclass(frozen=True, slots=True)
class StatusRef:
    """Where the credential's revocation bit stands."""

    list_url: str
    index: int


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """One piece of evidence: what it is called, what it says, where it is."""

    name: str
    narrative: str | None = None
    description: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What the learner reached, in percent; only at the learner's own wish."""

    described_by: str
    """Id of one of the achievement's result descriptions."""
    percent: Decimal


def build(
    *,
    credential_id: str,
    issuer: IssuerProfile,
    achievement: AchievementFacts,
    recipient: RecipientFacts,
    status: StatusRef,
    valid_from: datetime,
    valid_until: datetime | None = None,
    evidence: Sequence[EvidenceFacts] = (),
    results: Sequence[ResultFacts] = (),
) -> dict[str, Any]:
    """The unsigned credential. ``valid_from`` is the time of the award.

    :raises Invalid: a value that verifiers would refuse or read differently; ``fields`` names it.
    """
    document: dict[str, Any] = {
        "@context": [CREDENTIALS, OPEN_BADGES],
        "id": wording.iri(credential_id, "credential id"),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": wording.text(achievement.name, "achievement name"),
        "description": wording.text(achievement.description, "achievement description"),
        "image": _image(achievement.image, "achievement image"),
        "issuer": issuer_object(issuer),
        "validFrom": wording.timestamp(valid_from, "valid from"),
    }
    if valid_until is not None:
        if valid_until <= valid_from:
            raise Invalid("bad-validity", "The badge would end before it starts.")
        document["validUntil"] = wording.timestamp(valid_until, "valid until")
    document["credentialSubject"] = _subject(recipient, achievement)
    if results:
        document["credentialSubject"]["result"] = [_result(one) for one in results]
    if evidence:
        document["evidence"] = [_evidence(piece) for piece in evidence]
    document["credentialStatus"] = status_entry(status)
    return document


def issuer_object(issuer: IssuerProfile) -> dict[str, Any]:
    """The issuer as a Profile, as it stands in a credential and at its own address.

    :raises Invalid: see :func:`build`.
    """
    profile: dict[str, Any] = {
        "id": wording.iri(issuer.did, "issuer DID"),
        "type": ["Profile"],
        "name": wording.text(issuer.name, "issuer name"),
        "url": wording.iri(issuer.url, "issuer address"),
    }
    if issuer.email is not None:
        profile["email"] = wording.email(issuer.email, "issuer e-mail")
    if issuer.description is not None:
        profile["description"] = wording.text(issuer.description, "issuer description")
    if issuer.image is not None:
        profile["image"] = _image(issuer.image, "issuer image")
    return profile


def status_entry(status: StatusRef) -> dict[str, Any]:
    """The single ``credentialStatus`` (Bitstring Status List 1.0, section 2.1).

    :raises Invalid: see :func:`build`.
    """
    if status.index < 0:
        raise Invalid("bad-status", "A status list has no negative index.")
    url = wording.iri(status.list_url, "status list address")
    return {
        "id": f"{url}#{status.index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(status.index),
        "statusListCredential": url,
    }


def identity_hash(email: str, salt: str) -> str:
    """``sha256$`` and the hex digest of the lower-cased address followed by the salt.

    Lower-cased since people, and verifiers that compare, do not keep the case of an address.
    """
    digest = hashlib.sha256((email.strip().lower() + salt).encode()).hexdigest()
    return f"sha256${digest}"


def _subject(recipient: RecipientFacts, achievement: AchievementFacts) -> dict[str, Any]:
    subject = subject_object(recipient, "AchievementSubject")
    subject["achievement"] = achievement_object(achievement)
    return subject


def subject_object(recipient: RecipientFacts, kind: str) -> dict[str, Any]:
    """Who a credential is about, as a subject of the type ``kind``, without what is said of them.

    :raises Invalid: see :func:`build`.
    """
    is_random = _URN_UUID.fullmatch(recipient.subject_id)
    if not is_random and not recipient.subject_id.startswith("did:"):
        raise Invalid("bad-subject", "The subject id must be a urn:uuid or the DID of a wallet.")
    subject: dict[str, Any] = {
        "id": wording.iri(recipient.subject_id, "subject id"),
        "type": [kind],
    }
    identifiers = _identifiers(recipient)
    if identifiers:
        subject["identifier"] = identifiers
    return subject


def _identifiers(recipient: RecipientFacts) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if recipient.name is not None:
        # First, since some wallets show the first identifier as the learner's name.
        found.append(
            {
                "type": "IdentityObject",
                "hashed": False,
                "identityHash": wording.text(recipient.name, "learner name"),
                "identityType": "name",
            }
        )
    if recipient.email is not None:
        if recipient.salt is None or not _SALT.fullmatch(recipient.salt):
            raise Invalid("bad-salt", "An e-mail needs a salt of at least 128 bits in hex.")
        address = wording.email(recipient.email, "learner e-mail")
        found.append(
            {
                "type": "IdentityObject",
                "hashed": True,
                "identityHash": identity_hash(address, recipient.salt),
                "identityType": "emailAddress",
                "salt": recipient.salt,
            }
        )
    return found


def achievement_object(facts: AchievementFacts) -> dict[str, Any]:
    """The achievement as it stands inside a credential, and at its own address."""
    criteria = {"narrative": wording.text(facts.criteria_narrative, "criteria")}
    if facts.criteria_url is not None:
        criteria = {"id": wording.iri(facts.criteria_url, "criteria address"), **criteria}
    achievement: dict[str, Any] = {
        "id": wording.iri(facts.id, "achievement id"),
        "type": ["Achievement"],
        "achievementType": wording.text(facts.achievement_type, "achievement type"),
        "name": wording.text(facts.name, "achievement name"),
        "description": wording.text(facts.description, "achievement description"),
        "criteria": criteria,
        "image": _image(facts.image, "achievement image"),
    }
    if facts.tags:
        achievement["tag"] = [wording.text(tag, "tag") for tag in facts.tags]
    if facts.version is not None:
        achievement["version"] = wording.text(facts.version, "version")
    if facts.credits_available is not None:
        achievement["creditsAvailable"] = _number(facts.credits_available)
    if facts.alignments:
        achievement["alignment"] = [_alignment(target) for target in facts.alignments]
    if facts.results:
        achievement["resultDescription"] = [_asked(one) for one in facts.results]
    if facts.related:
        achievement["related"] = [_related(one) for one in facts.related]
    return achievement


def _related(facts: RelatedFacts) -> dict[str, Any]:
    place, version = wording.iri(facts.id, "edition"), wording.text(facts.version, "version")
    return {"id": place, "type": ["Related"], "version": version}


def _asked(facts: ResultDescriptionFacts) -> dict[str, Any]:
    return {
        "id": wording.iri(facts.id, "result description"),
        "type": ["ResultDescription"],
        "name": wording.text(facts.name, "result name"),
        "resultType": "Percent",
        "requiredValue": _percent(facts.required),
        "valueMin": "0",
        "valueMax": "100",
    }


def _result(facts: ResultFacts) -> dict[str, Any]:
    return {
        "type": ["Result"],
        "resultDescription": wording.iri(facts.described_by, "result description"),
        "value": _percent(facts.percent),
    }


def _percent(value: Decimal) -> str:
    """As text, which the specification asks for; at most two decimals, none that are zero."""
    if not value.is_finite():
        raise Invalid("bad-result", "A result is a number.")
    text = format(value.quantize(Decimal("0.01")), "f")
    return text.rstrip("0").rstrip(".") or "0"


def _alignment(facts: AlignmentFacts) -> dict[str, Any]:
    alignment: dict[str, Any] = {
        "type": ["Alignment"],
        "targetName": wording.text(facts.target_name, "alignment name"),
        "targetUrl": wording.iri(facts.target_url, "alignment address"),
    }
    if facts.target_type is not None:
        if facts.target_type not in TARGET_TYPES and not _EXTENSION.fullmatch(facts.target_type):
            raise Invalid("bad-target-type", f"{facts.target_type!r} is not an alignment type.")
        alignment["targetType"] = facts.target_type
    optional = {
        "targetFramework": facts.target_framework,
        "targetCode": facts.target_code,
        "targetDescription": facts.target_description,
    }
    for term, value in optional.items():
        if value is not None:
            alignment[term] = wording.text(value, term)
    return alignment


def _evidence(facts: EvidenceFacts) -> dict[str, Any]:
    evidence: dict[str, Any] = (
        {} if facts.url is None else {"id": wording.iri(facts.url, "evidence")}
    )
    evidence |= {"type": ["Evidence"], "name": wording.text(facts.name, "evidence name")}
    if facts.narrative is not None:
        evidence["narrative"] = wording.text(facts.narrative, "evidence narrative")
    if facts.description is not None:
        evidence["description"] = wording.text(facts.description, "evidence description")
    return evidence


def _image(facts: ImageFacts, field: str) -> dict[str, str]:
    return {
        "id": wording.iri(facts.url, field),
        "type": "Image",
        "caption": wording.text(facts.caption, f"{field} caption"),
    }


def _number(value: Decimal) -> int | float:
    """A JSON number that Python and JavaScript write alike: whole numbers without a point."""
    if not value.is_finite() or value < 0 or value >= 10_000:
        raise Invalid("bad-credits", "Credits must be a number from 0 to 9,999.")
    return int(value) if value == value.to_integral_value() else float(value)
