"""Canvas's OAuth 2: the consent page, the token endpoint, and the control routes for keys and grants."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, redirect, request

from app.demo.lms.control import find_person
from app.demo.lms.pages import page
from app.demo.lms.rest_state import Bearer, DeveloperKey
from app.demo.lms.service import campus, locked
from app.demo.lms.sessions import require_person
from app.demo.lms.state import Campus
from app.demo.lms.vendors.base import Vendor
from app.errors import Invalid

ENDPOINT = "/login/oauth2/token"


def canvas_oauth_blueprint(vendor: Vendor) -> Blueprint:
    """The routes; empty for every other LMS."""
    routes = Blueprint("canvas_oauth", __name__)
    if vendor.name == "canvas":
        add = routes.add_url_rule
        add("/login/oauth2/auth", "auth", locked(auth))
        add("/login/oauth2/accept", "accept", locked(accept), methods=["POST"])
        routes.before_app_request(_grants_of_people)
        add(ENDPOINT, "revoke", locked(revoke), methods=["DELETE"])
        add("/_control/canvas/key", "key", locked(key), methods=["POST"])
        add("/_control/canvas/consent", "consent", locked(consent), methods=["POST"])
        add("/_control/canvas/end_grants", "end_grants", locked(end_grants), methods=["POST"])
    return routes


def _asked(here: Campus, values: Any) -> tuple[DeveloperKey, str, str]:
    """Key, redirect address and state. Raises ``Invalid`` for an unknown key or address."""
    known = here.rest.keys.get(values.get("client_id", ""))
    if known is None:
        raise Invalid("unknown-client", "unknown client")
    uri = values.get("redirect_uri", "")
    if uri not in known.redirect_uris:
        raise Invalid("redirect-uri", "redirect_uri does not match client settings")
    return known, uri, values.get("state", "")


def auth() -> Response:
    """Who is signed in is asked for consent."""
    here = campus()
    known, uri, state = _asked(here, request.args)
    if request.args.get("response_type") != "code":
        raise Invalid("response-type", "Only response_type=code is served.")
    person = require_person(here)
    return page("consent.html", person=person, key=known, uri=uri, state=state)


def accept() -> Response:
    """The button of the consent page."""
    here = campus()
    if request.headers.get("Origin") not in (None, here.base_url):
        raise Invalid("foreign-form", "Press the button on the page of the LMS itself.")
    known, uri, state = _asked(here, request.form)
    person = require_person(here)
    if request.form.get("answer") != "yes":
        query = {"error": "access_denied", "state": state}
    else:
        query = {"code": _code(here, known.client_id, person.id, uri), "state": state}
    return redirect(f"{uri}?{urlencode(query)}", 302)  # type: ignore[return-value]


def _code(here: Campus, client_id: str, person_id: int, uri: str) -> str:
    code = secrets.token_hex(32)
    here.rest.codes[code] = (client_id, person_id, uri)
    return code


def _grants_of_people() -> Response | None:
    """One address serves LTI tools (client credentials) and developer keys, as there."""
    if (request.method, request.path) != ("POST", ENDPOINT):
        return None
    people = ("authorization_code", "refresh_token")
    return locked(token)() if request.form.get("grant_type") in people else None


def token() -> Response:
    """Code or refresh token to access token; wrong client 401, anything else wrong 400."""
    here, form = campus(), request.form
    here.rest.calls["token"] += 1
    known = here.rest.keys.get(form.get("client_id", ""))
    if known is None or form.get("client_secret") != known.secret:
        return _refuse(401, "invalid_client", "unknown client")
    if form["grant_type"] == "authorization_code":
        found = here.rest.codes.pop(form.get("code", ""), None)
        if found is None or found[0] != known.client_id or found[2] != form.get("redirect_uri"):
            return _refuse(400, "invalid_grant", "authorization_code not found")
        refresh = secrets.token_urlsafe(32)
        here.rest.refreshers[refresh] = (known.client_id, found[1])
        return _tokens(here, known.client_id, found[1], refresh, shown=True)
    used = form.get("refresh_token", "")
    holder = here.rest.refreshers.get(used)
    if holder is None or holder[0] != known.client_id:
        return _refuse(400, "invalid_grant", "refresh_token not found")
    if not here.rest.rotate:
        return _tokens(here, known.client_id, holder[1], used, shown=False)
    del here.rest.refreshers[used]
    refresh = secrets.token_urlsafe(32)
    here.rest.refreshers[refresh] = holder
    return _tokens(here, known.client_id, holder[1], refresh, shown=True)


def _tokens(here: Campus, client_id: str, person_id: int, refresh: str, *, shown: bool) -> Response:
    access = secrets.token_urlsafe(32)
    lifetime = here.rest.lifetime
    expires = here.now() + timedelta(seconds=lifetime)
    here.rest.bearers[access] = Bearer(person_id, client_id, expires, refresh)
    body: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "user": {"id": person_id, "name": here.person(person_id).name, "global_id": str(person_id)},
        "expires_in": lifetime,
    }
    return jsonify(body | ({"refresh_token": refresh} if shown else {}))


def _refuse(status: int, error: str, description: str) -> Response:
    answer = jsonify({"error": error, "error_description": description})
    answer.status_code = status
    return answer


def revoke() -> Response:
    """Ends the token of the request and what belongs to it."""
    here = campus()
    bearer = here.rest.bearers.pop(request.headers.get("Authorization", "")[7:], None)
    if bearer is not None:
        here.rest.refreshers.pop(bearer.refresh, None)
    return jsonify({})


def key() -> Response:
    """``{redirect_uris}``: a developer key as an administrator makes it; also ``lifetime, rotate``."""
    here, body = campus(), request.get_json()
    client_id, secret = f"10000000000{len(here.rest.keys) + 1:03}", secrets.token_urlsafe(32)
    here.rest.keys[client_id] = DeveloperKey(client_id, secret, tuple(body["redirect_uris"]))
    here.rest.lifetime = int(body.get("lifetime", here.rest.lifetime))
    here.rest.rotate = bool(body.get("rotate", here.rest.rotate))
    return jsonify({"client_id": client_id, "client_secret": secret})


def consent() -> Response:
    """``{client_id, redirect_uri, person}``: the code that the button would give."""
    here, body = campus(), request.get_json()
    known, uri, _ = _asked(here, body)
    person = find_person(here, body.get("person"))
    return jsonify({"code": _code(here, known.client_id, person.id, uri)})


def end_grants() -> Response:
    """``{person?, only_access?}``: somebody revoked the tool, or its access tokens ran out early."""
    here, body = campus(), request.get_json()
    person = find_person(here, body["person"]) if body.get("person") else None
    rest = here.rest
    for text, bearer in list(rest.bearers.items()):
        if person is None or bearer.person_id == person.id:
            del rest.bearers[text]
    for text, (_, person_id) in list(rest.refreshers.items()):
        if not body.get("only_access") and (person is None or person_id == person.id):
            del rest.refreshers[text]
    return jsonify({})
