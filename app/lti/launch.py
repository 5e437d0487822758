"""The launch (LTI 1.3 core 4, IMS security framework 5.1.2): verified step by step, or refused.

Order of the checks: the state is ours, unused, alive and proven by this browser; the token is of
the registration of that state, signed by its LMS, fresh and for us; its nonce is the login's; then
the state is used up in one statement, and only then the deployment and the message are looked at.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pylti1p3.exception import LtiException
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app.db import Database
from app.errors import LaunchRefused
from app.http import HttpClient
from app.lti import keysets, library
from app.lti.context import LaunchContext, Origin, context_from
from app.lti.login import REOPEN, Login, begin_login, check_target, refuse_unless_active
from app.lti.platforms import lms_for
from app.lti.vocabulary import CLAIM, MESSAGES
from app.models import Deployment, LaunchState, Platform
from app.secrets import token_hash
from app.settings import Settings

__all__ = ["LaunchContext", "Login", "begin_login", "finish_launch"]

LEEWAY = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)
MAX_ID = 300
YEAR_9999 = 253_402_300_800


@dataclass(frozen=True)
class _Waiting:
    """The login that a launch answers: its state row, its registration, the known deployments."""

    state: LaunchState
    platform: Platform
    deployments: dict[str, Deployment]


def finish_launch(
    db: Database,
    lti_http: HttpClient,
    settings: Settings,
    form: Mapping[str, str],
    binding: str | None,
    now: datetime,
) -> LaunchContext:
    """Verify the form post of a launch. ``binding`` is the secret as this browser shows it.

    Raises LaunchRefused (code and reason; nothing of the request is repeated in it) or, when the
    keys of the LMS cannot be read, UpstreamError.
    """
    if form.get("error"):
        raise LaunchRefused("lms-error", "The LMS did not let this launch happen.", fix=REOPEN)
    waiting = _waiting(db, form.get("state", ""), binding, now)
    claims, launch = _verified(db, lti_http, waiting, form, now)
    _use_up(db, waiting.state, now)
    deployment = _deployment(db, waiting, claims, launch, now)
    _step(launch.validate_message, "bad-message", "The launch lacks what LTI demands.")
    _check_message(claims, settings)
    platform = waiting.platform
    lms = lms_for(platform.installation.lms)
    origin = Origin(platform.id, platform.installation_id, deployment.id, lms)
    return context_from(claims, origin)


def _waiting(db: Database, state: str, binding: str | None, now: datetime) -> _Waiting:
    """The login behind ``state``, if it may still be answered and by this browser."""
    with db.reading() as session:
        row = session.get(LaunchState, token_hash(state))
        if row is None or row.expires_at <= now:
            raise LaunchRefused(
                "state-unknown", "This launch took too long or was not begun here.", fix=REOPEN
            )
        if row.used_at is not None:
            raise _used()
        chosen = (
            select(Platform)
            .where(Platform.id == row.platform_id)
            .options(joinedload(Platform.installation))
        )
        platform = session.scalars(chosen).one()
        rows = session.scalars(select(Deployment).where(Deployment.platform_id == platform.id))
        waiting = _Waiting(row, platform, {found.deployment_id: found for found in rows})
    shown = token_hash(binding or "")
    if not hmac.compare_digest(shown, row.binding_hash):
        raise LaunchRefused(
            "browser-not-proven",
            "Your browser did not keep the proof that this launch was begun in it.",
            fix="Allow cookies for this site, or open Tassel in a new window from your course.",
        )
    refuse_unless_active(waiting.platform)
    return waiting


def _verified(
    db: Database, http: HttpClient, waiting: _Waiting, form: Mapping[str, str], now: datetime
) -> tuple[Mapping[str, Any], library.Launch]:
    """The claims of the token once signature, parties, times and nonce are right."""
    platform = waiting.platform
    active = {key for key, row in waiting.deployments.items() if row.state == "active"}
    request = library.FormRequest(form)
    cookie = library.BoundCookie()
    cookie.state = form.get("state", "")
    launch = library.Launch(
        request,
        library.OneRegistration(
            platform.issuer, platform.client_id, platform.auth_url, frozenset(active)
        ),
        library.StateService(request, waiting.state.nonce),
        cookie,
        platform.client_id,
        lambda kid: keysets.public_key(db, http, platform, kid, now),
    )
    _step(launch.validate_state, "state-unknown", "This launch was not begun here.")
    _step(launch.validate_jwt_format, "bad-token", "The launch does not hold a readable token.")
    _step(launch.validate_registration, "wrong-registration", "The launch is not for Tassel.")
    _step(launch.validate_jwt_signature, "bad-signature", "The signature of the launch is wrong.")
    claims: Mapping[str, Any] = dict(launch.get_launch_data())
    _check_times(claims, now)
    _check_parties(claims, platform.client_id)
    _step(launch.validate_nonce, "wrong-nonce", "The launch answers another login.")
    return claims, launch


def _step(check: Callable[[], object], code: str, message: str) -> None:
    """Run one step of the library; its refusal becomes ours."""
    try:
        check()
    except LtiException as error:
        raise LaunchRefused(code, message, fix=REOPEN) from error


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """``exp`` and ``iat`` are there and right within a minute; the token is not old."""
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    present, leeway = now.timestamp(), LEEWAY.total_seconds()
    if expires <= present - leeway or issued < present - OLDEST.total_seconds() - leeway:
        raise LaunchRefused("token-expired", "This launch took too long.", fix=REOPEN)
    not_before = _seconds(claims, "nbf") if "nbf" in claims else issued
    if max(issued, not_before) > present + leeway:
        raise LaunchRefused(
            "token-from-future",
            "The clocks of the LMS and of Tassel differ by more than a minute.",
            fix="The administrators of both systems should check the time of their servers.",
        )


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    """A time claim in seconds since 1970; LaunchRefused when it is missing or no number."""
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < YEAR_9999:
        raise LaunchRefused(
            "token-without-time",
            "The launch does not say when it was made and until when it holds.",
            fix="The administrator of the LMS should check its LTI 1.3 settings.",
        )
    return float(found)


def _check_parties(claims: Mapping[str, Any], client_id: str) -> None:
    """``azp`` is us whenever it is there, and it is there for several audiences; ``sub`` is a text."""
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise LaunchRefused("wrong-audience", "The launch is meant for another tool.", fix=REOPEN)
    for name in ("sub", CLAIM + "deployment_id"):
        value = claims.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_ID:
            raise LaunchRefused(
                "bad-message",
                "The launch does not say who comes from where.",
                fix="Anonymous launches cannot be used: sign in to the LMS first.",
            )


def _use_up(db: Database, state: LaunchState, now: datetime) -> None:
    """One statement decides which of two equal launches was first, across all processes."""
    with db.transaction() as session:
        used = session.execute(
            update(LaunchState)
            .where(LaunchState.state_hash == state.state_hash, LaunchState.used_at.is_(None))
            .values(used_at=now)
            .returning(LaunchState.state_hash)
        )
        if used.first() is None:
            raise _used()


def _used() -> LaunchRefused:
    return LaunchRefused("state-used", "This launch was used before.", fix=REOPEN)


def _deployment(
    db: Database,
    waiting: _Waiting,
    claims: Mapping[str, Any],
    launch: library.Launch,
    now: datetime,
) -> Deployment:
    """The approved deployment of the launch; an unknown one is kept for the operator to approve."""
    named = str(claims[CLAIM + "deployment_id"])
    known = waiting.deployments.get(named)
    if known is None:
        _remember(db, waiting.platform, named, now)
    _step_deployment(launch)
    assert known is not None
    return known


def _step_deployment(launch: library.Launch) -> None:
    try:
        launch.validate_deployment()
    except LtiException as error:
        raise LaunchRefused(
            "deployment-pending",
            "Tassel was added at a new place in this LMS, and that is not approved yet.",
            fix="The operator of Tassel can approve it under Platforms; then open it again.",
        ) from error


def _remember(db: Database, platform: Platform, named: str, now: datetime) -> None:
    """Keep the unknown deployment as pending; another launch may have done so just now."""
    try:
        with db.transaction() as session:
            session.add(
                Deployment(
                    platform_id=platform.id, deployment_id=named, state="pending", created_at=now
                )
            )
    except IntegrityError:
        return


def _check_message(claims: Mapping[str, Any], settings: Settings) -> None:
    """Version and type that we know (the library knows more), and a target that is ours."""
    if claims.get(CLAIM + "message_type") not in MESSAGES:
        raise LaunchRefused(
            "bad-message",
            "The LMS asks for something that Tassel does not do.",
            fix="Open Tassel from the course, not from another place.",
        )
    check_target(str(claims.get(CLAIM + "target_link_uri", "")), settings)
