"""VC-JWT (Open Badges 3.0, section 8.2): header, claims, key and signature of a compact JWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.credentials.verify import dids
from app.credentials.verify.limits import Run
from app.credentials.verify.reading import Token
from app.credentials.verify.report import Finding, Result, absent, failed, passed, unknown
from app.credentials.verify.times import moment

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
        return failed(f"The header holds {extra[:40]!r}, which Open Badges 3.0 does not allow.")
    if header.get("typ", "JWT") != "JWT":
        return failed("The header's 'typ' is not 'JWT'.")
    if "kid" in header and "jwk" in header:
        return failed("The header names a key and brings another one.")
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
            return failed(f"The claim '{name}' is missing.")
        if token.claims[name] != value:
            return failed(f"The claim '{name}' differs from what the credential says.")
    return passed("Header and claims agree with the credential.")


def _owner(token: Token, issuer: str, run: Run) -> dids.Found:
    kid, jwk = token.header.get("kid"), token.header.get("jwk")
    if kid is not None:
        # A token does not say when it was signed, so a key that ended has ended for it.
        return dids.find(kid, issuer, run)
    if isinstance(jwk, dict):
        return dids.in_key_set(jwk, issuer, run)
    return dids.Found(failed("The token names no key."))


def _signature(token: Token, owner: dids.Found) -> Finding:
    algorithm = token.header.get("alg")
    if not isinstance(algorithm, str) or algorithm == "none" or algorithm.startswith("HS"):
        return failed("It is not signed in a way that anybody could check with a public key.")
    if algorithm not in ALGORITHMS:
        return unknown(f"Tassel cannot check signatures of the kind {algorithm[:20]!r}.")
    if owner.key is None:
        if owner.finding.result is Result.UNKNOWN:
            return unknown("Without the key nobody can say.")
        return absent("There is no key to check it with; see the check of the key.")
    if owner.key.kind != ALGORITHMS[algorithm]:
        return failed(f"{algorithm} is not made with a {owner.key.kind} key.")
    if not owner.key.verifies(token.signature, token.signed):
        return failed("The signature does not match: something was changed after signing.")
    return passed("The signature matches every word.")
