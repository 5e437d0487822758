"""The token endpoint (OAuth 2 client credentials with private_key_jwt) and the tools' key sets."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
import requests
from flask import Blueprint, Response, request

from app.demo.hosts import real_address
from app.demo.lms.service import campus
from app.demo.lms.state import Access, Campus, Tool
from app.demo.lms.vendors.base import Vendor
from app.errors import UpstreamError

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE = 3600
LEEWAY = 60
_TIMEOUT = (5, 10)


class ToolKeys:
    """The public keys of tools, cached by address and fetched again when a ``kid`` is new."""

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        self._hosts = hosts or {}
        self._lock = threading.Lock()
        self._sets: dict[str, dict[str, Any]] = {}
        self._at: dict[str, datetime] = {}
        self.fetches = 0
        self.keep: timedelta | None = None
        """A set is kept this long whatever ``kid`` is missing in it; None: a new one is fetched for."""

    def verify(
        self, tool: Tool, token: str, audience: list[str] | None, now: datetime
    ) -> dict[str, Any]:
        """The claims of a JWT that the tool signed; the audience is checked if one is given.

        ``now`` is the LMS's own time, right or wrong; a minute of difference is borne.

        Raises ``jwt.PyJWTError`` for a bad token and ``UpstreamError`` when the keys are missing.
        """
        header = jwt.get_unverified_header(token)
        key = self._key(tool.keyset_url, str(header.get("kid", "")), now)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=audience,
            options={
                "verify_aud": audience is not None,
                "verify_exp": False,
                "verify_iat": False,
                "require": ["exp", "iat"],
            },
        )
        if claims["exp"] <= now.timestamp() - LEEWAY:
            raise jwt.ExpiredSignatureError("Signature has expired")
        if claims["iat"] > now.timestamp() + LEEWAY:
            raise jwt.ImmatureSignatureError("The token is not yet valid (iat)")
        return claims

    def _key(self, url: str, kid: str, now: datetime) -> Any:
        known = self._sets.get(url, {})
        stale = self.keep is not None and (url not in self._at or self._at[url] + self.keep <= now)
        if stale or (self.keep is None and kid not in known):
            known = self._fetch(url)
            self._at[url] = now
        if kid not in known:
            raise jwt.InvalidTokenError(f"key {kid!r} is not in the tool's key set")
        return known[kid]

    def _fetch(self, url: str) -> dict[str, Any]:
        try:
            with requests.Session() as session:
                found = session.get(real_address(self._hosts, url), timeout=_TIMEOUT)
                found.raise_for_status()
                fresh = {
                    str(one["kid"]): jwt.PyJWK.from_dict(one).key for one in found.json()["keys"]
                }
        except (requests.RequestException, ValueError, KeyError, jwt.PyJWTError) as error:
            raise UpstreamError(
                "no-keys",
                f"The key set at {url} cannot be read: {error}",
                system="LTI tool",
                permanent=False,
            ) from error
        with self._lock:
            self._sets[url] = fresh
            self.fetches += 1
        return fresh


def token_blueprint(vendor: Vendor, keys: ToolKeys) -> Blueprint:
    """The token endpoint at the vendor's address."""
    routes = Blueprint("tokens", __name__)

    @routes.post(vendor.paths.access)
    def token(**_: str) -> Response:
        here = campus()
        if not _well_formed():
            return _problem(here, 400, "invalid_request")
        tool = _claimed_tool(here)
        if tool is None:
            return _problem(here, 400, "invalid_client")
        try:
            claims = keys.verify(
                tool, request.form["client_assertion"], _audience(here, tool), here.now()
            )
        except UpstreamError as error:
            return Response(f"<h1>Not found</h1><p>{error.message}</p>", 404)
        except jwt.PyJWTError as error:
            return _problem(here, 400, "invalid_client", str(error))
        return _grant(here, tool, claims)

    return routes


def _well_formed() -> bool:
    form = request.form
    return (
        form.get("grant_type") == "client_credentials"
        and form.get("client_assertion_type") == ASSERTION
        and bool(form.get("client_assertion"))
    )


def _claimed_tool(here: Campus) -> Tool | None:
    """The active tool that the assertion's ``sub`` names; nothing is believed yet."""
    try:
        claims = jwt.decode(request.form["client_assertion"], options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    with here.lock:
        tool = here.tool_by_client(str(claims.get("sub", "")))
    return tool if tool is not None and tool.active else None


def _audience(here: Campus, tool: Tool) -> list[str] | None:
    """Who the assertion must be for; None where the vendor does not look."""
    return here.vendor.audiences(here, tool) if here.vendor.checks_assertion else None


def _grant(here: Campus, tool: Tool, claims: dict[str, Any]) -> Response:
    with here.lock:
        if here.vendor.checks_assertion and not _fresh(here, tool, claims):
            return _problem(here, 400, "invalid_client", "iss, sub or jti is wrong")
        allowed = here.vendor.granted_scopes(tool)
        asked = request.form.get("scope", "").split()
        granted = [scope for scope in asked if scope in allowed]
        if not granted or any(scope not in here.vendor.scopes_supported() for scope in asked):
            return _problem(here, 400, "invalid_scope")
        token = secrets.token_hex(16)
        expires = here.now() + timedelta(seconds=LIFE)
        here.access[token] = Access(tool.id, frozenset(granted), expires)
    body = {
        "access_token": token,
        "token_type": here.vendor.bearer_word,
        "expires_in": LIFE,
        "scope": " ".join(granted),
    }
    return _json(here, body, 200)


def _fresh(here: Campus, tool: Tool, claims: dict[str, Any]) -> bool:
    """``iss`` is the client too, and the ``jti`` was never used before."""
    jti = str(claims.get("jti", ""))
    if claims.get("iss") != tool.client_id or not jti or jti in here.used_assertions:
        return False
    here.used_assertions.add(jti)
    return True


def _problem(here: Campus, status: int, code: str, text: str = "") -> Response:
    return _json(here, {"error": code} | ({"error_description": text} if text else {}), status)


def _json(here: Campus, body: dict[str, Any], status: int) -> Response:
    response = Response(json.dumps(body), status, content_type=here.vendor.grant_content_type)
    response.headers["Cache-Control"] = "no-store"
    return response
