"""Bad id_tokens on order, for the tests that attack a tool."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.demo.lms.claims import CLAIM
from app.demo.lms.keys import new_key
from app.demo.lms.state import Campus
from app.errors import Invalid

_REMOVED: dict[str, str] = {
    "missing_exp": "exp",
    "missing_iat": "iat",
    "missing_nonce": "nonce",
    "missing_sub": "sub",
    "missing_deployment": CLAIM + "deployment_id",
    "missing_message_type": CLAIM + "message_type",
    "missing_version": CLAIM + "version",
    "missing_resource_link": CLAIM + "resource_link",
}
_REPLACED: dict[str, dict[str, Any]] = {
    "wrong_audience": {"aud": "somebody-else"},
    "wrong_issuer": {"iss": "https://lms.example.invalid"},
    "wrong_deployment": {CLAIM + "deployment_id": "999999"},
    "wrong_nonce": {"nonce": "a-nonce-that-was-never-given-out"},
    "wrong_version": {CLAIM + "version": "1.1.0"},
    "unknown_message": {CLAIM + "message_type": "LtiSomethingElse"},
    "foreign_target": {CLAIM + "target_link_uri": "https://evil.example.invalid/launch"},
    "foreign_azp": {"azp": "somebody-else"},
}
_HEADERS = {"alg_none", "hs256_public_key", "unknown_kid", "missing_kid", "other_key"}
_TIMES = {"expired", "future_iat", "stale_iat"}
_AUDIENCES = {"several_audiences", "several_audiences_foreign_azp"}
KINDS = sorted({"honest", *_REMOVED, *_REPLACED, *_HEADERS, *_TIMES, *_AUDIENCES})


def mint(here: Campus, claims: dict[str, Any], order: dict[str, Any]) -> str:
    """An id_token as ordered. Raises ``Invalid`` for a kind that does not exist.

    ``order``: ``kind`` (one of ``KINDS``), then ``claims`` to set (null removes one) and
    ``headers`` to set (null removes one). The signature is right unless the kind says otherwise.
    """
    kind = str(order.get("kind", "honest"))
    if kind not in KINDS:
        raise Invalid("unknown-kind", f"There is no forgery {kind!r}.", fix=", ".join(KINDS))
    changed = _apply(_spoil(claims, kind), order.get("claims") or {})
    headers = {"typ": "JWT", "alg": "RS256", "kid": here.keys.current.kid}
    if kind == "unknown_kid":
        headers["kid"] = "kid-nobody-published"
    if kind == "missing_kid":
        del headers["kid"]
    headers = _apply(headers, order.get("headers") or {})
    return _sign(here, changed, headers, kind)


def _apply(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**values, **changes}
    return {name: value for name, value in merged.items() if changes.get(name, value) is not None}


def _spoil(claims: dict[str, Any], kind: str) -> dict[str, Any]:
    found = {name: value for name, value in claims.items() if name != _REMOVED.get(kind)}
    found |= _REPLACED.get(kind, {})
    issued = int(claims["iat"])
    if kind == "expired":
        found |= {"iat": issued - 7200, "exp": issued - 3600}
    if kind == "future_iat":
        found |= {"iat": issued + 3600, "exp": issued + 7200}
    if kind == "stale_iat":
        found |= {"iat": issued - 7200}
    if kind in _AUDIENCES:
        found["aud"] = [claims["aud"], "somebody-else"]
        found["azp"] = "somebody-else" if kind.endswith("foreign_azp") else claims["aud"]
    return found


def _sign(here: Campus, claims: dict[str, Any], headers: dict[str, Any], kind: str) -> str:
    if kind == "alg_none":
        return _compact({**headers, "alg": "none"}, claims, None)
    if kind == "hs256_public_key":
        public = here.keys.current.private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return _compact({**headers, "alg": "HS256"}, claims, pem)
    key = new_key() if kind == "other_key" else here.keys.current
    algorithm = str(headers.get("alg", "RS256"))
    algorithm = algorithm if algorithm in {"RS256", "RS384", "RS512", "PS256"} else "RS256"
    return jwt.encode(claims, key.private, algorithm=algorithm, headers=headers)


def _compact(headers: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """A JWT that no decent library makes: unsigned, or keyed with a public key."""
    text = ".".join(_part(json.dumps(piece).encode()) for piece in (headers, claims))
    if secret is None:
        return text + "."
    return f"{text}.{_part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
