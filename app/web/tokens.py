"""Bearer tokens for programs: minted by an operator, shown once, kept as a hash, held to scopes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.errors import Forbidden, Invalid, NotFound, Unauthenticated
from app.models import ApiToken
from app.secrets import new_token, token_hash
from app.web import session as web

PREFIX: Final = "tsl_"
"""Begins every token, so that secret scanners can find one that leaked."""

SCOPES: Final[Mapping[str, str]] = {
    "courses:read": "Read courses",
    "awards:read": "Read awards, without names",
    "credentials:read": "Read the signed badges themselves",
    "people:read": "Read names, e-mail addresses and student numbers of award holders",
    "deliveries:read": "Read deliveries and their attempts",
    "deliveries:write": "Retry deliveries",
    "metrics:read": "Read the metrics",
}
"""Scope to what it allows, in plain English."""


def mint(
    session: Session,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    actor: str,
    now: datetime,
) -> str:
    """Store a new token and return it: the only time that it can be read.

    Raises Invalid for an empty name, no scope or an unknown one.
    """
    fields = {}
    if not name.strip():
        fields["name"] = "Say which program will use it."
    if not scopes or set(scopes) - set(SCOPES):
        fields["scopes"] = "Choose at least one thing that it may do."
    if fields:
        raise Invalid("bad-token", "The token was not made.", fields=fields)
    value = PREFIX + new_token()
    row = ApiToken(
        name=name.strip()[:100],
        token_hash=token_hash(value),
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "token.made", f"token:{row.id}", {"scopes": row.scopes}, now)
    return value


def revoke(session: Session, token_id: str, actor: str, now: datetime) -> None:
    """End a token at once; a repeat changes nothing. Raises NotFound."""
    row = session.get(ApiToken, token_id)
    if row is None:
        raise NotFound("no-such-token", "There is no such token.")
    if row.revoked_at is None:
        row.revoked_at = now
        audit.record(session, actor, "token.revoked", f"token:{row.id}", {}, now)


def require(scope: str) -> ApiToken:
    """The living token of this request, if it has ``scope``.

    Raises Unauthenticated (none, unknown, ended, expired) or Forbidden (scope missing).
    """
    token = presented()
    if token is None:
        raise Unauthenticated(
            "token-needed",
            "This address needs a living API token.",
            fix="Send Authorization: Bearer <token>. An operator makes tokens under API tokens.",
        )
    if scope not in token.scopes:
        raise Forbidden(
            "scope-missing",
            f"This token has no scope {scope}.",
            fix="An operator can make a token with that scope under API tokens.",
        )
    return token


def presented() -> ApiToken | None:
    """The living token in ``Authorization``, if any; looked up once per request."""
    if "api_token" not in g:
        g.api_token = _load()
    found: ApiToken | None = g.api_token
    return found


def _load() -> ApiToken | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        return None
    now = web.campus().clock()
    with web.campus().db.reading() as session:
        row = session.scalar(
            select(ApiToken).where(
                ApiToken.token_hash == token_hash(value.strip()), ApiToken.revoked_at.is_(None)
            )
        )
    expired = row is not None and row.expires_at is not None and row.expires_at <= now
    return None if expired else row
