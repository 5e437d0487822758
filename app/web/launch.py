"""The way in from an LMS: login, launch, and the ladder for browsers that keep no cookie in a frame.

Every rung proves the same: the browser that brings the launch is the one that began it, because it
shows the login's secret again, out of

1. a partitioned cookie,
2. the LMS's own storage, by postMessage (LTI client side postMessages, platform storage 0.1),
3. the frame's sessionStorage, or else
4. a new tab, where the login begins again and the first three have another chance.

A launch without the cookie is neither verified nor used up: its page looks for the secret and posts
the token once more, together with it. So nothing unproven is kept here.
"""

from __future__ import annotations

from typing import Final, cast

import structlog
from flask import Response, g, jsonify, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import LaunchRefused
from app.lti.launch import (
    REOPEN,
    STATE_LIFE,
    Login,
    Proven,
    Storage,
    begin_again,
    begin_login,
    prove_launch,
    unproven,
)
from app.secrets import token_hash
from app.web import cookieless
from app.web.landing import Landing, land
from app.web.lti import bp
from app.web.session import admit, campus, not_signed_in, set_cookie

__all__ = ["bp"]

log = structlog.get_logger()
OURS: Final = "__Host-tassel"
LAUNCH_COOKIE: Final = f"{OURS}-launch-"
FRAMES: Final = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})
STORES: Final = frozenset({"platform", "session"})


@bp.route("/login", methods=["GET", "POST"])
@bp.route("/login/<platform_id>", methods=["GET", "POST"])
def login(platform_id: str | None = None) -> ResponseReturnValue:
    """OIDC login initiation: remember the launch, bind it to this browser, go back to the LMS.

    In a frame that has shown no cookie of ours yet, a page in between puts the secret where a
    browser without cookies finds it again.
    """
    here = campus()
    params = request.values.to_dict()
    begun = begin_login(here.db, here.box, here.settings, params, here.clock(), platform_id)
    g.launching = begun.platform_id
    if _framed() and not _keeps_cookies():
        return _bound(make_response(_step(begun)), begun)
    return _bound(make_response(redirect(begun.redirect_url, 302)), begun)


@bp.post("/again")
def again() -> ResponseReturnValue:
    """In a new tab: the login of a launch that could not be proven in its frame, once more."""
    here = campus()
    old = request.form.get("state", "")
    begun = begin_again(here.db, here.box, here.settings, old, here.clock())
    g.launching = begun.platform_id
    return _bound(make_response(_step(begun)), begun)


@bp.post("/launch")
def launch() -> ResponseReturnValue:
    """The LMS's form post with the token: verified, entered, admitted."""
    here = campus()
    form = request.form.to_dict()
    name = cookie_name(form.get("state", ""))
    binding = request.cookies.get(name)
    if binding is None and not form.get("error"):
        return _ask_for_proof(form)
    proven = _proven(form, binding, "cookie")
    answer = here.db.together(lambda: admit(_let_in(proven)))
    log.info("launched", by="cookie", platform=proven.context.platform_id)
    answer.delete_cookie(
        name, path="/", secure=True, httponly=True, samesite="None", partitioned=True
    )
    return answer


@bp.post("/prove")
def prove() -> ResponseReturnValue:
    """The launch again, with the secret out of another store than a cookie."""
    form = request.form.to_dict()
    store = form.get("store", "")
    if store not in STORES:
        raise LaunchRefused(
            "browser-not-proven", "The proof of this launch is missing.", fix=REOPEN
        )
    proven = _proven(form, form.get("binding", ""), cast(Storage, store))
    landing, token, code = campus().db.together(
        lambda: (landing := _let_in(proven), *cookieless.admit_unkept(landing))
    )
    g.launching = proven.context.platform_id
    log.info("launched", by=store, platform=g.launching)
    return _shell(token, code, landing.path)


def _proven(form: dict[str, str], binding: str | None, storage: Storage) -> Proven:
    here, now = campus(), campus().clock()
    return prove_launch(here.db, here.box, here.http, here.settings, form, binding, now, storage)


def _let_in(proven: Proven) -> Landing:
    """Once for each launch; what it says is kept. Runs in the transaction that admits the person."""
    here = campus()
    proven.use_up(here.db, here.clock())
    return land(here, proven.context)


@bp.post("/session")
def session_of_code() -> Response:
    """A document's one-time code becomes its bearer, unless the cookie stuck."""
    redeemed = cookieless.redeem(request.form.get("code", ""))
    return jsonify(path=redeemed.path, bearer=redeemed.bearer)


@bp.post("/tab-code")
def tab_code() -> Response:
    """A one-time code with which a new tab opens a page of this session."""
    return jsonify(code=cookieless.tab_code(request.form.get("path", "")))


@bp.post("/tab")
def tab() -> ResponseReturnValue:
    """A new tab with a session of its own, and the cookie if this tab keeps one."""
    token, code, path = cookieless.open_tab(request.form.get("code", ""))
    return _shell(token, code, path)


@bp.get("/prove", endpoint="reloaded")
@bp.get("/tab", endpoint="reloaded")
def reloaded() -> ResponseReturnValue:
    """A reload of the document that stays: its bearer is gone with it. Raises Unauthenticated."""
    raise not_signed_in()


def cookie_name(state: str) -> str:
    """One cookie per login, so that two launches at once do not overwrite each other's proof."""
    return LAUNCH_COOKIE + _key(state)


def _key(state: str) -> str:
    """Names the login in every store; tells nothing of the state."""
    return token_hash(state)[:16]


def _framed() -> bool:
    """Whether the answer goes into a frame, as the browser says; old ones leave the LMS's word."""
    place = request.headers.get("Sec-Fetch-Dest")
    if place is None:
        return bool(request.values.get("lti_storage_target"))
    return place in FRAMES


def _keeps_cookies() -> bool:
    """Whether this browser has shown here that it keeps our cookies."""
    return any(name.startswith(OURS) for name in request.cookies)


def _bound(answer: Response, begun: Login) -> Response:
    answer.set_cookie(
        cookie_name(begun.state),
        begun.binding,
        max_age=int(STATE_LIFE.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
    )
    return answer


def _step(begun: Login) -> str:
    """The page that puts the secret into every other store and goes on to the LMS."""
    return render_template("lti/begin.html", begun=begun, key=_key(begun.state))


def _ask_for_proof(form: dict[str, str]) -> ResponseReturnValue:
    """The page that looks for the secret and posts the launch again with it."""
    here = campus()
    state = form.get("state", "")
    found = unproven(here.db, here.box, state, here.clock())
    g.launching = found.platform_id
    return render_template(
        "lti/prove.html",
        state=state,
        id_token=form.get("id_token", ""),
        found=found,
        key=_key(state),
    )


def _shell(token: str, code: str, path: str) -> Response:
    """The document that stays: it holds the bearer, or goes on by the cookie where that stuck.

    Its policy has to do for every page that it will show: pictures fetched with the bearer, and
    forms that leave for the LMS.
    """
    g.keeps_document = True
    page = render_template("lti/shell.html", code=code, path=path)
    return set_cookie(make_response(page), token)
