"""The way of one browser tab to the LMS and back, when somebody authorises a grade source.

The tab was opened by a form with a ticket, because cookies of a framed page do not reach it. It gets a
cookie of its own here; only the tab that holds it may come back, once.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from app.errors import Conflict
from app.pipeline import sources
from app.web.leaving import leave
from app.web.session import campus

COOKIE = "__Host-tassel-grades"
MOST = 500

bp = Blueprint("grades", __name__, url_prefix="/grades")


@bp.post("/start")
def start() -> Response:
    """On to the LMS."""
    begun = sources.start(campus(), request.form.get("ticket", "")[:MOST])
    page = render_template("grades/start.html", url=begun.url)
    return leave(page, begun.url, COOKIE, begun.binding, sources.CONSENT_LIVES)


@bp.get("/connected")
def connected() -> Response:
    """Back from the LMS with a code, or with a no."""
    if request.args.get("error"):
        raise Conflict(
            "consent-declined",
            "The LMS was not asked to let Tassel read the grades.",
            fix="Close this tab. Begin again from the course page whenever you like.",
        )
    state, code = request.args.get("state", "")[:MOST], request.args.get("code", "")[:MOST]
    sources.finish(campus(), state, request.cookies.get(COOKIE, ""), code)
    answer = make_response(render_template("grades/connected.html"))
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    return answer
