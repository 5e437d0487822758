"""Details of a registration that an administrator pasted: JSON, or lines as the LMS shows them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from app.lti.platforms.guide import STANDARD_SHOWN, Guide

MOST = 20_000
LONGEST = 500
_JSON_NAMES: Mapping[str, tuple[str, ...]] = {
    "issuer": ("issuer", "iss", "platform_id", "platformId"),
    "client_id": ("client_id", "clientId"),
    "deployment_id": ("deployment_id", "deploymentId"),
    "auth_url": ("authorization_endpoint", "auth_login_url", "auth_url", "authUrl"),
    "token_url": ("token_endpoint", "auth_token_url", "token_url", "tokenUrl"),
    "jwks_url": ("jwks_uri", "key_set_url", "jwks_url", "keysetUrl"),
    "token_audience": ("audience", "auth_audience", "token_audience"),
}


def read_pasted(text: str, guide: Guide) -> dict[str, str]:
    """Our field names to what stands in ``text``; what is not found is left out."""
    text = text[:MOST]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _lines(text, guide)
    return _members(found) if isinstance(found, dict) else {}


def _members(found: dict[str, Any]) -> dict[str, str]:
    read = {}
    for field, names in _JSON_NAMES.items():
        value = next((found[name] for name in names if found.get(name)), None)
        if isinstance(value, str | int) and len(str(value)) <= LONGEST:
            read[field] = str(value).strip()
    return read


def _lines(text: str, guide: Guide) -> dict[str, str]:
    """``Label: value``, ``Label<tab>value``, or the value on the line after its label."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    labels = [(shown.label, shown.field) for shown in (*guide.shown, *STANDARD_SHOWN)]
    labels.sort(key=lambda pair: len(pair[0]), reverse=True)
    read: dict[str, str] = {}
    for number, line in enumerate(lines):
        for label, field in labels:
            if not line.lower().startswith(label.lower()):
                continue
            rest = re.sub(r"^[\s:=–-]+", "", line[len(label) :])
            following = lines[number + 1] if number + 1 < len(lines) else ""
            value = rest or following
            if value and len(value) <= LONGEST:
                read.setdefault(field, value)
            break
    return read
