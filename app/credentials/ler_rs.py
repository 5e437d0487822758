"""A preview of a learner record as HR Open's LER-RS (Learning and Employment Record Resume Standard).

What an applicant tracking system would read: one certification for each badge, the skills that the
badges show, and the signed badges themselves as attachments, byte for byte. The preview itself is
not signed, and says so. It holds nothing that the published samples of LER-RS 4.5 do not show: the
schema of the standard is not at hand, and a guess at it would look like conformance.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from app.credentials import wording

CONTEXT: Final = (
    "https://www.w3.org/2018/credentials/v1",
    "http://schema.hropenstandards.org/4.5/recruiting/json/VerifiableCredentialLER-RSType.json",
)
SUBJECT: Final = "http://schema.hropenstandards.org/4.5/recruiting/json/LER-RSType.json"
NOTE: Final = (
    "This is a preview of an LER-RS document and is not signed.",
    "The signed Open Badges are attached; each of them can be checked by itself.",
)


@dataclass(frozen=True, slots=True)
class HolderFacts:
    """Whose record it is; only with the learner's consent."""

    name: str
    given: str = ""
    family: str = ""
    email: str | None = None


@dataclass(frozen=True, slots=True)
class SignedBadge:
    """A badge, read, and the bytes that it was read from."""

    content: Mapping[str, Any]
    signed: bytes


def build(
    *,
    document_id: str,
    issuer: str,
    badges: Sequence[SignedBadge],
    holder: HolderFacts | None,
    now: datetime,
) -> dict[str, Any]:
    """The preview.

    :param document_id: a uuid.
    :param issuer: name of who puts it together; a name, since nobody signs it.
    :raises Invalid: a naive ``now``.
    """
    subject: dict[str, Any] = {"type": SUBJECT, "documentId": {"value": document_id}}
    if holder is not None:
        subject |= _person(holder)
    subject["narratives"] = [
        {"name": "Preview", "texts": [{"name": "not signed", "lines": list(NOTE)}]}
    ]
    skills = _skills(badge.content for badge in badges)
    if skills:
        subject["skills"] = skills
    subject["certifications"] = [_certification(badge.content) for badge in badges]
    subject["attachments"] = [_attachment(n, badge.signed) for n, badge in enumerate(badges, 1)]
    return {
        "@context": list(CONTEXT),
        "credentialSubject": subject,
        "id": f"urn:uuid:{document_id}",
        "type": ["VerifiableCredential", "LER-RS VC"],
        "issuer": issuer,
        "issuanceDate": wording.timestamp(now, "now"),
    }


def _person(holder: HolderFacts) -> dict[str, Any]:
    names = {"formattedName": holder.name, "given": holder.given, "family": holder.family}
    found: dict[str, Any] = {
        "person": {"name": {name: value for name, value in names.items() if value}}
    }
    if holder.email:
        found["communication"] = {"email": [{"useCode": "private", "address": holder.email}]}
    return found


def _skills(badges: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each competency once, with the badges that show it."""
    shown: dict[str, list[str]] = {}
    for badge in badges:
        achievement = badge["credentialSubject"]["achievement"]
        for target in achievement.get("alignment", []):
            shown.setdefault(target["targetName"], []).append(achievement["name"])
    return [
        {"name": skill, "comments": [f"Shown by the badge {name!r}." for name in names]}
        for skill, names in shown.items()
    ]


def _certification(badge: Mapping[str, Any]) -> dict[str, Any]:
    issuer = badge["issuer"]
    period = {"validFrom": badge["validFrom"]}
    if "validUntil" in badge:
        period["validTo"] = badge["validUntil"]
    return {
        "name": badge["credentialSubject"]["achievement"]["name"],
        "status": "Active",
        "firstIssued": badge["validFrom"][:10],
        "effectiveTimePeriod": period,
        "issuingAuthority": {
            "tradeName": issuer["name"],
            "domainName": f"dns:{urlsplit(issuer['url']).hostname}",
        },
        "verifications": [{"reference": badge["id"]}],
    }


def _attachment(number: int, signed: bytes) -> dict[str, Any]:
    return {
        "id": {"value": f"badge-{number}"},
        "content": {
            "value": base64.b64encode(signed).decode("ascii"),
            "encoding": "base64",
            "mimeType": "application/vc+ld+json",
            "filename": f"badge-{number}.json",
        },
    }
