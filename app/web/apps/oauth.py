"""OAuth 2.0 without pages: registration (RFC 7591), tokens (RFC 6749, 7636), their end (RFC 7009)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final
from urllib.parse import unquote_plus

from flask import Response, jsonify, request

from app.credentials.verify import strict_json
from app.credentials.verify.limits import OverLimitError
from app.errors import Invalid
from app.pipeline import apps
from app.pipeline.apps import Credentials
from app.wallet import app_clients, app_tokens
from app.wallet.app_tokens import Proof, Tokens
from app.wallet.errors import WalletRefused
from app.web.apps.blueprint import ROOT, base, bp
from app.web.session import campus

MAX_BODY: Final = 20_000
LONGEST: Final = 2_000
"""Characters of a field."""


@bp.get(f"/.well-known/oauth-authorization-server{ROOT}")
def metadata() -> Response:
    """Authorization server metadata (RFC 8414)."""
    at = base()
    return jsonify(
        issuer=at,
        authorization_endpoint=f"{at}/oauth/authorize",
        token_endpoint=f"{at}/oauth/token",
        revocation_endpoint=f"{at}/oauth/revoke",
        registration_endpoint=f"{at}/oauth/register",
        scopes_supported=app_clients.SCOPES,
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=app_clients.GRANTS,
        token_endpoint_auth_methods_supported=app_clients.AUTH_METHODS,
        revocation_endpoint_auth_methods_supported=app_clients.AUTH_METHODS,
        code_challenge_methods_supported=["S256"],
        authorization_response_iss_parameter_supported=True,
        service_documentation=f"{at}/about",
    )


@bp.post(f"{ROOT}/oauth/register")
def register() -> Response:
    """An app introduces itself. Anybody may; what it says is believed by nobody."""
    made = apps.register(campus(), _said())
    client = made.client
    answer: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": app_clients.GRANTS
        if app_clients.OFFLINE in client.scopes
        else app_clients.GRANTS[:1],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
        "scope": " ".join(client.scopes),
    }
    if client.uri:
        answer["client_uri"] = client.uri
    if made.secret:
        answer |= {"client_secret": made.secret, "client_secret_expires_at": 0}
    return _kept_by_nobody(jsonify(answer), 201)


def _said() -> dict[str, Any]:
    request.max_content_length = MAX_BODY
    try:
        if request.is_json:
            return strict_json.loads(request.get_data())
    except (Invalid, OverLimitError):
        pass
    raise WalletRefused("invalid_client_metadata", "The request is not a JSON object.")


@bp.post(f"{ROOT}/oauth/token")
def token() -> Response:
    """A code or a refresh token against tokens."""
    kind = _field("grant_type")
    if kind not in app_clients.GRANTS:
        raise WalletRefused(
            "unsupported_grant_type", "Only codes and refresh tokens are taken here."
        )
    who = _who()
    if kind == app_clients.GRANTS[0]:
        proof = Proof(_field("code"), _field("redirect_uri"), _field("code_verifier"))
        return _tokens(apps.redeem(campus(), who, proof))
    scopes = _field("scope", needed=False).split()
    return _tokens(apps.refresh(campus(), who, _field("refresh_token"), scopes))


def _tokens(made: Tokens) -> Response:
    answer: dict[str, Any] = {
        "access_token": made.access,
        "token_type": "Bearer",
        "expires_in": int(app_tokens.ACCESS_LIFE.total_seconds()),
        "scope": " ".join(made.scopes),
    }
    if made.refresh:
        answer["refresh_token"] = made.refresh
    return _kept_by_nobody(jsonify(answer), 200)


@bp.post(f"{ROOT}/oauth/revoke")
def revoke() -> Response:
    """An app gives a token up; 200 whatever it was, so that nothing is told about it."""
    apps.give_up(campus(), _who(), _field("token"))
    return _kept_by_nobody(jsonify({}), 200)


def _field(name: str, *, needed: bool = True) -> str:
    """A field of the form, there once at most. Raises WalletRefused (``invalid_request``)."""
    found = request.form.getlist(name)
    if len(found) > 1 or (needed and not found) or len("".join(found)) > LONGEST:
        raise WalletRefused("invalid_request", f"{name} must be there once, and not too long.")
    return found[0] if found else ""


def _who() -> Credentials:
    """By the header or in the form, never both (RFC 6749, 2.3)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    name = _field("client_id", needed=False)
    secret = _field("client_secret", needed=False)
    if scheme.lower() == "basic" and not secret:
        found, password = _basic(value)
        if name in ("", found):
            return Credentials(found, password, "client_secret_basic")
    if scheme or not name:
        raise WalletRefused("invalid_client", "The app has to say once who it is.", 401)
    return Credentials(name, secret or None, "client_secret_post" if secret else "none")


def _basic(value: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    name, _, secret = text.partition(":")
    return unquote_plus(name), unquote_plus(secret)


def _kept_by_nobody(answer: Response, status: int) -> Response:
    answer.status_code = status
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Pragma"] = "no-cache"
    return answer
