"""Dynamic registration (LTI Dynamic Registration 1.0) and the tools it makes."""

from __future__ import annotations

import secrets
import string
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
from flask import Blueprint, Response, jsonify, request

from app.demo.lms.service import campus
from app.demo.lms.state import Campus, Invite, Tool
from app.demo.lms.vendors.base import Vendor
from app.errors import AppError, Invalid, Unauthenticated

TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"
_LETTERS = string.ascii_letters + string.digits


def registration_blueprint(vendor: Vendor) -> Blueprint:
    """The configuration and the registration endpoint at the vendor's addresses."""
    routes = Blueprint("registration", __name__)
    if not vendor.dynamic_registration:
        return routes
    routes.add_url_rule(vendor.paths.configuration, view_func=configuration)
    routes.add_url_rule(vendor.paths.registration, view_func=register, methods=["POST"])
    return routes


def new_invite(here: Campus, tool: Tool | None = None) -> str:
    """A registration token: a JWT of one hour whose ``sub`` is the future client id.

    For an update of ``tool`` the scope is ``reg-update`` and ``sub`` the deployment (as Moodle).
    """
    random = "".join(secrets.choice(_LETTERS) for _ in range(15))
    client_id = tool.client_id if tool else here.vendor.new_client_id(random)
    issued = here.now()
    token = here.keys.sign(
        {
            "sub": tool.deployment_id if tool else client_id,
            "scope": "reg-update" if tool else "reg",
            "iat": int(issued.timestamp()),
            "exp": int((issued + timedelta(hours=1)).timestamp()),
            "jti": secrets.token_hex(8),
        }
    )
    here.invites[token] = Invite(client_id, tool.id if tool else None)
    return token


def same_host(here: Campus, url: str) -> Tool | None:
    """The tool already registered from the host of a registration address."""
    host = urlsplit(url).netloc
    tools = here.tools.values()
    return next((tool for tool in tools if urlsplit(tool.target_url).netloc == host), None)


def configuration() -> Response:
    """The platform's OpenID configuration."""
    here = campus()
    with here.lock:
        client = here.vendor.configured_client(request)
        if here.vendor.configuration_needs_token:
            client = _invite(here, spend=False).client_id
        return jsonify(_configuration(here, client))


def _configuration(here: Campus, client: str) -> dict[str, Any]:
    base, paths, vendor = here.base_url, here.vendor.paths, here.vendor
    return {
        "issuer": vendor.issuer(here),
        "token_endpoint": base + paths.access.replace("<string:tool>", client),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "jwks_uri": base + paths.keys.replace("<string:tool>", client),
        "authorization_endpoint": base + paths.authorization,
        "registration_endpoint": vendor.registration_url(here, request),
        "scopes_supported": vendor.scopes_supported(),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "name", "given_name", "family_name", "email"],
        PLATFORM_CONFIGURATION: vendor.configuration_extra(),
    }


def _invite(here: Campus, *, spend: bool) -> Invite:
    """The invite behind the registration token. Raises ``Unauthenticated``."""
    token = here.vendor.registration_token(request)
    invite = here.invites.get(token)
    try:
        here.keys.verify(token)
    except jwt.PyJWTError:
        invite = None
    if invite is None or invite.used:
        raise Unauthenticated("bad-registration-token", "The registration token is not valid.")
    invite.used = spend
    return invite


def register() -> Response:
    """Make (or update) a tool from its client metadata and tell it what was stored."""
    here = campus()
    with here.lock:
        invite = _invite(here, spend=False)
        metadata = request.get_json(force=True, silent=True)
        if not isinstance(metadata, dict):
            raise Invalid("bad-metadata", "The registration is not a JSON object.")
        tool = tool_from_metadata(here, invite, metadata)
        invite.used = True
        answer = jsonify(_registered(here, tool))
    answer.status_code = here.vendor.registration_status
    return answer


def tool_from_metadata(here: Campus, invite: Invite, metadata: dict[str, Any]) -> Tool:
    """The tool that the client metadata describe; an update keeps ids and activation."""
    about = metadata.get(TOOL_CONFIGURATION)
    if not isinstance(about, dict):
        raise Invalid("bad-metadata", f"{TOOL_CONFIGURATION} is missing.")
    try:
        fields = _fields(metadata, about)
    except KeyError as error:
        raise Invalid("bad-metadata", f"{error.args[0]} is missing.") from error
    supported = here.vendor.scopes_supported()
    fields["scopes"] = [one for one in str(metadata.get("scope", "")).split() if one in supported]
    if invite.tool_id is not None and invite.tool_id in here.tools:
        tool = here.tools[invite.tool_id]
        for name, value in fields.items():
            setattr(tool, name, value)
        return tool
    return add_tool(here, invite.client_id, fields)


