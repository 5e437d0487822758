"""The registration that a login or a launch is about, as one query finds it. Read only.

The way in is walked by everybody, so it takes plain values instead of mapped objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, or_, select

from app.db import Database, table_of
from app.errors import LaunchRefused
from app.models import Deployment, Installation, Platform

OPERATOR: Final = "The operator of Tassel can see registrations under Platforms."


@dataclass(frozen=True)
class Party:
    """One registration with its LMS and its deployments (named as the LMS names them)."""

    deployments: Mapping[str, Named]
    id: str
    installation_id: str
    issuer: str
    client_id: str
    auth_url: str
    state: str
    jwks_url: str
    jwks: dict[str, Any] | None
    jwks_expires_at: datetime | None
    system_name: str
    lms: str


@dataclass(frozen=True)
class Named:
    """A deployment: our row's id, and whether an operator has approved it."""

    id: str
    active: bool


_PLATFORMS, _LMSS, _DEPLOYMENTS = map(table_of, (Platform, Installation, Deployment))
_COLUMNS = (
    _PLATFORMS.c.id,
    _PLATFORMS.c.installation_id,
    _PLATFORMS.c.issuer,
    _PLATFORMS.c.client_id,
    _PLATFORMS.c.auth_url,
    _PLATFORMS.c.state,
)
_BY_NAME = (
    select(*_COLUMNS)
    .where(
        _PLATFORMS.c.issuer == bindparam("issuer"),
        or_(bindparam("platform_id") == "", _PLATFORMS.c.id == bindparam("platform_id")),
        or_(bindparam("client_id") == "", _PLATFORMS.c.client_id == bindparam("client_id")),
    )
    .limit(2)
)
_BY_ID = (
    select(
        *_COLUMNS,
        _PLATFORMS.c.jwks_url,
        _PLATFORMS.c.jwks,
        _PLATFORMS.c.jwks_expires_at,
        _LMSS.c.name,
        _LMSS.c.lms,
        _DEPLOYMENTS.c.id,
        _DEPLOYMENTS.c.deployment_id,
        _DEPLOYMENTS.c.state,
    )
    .join(_LMSS, _LMSS.c.id == _PLATFORMS.c.installation_id)
    .outerjoin(_DEPLOYMENTS, _DEPLOYMENTS.c.platform_id == _PLATFORMS.c.id)
    .where(_PLATFORMS.c.id == bindparam("platform_id"))
)


@dataclass(frozen=True)
class Caller:
    """What a login has to know of the registration that it comes from."""

    id: str
    issuer: str
    client_id: str
    auth_url: str


def caller(db: Database, issuer: str, client_id: str, platform_id: str) -> Caller:
    """By path, issuer and client id as far as given; by issuer alone only when that is unique.

    LaunchRefused when it is unknown or not active.
    """
    named = {"issuer": issuer, "client_id": client_id, "platform_id": platform_id}
    with db.looking() as connection:
        found = connection.execute(_BY_NAME, named).all()
    if len(found) > 1:
        raise LaunchRefused(
            "client-id-missing",
            "Several LMSs go by this name, and the login does not say which of them it comes from.",
            fix="The operator of Tassel can tell the administrator of the LMS its own login address: /lti/login/ and the id of the registration.",
        )
    if not found:
        raise LaunchRefused(
            "unknown-platform",
            "Tassel is not registered with this LMS.",
            fix="The administrator of the LMS can register it, by a link from the operator of Tassel.",
        )
    key, _, issuer, client_id, auth_url, state = found[0]
    _refuse_unless_active(state)
    return Caller(key, issuer, client_id, auth_url)


def party(db: Database, platform_id: str) -> Party:
    """The registration with this id. LaunchRefused when it is gone or not active."""
    with db.looking() as connection:
        rows = connection.execute(_BY_ID, {"platform_id": platform_id}).all()
    if not rows:
        raise LaunchRefused("platform-disabled", "This registration is gone.", fix=OPERATOR)
    _refuse_unless_active(rows[0].state)
    return Party(_named(rows), *rows[0][:-3])


def _named(rows: Sequence[Sequence[Any]]) -> dict[str, Named]:
    return {named: Named(key, state == "active") for *_, key, named, state in rows if key}


def _refuse_unless_active(state: str) -> None:
    """LaunchRefused for a registration that waits for approval or was switched off."""
    if state == "pending":
        raise LaunchRefused(
            "platform-pending",
            "This LMS is registered but not approved yet.",
            fix="The operator of Tassel can approve it under Platforms.",
        )
    if state != "active":
        raise LaunchRefused("platform-disabled", "This registration is switched off.", fix=OPERATOR)
