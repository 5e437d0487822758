"""API tokens: made with scopes, shown once, ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from app.errors import Invalid, NotFound
from app.models import ApiToken
from app.web import session
from app.web import tokens as bearer
from app.web.operator.blueprint import actor, bp, done

LIFETIMES: Final = {"90": 90, "365": 365, "": None}
"""Days that a token can be given; empty = until it is ended."""


@dataclass(frozen=True)
class TokenForm:
    """What the form says."""

    name: str = ""
    scopes: tuple[str, ...] = ()
    days: str = "365"


def parse(form: MultiDict[str, str]) -> TokenForm:
    """The form as typed; ``tokens.mint`` judges it."""
    days = form.get("days", "365")
    return TokenForm(
        form.get("name", "").strip(),
        tuple(form.getlist("scopes")),
        days if days in LIFETIMES else "365",
    )


@bp.get("/tokens")
def tokens() -> ResponseReturnValue:
    """Every token with what it may do, and the form for another."""
    return _page(TokenForm(), {}, "")


@bp.post("/tokens")
def token_make() -> ResponseReturnValue:
    """Make a token and show it: the answer to this POST is the only page that ever does."""
    form = parse(request.form)
    campus = session.campus()
    now = campus.clock()
    try:
        with campus.db.transaction() as db:
            made = bearer.mint(db, form.name, list(form.scopes), _end(form, now), actor(), now)
    except Invalid as error:
        return _page(form, error.fields, ""), 422
    return _page(TokenForm(), {}, made), 201


def _end(form: TokenForm, now: datetime) -> datetime | None:
    days = LIFETIMES[form.days]
    return now + timedelta(days=days) if days else None


@bp.get("/tokens/<token_id>/revoke")
def token_revoke(token_id: str) -> ResponseReturnValue:
    """Ask before a token is ended: it cannot be given back."""
    with session.campus().db.reading() as db:
        row = db.get(ApiToken, token_id)
    if row is None:
        raise NotFound("no-such-token", "There is no such token.")
    return render_template("operator/token_revoke.html", token=row)


@bp.post("/tokens/<token_id>/revoke")
def token_revoke_confirm(token_id: str) -> ResponseReturnValue:
    """End a token at once."""
    campus = session.campus()
    with campus.db.transaction() as db:
        bearer.revoke(db, token_id, actor(), campus.clock())
    return done("operator.tokens", "token_revoked")


def _page(form: TokenForm, errors: dict[str, str], made: str) -> str:
    now = session.campus().clock()
    with session.campus().db.reading() as db:
        rows = list(db.scalars(select(ApiToken).order_by(ApiToken.created_at.desc())))
    return render_template(
        "operator/tokens.html",
        rows=[(row, _state(row, now)) for row in rows],
        form=form,
        errors=errors,
        made=made,
        scopes=bearer.SCOPES,
        words=scope_words(),
        description=url_for("api.description"),
    )


def _state(row: ApiToken, now: datetime) -> str:
    if row.revoked_at:
        return "ended"
    return "expired" if row.expires_at and row.expires_at <= now else "living"


def scope_words() -> dict[str, str]:
    """Each scope in the reader's language."""
    return {
        "courses:read": gettext("Read courses"),
        "awards:read": gettext("Read awards, without names"),
        "credentials:read": gettext("Read the signed badges themselves"),
        "people:read": gettext("Read names and student numbers of award holders"),
        "deliveries:read": gettext("Read deliveries and their attempts"),
        "deliveries:write": gettext("Retry deliveries"),
        "metrics:read": gettext("Read the metrics"),
    }
