"""The LMSs' public keys, kept in the platform's row so that every process shares them.

The answer's ``max-age`` counts (within limits); an unknown key is looked for again at most once a
minute; when the LMS cannot be reached the last good set goes on serving.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import or_, update

from app.db import Database
from app.errors import LaunchRefused, UpstreamError
from app.http import HttpClient, Response
from app.models import Platform

REFETCH = timedelta(minutes=1)
LIFE = timedelta(hours=1)
LONGEST = timedelta(days=1)
_MAX_AGE = re.compile(r"max-age\s*=\s*(\d+)", re.IGNORECASE)


class KeyHolder(Protocol):
    """A registration whose LMS publishes keys (``models.Platform``, ``parties.Party``)."""

    @property
    def id(self) -> str:
        """The platform's row id."""

    @property
    def jwks_url(self) -> str:
        """Where the keys are published."""

    @property
    def jwks(self) -> dict[str, Any] | None:
        """The last good key set."""

    @property
    def jwks_expires_at(self) -> datetime | None:
        """Until when it holds."""

    @property
    def system_name(self) -> str:
        """The LMS's name for people."""


def public_key(
    db: Database, http: HttpClient, platform: KeyHolder, kid: str, now: datetime
) -> RSAPublicKey:
    """The platform's key ``kid``. LaunchRefused when the platform publishes no such key."""
    known = _find(platform.jwks, kid)
    expired = platform.jwks_expires_at is None or platform.jwks_expires_at <= now
    if known is not None and not expired:
        return known
    if _may_fetch(db, platform, now):
        fresh = _fetch(db, http, platform, now)
        return _find(fresh, kid) or _unknown()
    return known or _unknown()


def _may_fetch(db: Database, platform: KeyHolder, now: datetime) -> bool:
    """Whether this process is the one that asks now; without any key everybody may."""
    if platform.jwks is None:
        return True
    with db.transaction() as session:
        claimed = session.execute(
            update(Platform)
            .where(Platform.id == platform.id)
            .where(
                or_(
                    Platform.jwks_fetched_at.is_(None),
                    Platform.jwks_fetched_at <= now - REFETCH,
                )
            )
            .values(jwks_fetched_at=now)
            .returning(Platform.id)
        )
        return claimed.first() is not None


def _fetch(db: Database, http: HttpClient, platform: KeyHolder, now: datetime) -> dict[str, Any]:
    """The present key set, stored; the last good one when the LMS does not give it."""
    try:
        answer = http.get(platform.jwks_url, system=platform.system_name)
        fresh = _key_set(answer)
    except UpstreamError:
        if platform.jwks is None:
            raise
        return platform.jwks
    with db.transaction() as session:
        session.execute(
            update(Platform)
            .where(Platform.id == platform.id)
            .values(jwks=fresh, jwks_fetched_at=now, jwks_expires_at=now + _life(answer.headers))
        )
    return fresh


def _key_set(answer: Response) -> dict[str, Any]:
    """The signing keys of the answer. UpstreamError when it is no key set."""
    body = answer.json()
    keys = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(keys, list):
        raise UpstreamError(
            "lti-no-keys",
            f"{answer.system} does not publish its public keys where it said.",
            system=answer.system,
            permanent=False,
            status=answer.status,
            body=answer.text,
            fix="The operator can check the key set address of the registration.",
        )
    return {"keys": [key for key in keys if isinstance(key, dict) and key.get("kid")]}


def usable_keys(answer: Response) -> int:
    """How many keys of a key set answer could sign a launch. UpstreamError when it is no key set."""
    found = _key_set(answer)
    return sum(_find(found, str(key["kid"])) is not None for key in found["keys"])


def _life(headers: Mapping[str, str]) -> timedelta:
    """How long the answer may be kept (RFC 9111 ``max-age``), between a minute and a day."""
    found = _MAX_AGE.search(headers.get("Cache-Control", ""))
    life = timedelta(seconds=min(int(found[1]), 86_400)) if found else LIFE
    return min(max(life, REFETCH), LONGEST)


def _find(jwks: dict[str, Any] | None, kid: str) -> RSAPublicKey | None:
    """The RSA signing key with this id; keys of another kind or for another use do not count."""
    for key in (jwks or {}).get("keys", []):
        if key.get("kid") != kid or key.get("kty") != "RSA":
            continue
        if key.get("alg", "RS256") == "RS256" and key.get("use", "sig") == "sig":
            return _parsed(str(key.get("n")), str(key.get("e")))
    return None


@lru_cache(maxsize=256)
def _parsed(modulus: str, exponent: str) -> RSAPublicKey | None:
    """The key object, parsed once."""
    try:
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": modulus, "e": exponent})
    except (jwt.PyJWTError, ValueError):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def _unknown() -> RSAPublicKey:
    raise LaunchRefused(
        "unknown-key",
        "The launch was signed with a key that the LMS does not publish.",
        fix="Try again in a minute. If it stays, the administrator of the LMS should check its keys.",
    )
