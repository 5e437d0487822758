"""Operators come in by the campus's own sign-in, where one is set up."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app import audit
from app.errors import NotFound
from app.web import campus_login, session
from app.web.leaving import leave
from app.web.operator.blueprint import bp

COOKIE = "__Host-tassel-sign-in"


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """A button, or how else to come in."""
    on = bool(session.campus().settings.oidc_issuer)
    return render_template("operator/sign_in.html", on=on, url="")


@bp.post("/sign-in")
def sign_in_begin() -> ResponseReturnValue:
    """On to the identity provider."""
    here = session.campus()
    _require_on()
    begun = campus_login.begin(here)
    page = render_template("operator/sign_in.html", on=True, url=begun.url)
    return leave(page, begun.url, COOKIE, begun.binding, campus_login.LIFE)


@bp.get("/sign-in/callback")
def sign_in_callback() -> ResponseReturnValue:
    """Back from the identity provider: the answer is used up and judged."""
    here = session.campus()
    _require_on()
    binding = request.cookies.get(COOKIE, "")
    admitted = campus_login.finish(here, request.args.to_dict(), binding)
    with here.db.transaction() as db:
        actor, detail = f"operator:{admitted.name}", {"role": admitted.role}
        audit.record(db, actor, "operator.entered", "sign-in", detail, here.clock())
    answer = session.admit_operator(admitted.name, admitted.role)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    return answer


def _require_on() -> None:
    if not session.campus().settings.oidc_issuer:
        raise NotFound(
            "no-sign-in",
            "This server has no campus sign-in.",
            fix="An administrator of this server gets a link with: tassel admin link",
        )
