"""What could make a badge verify here and fail elsewhere; asked when a template is published.

Copies of ``context-3.0.3.json`` with different content are in use under the same address. A badge
that uses a term which only some of them map is signed over one set of statements and verified over
another. And a property that no context maps is dropped silently: it stands in the badge unsigned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.credentials import contexts
from app.credentials.proofs import data_integrity
from app.errors import Invalid

DRIFTING: Final[Mapping[str, str]] = {
    "awardedDate": "missing in the copy that ships with older wallets and the DCC signing service",
    "inLanguage": "missing in the copy that ships with older wallets and the DCC signing service",
    "endorsementJwt": "missing in every copy made before July 2026",
    "jti": "missing in every copy made before July 2026",
}
"""Term -> which copies of the Open Badges context do not know it."""

OUTDATED: Final[Mapping[str, str]] = {
    "issuanceDate": "write validFrom",
    "expirationDate": "write validUntil",
}
"""Terms of VC 1.1 that the 2.0 context does not map (1EdTech specification, issue 601)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a document is not portable."""

    code: str
    """``drifting-term``, ``outdated-term``, ``unmapped-term`` or ``unknown-context``."""
    where: str
    """Path of the property, for example ``credentialSubject.achievement.inLanguage``."""
    message: str


def lint(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Every reason why verifiers may disagree about ``document``; empty means portable."""
    try:
        contexts.context_urls(document)
    except Invalid as unknown:
        return (Finding("unknown-context", "@context", unknown.message),)
    named = list(_named(document))
    explained = {finding.where.rpartition(".")[2] for finding in named}
    unsigned = dict.fromkeys((*contexts.unmapped(document), *data_integrity.misplaced(document)))
    unmapped = [
        Finding("unmapped-term", term, f"{term} is in no context, so it would not be signed")
        for term in unsigned
        if term not in explained
    ]
    return (*named, *unmapped)


def _named(document: Mapping[str, Any]) -> Iterator[Finding]:
    for path, term in _terms(document, ""):
        if term in DRIFTING:
            yield Finding("drifting-term", path, f"{term} is {DRIFTING[term]}")
        if term in OUTDATED:
            yield Finding("outdated-term", path, f"{term} is a VC 1.1 term: {OUTDATED[term]}")


def _terms(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for term, value in node.items():
            if not term.startswith("@"):
                here = f"{path}.{term}" if path else term
                yield here, term
                yield from _terms(value, here)
    elif isinstance(node, list):
        for item in node:
            yield from _terms(item, path)
