"""Registration: by single-use invitation (LTI Dynamic Registration 1.0) or by hand, then approval.

An invitation fixes the origin of the LMS: only from there (or from its vendor's known gateways) is a
configuration fetched, and nothing registered this way launches before an operator approves it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from app import audit
from app.db import Database
from app.errors import ConfigurationError, Conflict, Invalid, UpstreamError
from app.http import HttpClient, Response
from app.lti.addresses import safe_origin
from app.lti.invitation import give_back, invite, invited_origin, require_origin, spend
from app.lti.keys import ensure_key
from app.lti.metadata import client_metadata, supported_scopes
from app.lti.platforms import LMS, Lms, lms_of_family
from app.lti.registered import (
    add_deployment,
    approve,
    approve_deployment,
    disable,
    frame_origins,
    register_manual,
    upsert,
)
from app.lti.vocabulary import PLATFORM_CONFIGURATION, SCOPES, TOOL_CONFIGURATION
from app.models import Invitation
from app.secrets import SecretBox, token_hash
from app.settings import Settings

__all__ = [
    "Preview",
    "Registration",
    "approve",
    "approve_deployment",
    "disable",
    "frame_origins",
    "invite",
    "invited_origin",
    "preview",
    "register",
    "register_manual",
]

MAX_ADDRESS = 500
CARRIED = timedelta(hours=1)
_ENDPOINTS = {
    "authorization_endpoint": "auth_url",
    "token_endpoint": "token_url",
    "jwks_uri": "jwks_url",
}


@dataclass(frozen=True)
class Preview:
    """What a registration would do, for the person who confirms it."""

    lms_origin: str
    lms_name: str
    issuer: str
    version: str
    scopes: tuple[str, ...]
    missing_scopes: tuple[str, ...]
    """Scopes that we want and this LMS does not offer."""
    carried: str
    """The configuration under seal, for the confirmation: some LMSs give it out only once."""


@dataclass(frozen=True)
class Registration:
    """A registration that was stored; ``waiting``: an operator has to approve it first."""

    platform_id: str
    waiting: bool
    missing_scopes: tuple[str, ...]
    next_step: str = ""
    """What is left to do in the LMS, in its own words."""


def preview(
    db: Database,
    box: SecretBox,
    http: HttpClient,
    token: str,
    openid_configuration: str,
    registration_token: str,
    now: datetime,
) -> Preview:
    """Fetch and check the LMS's configuration without changing anything.

    NotFound for a dead link, Invalid for a configuration that is not of the invited LMS.
    """
    origin = require_origin(db, token, now)
    configuration, lms = _configuration(http, origin, openid_configuration, registration_token)
    scopes = supported_scopes(configuration)
    about = configuration.get(PLATFORM_CONFIGURATION)
    version = about.get("version") if isinstance(about, dict) else ""
    return Preview(
        origin,
        lms.name,
        configuration["issuer"],
        str(version or ""),
        tuple(scopes),
        _missing(scopes),
        _seal(box, token, configuration, now),
    )


def register(
    db: Database,
    box: SecretBox,
    http: HttpClient,
    settings: Settings,
    token: str,
    openid_configuration: str,
    registration_token: str,
    now: datetime,
    carried: str = "",
) -> Registration:
    """Register with the invited LMS and keep the result, inactive until approved.

    ``carried`` is what the preview gave; without it the configuration is fetched (again). The
    invitation is spent first; it is given back when the LMS refuses.
    """
    origin = require_origin(db, token, now)
    known = _unseal(box, token, carried, now) if carried else None
    configuration, lms = (
        _checked(known, origin)
        if known is not None
        else _configuration(http, origin, openid_configuration, registration_token)
    )
    endpoint = str(configuration.get("registration_endpoint", ""))
    _require_site(endpoint, lms.site(origin), "registration_endpoint")
    ensure_key(db, box, now)
    spend(db, token, now)
    try:
        metadata = client_metadata(settings, lms, configuration)
        answer = http.request(
            "POST",
            endpoint,
            system=lms.name,
            json=metadata,
            headers={"Accept": "application/json", **_bearer(registration_token)},
        )
        return _keep(db, token, origin, lms, configuration, answer, now)
    except (UpstreamError, Conflict):
        give_back(db, token)
        raise


def _configuration(
    http: HttpClient, origin: str, url: str, registration_token: str
) -> tuple[dict[str, Any], Lms]:
    """The OpenID configuration, checked to be of the invited LMS, and which LMS it is."""
    allowed = frozenset[str]().union(*(lms.site(origin) for lms in LMS.values()))
    _require_site(url, allowed, "openid_configuration")
    answer = http.get(url, system="LMS", headers=_bearer(registration_token))
    found = answer.json()
    if not isinstance(found, dict) or not isinstance(found.get("issuer"), str):
        raise _not_understood(answer)
    return _checked(found, origin)


def _checked(found: dict[str, Any], origin: str) -> tuple[dict[str, Any], Lms]:
    """A configuration, if everything in it is of the LMS at ``origin``, and which LMS it is."""
    about = found.get(PLATFORM_CONFIGURATION)
    family = about.get("product_family_code") if isinstance(about, dict) else ""
    lms = lms_of_family(str(family or ""))
    if not lms.issuer_fits(found["issuer"], origin) or len(found["issuer"]) > 300:
        raise _foreign("issuer")
    for name in _ENDPOINTS:
        address = str(found.get(name, ""))
        _require_site(address, lms.site(origin), name)
        if len(address) > MAX_ADDRESS:
            raise _foreign(name)
    return found, lms


def _seal(box: SecretBox, token: str, configuration: dict[str, Any], now: datetime) -> str:
    """The configuration for this invitation, unreadable and unchangeable on its way."""
    body = {"for": token_hash(token), "at": now.timestamp(), "configuration": configuration}
    return box.seal(json.dumps(body).encode("utf-8"))


def _unseal(box: SecretBox, token: str, carried: str, now: datetime) -> dict[str, Any] | None:
    """What ``_seal`` closed within the last hour for the same invitation; None for anything else."""
    try:
        body = json.loads(box.open(carried))
    except ConfigurationError:
        return None
    if body["for"] != token_hash(token) or now.timestamp() - body["at"] > CARRIED.total_seconds():
        return None
    found: dict[str, Any] = body["configuration"]
    return found


def _bearer(registration_token: str) -> dict[str, str]:
    """The registration token (one LMS wants it for its configuration too; others ignore it)."""
    return {"Authorization": f"Bearer {registration_token}"} if registration_token else {}


def _require_site(url: str, allowed: frozenset[str], name: str) -> None:
    if safe_origin(url) not in allowed:
        raise _foreign(name)


def _foreign(name: str) -> Invalid:
    return Invalid(
        "foreign-configuration",
        "The configuration is not of the LMS that this link was made for.",
        fix=f"It differs in: {name}. The operator of Tassel can make a link for the right address.",
    )


def _not_understood(answer: Response) -> UpstreamError:
    return UpstreamError(
        "registration-not-understood",
        "The LMS answered the registration in a form that Tassel does not understand.",
        system=answer.system,
        permanent=True,
        status=answer.status,
        body=answer.text,
        fix="Register by hand with the addresses shown at /lti/config.",
    )


def _keep(
    db: Database,
    token: str,
    origin: str,
    lms: Lms,
    configuration: Mapping[str, Any],
    answer: Response,
    now: datetime,
) -> Registration:
    """Store what the LMS answered; a repeated registration updates its rows."""
    body = answer.json()
    client_id = body.get("client_id") if isinstance(body, dict) else None
    if not isinstance(client_id, str | int) or not 0 < len(str(client_id)) <= 300:
        raise _not_understood(answer)
    about = body.get(TOOL_CONFIGURATION)
    deployment_id = about.get("deployment_id") if isinstance(about, dict) else None
    asked = supported_scopes(configuration)
    granted = str(body["scope"]).split() if isinstance(body.get("scope"), str) else asked
    with db.transaction() as session:
        platform = upsert(
            session,
            origin,
            lms.key,
            lms.name,
            {
                "issuer": configuration["issuer"],
                "client_id": str(client_id),
                **{column: configuration[name] for name, column in _ENDPOINTS.items()},
            },
            now,
        )
        platform.scopes_asked = asked
        platform.scopes_granted = [scope for scope in asked if scope in granted]
        if deployment_id:
            add_deployment(session, platform, str(deployment_id), now)
        session.execute(
            update(Invitation)
            .where(Invitation.token_hash == token_hash(token))
            .values(platform_id=platform.id)
        )
        audit.record(session, "system", "platform.registered", f"platform:{platform.id}", {}, now)
        return Registration(
            platform.id,
            platform.state != "active",
            _missing(platform.scopes_granted),
            lms.link_next,
        )


def _missing(scopes: list[str]) -> tuple[str, ...]:
    return tuple(scope for scope in SCOPES if scope not in scopes)
