"""A Comprehensive Learner Record 2.0 before it is signed: signed badges in, one JSON document out.

The badges stand in it exactly as they were signed, each with the proof of its own issuer; the outer
proof says only that this campus put them together for this learner. It names no status entry: a
record is made fresh whenever it is asked for and ends by itself, and each badge keeps its own entry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from app.credentials import wording
from app.credentials.contexts import CLR, CREDENTIALS, OPEN_BADGES
from app.credentials.document import (
    IssuerProfile,
    RecipientFacts,
    issuer_object,
    subject_object,
)
from app.errors import Invalid

LIFE: Final = timedelta(days=180)
"""Verifiers that look at the outer proof alone do not see that a badge inside was revoked since."""

MAX_BADGES: Final = 40
"""Our own verifier reads so many in one document, with their status lists and some endorsements."""

MAX_CREDENTIALS: Final = 100
"""Badges and endorsements inside them; our verifier reads 120, status lists included."""

MAX_BYTES: Final = 250_000
"""Of all badges together; some verifiers stop reading at 262,144."""


def build(
    *,
    record_id: str,
    name: str,
    issuer: IssuerProfile,
    recipient: RecipientFacts,
    badges: Sequence[Mapping[str, Any]],
    partial: bool,
    valid_from: datetime,
) -> dict[str, Any]:
    """The unsigned record (CLR 2.0, ClrCredential), which ends :data:`LIFE` after ``valid_from``.

    ``awardedDate`` is left out: copies of the context in circulation disagree about it.

    :param badges: signed Open Badges with their proofs; not changed.
    :param partial: whether the campus knows more about the learner than stands here.
    :raises Invalid: no badge, too many of them, one that is not signed or stands there twice, or a
        value that verifiers would refuse; ``fields`` names it.
    """
    _check(badges)
    subject = subject_object(recipient, "ClrSubject")
    subject["verifiableCredential"] = list(badges)
    return {
        "@context": [CREDENTIALS, CLR, OPEN_BADGES],
        "id": wording.iri(record_id, "record id"),
        "type": ["VerifiableCredential", "ClrCredential"],
        "name": wording.text(name, "record name"),
        "partial": partial,
        "issuer": issuer_object(issuer),
        "validFrom": wording.timestamp(valid_from, "valid from"),
        "validUntil": wording.timestamp(valid_from + LIFE, "valid until"),
        "credentialSubject": subject,
    }


def _check(badges: Sequence[Mapping[str, Any]]) -> None:
    if not badges:
        raise Invalid(
            "record-empty", "A record needs at least one badge.", fix="Choose a badge to go in."
        )
    endorsements = sum(
        len(badge.get("credentialSubject", {}).get("achievement", {}).get("endorsement", ()))
        for badge in badges
    )
    too_many = len(badges) > MAX_BADGES or len(badges) + endorsements > MAX_CREDENTIALS
    if too_many or len(json.dumps(badges)) > MAX_BYTES:
        raise Invalid(
            "record-too-long",
            f"A record holds up to {MAX_BADGES} badges, fewer where they are long: verifiers refuse more.",
            fix="Choose fewer badges and make two records.",
        )
    if not all(badge.get("proof") for badge in badges):
        raise Invalid("record-unsigned", "A badge in the record carries no proof of its issuer.")
    if len({badge["id"] for badge in badges}) < len(badges):
        raise Invalid("record-doubled", "A badge stands in the record twice.")
