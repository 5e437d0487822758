"""How often one address may knock at the doors that anybody can reach.

Counted in the memory of each web process: a flood is slowed down without any shared store, and the
numbers are far above what people and verifiers do.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

LIMITS: Final = {
    "lti.login": "3000 per minute",
    "lti.register": "30 per minute",
    "lti.register_confirm": "10 per minute",
    "operator.enter": "30 per minute",
    "operator.enter_confirm": "10 per minute",
    "public.badge": "120 per minute",
    "public.credential_json": "120 per minute",
    "public.credential_jwt": "120 per minute",
    "public.credential_png": "60 per minute",
    "public.issuer": "300 per minute",
    "public.did_document": "600 per minute",
    "public.jwks": "600 per minute",
    "public.status_list": "600 per minute",
    "public.achievement": "300 per minute",
    "public.achievement_png": "300 per minute",
    "public.achievement_svg": "300 per minute",
}
"""Endpoint to limit per caller's address; 429 with Retry-After beyond it."""


def limit(app: Flask) -> None:
    """Put the limits of :data:`LIMITS` before their views."""
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", headers_enabled=True)
    for endpoint, allowed in LIMITS.items():
        guarded: Any = limiter.limit(allowed)(app.view_functions[endpoint])
        app.view_functions[endpoint] = guarded
