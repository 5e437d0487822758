"""Our parts for PyLTI1p3: one registration, one request, one single-use state.

The library walks through the OIDC login and the message launch; these classes tell it what our
rows say and replace the steps that it does not do strictly enough.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, cast

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pylti1p3.cookie import CookieService
from pylti1p3.deployment import Deployment
from pylti1p3.exception import LtiMessageValidationException
from pylti1p3.launch_data_storage.base import LaunchDataStorage
from pylti1p3.message_launch import MessageLaunch, TLaunchData
from pylti1p3.message_validators.resource_message import ResourceMessageValidator
from pylti1p3.oidc_login import OIDCLogin
from pylti1p3.redirect import Redirect
from pylti1p3.registration import Registration
from pylti1p3.request import Request
from pylti1p3.session import SessionService
from pylti1p3.tool_config import ToolConfAbstract

from app.errors import LaunchRefused
from app.lti.vocabulary import (
    CLAIM,
    DATA_PRIVACY,
    DATA_PRIVACY_DRAFT,
    DEEP_LINK,
    DEEP_LINKING_CLAIM,
    FOR_USER_CLAIM,
    SUBMISSION_REVIEW,
)

ALGORITHMS = ("RS256",)
_NEEDED: Mapping[str, tuple[str, ...]] = {
    DEEP_LINK: (DEEP_LINKING_CLAIM,),
    SUBMISSION_REVIEW: (FOR_USER_CLAIM,),
    DATA_PRIVACY: (),
    DATA_PRIVACY_DRAFT: (),
}
"""Claims without which a message means nothing (Deep Linking 2.0, 3.2; Submission Review 1.0)."""
_UNUSED = requests.Session()
"""The library wants one; our launches send nothing through it, and it has no way to send."""
_UNUSED.adapters.clear()


class FormRequest(Request):
    """The parameters of a login or a launch."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self.params = dict(params)

    def is_secure(self) -> bool:
        """Cookies are not the library's business here."""
        return True

    def get_param(self, key: str) -> str:
        """A parameter, "" when it is missing."""
        return self.params.get(key, "")


