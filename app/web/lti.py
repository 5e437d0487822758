"""The doors for LMSs: login, launch, our key set, registration and the addresses for manual set-up.

Other sites send people and forms here by design; the protocol's own proofs guard these routes (see
``app.lti``). Nothing of a refused request is shown again.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import (
    Blueprint,
    Response,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.errors import AppError, LaunchRefused, NotFound, UpstreamError
from app.lti import keys, metadata, registration
from app.lti.launch import begin_login, finish_launch
from app.lti.login import STATE_LIFE
from app.lti.platforms import LMS
from app.lti.vocabulary import (
    LINE_ITEM_READ_SCOPE,
    LINE_ITEM_SCOPE,
    MEMBERS_SCOPE,
    RESULT_SCOPE,
    SCORE_SCOPE,
)
from app.pipeline.enter import enter
from app.secrets import token_hash
from app.web.session import admit, campus

SCOPE_WORDS: dict[str, Callable[[], str]] = {
    LINE_ITEM_SCOPE: lambda: gettext("Make a column for each badge, and see its own columns"),
    LINE_ITEM_READ_SCOPE: lambda: gettext("See the columns that are linked to it"),
    RESULT_SCOPE: lambda: gettext("Read the grades in those columns"),
    SCORE_SCOPE: lambda: gettext("Write scores into those columns"),
    MEMBERS_SCOPE: lambda: gettext("Know the members of the course"),
}
"""Services of an LMS as an administrator understands them."""

bp = Blueprint("lti", __name__, url_prefix="/lti")

LAUNCH_COOKIE = "__Host-tassel-launch-"


@bp.app_template_filter("scope_words")
def scope_words(scope: str) -> str:
    """A service scope in plain words; one that we do not know as it is."""
    found = SCOPE_WORDS.get(scope)
    return found() if found else scope


@bp.errorhandler(LaunchRefused)
@bp.errorhandler(UpstreamError)
def refused(error: AppError) -> ResponseReturnValue:
    """Why somebody did not get in, what to do and who can.

    Any site may frame this page: an LMS that is not approved yet must be able to show it, and there
    is nothing on it to click.
    """
    g.extra_framers = ("*",)
    status = 502 if isinstance(error, UpstreamError) else 400
    return render_template("lti/refused.html", error=error), status


@bp.route("/login", methods=["GET", "POST"])
@bp.route("/login/<platform_id>", methods=["GET", "POST"])
def login(platform_id: str | None = None) -> ResponseReturnValue:
    """OIDC login initiation: remember the launch, bind it to this browser, go back to the LMS."""
    here = campus()
    params = request.values.to_dict()
    begun = begin_login(here.db, here.settings, params, here.clock(), platform_id)
    answer = make_response(redirect(begun.redirect_url, 302))
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


@bp.post("/launch")
def launch() -> ResponseReturnValue:
    """The LMS's form post with the token: verified, entered, admitted."""
    here = campus()
    form = request.form.to_dict()
    name = cookie_name(form.get("state", ""))
    binding = request.cookies.get(name)
    found = finish_launch(here.db, here.http, here.settings, form, binding, here.clock())
    if found.deep_linking is not None:
        raise LaunchRefused(
            "nothing-to-select",
            "Tassel has nothing to choose from here.",
            fix="Add Tassel to the course without selecting content: it opens on the course's badges.",
        )
    answer = admit(enter(here, found), found)
    answer.delete_cookie(
        name, path="/", secure=True, httponly=True, samesite="None", partitioned=True
    )
    return answer


def cookie_name(state: str) -> str:
    """One cookie per login, so that two launches at once do not overwrite each other's proof."""
    return LAUNCH_COOKIE + token_hash(state)[:16]


@bp.get("/jwks")
def jwks() -> Response:
    """Our public keys."""
    answer = jsonify(keys.public_jwks(campus().db))
    answer.headers["Cache-Control"] = "public, max-age=3600"
    return answer


@bp.get("/register/<token>")
def register(token: str) -> ResponseReturnValue:
    """Shown in the LMS's frame: what would be registered, and a button."""
    here = campus()
    now = here.clock()
    _frame_for(token)
    asked = {name: request.args.get(name, "") for name in _ASKED}
    if not asked["openid_configuration"]:
        return render_template("lti/register_how.html", url=here.settings.public_url + request.path)
    seen = registration.preview(here.db, here.http, token, **asked, now=now)
    return render_template("lti/register.html", seen=seen, asked=asked, token=token)


_ASKED = ("openid_configuration", "registration_token")


@bp.post("/register/<token>")
def register_confirm(token: str) -> ResponseReturnValue:
    """Register, then tell the LMS that its frame can be closed."""
    here = campus()
    _frame_for(token)
    asked = {name: request.form.get(name, "") for name in _ASKED}
    made = registration.register(
        here.db, here.box, here.http, here.settings, token, **asked, now=here.clock()
    )
    return render_template("lti/registered.html", made=made)


def _frame_for(token: str) -> None:
    """Let the invited LMS frame this answer. NotFound for a dead link."""
    here = campus()
    origin = registration.invited_origin(here.db, token, here.clock())
    if origin is None:
        raise NotFound(
            "no-invitation",
            "This registration link was used before or is too old.",
            fix="The operator of Tassel makes a new one with: tassel platform invite --lms ADDRESS",
        )
    g.extra_framers = (origin,)


@bp.get("/config")
def config() -> ResponseReturnValue:
    """The addresses for setting Tassel up by hand, and the custom fields for each LMS."""
    return render_template(
        "lti/config.html",
        base=campus().settings.public_url,
        addresses=metadata.addresses(campus().settings),
        platforms=list(LMS.values()),
        scopes=metadata.supported_scopes({}),
    )


@bp.get("/config/<key>.json")
def config_json(key: str) -> Response:
    """The tool description that one LMS reads by address. NotFound where there is no such form."""
    lms = LMS.get(key)
    described = lms.manual_configuration(metadata.manual_facts(campus().settings)) if lms else None
    if described is None:
        raise NotFound("no-configuration", "There is no such description for this LMS.")
    return jsonify(described)
