"""The authorization page: what an app asks for, in its own words and in ours, and the learner's answer.

Who cannot be told apart from an attacker is never sent anywhere: without a registered app and exactly
its address the page has no way on, and other mistakes of the app are shown, with a link back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from flask import Response, g, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.errors import AppError
from app.models import AppClient, Installation, Person
from app.pipeline import app_record, apps
from app.pipeline.apps import Asked
from app.wallet import app_clients
from app.web import session
from app.web.apps.blueprint import ROOT, base, bp
from app.web.session import Visitor, campus

FIELDS: Final = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
"""What the page carries from the app's request into the answer of the learner."""
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE: Final = re.compile(r"[ -~]{0,1000}")


class AskedWrongly(AppError):
    """An app's request that cannot be answered. ``back`` is empty where nobody may be sent."""

    def __init__(self, code: str, message: str, back: str = "") -> None:
        super().__init__(code, message)
        self.back = back


@dataclass(frozen=True)
class Account:
    """One account of the visitor's browser that could agree."""

    visitor: Visitor
    person: Person
    lms: str
    badges: int
    """How many there are to read today."""


@bp.get(f"{ROOT}/oauth/authorize")
def ask() -> Response:
    """What the app wants, for a learner who has come in by a course in this browser."""
    with campus().db.reading() as db:
        try:
            asked = understood(db, request.args)
        except AskedWrongly as wrong:
            return _page("apps/refused.html", 400, wrong=wrong, host=_host(wrong.back))
        accounts = _accounts(db)
    if not accounts:
        here = f"{ROOT}/oauth/authorize?{urlencode({name: request.args[name] for name in FIELDS if name in request.args})}"
        return _page("apps/come_in.html", 401, asked=asked, here=here)
    parts = urlsplit(asked.redirect_uri)
    # Browsers hold every step after a form against the policy, and the app may send people on from its
    # address; so any https may follow.
    g.form_targets = (
        ("https:",) if parts.scheme == "https" else (f"http://{parts.netloc}", "https:")
    )
    return _page(
        "apps/ask.html",
        200,
        asked=asked,
        host=parts.netloc,
        accounts=accounts,
        carried={name: request.args[name] for name in FIELDS if name in request.args},
        reads=app_clients.READ in asked.scopes,
        profile=app_clients.PROFILE in asked.scopes,
        lasting=app_clients.OFFLINE in asked.scopes,
    )


def _page(template: str, status: int, **values: object) -> Response:
    answer = make_response(render_template(template, **values), status)
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _accounts(db: Session) -> list[Account]:
    """Every learner that this browser may act for; usually one."""
    found = {}
    for visitor in session.learners():
        person = db.get(Person, visitor.person_id or "")
        if person is None or person.id in found:
            continue
        lms = db.get_one(Installation, person.installation_id).name
        badges = app_record.count(db, person.learner_id, campus().clock())
        found[person.id] = Account(visitor, person, lms, badges)
    return list(found.values())


def answered(asked: Asked, **said: str) -> Response:
    """Back to the app with an answer, which says who gives it (RFC 9207)."""
    answer = make_response(redirect(_back(asked.redirect_uri, asked.state, **said), 303))
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _back(address: str, state: str, **said: str) -> str:
    values = said | ({"state": state} if state else {}) | {"iss": base()}
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(values)}"


def understood(db: Session, said: MultiDict[str, str]) -> Asked:
    """The request of an app, checked against its registration. Raises AskedWrongly."""
    client, address = _app(db, said)
    state = said.get("state", "")
    if not _STATE.fullmatch(state):
        raise AskedWrongly("invalid_request", "The app's state is too long.")

    def wrong(code: str, message: str) -> AskedWrongly:
        back = _back(address, state, error=code, error_description=message)
        return AskedWrongly(code, message, back)

    if said.get("response_type") != "code":
        raise wrong("unsupported_response_type", "Only codes are given here.")
    challenge = said.get("code_challenge", "")
    if said.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise wrong("invalid_request", "A code_challenge by S256 is needed (PKCE).")
    scopes = said.get("scope", "").split() or client.scopes
    if not set(scopes) <= set(client.scopes) or set(scopes) <= {app_clients.OFFLINE}:
        raise wrong("invalid_scope", "The app asks for more than it registered, or than is given.")
    ordered = tuple(scope for scope in app_clients.SCOPES if scope in scopes)
    return Asked(client, address, ordered, state, challenge)


def _app(db: Session, said: MultiDict[str, str]) -> tuple[AppClient, str]:
    """Who asks, and where the answer goes: exactly one of the addresses that were registered."""
    if any(len(said.getlist(name)) > 1 for name in FIELDS):
        raise AskedWrongly("invalid_request", "The app says something twice.")
    client = app_clients.by_id(db, said.get("client_id", ""))
    if client is None:
        raise AskedWrongly("unknown-app", "No such app is registered here.")
    address = said.get("redirect_uri", "")
    if address not in client.redirect_uris:
        raise AskedWrongly(
            "wrong-address", "The app wants the answer at an address that is not its own."
        )
    return client, address


def allow(asked: Asked, person_id: str) -> Response:
    """The learner agrees."""
    code = apps.allow(campus(), asked, person_id)
    return answered(asked, code=code, scope=" ".join(asked.scopes))


def decline(asked: Asked) -> Response:
    """The learner does not."""
    return answered(asked, error="access_denied")
