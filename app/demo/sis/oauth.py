"""OAuth 2 client credentials (RFC 6749 section 4.4) and the scopes of OneRoster 1.2."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote_plus

from flask import Blueprint, Request, Response, jsonify, request

from app.demo.sis.status import RefusalError
from app.demo.sis.store import Store

BEARER = "Bearer"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
SCOPES = frozenset(
    SCOPE + name
    for name in (
        "roster.readonly",
        "roster-core.readonly",
        "gradebook.readonly",
        "gradebook-core.readonly",
        "gradebook.createput",
        "gradebook.delete",
        "assessment.readonly",
        "assessment.createput",
        "assessment.delete",
    )
)


@dataclass(frozen=True, slots=True)
class _Grant:
    scopes: frozenset[str]
    expires: float


class TokenDesk:
    """Issues and checks access tokens for the one client that is known."""

    def __init__(self, client_id: str, client_secret: str, store: Store) -> None:
        self._client = (client_id, client_secret)
        self._store = store
        self._lock = threading.Lock()
        self._grants: dict[str, _Grant] = {}

    def forget(self) -> None:
        """Make every token that was issued invalid."""
        with self._lock:
            self._grants.clear()

    def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether these credentials are good at this moment."""
        right = hmac.compare_digest(
            f"{client_id}\n{client_secret}".encode(), "\n".join(self._client).encode()
        )
        return right and not self._store.switches.secret_expired

    def issue(self, scopes: frozenset[str]) -> tuple[str, int]:
        """A new token for these scopes and its life in seconds."""
        seconds = self._store.switches.token_seconds
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._grants[token] = _Grant(scopes, time.monotonic() + seconds)
        return token, seconds

    def require(self, incoming: Request, any_of: Collection[str]) -> None:
        """Let the request pass, or raise RefusalError: 401 without a good token, 403 without a scope."""
        scheme, _, token = incoming.headers.get("Authorization", "").partition(" ")
        with self._lock:
            grant = self._grants.get(token.strip()) if scheme.lower() == "bearer" else None
        expired = grant is None or grant.expires < time.monotonic()
        if grant is None or expired or self._store.switches.secret_expired:
            raise RefusalError(
                401, "unauthorisedrequest", "The access token is missing or expired."
            )
        if grant.scopes.isdisjoint(SCOPE + name for name in any_of):
            wanted = " or ".join(any_of)
            raise RefusalError(403, "forbidden", f"The token lacks the scope {wanted}.")


def token_routes(desk: TokenDesk) -> Blueprint:
    """``POST /oauth/token``."""
    routes = Blueprint("oauth", __name__)

    @routes.post("/oauth/token")
    def token() -> Response:
        credentials = _credentials(request)
        if credentials is None or not desk.knows(*credentials):
            return _error(401, "invalid_client", "Unknown client, wrong secret or expired secret.")
        if request.form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type", "Only client_credentials is served.")
        scopes = frozenset(request.form.get("scope", "").split())
        if not scopes or not scopes <= SCOPES:
            return _error(400, "invalid_scope", "Ask for scopes of OneRoster 1.2 that are served.")
        value, seconds = desk.issue(scopes)
        answer = jsonify(
            access_token=value,
            token_type=BEARER,
            expires_in=seconds,
            scope=" ".join(sorted(scopes)),
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes


def _credentials(incoming: Request) -> tuple[str, str] | None:
    """Client id and secret from the Basic header (RFC 6749 2.3.1) or from the form."""
    scheme, _, value = incoming.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        name, _, secret = text.partition(":")
        return unquote_plus(name), unquote_plus(secret)
    if "client_id" in incoming.form:
        return incoming.form["client_id"], incoming.form.get("client_secret", "")
    return None


def _error(status: int, code: str, description: str) -> Response:
    answer = jsonify(error=code, error_description=description)
    answer.status_code = status
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="sis"'
    return answer
