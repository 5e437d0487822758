"""The OIDC login initiation (IMS security framework 5.1.1): from the LMS and back to it.

Nothing is stored here: the state carries the login, sealed (``lti.state``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pylti1p3.exception import LtiException, OIDCException

from app.db import Database
from app.errors import LaunchRefused
from app.lti import library, parties, state
from app.lti.addresses import path_of, safe_origin
from app.secrets import SecretBox, new_token, token_hash
from app.settings import Settings

LAUNCH_PATH = "/lti/launch"
TARGET_PATHS = frozenset({"", "/", LAUNCH_PATH})
MAX_PARAMETER = 4000
MAX_KEPT = 1500
"""Characters of a login that its state may carry: it travels in addresses."""


@dataclass(frozen=True)
class Login:
    """Where the browser goes next, and the secret that it has to show again with the launch.

    ``storage_target`` names the LMS's frame that may keep the secret for a browser without cookies
    (LTI client side postMessages 0.1); messages to it go to ``lms_origin``.
    """

    redirect_url: str
    binding: str
    state: str
    lms_origin: str
    storage_target: str | None
    platform_id: str


def begin_login(
    db: Database,
    box: SecretBox,
    settings: Settings,
    params: Mapping[str, str],
    now: datetime,
    platform_id: str | None,
) -> Login:
    """Answer a login initiation. ``platform_id`` comes from the path where each LMS has its own.

    LaunchRefused for an unknown or inactive registration, a missing hint or a foreign target.
    """
    named = params.get("iss", ""), params.get("client_id", "")
    return _begin(box, settings, parties.caller(db, *named, platform_id or ""), params, now)


def begin_again(db: Database, box: SecretBox, settings: Settings, old: str, now: datetime) -> Login:
    """The login behind the state ``old`` once more, for a tab of its own: a new state, a new secret.

    LaunchRefused when that login is over or was answered. An LMS whose hint serves only once refuses the rest.
    """
    begun = state.opened(box, old, now)
    state.refuse_used(db, old)
    if not begun.params:
        raise LaunchRefused(
            "login-too-long", "This launch cannot be begun again here.", fix=state.REOPEN
        )
    caller = parties.caller(db, begun.params["iss"], "", begun.platform_id)
    return _begin(box, settings, caller, begun.params, now)


def _begin(
    box: SecretBox,
    settings: Settings,
    caller: parties.Caller,
    params: Mapping[str, str],
    now: datetime,
) -> Login:
    check_target(params.get("target_link_uri", ""), settings)
    if any(len(value) > MAX_PARAMETER for value in params.values()):
        raise LaunchRefused("bad-login", "The login request is too long.", fix=state.REOPEN)
    binding, nonce = new_token(), new_token()
    begun = state.BegunLogin(
        caller.id,
        nonce,
        token_hash(binding),
        (now + state.STATE_LIFE).timestamp(),
        params.get("lti_storage_target", "")[:200] or None,
        _kept(params),
    )
    request = library.FormRequest({**params, "client_id": caller.client_id})
    cookie = library.BoundCookie()
    login = library.Login(
        request,
        library.OneRegistration(caller.issuer, caller.client_id, caller.auth_url),
        session_service=library.StateService(request, nonce),
        cookie_service=cookie,
    )
    login.made = state.seal(box, begun), nonce
    try:
        redirect_url = login.redirect(settings.public_url + LAUNCH_PATH)
    except (LtiException, OIDCException) as error:
        raise LaunchRefused(
            "bad-login", "The login request of the LMS is incomplete.", fix=state.REOPEN
        ) from error
    storage = params.get("lti_storage_target") or None
    origin = safe_origin(caller.auth_url)
    return Login(redirect_url, binding, cookie.state, origin, storage, caller.id)


def _kept(params: Mapping[str, str]) -> dict[str, str]:
    """What a login that begins again needs of this one; nothing when that is too long."""
    kept = {name: params[name] for name in _KEPT if name in params}
    return kept if sum(map(len, kept.values())) <= MAX_KEPT else {}


def check_target(target: str, settings: Settings) -> None:
    """The target must be one of our own pages, else a launch would be an open redirect."""
    ours = safe_origin(target) == safe_origin(settings.public_url)
    if not ours or path_of(target) not in TARGET_PATHS:
        raise LaunchRefused(
            "foreign-target",
            "The launch asks for a page that is not one of Tassel's.",
            fix="The administrator of the LMS should check the launch address of the tool.",
        )


_KEPT = (
    "iss",
    "client_id",
    "login_hint",
    "lti_message_hint",
    "target_link_uri",
    "lti_deployment_id",
    "lti_storage_target",
)
"""What a login that begins again needs of the first one."""
