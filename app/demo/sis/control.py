"""What a test or a story asks of the SIS behind its back: the whole state, and its switches.

=======  ===================  ==============================================================
GET      /_control/state      everything it holds, see ``Store.dump``
DELETE   /_control/state      back to the first day (faults and request log stay)
PATCH    /_control/switches   change some of ``Switches``; answers all of them
DELETE   /_control/tokens     every access token issued so far stops working
=======  ===================  ==============================================================
"""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from app.demo.sis.oauth import TokenDesk
from app.demo.sis.store import Store


@with_config(ConfigDict(extra="forbid"))
class _Changes(TypedDict, total=False):
    """The switches, each optional."""

    server_allocated_ids: bool
    secret_expired: bool
    token_seconds: int


_CHANGES = TypeAdapter(_Changes)


def control_routes(store: Store, desk: TokenDesk) -> Blueprint:
    """The routes of the table above."""
    routes = Blueprint("control", __name__, url_prefix="/_control")

    @routes.get("/state")
    def state() -> Response:
        return jsonify(store.dump())

    @routes.delete("/state")
    def reset() -> tuple[str, int]:
        store.reset()
        desk.forget()
        return "", 204

    @routes.patch("/switches")
    def switches() -> tuple[Response, int]:
        try:
            changes = _CHANGES.validate_python(request.get_json())
        except ValidationError as error:
            return jsonify(message=str(error)), 400
        return jsonify(asdict(store.switch(changes))), 200

    @routes.delete("/tokens")
    def forget_tokens() -> tuple[str, int]:
        desk.forget()
        return "", 204

    return routes
