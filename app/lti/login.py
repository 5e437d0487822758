"""The OIDC login initiation (IMS security framework 5.1.1): from the LMS and back to it.

This is the only place where a launch state is stored, so unsigned requests cannot fill memory;
states live ten minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pylti1p3.exception import LtiException, OIDCException
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import LaunchRefused
from app.lti import library
from app.lti.addresses import path_of, safe_origin
from app.models import LaunchState, Platform
from app.secrets import new_token, token_hash
from app.settings import Settings

STATE_LIFE = timedelta(minutes=10)
LAUNCH_PATH = "/lti/launch"
TARGET_PATHS = frozenset({"", "/", LAUNCH_PATH})
MAX_PARAMETER = 4000
REOPEN = "Open Tassel again from your course."
OPERATOR = "The operator of Tassel can see registrations under Platforms."


@dataclass(frozen=True)
class Login:
    """Where the browser goes next, and the secret that it has to show again with the launch."""

    redirect_url: str
    binding: str
    state: str


def begin_login(
    db: Database,
    settings: Settings,
    params: Mapping[str, str],
    now: datetime,
    platform_id: str | None,
) -> Login:
    """Answer a login initiation. ``platform_id`` comes from the path where each LMS has its own.

    LaunchRefused for an unknown or inactive registration, a missing hint or a foreign target.
    """
    platform = _registration(db, params, platform_id)
    target = params.get("target_link_uri", "")
    check_target(target, settings)
    if any(len(value) > MAX_PARAMETER for value in params.values()):
        raise LaunchRefused("bad-login", "The login request is too long.", fix=REOPEN)
    request = library.FormRequest({**params, "client_id": platform.client_id})
    service, cookie = library.StateService(request), library.BoundCookie()
    tool = library.OneRegistration(platform.issuer, platform.client_id, platform.auth_url)
    login = library.Login(request, tool, session_service=service, cookie_service=cookie)
    try:
        redirect_url = login.redirect(settings.public_url + LAUNCH_PATH)
    except (LtiException, OIDCException) as error:
        raise LaunchRefused(
            "bad-login", "The login request of the LMS is incomplete.", fix=REOPEN
        ) from error
    binding = new_token()
    with db.transaction() as session:
        session.execute(delete(LaunchState).where(LaunchState.expires_at < now))
        session.add(_row(cookie.state, service.nonce, platform, target, binding, now))
    return Login(redirect_url, binding, cookie.state)


def check_target(target: str, settings: Settings) -> None:
    """The target must be one of our own pages, else a launch would be an open redirect."""
    ours = safe_origin(target) == safe_origin(settings.public_url)
    if not ours or path_of(target) not in TARGET_PATHS:
        raise LaunchRefused(
            "foreign-target",
            "The launch asks for a page that is not one of Tassel's.",
            fix="The administrator of the LMS should check the launch address of the tool.",
        )


def refuse_unless_active(platform: Platform) -> None:
    """LaunchRefused for a registration that waits for approval or was switched off."""
    if platform.state == "pending":
        raise LaunchRefused(
            "platform-pending",
            "This LMS is registered but not approved yet.",
            fix="The operator of Tassel can approve it under Platforms.",
        )
    if platform.state != "active":
        raise LaunchRefused("platform-disabled", "This registration is switched off.", fix=OPERATOR)


def _registration(db: Database, params: Mapping[str, str], platform_id: str | None) -> Platform:
    with db.reading() as session:
        found = _find(session, params, platform_id)
    if found is None:
        raise LaunchRefused(
            "unknown-platform",
            "Tassel is not registered with this LMS.",
            fix="The administrator of the LMS can register it, by a link from the operator of Tassel.",
        )
    refuse_unless_active(found)
    return found


def _find(session: Session, params: Mapping[str, str], platform_id: str | None) -> Platform | None:
    """By path, issuer and client id as far as given; by issuer alone only when that is unique."""
    chosen = select(Platform).where(Platform.issuer == params.get("iss", ""))
    if platform_id is not None:
        chosen = chosen.where(Platform.id == platform_id)
    if params.get("client_id"):
        chosen = chosen.where(Platform.client_id == params["client_id"])
    found = session.scalars(chosen.limit(2)).all()
    return found[0] if len(found) == 1 else None


def _row(
    state: str, nonce: str, platform: Platform, target: str, binding: str, now: datetime
) -> LaunchState:
    return LaunchState(
        state_hash=token_hash(state),
        nonce=nonce,
        platform_id=platform.id,
        target=target,
        binding_hash=token_hash(binding),
        storage="cookie",
        created_at=now,
        expires_at=now + STATE_LIFE,
    )
