"""VC-JWT (Open Badges 3.0, section 8.2): header, claims, key and signature of a compact JWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.credentials.verify import dids
from app.credentials.verify.limits import Run
from app.credentials.verify.reading import Token
from app.credentials.verify.report import Finding, Result, absent, failed, passed, unknown
from app.credentials.verify.times import moment
from app.words import say

ALGORITHMS: Final[Mapping[str, str]] = {
    "RS256": "RSA",
    "ES256": "P-256",
    "ES384": "P-384",
    "EdDSA": "Ed25519",
}
"""``alg`` -> kind of key."""
_HEADERS: Final = frozenset({"alg", "kid", "jwk", "typ"})


def check(document: Mapping[str, Any], token: Token, issuer: str, run: Run) -> dict[str, Finding]:
    """Findings ``token``, ``key`` and ``proof`` of a credential in ``token``.

    :raises OverLimitError: too many look-ups.
    """
    owner = _owner(token, issuer, run)
    return {
        "token": _header(token) or _claims(document, token, issuer),
        "key": owner.finding,
        "proof": _signature(token, owner),
    }


def _header(token: Token) -> Finding | None:
    """What is wrong with the header, if anything."""
    header = token.header
    extra = next((name for name in header if name not in _HEADERS), None)
    if extra:
        return failed(
            say(
                "The header holds %(extra)r, which Open Badges 3.0 does not allow.",
                extra=extra[:40],
            )
        )
    if header.get("typ", "JWT") != "JWT":
        return failed(say("The header's 'typ' is not 'JWT'."))
    if "kid" in header and "jwk" in header:
        return failed(say("The header names a key and brings another one."))
    return None


def _claims(document: Mapping[str, Any], token: Token, issuer: str) -> Finding:
    """Whether the claims repeat what the credential says, as other verifiers read only them."""
    subject = document.get("credentialSubject")
    begins, ends = moment(document.get("validFrom")), moment(document.get("validUntil"))
    expected = {
        "iss": issuer,
        "sub": subject.get("id") if isinstance(subject, dict) else None,
        "jti": document.get("id"),
        # A date that cannot be read is told of by its own check.
        "nbf": int(begins.timestamp()) if begins else token.claims.get("nbf", 0),
    }
    if "validUntil" in document or "exp" in token.claims:
        expected["exp"] = int(ends.timestamp()) if ends else None
    for name, value in expected.items():
        if name not in token.claims:
            return failed(say("The claim '%(name)s' is missing.", name=name))
        if token.claims[name] != value:
            return failed(
                say("The claim '%(name)s' differs from what the credential says.", name=name)
            )
    return passed(say("Header and claims agree with the credential."))


def _owner(token: Token, issuer: str, run: Run) -> dids.Found:
    kid, jwk = token.header.get("kid"), token.header.get("jwk")
    if kid is not None:
        # A token does not say when it was signed, so a key that ended has ended for it.
        return dids.find(kid, issuer, run)
    if isinstance(jwk, dict):
        return dids.in_key_set(jwk, issuer, run)
    return dids.Found(failed(say("The token names no key.")))


def _signature(token: Token, owner: dids.Found) -> Finding:
    algorithm = token.header.get("alg")
    if not isinstance(algorithm, str) or algorithm == "none" or algorithm.startswith("HS"):
        return failed(say("It is not signed in a way that anybody could check with a public key."))
    if algorithm not in ALGORITHMS:
        return unknown(
            say(
                "Tassel cannot check signatures of the kind %(algorithm)r.",
                algorithm=algorithm[:20],
            )
        )
    if owner.key is None:
        if owner.finding.result is Result.UNKNOWN:
            return unknown(say("Without the key nobody can say."))
        return absent(say("There is no key to check it with; see the check of the key."))
    if owner.key.kind != ALGORITHMS[algorithm]:
        return failed(
            say(
                "%(algorithm)s is not made with a %(kind)s key.",
                algorithm=algorithm,
                kind=owner.key.kind,
            )
        )
    if not owner.key.verifies(token.signature, token.signed):
        return failed(say("The signature does not match: something was changed after signing."))
    return passed(say("The signature matches every word."))
