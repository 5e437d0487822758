"""From an award to its signed credential: composed from rows, sealed once, checked, kept.

The bytes are made outside any transaction; everything that they depend on (id, date, status entry)
stands on the award row before, so a repetition signs the same statement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from app.credentials import contexts, document, editions
from app.credentials.details import Details, asked, level_alignments, narrative
from app.credentials.issuers import profile, profile_json, status_url
from app.credentials.keys import KeyKind, Signer
from app.credentials.proofs import FORMATS
from app.models import AchievementVersion, Award, Issuer

EMBEDDED = "eddsa-rdfc-2022"
TOKEN = "vc-jwt-rs256"  # noqa: S105 - the name of a proof format
WALLET_TOKEN = "vc-jwt-es256"  # noqa: S105 - the name of a proof format


@dataclass(frozen=True)
class Signers:
    """The two keys of an issuer that seal a badge."""

    embedded: Signer
    token: Signer


@dataclass(frozen=True)
class Shown:
    """What one credential tells about how it was earned."""

    evidence: tuple[document.EvidenceFacts, ...] = ()
    results: tuple[document.ResultFacts, ...] = ()


@dataclass(frozen=True)
class Sealed:
    """What is kept of one credential."""

    document: bytes
    sha256: str
    jwt: str
    contexts: dict[str, Any]
    embedded_key: str
    """Fragments of the keys that signed."""
    token_key: str


def compose(
    *,
    credential_id: str,
    award: Award,
    version: AchievementVersion,
    issuer: Issuer,
    list_number: int,
    email: str,
    public_url: str,
    holder: str | None = None,
    shown: Shown | None = None,
    endorsements: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The unsigned document. ``award`` must hold its status entry. Raises Invalid.

    :param holder: DID of the wallet that it is bound to, if not yet the award's own; it stands in
        place of the random subject id and of the hashed e-mail.
    :param shown: what it names as evidence and results; nothing without it.
    :param endorsements: what others signed about the achievement, as it is.
    """
    shown = shown or Shown()
    assert award.status_index is not None
    recipient = document.RecipientFacts(holder or award.subject_id)
    if not (holder or award.in_wallet):
        recipient = document.RecipientFacts(award.subject_id, email=email, salt=award.salt)
    made = document.build(
        credential_id=f"urn:uuid:{credential_id}",
        issuer=profile(issuer),
        achievement=achievement_facts(version, public_url),
        recipient=recipient,
        status=document.StatusRef(status_url(public_url, issuer, list_number), award.status_index),
        valid_from=award.awarded_at,
        evidence=shown.evidence,
        results=shown.results,
        valid_until=award.expires_at,
    )
    return endorsed(made, endorsements)


def endorsed(facts: dict[str, Any], inside: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``facts`` with endorsements of its achievement in their place (Open Badges 3.0, Achievement)."""
    if not inside:
        return facts
    subject = facts["credentialSubject"]
    achievement = {**subject["achievement"], "endorsement": list(inside)}
    return {**facts, "credentialSubject": {**subject, "achievement": achievement}}


def achievement_facts(version: AchievementVersion, public_url: str) -> document.AchievementFacts:
    """What every credential of this version says about the achievement."""
    address = f"{public_url}/achievements/{version.achievement_id}"
    details = Details.from_json(version.details)
    own = [_alignment(item, address) for item in version.alignments]
    return document.AchievementFacts(
        id=address,
        name=version.name,
        description=version.description or version.name,
        criteria_narrative=narrative(version.criteria, details),
        image=document.ImageFacts(f"{address}.png", version.image_alt or version.name),
        criteria_url=address,
        achievement_type=details.kind,
        alignments=(*own, *level_alignments(details)),
        tags=details.tags,
        credits_available=details.credits,
        results=asked(details, address),
        related=tuple(
            document.RelatedFacts(editions.address(address, language), str(version.number))
            for language in editions.of(version)
        ),
        version=str(version.number),
    )


def achievement_json(
    version: AchievementVersion,
    issuer: Issuer,
    public_url: str,
    endorsements: Sequence[Mapping[str, Any]] = (),
    language: str = "",
) -> dict[str, Any]:
    """The achievement as it stands inside each of its credentials, with who made it.

    Not signed, so it says which language is which. ``language`` asks for an edition: the same under
    the edition's own address in its own words.
    """
    facts = achievement_facts(version, public_url)
    said = editions.worded(version, language)
    details = replace(Details.from_json(version.details), language=said.language)
    places = {one: editions.address(facts.id, one) for one in editions.of(version)}
    places[editions.main_language(version)] = facts.id
    own = places.pop(said.language)
    facts = replace(
        facts,
        id=own,
        name=said.name,
        description=said.description or said.name,
        criteria_narrative=narrative(said.criteria, details),
        image=replace(facts.image, caption=said.image_alt or said.name),
        related=tuple(
            document.RelatedFacts(place, str(version.number)) for place in places.values()
        ),
    )
    made = document.achievement_object(facts)
    for one, related in zip(places, made.get("related", ()), strict=True):
        related["inLanguage"] = one
    whole = {
        "@context": [contexts.CREDENTIALS, contexts.OPEN_BADGES],
        **made,
        "inLanguage": said.language,
        "creator": profile_json(issuer),
    }
    return whole | ({"endorsement": list(endorsements)} if endorsements else {})


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
    form = WALLET_TOKEN if keys.token.public.kind is KeyKind.P256 else TOKEN
    token = FORMATS[form].sign(facts, keys.token, now, fast)
    FORMATS[EMBEDDED].verify(embedded, keys.embedded.public, fast=fast)
    FORMATS[form].verify(token, keys.token.public)
    return Sealed(
        document=embedded,
        sha256=hashlib.sha256(embedded).hexdigest(),
        jwt=token.decode("ascii"),
        contexts=dict(contexts.hashes_used(facts)),
        embedded_key=keys.embedded.public.fragment,
        token_key=keys.token.public.fragment,
    )
