"""The seal of a credential, whichever kind it is: proofs inside, or a token around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.credentials.verify import proofs, tokens
from app.credentials.verify.limits import Run
from app.credentials.verify.reading import Sealed
from app.credentials.verify.report import Finding, absent
from app.words import say

_BY_TEXT: Final = tuple(name for name, suite in proofs.SUITES.items() if not suite.by_contexts)


def issuer_of(document: Mapping[str, Any]) -> str:
    """The issuer's id in either form that the standard allows; empty if there is none."""
    issuer = document.get("issuer")
    identifier = issuer.get("id") if isinstance(issuer, dict) else issuer
    return identifier if isinstance(identifier, str) else ""


def signs_text(sealed: Sealed) -> bool:
    """Whether the seal covers the text itself, so that even a name without a meaning is signed."""
    suites = [proof.get("cryptosuite") for proof in sealed.proofs if isinstance(proof, dict)]
    return sealed.token is not None or (bool(suites) and all(name in _BY_TEXT for name in suites))


def check(sealed: Sealed, run: Run, *, readable: bool) -> dict[str, Finding]:
    """Findings ``purpose``, ``key``, ``proof`` and ``token``.

    :param readable: whether every context of the document is known.
    :raises OverLimitError: the work went over its bounds.
    """
    issuer = issuer_of(sealed.document)
    if sealed.token is not None:
        purpose = absent(say("A token has no purpose of its own."))
        return {"purpose": purpose, **tokens.check(sealed.document, sealed.token, issuer, run)}
    found = proofs.check(sealed.document, sealed.proofs, issuer, run, readable)
    return {**found, "token": absent(say("It is not a token."))}
