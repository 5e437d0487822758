"""Moodle's page "Security keys": where a person finds the token of the web service."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, request

from app.demo.lms.pages import page
from app.demo.lms.service import campus, locked
from app.demo.lms.sessions import require_person
from app.demo.lms.state import Campus
from app.demo.lms.vendors.base import Vendor

PATH = "/user/managetoken.php"


def moodle_keys_blueprint(vendor: Vendor) -> Blueprint:
    """The page; empty for every other LMS."""
    routes = Blueprint("moodle_keys", __name__)
    if vendor.name == "moodle":
        routes.add_url_rule(PATH, "keys", locked(keys))
        routes.add_url_rule(PATH, "reset", locked(reset), methods=["POST"])
    return routes


def keys() -> Response:
    """The person's own token, if there is one."""
    here = campus()
    return _page(here)


def _page(here: Campus) -> Response:
    person = require_person(here)
    mine = next((t for t, owner in here.web_service.tokens.items() if owner == person.id), "")
    return page("security_keys.html", token=mine)


def reset() -> Response:
    """A new token; the one before opens nothing any more."""
    here = campus()
    person = require_person(here)
    tokens = here.web_service.tokens
    here.web_service.tokens = {t: owner for t, owner in tokens.items() if owner != person.id}
    here.web_service.tokens[secrets.token_hex(16)] = person.id
    return Response(status=303, headers={"Location": request.path})
