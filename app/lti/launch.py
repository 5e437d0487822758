"""The launch (LTI 1.3 core 4, IMS security framework 5.1.2): verified step by step, or refused.

Order of the checks: the state is ours, alive and proven by this browser; the token is of the
registration of that state, signed by its LMS, fresh and for us; its nonce is the login's; then the
deployment and the message are looked at. Whoever lets somebody in uses the state up with the same
transaction (``Proven.use_up``), so that of two equal launches one gets in, whole.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pylti1p3.exception import LtiException
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.errors import LaunchRefused
from app.http import HttpClient
from app.lti import keysets, library, state
from app.lti.addresses import safe_origin
from app.lti.context import LaunchContext, Origin, context_from
from app.lti.login import Login, begin_again, begin_login, check_target
from app.lti.parties import Named, Party, party
from app.lti.platforms import lms_for
from app.lti.state import REOPEN, STATE_LIFE, BegunLogin, Storage
from app.lti.vocabulary import CLAIM, MESSAGES
from app.models import Deployment
from app.secrets import SecretBox, token_hash
from app.settings import Settings

__all__ = [
    "REOPEN",
    "STATE_LIFE",
    "LaunchContext",
    "Login",
    "Proven",
    "Storage",
    "Unproven",
    "begin_again",
    "begin_login",
    "prove_launch",
    "unproven",
]

LEEWAY = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)
MAX_ID = 300
YEAR_9999 = 253_402_300_800


@dataclass(frozen=True)
class _Waiting:
    """The login that a launch answers, and its registration."""

    state: str
    begun: BegunLogin
    party: Party


@dataclass(frozen=True)
class Proven:
    """A launch that passed every check and has let nobody in yet."""

    context: LaunchContext
    state: str
    begun: BegunLogin
    storage: Storage

    def use_up(self, db: Database, now: datetime) -> None:
        """Nobody else gets in by this launch. LaunchRefused when somebody did.

        Called in the transaction that lets the person in (``Database.together``).
        """
        with db.transaction() as session:
            state.use_up(session, self.state, self.begun, self.storage, now)


def prove_launch(
    db: Database,
    box: SecretBox,
    lti_http: HttpClient,
    settings: Settings,
    form: Mapping[str, str],
    binding: str | None,
    now: datetime,
    storage: Storage = "cookie",
) -> Proven:
    """Verify the form post of a launch. ``binding`` is the secret as this browser shows it, out of
    its ``storage`` (which is only remembered: every way proves the same).

    Raises LaunchRefused (code and reason; nothing of the request is repeated in it) or, when the
    keys of the LMS cannot be read, UpstreamError.
    """
    if form.get("error"):
        raise LaunchRefused("lms-error", "The LMS did not let this launch happen.", fix=REOPEN)
    waiting = _waiting(db, box, form.get("state", ""), binding, now)
    claims, launch = _verified(db, lti_http, waiting, form, now)
    deployment = _deployment(db, waiting.party, claims, launch, now)
    _step(launch.validate_message, "bad-message", "The launch lacks what LTI demands.")
    _check_message(claims, settings)
    here = waiting.party
    origin = Origin(here.id, here.installation_id, deployment.id, lms_for(here.lms))
    return Proven(context_from(claims, origin), waiting.state, waiting.begun, storage)


@dataclass(frozen=True)
class Unproven:
    """What a page may know to fetch the secret of a login; nothing of the launch is believed yet."""

    lms_origin: str
    storage_target: str | None
    platform_id: str


def unproven(db: Database, box: SecretBox, named: str, now: datetime) -> Unproven:
    """A launch whose browser showed no cookie: where else its secret may be.

    Raises LaunchRefused when no login of the state ``named`` waits.
    """
    begun = state.opened(box, named, now)
    state.refuse_used(db, named)
    origin = safe_origin(party(db, begun.platform_id).auth_url)
    return Unproven(origin, begun.storage_target, begun.platform_id)


def _waiting(
    db: Database, box: SecretBox, named: str, binding: str | None, now: datetime
) -> _Waiting:
    """The login behind the state ``named``, if it may still be answered and by this browser."""
    begun = state.opened(box, named, now)
    if not hmac.compare_digest(token_hash(binding or ""), begun.binding_hash):
        raise LaunchRefused(
            "browser-not-proven",
            "Your browser did not keep the proof that this launch was begun in it.",
            fix="Allow cookies for this site, or open Tassel in a new window from your course.",
        )
    return _Waiting(named, begun, party(db, begun.platform_id))


def _verified(
    db: Database, http: HttpClient, waiting: _Waiting, form: Mapping[str, str], now: datetime
) -> tuple[Mapping[str, Any], library.Launch]:
    """The claims of the token once signature, parties, times and nonce are right."""
    platform = waiting.party
    active = {key for key, row in platform.deployments.items() if row.active}
    request = library.FormRequest(form)
    cookie = library.BoundCookie()
    cookie.state = waiting.state
    launch = library.Launch(
        request,
        library.OneRegistration(
            platform.issuer, platform.client_id, platform.auth_url, frozenset(active)
        ),
        library.StateService(request, waiting.begun.nonce),
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


def _deployment(
    db: Database,
    party: Party,
    claims: Mapping[str, Any],
    launch: library.Launch,
    now: datetime,
) -> Named:
    """The approved deployment of the launch; an unknown one is kept for the operator to approve."""
    named = str(claims[CLAIM + "deployment_id"])
    known = party.deployments.get(named)
    if known is None:
        _remember(db, party.id, named, now)
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


def _remember(db: Database, platform_id: str, named: str, now: datetime) -> None:
    """Keep the unknown deployment as pending; another launch may have done so just now."""
    try:
        with db.transaction() as session:
            session.add(
                Deployment(
                    platform_id=platform_id, deployment_id=named, state="pending", created_at=now
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