def _fields(metadata: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Our fields from the standard's names. Raises ``KeyError`` with the missing name."""
    messages = about.get("messages") or []
    deep = [one for one in messages if one.get("type") == "LtiDeepLinkingRequest"]
    redirects = metadata["redirect_uris"]
    if not isinstance(redirects, list) or not redirects:
        raise KeyError("redirect_uris")
    target = about["target_link_uri"]
    return {
        "name": str(metadata["client_name"]),
        "login_url": str(metadata["initiate_login_uri"]),
        "redirect_uris": [str(one) for one in redirects],
        "keyset_url": str(metadata["jwks_uri"]),
        "target_url": str(target),
        "deep_link_url": str(deep[0].get("target_link_uri", target)) if deep else "",
        "custom": {str(k): str(v) for k, v in (about.get("custom_parameters") or {}).items()},
        "claims": [str(one) for one in about.get("claims") or []],
        "description": str(about.get("description", "")),
        "logo": str(metadata.get("logo_uri", "")),
    }


def add_tool(here: Campus, client_id: str, fields: dict[str, Any]) -> Tool:
    """A new tool, pending until somebody activates it."""
    number = here.number("tool")
    tool = Tool(number, client_id, here.vendor.new_deployment(number), **fields)
    here.tools[number] = tool
    return tool


def manual_tool(here: Campus, form: dict[str, Any]) -> Tool:
    """A tool from an administrator's form or a test, active at once. Raises ``Invalid``.

    Needs name, login_url, redirect_uris (list), keyset_url and target_url; client_id,
    deployment_id, deep_link_url, scopes, custom and claims may be left out.
    """
    needed = ("name", "login_url", "redirect_uris", "keyset_url", "target_url")
    missing = {name: "This is needed." for name in needed if not form.get(name)}
    if missing:
        raise Invalid("bad-tool", "The tool is not complete.", fields=missing)
    random = "".join(secrets.choice(_LETTERS) for _ in range(15))
    client_id = str(form.get("client_id") or here.vendor.new_client_id(random))
    if here.tool_by_client(client_id) is not None:
        raise Invalid("same-client", "This client id is taken.", fields={"client_id": "Taken."})
    optional = ("deep_link_url", "custom", "claims", "description")
    fields = {name: form[name] for name in needed}
    fields |= {name: form[name] for name in optional if form.get(name)}
    fields["scopes"] = form.get("scopes") or here.vendor.scopes_supported()
    tool = add_tool(here, client_id, fields)
    if form.get("deployment_id"):
        tool.deployment_id = str(form["deployment_id"])
    here.activate(tool)
    return tool


def _registered(here: Campus, tool: Tool) -> dict[str, Any]:
    """The answer: what was stored, with the deployment where the vendor returns it."""
    about: dict[str, Any] = {
        "version": "1.3.0",
        "target_link_uri": tool.target_url,
        "domain": urlsplit(tool.target_url).netloc,
        "description": tool.description,
        "messages": [],
        "custom_parameters": tool.custom,
        "claims": tool.claims,
    }
    if here.vendor.returns_deployment:
        about["deployment_id"] = tool.deployment_id
    if tool.deep_link_url:
        about["messages"] = [
            {"type": "LtiDeepLinkingRequest", "target_link_uri": tool.deep_link_url}
        ]
    return {
        "client_id": tool.client_id,
        "response_types": ["id_token"],
        "jwks_uri": tool.keyset_url,
        "initiate_login_uri": tool.login_url,
        "grant_types": ["client_credentials", "implicit"],
        "redirect_uris": tool.redirect_uris,
        "application_type": "web",
        "token_endpoint_auth_method": "private_key_jwt",
        "client_name": tool.name,
        "logo_uri": tool.logo,
        "scope": " ".join(here.vendor.registered_scopes(tool)),
        TOOL_CONFIGURATION: about,
    }


def registration_error(error: AppError, status: int) -> Response:
    """How the registration endpoints say no (OpenID Connect Dynamic Registration 3.3)."""
    response = jsonify(error="invalid_client_metadata", error_description=error.message)
    response.status_code = status
    return response