class OneRegistration(ToolConfAbstract[FormRequest]):
    """A tool configuration that knows exactly the registration of the login's state.

    So a token of any other registration, even of the same issuer, finds nothing here.
    """

    def __init__(
        self, issuer: str, client_id: str, auth_url: str, deployments: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self._issuer, self._client_id, self._deployments = issuer, client_id, deployments
        registration = Registration().set_issuer(issuer).set_client_id(client_id)
        self._registration = registration.set_auth_login_url(auth_url)

    def check_iss_has_one_client(self, iss: str) -> bool:
        """An issuer may have many clients."""
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:
        """An issuer may have many clients."""
        return True

    def find_registration_by_issuer(self, iss: str, *args: Any, **kwargs: Any) -> Registration:
        """Never enough to find a registration."""
        raise LookupError(iss)

    def find_registration_by_params(
        self, iss: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Registration:
        """The one registration, when issuer and client id are both its own."""
        if iss == self._issuer and client_id == self._client_id:
            return self._registration
        raise LaunchRefused(
            "wrong-registration",
            "The launch belongs to another registration than its login.",
            fix="Open Tassel again from your course.",
        )

    def find_deployment(self, iss: str, deployment_id: str) -> Deployment | None:
        """Never enough to find a deployment."""
        return None

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Deployment | None:
        """The deployment, when it is an approved one."""
        if deployment_id not in self._deployments:
            return None
        return Deployment().set_deployment_id(deployment_id)


class OneState(LaunchDataStorage[Any]):
    """Keeps what the library wants to remember during this one request; our state is the memory."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}

    def get_session_cookie_name(self) -> str | None:
        """No cookie of the library's own."""
        return None

    def can_set_keys_expiration(self) -> bool:
        """Nothing outlives the request."""
        return False

    def get_value(self, key: str) -> Any:
        """What was set in this request."""
        return self._values.get(key)

    def set_value(self, key: str, value: Any, exp: int | None = None) -> None:
        """Remember during this request."""
        self._values[key] = value

    def check_value(self, key: str) -> bool:
        """Whether it was set in this request."""
        return key in self._values


class StateService(SessionService):
    """State and nonce of one login."""

    def __init__(self, request: FormRequest, nonce: str = "") -> None:
        super().__init__(request)
        self.data_storage = OneState()
        self.nonce = nonce

    def save_nonce(self, nonce: str) -> None:
        """The login's nonce."""
        self.nonce = nonce

    def check_nonce(self, nonce: str) -> bool:
        """Only the nonce of this very login."""
        return isinstance(nonce, str) and hmac.compare_digest(nonce.encode(), self.nonce.encode())


class BoundCookie(CookieService):
    """Stands for the browser binding, which was proven before the library is asked."""

    def __init__(self) -> None:
        self.state = ""

    def get_cookie(self, name: str) -> str | None:
        """The proven state."""
        return self.state if name == self.state else None

    def set_cookie(self, name: str, value: str | int, exp: int | None = 3600) -> None:
        """The login's state."""
        self.state = name


class Login(OIDCLogin[FormRequest, OneRegistration, StateService, BoundCookie, str]):
    """The library's login with the state and the nonce that we ``made``."""

    made = ("", "")

    def get_redirect(self, url: str) -> Redirect[str]:
        """The address alone; the web layer answers."""
        return _Address(url)

    def _get_uuid(self) -> str:
        return self.made[0]

    def _generate_nonce(self) -> str:
        return self.made[1]


class _Address(Redirect[str]):
    def __init__(self, url: str) -> None:
        self._url = url

    def do_redirect(self) -> str:
        return self._url

    def do_js_redirect(self) -> str:
        return self._url

    def set_redirect_url(self, location: str) -> None:
        self._url = location

    def get_redirect_url(self) -> str:
        return self._url


class Launch(MessageLaunch[FormRequest, OneRegistration, StateService, BoundCookie]):
    """The library's message launch with a stricter signature step.

    ``key_for`` gives the platform's public key for a kid. Audience and times are checked by
    ``lti.launch``, with our clock and leeway.
    """

    def __init__(
        self,
        request: FormRequest,
        tool_config: OneRegistration,
        session_service: StateService,
        cookie_service: BoundCookie,
        client_id: str,
        key_for: Callable[[str], RSAPublicKey],
    ) -> None:
        super().__init__(
            request,
            tool_config,
            session_service=session_service,
            cookie_service=cookie_service,
            requests_session=_UNUSED,
        )
        self._client_id, self._key_for = client_id, key_for
        self.set_auto_validation(enable=False)

    def _get_request_param(self, key: str) -> str:
        return self._request.get_param(key)

    def get_client_id(self) -> str:
        """Our client id when it is among the audiences (the library looks at the first only)."""
        audience = self._get_jwt_body().get("aud")
        named = audience if isinstance(audience, list) else [audience]
        return self._client_id if self._client_id in named else ""

    def validate_jwt_format(self) -> Launch:
        """Three parts, of which the first two are JSON objects."""
        super().validate_jwt_format()
        if not all(isinstance(part, dict) for part in self._jwt.values()):
            raise LtiMessageValidationException("header and body must be objects")
        return self

    def validate_message(self) -> Launch:
        """What each message must hold. For most the library knows.

        It would refuse a selection that takes no links, where a page can say more, and a review
        without a line item, which an LMS leaves out when the link has none or several.
        """
        body: Mapping[str, Any] = self._get_jwt_body()
        needed = _NEEDED.get(str(body.get(CLAIM + "message_type")))
        if needed is None:
            super().validate_message()
            return self
        ResourceMessageValidator().run_common_validators(body)
        if not all(isinstance(body.get(name), dict) and body[name] for name in needed):
            raise LtiMessageValidationException("a claim of this message is missing")
        return self

    def validate_jwt_signature(self) -> Launch:
        """Algorithm from our list, never from the token; ``kid`` required; then the signature."""
        header: Mapping[str, Any] = self._jwt.get("header", {})
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str) or not kid:
            raise LaunchRefused(
                "bad-signature",
                "The launch is not signed the way that LTI demands.",
                fix="The administrator of the LMS should check its LTI 1.3 settings.",
            )
        try:
            body = jwt.decode(
                self._get_id_token(),
                self._key_for(kid),
                algorithms=list(ALGORITHMS),
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.PyJWTError as error:
            raise LaunchRefused(
                "bad-signature",
                "The signature of the launch is wrong.",
                fix="Open Tassel again from your course.",
            ) from error
        self._jwt["body"] = cast(TLaunchData, body)
        return self
