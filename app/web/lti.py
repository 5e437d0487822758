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
    render_template,
    request,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.errors import AppError, Forbidden, Invalid, LaunchRefused, NotFound, UpstreamError
from app.lti import keys, metadata, registered, registration
from app.lti.platforms import LMS
from app.lti.vocabulary import (
    LINE_ITEM_READ_SCOPE,
    LINE_ITEM_SCOPE,
    MEMBERS_SCOPE,
    NOTICES_SCOPE,
    RESULT_SCOPE,
    SCORE_SCOPE,
)
from app.models import Person
from app.pipeline.notices import receive
from app.web.operator import make_admin_link
from app.web.session import campus, visitor

SCOPE_WORDS: dict[str, Callable[[], str]] = {
    LINE_ITEM_SCOPE: lambda: gettext("Make a column for each badge, and see its own columns"),
    LINE_ITEM_READ_SCOPE: lambda: gettext("See the columns that are linked to it"),
    RESULT_SCOPE: lambda: gettext("Read the grades in those columns"),
    SCORE_SCOPE: lambda: gettext("Write scores into those columns"),
    MEMBERS_SCOPE: lambda: gettext("Know the members of the course"),
    NOTICES_SCOPE: lambda: gettext("Be told when a course is copied"),
}
"""Services of an LMS as an administrator understands them."""

bp = Blueprint("lti", __name__, url_prefix="/lti")


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


@bp.post("/notices/<platform_id>")
def notices(platform_id: str) -> ResponseReturnValue:
    """Signed notices of an LMS. 204 when all were genuine, else the reason as JSON for its log."""
    body = request.get_json(silent=True)
    listed = body.get("notices") if isinstance(body, dict) else None
    rows = listed if isinstance(listed, list) else []
    try:
        receive(campus(), platform_id, [str(row["jwt"]) for row in rows if _has_jwt(row)])
    except (Invalid, NotFound) as error:
        return {"error": error.code, "error_description": error.message}, 400
    return "", 204


def _has_jwt(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("jwt"), str)


@bp.get("/jwks")
def jwks() -> Response:
    """Our public keys, to be kept for an hour; the next key is listed for longer before it signs."""
    here = campus()
    keys.note_fetch(here.db, request.headers.get("User-Agent", ""), here.clock())
    answer = jsonify(keys.public_jwks(here.db))
    answer.headers["Cache-Control"] = "public, max-age=3600"
    answer.add_etag()
    answer.make_conditional(request)
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
    seen = registration.preview(here.db, here.box, here.http, token, **asked, now=now)
    asked["carried"] = seen.carried
    return render_template("lti/register.html", seen=seen, asked=asked, token=token)


_ASKED = ("openid_configuration", "registration_token")


@bp.post("/register/<token>")
def register_confirm(token: str) -> ResponseReturnValue:
    """Register, then tell the LMS that its frame can be closed."""
    here = campus()
    _frame_for(token)
    asked = {name: request.form.get(name, "") for name in (*_ASKED, "carried")}
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


@bp.get("/administration/<course_id>")
def administration(course_id: str) -> ResponseReturnValue:
    """An administrator of a trusted LMS came in: to the operator's area, or to the course?"""
    return render_template(
        "lti/administration.html", course_id=course_id, role=_trusted(course_id)[0], token=""
    )


@bp.post("/administration/<course_id>")
def administration_open(course_id: str) -> ResponseReturnValue:
    """A link that works once, for a window of its own: operator's pages are never framed."""
    role, name = _trusted(course_id)
    link = make_admin_link(campus(), name, role)
    token = link.rpartition("/")[2]
    return render_template("lti/administration.html", course_id=course_id, role=role, token=token)


def _trusted(course_id: str) -> tuple[str, str]:
    """Role and name of this administrator in the operator's area. Forbidden without trust."""
    here, who = campus(), visitor(f"course:{course_id}")
    with here.db.reading() as db:
        person = db.get_one(Person, who.person_id)
    role = registered.admin_role(here.db, person.installation_id)
    if role is None:
        raise Forbidden(
            "lms-not-trusted",
            "Administrators of this LMS are not let into the operator's area.",
            fix="An operator of this server can change that on the page of the LMS, under Platforms.",
        )
    return role, registered.administrator_name(person.installation_id, person.id)


@bp.get("/config")
def config() -> ResponseReturnValue:
    """For administrators of an LMS: choose it."""
    return render_template("lti/config.html", platforms=LMS)


@bp.get("/config/<key>")
def config_lms(key: str) -> ResponseReturnValue:
    """The steps of one LMS, with our values to copy."""
    lms = LMS.get(key)
    if lms is None:
        raise NotFound("no-configuration", "There is no such description for this LMS.")
    facts = metadata.manual_facts(campus().settings, lms)
    return render_template("lti/config_lms.html", lms=lms, guide=lms.guide(facts))


@bp.get("/<key>.json")
def config_json(key: str) -> Response:
    """The tool description that one LMS reads by address. NotFound where there is no such form."""
    lms = LMS.get(key)
    facts = metadata.manual_facts(campus().settings, lms) if lms else None
    described = lms.manual_configuration(facts) if lms and facts else None
    if described is None:
        raise NotFound("no-configuration", "There is no such description for this LMS.")
    return jsonify(described)
