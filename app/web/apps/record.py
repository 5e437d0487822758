"""The resources: badges, profile, and the document that describes the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, jsonify, render_template, request, url_for

from app.credentials.contexts import CREDENTIALS, OPEN_BADGES
from app.pipeline import app_record
from app.pipeline.app_record import Part, Wanted
from app.wallet.errors import WalletRefused, invalid_token
from app.web.apps import service
from app.web.apps.blueprint import ROOT, base, bp
from app.web.public.blueprint import TOKEN_TYPES
from app.web.session import campus

USUAL: Final = 25
MOST: Final = 100
FURTHEST: Final = 1_000_000


@bp.get(f"{ROOT}/discovery")
def discovery() -> Response:
    """The service description document (Open Badges 3.0, 6.3)."""
    image = campus().settings.public_url + url_for("static", filename="icon.svg")
    return jsonify(service.description(base(), image))


@bp.get(f"{ROOT}/about")
def about() -> str:
    """For people: what an app may and may not do, and how a learner ends it."""
    return render_template("apps/about.html")


@bp.get(f"{ROOT}/credentials")
def credentials() -> Response:
    """The learner's badges: with the proof inside, or as VC-JWT for an app that likes that better."""
    wanted = Wanted(_number("limit", USUAL, 1, MOST), _number("offset", 0, 0, FURTHEST), _since())
    part = app_record.read(campus(), _access(), wanted)
    # The signed bytes go out as they were kept.
    documents = b",".join(one.document for one in part.credentials)
    jwts = b",".join(b'"%b"' % one.jwt.encode("ascii") for one in part.credentials)
    if _wants_jwt():
        documents = b""
    else:
        jwts = b""
    body = b'{"credential":[%b],"compactJwsString":[%b]}' % (documents, jwts)
    answer = Response(body, mimetype="application/json")
    answer.headers["X-Total-Count"] = str(part.total)
    answer.headers["Link"] = _links(wanted, part)
    answer.headers["Vary"] = "Accept"
    return answer


def _wants_jwt() -> bool:
    choices = ("application/json", *TOKEN_TYPES)
    return request.accept_mimetypes.best_match(choices, choices[0]) in TOKEN_TYPES


def _links(wanted: Wanted, part: Part) -> str:
    """RFC 8288, in absolute addresses: first, last, and what is before and after."""
    last = max(0, (part.total - 1) // wanted.limit * wanted.limit)
    offsets = {"first": 0, "last": last}
    if wanted.offset + wanted.limit < part.total:
        offsets["next"] = wanted.offset + wanted.limit
    if wanted.offset > 0:
        offsets["prev"] = max(0, min(wanted.offset - wanted.limit, last))
    since = {"since": request.args["since"]} if wanted.since else {}
    return ", ".join(
        f'<{base()}/credentials?{urlencode({"limit": wanted.limit, "offset": at} | since)}>; rel="{rel}"'
        for rel, at in offsets.items()
    )


def _number(name: str, usual: int, least: int, most: int) -> int:
    """A number of the query; a higher limit than ours is cut. Raises WalletRefused (400)."""
    text = request.args.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < least:
        raise WalletRefused("invalid_request", f"{name} must be a number from {least} on.")
    return min(int(text), most)


def _since() -> datetime | None:
    text = request.args.get("since")
    if text is None:
        return None
    try:
        # A "+" that was not encoded arrives as a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WalletRefused("invalid_request", "since must be a date-time of ISO 8601.") from None


def _access() -> str:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise invalid_token()
    return value.strip()


@bp.get(f"{ROOT}/profile")
def profile() -> Response:
    """Who the learner is, as far as the learner agreed to tell; the id is another one for each app."""
    known = app_record.holder(campus(), _access())
    said: dict[str, Any] = {
        "name": known.name,
        "givenName": known.given_name,
        "familyName": known.family_name,
        "email": known.email,
    }
    told = {name: value for name, value in said.items() if value}
    return jsonify(
        {"@context": [CREDENTIALS, OPEN_BADGES], "type": ["Profile"], "id": known.id} | told
    )
