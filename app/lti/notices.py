"""Notices of a platform (LTI Platform Notification Service 1.0): verified like a launch, or refused.

A notice is a JWT that the platform signs and posts to the address that we ordered it to. We know
one kind, ``LtiContextCopyNotice``: a context was copied from others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from app.db import Database
from app.errors import Invalid, LaunchRefused
from app.http import HttpClient
from app.lti import keysets
from app.lti.platforms.base import LONGEST_ID, MOST_COPIES
from app.lti.vocabulary import CLAIM, COPY_NOTICE
from app.models import Platform

LEEWAY = timedelta(seconds=60)
OLDEST = timedelta(hours=1)
LONGEST = 20_000
"""Characters of a notice."""


@dataclass(frozen=True)
class Copied:
    """One context was copied: ids as the platform names them, ``origins`` newest first."""

    notice_id: str
    deployment_id: str
    context_id: str
    origins: tuple[str, ...]


def verify(db: Database, http: HttpClient, platform: Platform, token: str, now: datetime) -> Copied:
    """What a notice says, once signature, parties and times are right.

    Raises Invalid "notice-refused" (nothing of the notice is repeated in it) or, when the keys of
    the platform cannot be read, UpstreamError.
    """
    if platform.state != "active":
        raise _refused("The registration is not active.")
    claims = _claims(db, http, platform, token, now)
    _check_times(claims, now)
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else platform.client_id) != platform.client_id:
        raise _refused("It is meant for another tool.")
    if claims.get(CLAIM + "version") != "1.3.0":
        raise _refused("It is of another version of LTI.")
    about = claims.get(CLAIM + "notice")
    if not isinstance(about, dict) or about.get("type") != COPY_NOTICE:
        raise _refused("It tells of something that Tassel did not ask for.")
    context = claims.get(CLAIM + "context")
    return Copied(
        _id(about.get("id")),
        _id(claims.get(CLAIM + "deployment_id")),
        _id(context.get("id") if isinstance(context, dict) else None),
        _origins(claims.get(CLAIM + "origin_contexts")),
    )


def _claims(
    db: Database, http: HttpClient, platform: Platform, token: str, now: datetime
) -> Mapping[str, Any]:
    """The claims of a token that this platform signed for us. Times are looked at afterwards."""
    if len(token) > LONGEST:
        raise _refused("It is too long.")
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise _refused("It is signed in another way than LTI demands.")
        claims: Mapping[str, Any] = jwt.decode(
            token,
            keysets.public_key(db, http, platform, header["kid"], now),
            algorithms=["RS256"],
            audience=platform.client_id,
            issuer=platform.issuer,
            options={
                "require": ["iss", "aud", "exp", "iat"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, LaunchRefused) as error:
        raise _refused("Its signature, sender or receiver is wrong.") from error
    return claims


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """``iat`` and ``exp`` are numbers and right within a minute; the notice is not old."""
    issued, expires = claims["iat"], claims["exp"]
    if not all(isinstance(t, int | float) and not isinstance(t, bool) for t in (issued, expires)):
        raise _refused("It does not say when it was made.")
    present, leeway = now.timestamp(), LEEWAY.total_seconds()
    if not present - OLDEST.total_seconds() <= issued <= present + leeway:
        raise _refused("It is too old, or the clocks of both systems differ.")
    if not expires > present - leeway:
        raise _refused("It has expired.")


def _id(found: Any) -> str:
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_ID:
        raise _refused("It does not say what it is about.")
    return found


def _origins(found: Any) -> tuple[str, ...]:
    """Context ids; what is no id is left out, and without any there is nothing to know."""
    listed = found if isinstance(found, list) else []
    ids = dict.fromkeys(
        one for one in listed if isinstance(one, str) and 0 < len(one) <= LONGEST_ID
    )
    if not ids:
        raise _refused("It does not say what was copied.")
    return tuple(ids)[:MOST_COPIES]


def _refused(why: str) -> Invalid:
    return Invalid("notice-refused", f"The notice was refused. {why}")
