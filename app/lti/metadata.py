"""What Tassel says about itself to an LMS: registration metadata and addresses for manual set-up.

Names and labels come from ``lti_config/tool.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from app.lti.platforms import Lms, ToolFacts
from app.lti.vocabulary import (
    DEEP_LINK,
    EXTRA_SCOPES,
    PLATFORM_CONFIGURATION,
    RESOURCE_LINK,
    SCOPES,
    TOOL_CONFIGURATION,
)
from app.settings import Settings


@cache
def tool_data() -> dict[str, Any]:
    """The content of ``lti_config/tool.json``."""
    text = files("lti_config").joinpath("tool.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def addresses(settings: Settings) -> dict[str, str]:
    """Our LTI addresses, by the names that administrators know them under."""
    base = settings.public_url
    return {
        "Tool URL (target link URI)": base + tool_data()["target_path"],
        "Initiate login URL": f"{base}/lti/login",
        "Redirection URI": f"{base}/lti/launch",
        "Public keyset URL": f"{base}/lti/jwks",
    }


def manual_facts(settings: Settings, lms: Lms) -> ToolFacts:
    """What a manual description of the tool for this LMS is made of."""
    base, data = settings.public_url, tool_data()
    return ToolFacts(
        data["title"],
        data["description"],
        urlsplit(base).netloc,
        base + data["target_path"],
        f"{base}/lti/login",
        f"{base}/lti/launch",
        f"{base}/lti/jwks",
        base + data["icon_path"],
        SCOPES,
        any(message["type"] == DEEP_LINK for message in data["messages"]),
        f"{base}/lti/{lms.key}.json",
    )


def client_metadata(
    settings: Settings, lms: Lms, configuration: Mapping[str, Any]
) -> dict[str, Any]:
    """The registration request (LTI Dynamic Registration 1.0, 3.5) for this LMS.

    Scopes and messages are those that the LMS's ``configuration`` says it supports.
    """
    base, data = settings.public_url, tool_data()
    about = {
        "domain": urlsplit(base).netloc,
        "description": data["description"],
        "target_link_uri": base + data["target_path"],
        "custom_parameters": lms.custom_parameters(),
        "claims": data["claims"],
        "messages": _messages(settings, configuration),
    }
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{base}/lti/login",
        "redirect_uris": [f"{base}/lti/launch"],
        "client_name": data["title"],
        "jwks_uri": f"{base}/lti/jwks",
        "logo_uri": base + data["icon_path"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(supported_scopes(configuration)),
        TOOL_CONFIGURATION: lms.tool_configuration(about),
    }


def supported_scopes(configuration: Mapping[str, Any]) -> list[str]:
    """Those of our scopes that the LMS knows; the usual ones where it does not say."""
    known = configuration.get("scopes_supported")
    if not isinstance(known, list):
        return list(SCOPES)
    return [scope for scope in (*SCOPES, *EXTRA_SCOPES) if scope in known]


_EVERYWHERE = (RESOURCE_LINK, DEEP_LINK)
"""Messages that every LMS knows, also one that does not say which."""


def _messages(settings: Settings, configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Our messages that the LMS supports, each with its target."""
    about = configuration.get(PLATFORM_CONFIGURATION)
    listed = about.get("messages_supported") if isinstance(about, dict) else None
    known = {one.get("type") for one in listed or [] if isinstance(one, dict)}
    target = settings.public_url + tool_data()["target_path"]
    return [
        {**message, "target_link_uri": target}
        for message in tool_data()["messages"]
        if message["type"] in (known or _EVERYWHERE)
    ]
