"""Issuer identity: did:web in path form, the DID document, and the same keys as a JWK set.

``https://badges.campus.edu`` and the slug ``cs`` make ``did:web:badges.campus.edu:issuers:cs``,
whose document stands at ``https://badges.campus.edu/issuers/cs/did.json`` (did:web method, section
"Read (Resolve)"). The path form is deliberate: the 1EdTech validator decodes an escaped port only
when a path follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from app.credentials.contexts import MULTIKEY
from app.credentials.keys import KeyKind, PublicKey
from app.errors import Invalid

DID_CONTEXT: Final = "https://www.w3.org/ns/did/v1"
JWK_CONTEXT: Final = "https://w3id.org/security/jwk/v1"

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def did_for(public_url: str, slug: str) -> str:
    """The DID of the issuer ``slug`` of a Tassel that the world reaches at ``public_url``.

    :raises Invalid: ``public_url`` is not an absolute http(s) address, or ``slug`` is not 1 to 64
        lower-case letters, digits and inner hyphens.
    """
    address = urlsplit(public_url)
    if address.scheme not in {"http", "https"} or not address.hostname or address.query:
        raise Invalid("bad-public-url", f"{public_url!r} is not an absolute http(s) address.")
    if not _SLUG.fullmatch(slug):
        raise Invalid("bad-slug", f"{slug!r} may hold lower-case letters, digits and hyphens only.")
    host = address.hostname if address.port is None else f"{address.hostname}:{address.port}"
    path = [quote(unquote(part), safe="") for part in address.path.split("/") if part]
    return ":".join(["did:web", quote(host, safe="."), *path, "issuers", slug])


def did_url_path(did: str) -> str:
    """The path at which the DID document of ``did`` has to be served, with a leading slash.

    :raises Invalid: ``did`` is not a did:web (code ``bad-did``).
    """
    parts = did.partition("#")[0].split(":")
    if len(parts) < 3 or parts[:2] != ["did", "web"]:
        raise Invalid("bad-did", f"{did!r} is not a did:web.")
    path = parts[3:] or [".well-known"]
    return "/" + "/".join([*path, "did.json"])


def key_id(did: str, key: PublicKey) -> str:
    """The absolute id under which ``key`` stands in the DID document of ``did``."""
    return f"{did}#{key.fragment}"


def did_document(did: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The DID document of an issuer: every active and every retired key, oldest first.

    A retired key stays, or badges signed with it stop verifying; a compromised one is left out by
    the caller. ``assertionMethod`` holds plain strings that repeat the ids letter by letter,
    because the 1EdTech validator compares strings, and every key stands in it, because verifiers
    refuse a key that is listed for authentication only.
    """
    methods = [_verification_method(did, key) for key in keys]
    return {
        "@context": [DID_CONTEXT, MULTIKEY, JWK_CONTEXT],
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def jwks(did: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The same keys as a JWK set (RFC 7517); ``kid`` is the DID URL that our tokens carry.

    ``iss`` names the issuer of each key, as 1EdTech's advice on key provenance asks, since one
    set may serve several issuers of a host.
    """
    return {"keys": [public_jwk(did, key) for key in keys]}


def public_jwk(did: str, key: PublicKey) -> dict[str, str]:
    """One key as a JWK with ``kid``, ``alg``, ``use`` and ``iss``."""
    return {
        **key.jwk,
        "kid": key_id(did, key),
        "alg": key.kind.algorithm,
        "use": "sig",
        "iss": did,
    }


def _verification_method(did: str, key: PublicKey) -> dict[str, Any]:
    method: dict[str, Any] = {"id": key_id(did, key), "controller": did}
    if key.kind is KeyKind.ED25519:
        return {**method, "type": "Multikey", "publicKeyMultibase": key.multikey}
    # Verifiers of VC-JWT read publicKeyJwk only, also for P-256.
    return {**method, "type": "JsonWebKey", "publicKeyJwk": key.jwk}
