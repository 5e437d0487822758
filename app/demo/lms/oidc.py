"""Login initiation, the authorization endpoint and the LMS's key set (OIDC with form_post)."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from app.demo.lms import forge
from app.demo.lms.claims import DEEP_LINK, RESOURCE_LINK, Scene, id_token_claims
from app.demo.lms.service import campus
from app.demo.lms.sessions import current_person, require_person
from app.demo.lms.state import Campus, Launch, Tool
from app.demo.lms.vendors.base import Vendor
from app.errors import Forbidden, Invalid, NotFound

_KEPT_LAUNCHES = 20_000


def oidc_blueprint(vendor: Vendor) -> Blueprint:
    """The launch endpoints; authorization and keys are at the vendor's addresses."""
    routes = Blueprint("oidc", __name__)
    routes.add_url_rule("/launch/<int:link_id>", view_func=start_link)
    routes.add_url_rule("/courses/<int:course_id>/select/<int:tool_id>", view_func=start_selection)
    routes.add_url_rule(vendor.paths.authorization, view_func=authorize, methods=["GET", "POST"])
    routes.add_url_rule(vendor.paths.keys, view_func=keys)
    return routes


def start_link(link_id: int) -> Response:
    """Begin the launch of a resource link as the person who is logged in."""
    here = campus()
    with here.lock:
        link = here.links.get(link_id)
        if link is None or link.tool_id is None:
            raise NotFound("no-link", "This activity has no tool yet.")
        person = require_person(here)
        course = here.course(link.course_id)
        if person.id not in course.enrolments and not person.is_admin:
            raise Forbidden("not-enrolled", "You are not in this course.")
        target = "window" if request.args.get("window") else "iframe"
        launch = new_launch(
            here, person.id, course.id, link.tool_id, link.id, RESOURCE_LINK, target
        )
        return _login_page(here, launch)


def start_selection(course_id: int, tool_id: int) -> Response:
    """Begin a content selection (deep linking) as a teacher of the course."""
    here = campus()
    with here.lock:
        person = require_person(here)
        entry = here.course(course_id).enrolments.get(person.id)
        if not person.is_admin and (entry is None or entry.role != "teacher"):
            raise Forbidden("not-teacher", "Only a teacher selects content.")
        if tool_id not in here.tools:
            raise NotFound("no-tool", "There is no such tool.")
        launch = new_launch(here, person.id, course_id, tool_id, None, DEEP_LINK, "iframe")
        return _login_page(here, launch)


def new_launch(
    here: Campus,
    person_id: int,
    course_id: int,
    tool_id: int,
    link_id: int | None,
    message_type: str,
    target: str,
) -> Launch:
    """Remember a launch until the tool asks for its id_token; the oldest are forgotten."""
    if not here.tools[tool_id].active:
        raise Forbidden("not-active", "The tool is not activated.")
    key = f"ltilaunch{link_id or 0}_{secrets.randbelow(10**12)}"
    launch = Launch(key, person_id, course_id, tool_id, link_id, message_type, target)
    here.launches[key] = launch
    while len(here.launches) > _KEPT_LAUNCHES:
        here.launches.pop(next(iter(here.launches)))
    return launch


def _login_page(here: Campus, launch: Launch) -> Response:
    scene = Scene(here, launch)
    fields = here.vendor.login_fields(scene) | _storage_target(here)
    return form_page(scene.tool.login_url, fields, here.vendor.login_method, scene.tool.name)


def _storage_target(here: Campus) -> dict[str, str]:
    """Where the LMS keeps values for tools (LTI OIDC Login with LTI Client Side postMessages)."""
    target = here.framing.target(here.vendor.storage_frame)
    return {"lti_storage_target": target} if target else {}


def form_page(action: str, fields: dict[str, str], method: str, name: str) -> Response:
    """A page that submits itself, with a button for those without JavaScript."""
    page = render_template(
        "lms/post.html", action=action, fields=fields, method=method, tool_name=name
    )
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def authorize() -> Response:
    """Check the tool's authentication request and answer with the id_token by form_post.

    Without a known client and exactly one of its redirect addresses nothing is sent anywhere.
    """
    here = campus()
    asked = request.values
    with here.lock:
        tool = here.tool_by_client(asked.get("client_id", ""))
        redirect_uri = asked.get("redirect_uri", "")
        if tool is None or not tool.active or redirect_uri not in tool.redirect_uris:
            raise Invalid("invalid-request", "Invalid request: unknown client or redirect_uri.")
        problem = _request_problem(here, asked) or _launch_problem(here, tool, asked)
        if problem is not None:
            return _refuse(here, redirect_uri, asked.get("state", ""), problem, tool)
        launch = here.launches[here.vendor.launch_key(asked["lti_message_hint"])]
        token = _id_token(here, launch, asked["nonce"])
    fields = {"id_token": token}
    if "state" in asked:
        fields["state"] = asked["state"]
    if here.vendor.repeats_storage_frame:
        fields |= _storage_target(here)
    return form_page(redirect_uri, fields, "post", tool.name)


def _request_problem(here: Campus, asked: Any) -> tuple[str, str] | None:
    """What is wrong with the fixed parameters (OIDC core 3.2.2.1, LTI security 5.1.1.2)."""
    del here
    fixed = {"response_type": "id_token", "response_mode": "form_post"}
    for name, value in fixed.items():
        if asked.get(name) != value:
            return "invalid_request", f"{name} must be {value}"
    if asked.get("prompt", "none") != "none":
        return "invalid_request", "prompt must be none"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope", "scope must hold openid"
    if not asked.get("nonce"):
        return "invalid_request", "nonce is missing"
    return None


def _launch_problem(here: Campus, tool: Tool, asked: Any) -> tuple[str, str] | None:
    """Who is logged in must be who the launch was started for."""
    person = current_person(here)
    if person is None:
        return "login_required", "Nobody is logged in."
    if asked.get("login_hint") != here.vendor.subject(person):
        return "login_required", "login_hint is not who is logged in."
    launch = here.launches.get(here.vendor.launch_key(asked.get("lti_message_hint", "")))
    if launch is None or launch.person_id != person.id or launch.tool_id != tool.id:
        return "invalid_request", "lti_message_hint names no launch of yours."
    return None


def _refuse(
    here: Campus, redirect_uri: str, state: str, problem: tuple[str, str], tool: Tool
) -> Response:
    """Tell the tool by form_post, or show an error page where the vendor never tells it."""
    if not here.vendor.posts_auth_errors:
        raise Invalid("invalid-request", f"Invalid request: {problem[1]}")
    fields = {"error": problem[0], "error_description": problem[1], "state": state}
    return form_page(redirect_uri, fields, "post", tool.name)


def _id_token(here: Campus, launch: Launch, nonce: str) -> str:
    """The signed token, or the forged one that a test ordered for this launch."""
    claims = id_token_claims(Scene(here, launch), nonce)
    order, here.forge_next = here.forge_next, None
    return here.keys.sign(claims) if order is None else forge.mint(here, claims, order)


def keys(**_: str) -> Response:
    """The public keys of the LMS; some vendors have an address per tool."""
    here = campus()
    with here.lock:
        response = jsonify(here.keys.jwks())
    response.headers["Cache-Control"] = "max-age=3600"
    return response
