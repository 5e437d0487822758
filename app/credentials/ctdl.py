"""Achievements as CTDL, the language of credential registries (Credential Engine), as JSON-LD. Pure.

The same facts as in the credentials themselves, for machines that compare what can be earned where.
Nothing about anybody who earned it. (CTDL terms, ``credreg.net/ctdl/terms``; read 2026-11.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.credentials.document import AchievementFacts, AlignmentFacts, IssuerProfile

CONTEXT: Final = "https://credreg.net/ctdl/schema/context/json"
_STATUS: Final = {True: "credentialStat:Active", False: "credentialStat:Deprecated"}


def graph(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Resources as one JSON-LD document."""
    return {"@context": CONTEXT, "@graph": list(entries)}


def organization(issuer: IssuerProfile, address: str, language: str) -> dict[str, Any]:
    """An issuer; ``address`` is its page here, by which achievements name it."""
    found = {
        "@id": address,
        "@type": "ceterms:CredentialOrganization",
        "ceterms:name": {language: issuer.name},
        "ceterms:subjectWebpage": issuer.url,
        "ceterms:alternativeIdentifier": [
            {"@type": "ceterms:IdentifierValue", "ceterms:identifierValueCode": issuer.did}
        ],
    }
    if issuer.description:
        found["ceterms:description"] = {language: issuer.description}
    return found


def badge(
    facts: AchievementFacts,
    key: str,
    offered_by: str,
    language: str,
    *,
    active: bool,
    unit: str = "",
) -> dict[str, Any]:
    """An achievement. ``key`` is its UUID, of which the CTID is made (``ce-`` and the UUID).

    ``unit`` is what its credit is counted in.
    """
    found: dict[str, Any] = {
        "@id": facts.id,
        "@type": "ceterms:OpenBadge",
        "ceterms:ctid": f"ce-{key}",
        "ceterms:name": {language: facts.name},
        "ceterms:description": {language: facts.description},
        "ceterms:subjectWebpage": facts.id,
        "ceterms:inLanguage": [language],
        "ceterms:credentialStatusType": _node(_STATUS[active]),
        "ceterms:ownedBy": [offered_by],
        "ceterms:offeredBy": [offered_by],
        "ceterms:requires": [_condition(facts, language, unit)],
    }
    if facts.tags:
        found["ceterms:keyword"] = {language: list(facts.tags)}
    if facts.image is not None:
        found["ceterms:image"] = facts.image.url
    return found


def add_words(
    entry: dict[str, Any], language: str, name: str, description: str, criteria: str
) -> None:
    """Let a badge made by :func:`badge` say the same in one more language."""
    entry["ceterms:inLanguage"].append(language)
    entry["ceterms:name"][language] = name
    if description:
        entry["ceterms:description"][language] = description
    entry["ceterms:requires"][0]["ceterms:description"][language] = criteria


def renewal(every: str, how: str, language: str) -> dict[str, Any]:
    """Members of a badge that ends: how often it is renewed (ISO 8601 duration), and by what."""
    condition = {"@type": "ceterms:ConditionProfile", "ceterms:description": {language: how}}
    return {"ceterms:renewalFrequency": every, "ceterms:renewal": [condition]}


def _condition(facts: AchievementFacts, language: str, unit: str) -> dict[str, Any]:
    """How it is earned, and the competencies that it stands for."""
    found: dict[str, Any] = {
        "@type": "ceterms:ConditionProfile",
        "ceterms:description": {language: facts.criteria_narrative},
    }
    if facts.credits_available is not None:
        found["ceterms:creditValue"] = [
            {"@type": "ceterms:ValueProfile", "schema:value": float(facts.credits_available)}
        ]
        found["ceterms:creditUnitTypeDescription"] = {language: unit}
    if facts.alignments:
        found["ceterms:targetCompetency"] = [_competency(one, language) for one in facts.alignments]
    return found


def _competency(one: AlignmentFacts, language: str) -> dict[str, Any]:
    found = {
        **_node(one.target_url),
        "ceterms:targetNodeName": {language: one.target_name},
    }
    if one.target_code:
        found["ceterms:codedNotation"] = one.target_code
    if one.target_framework:
        found["ceterms:frameworkName"] = {language: one.target_framework}
    return found


def _node(address: str) -> dict[str, Any]:
    return {"@type": "ceterms:CredentialAlignmentObject", "ceterms:targetNode": address}
