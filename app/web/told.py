"""What a signed credential tells of how it was earned, read from its own bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from app.models import Credential


@dataclass(frozen=True)
class Told:
    """``evidence``: what counted, with its day; ``results``: what it was and the percent reached."""

    evidence: tuple[tuple[str, str], ...]
    results: tuple[tuple[str, str], ...]


def of(credential: Credential) -> Told:
    """From the exact document, so that a page cannot say more or less than the file."""
    document = json.loads(credential.document)
    subject = document["credentialSubject"]
    names = {
        described["id"]: described["name"]
        for described in subject["achievement"].get("resultDescription", ())
    }
    return Told(
        tuple(
            (piece["name"], piece.get("narrative", "")) for piece in document.get("evidence", ())
        ),
        tuple(
            (names.get(result["resultDescription"], ""), result["value"])
            for result in subject.get("result", ())
        ),
    )
