"""The control interface for tests and the unattended story: JSON under ``/_control/``.

It has no password: the LMS only ever listens on loopback. It takes JSON bodies only, so that no
web page can call it with a plain form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request

from app.demo.lms import forge, notices
from app.demo.lms.campus import fill
from app.demo.lms.claims import DEEP_LINK, RESOURCE_LINK, Scene, id_token_claims
from app.demo.lms.copying import copy_course
from app.demo.lms.dump import PARTS, dump
from app.demo.lms.oidc import new_launch
from app.demo.lms.people import make_person, seeded
from app.demo.lms.registration import manual_tool
from app.demo.lms.service import campus, locked
from app.demo.lms.state import Campus, Enrolment, Grade, Person
from app.errors import Invalid, NotFound

Body = dict[str, Any]


def control_blueprint() -> Blueprint:
    """All control routes."""
    routes = Blueprint("control", __name__, url_prefix="/_control")
    routes.add_url_rule("/state", view_func=locked(state))
    routes.add_url_rule("/copy", "copy", copy, methods=["POST"])
    commands: dict[str, Callable[[Campus, Body], Body]] = {
        "/grade": grade,
        "/enrol": enrol,
        "/unenrol": unenrol,
        "/suspend": suspend,
        "/people": people,
        "/registration": registration,
        "/clock_skew": clock_skew,
        "/rotate_keys": rotate_keys,
        "/throttle": throttle,
        "/page_size": page_size,
        "/framing": framing,
        "/forge": forge_token,
        "/forge_next": forge_next,
        "/reset": reset,
    }
    for rule, command in commands.items():
        routes.add_url_rule(rule, rule.strip("/"), _view(command), methods=["POST"])
    return routes


def _view(command: Callable[[Campus, Body], Body]) -> Callable[[], Response]:
    def run() -> Response:
        body = request.get_json()
        if not isinstance(body, dict):
            raise Invalid("bad-body", "Send a JSON object.")
        here = campus()
        with here.lock:
            return jsonify(command(here, body))

    return run


def state() -> Response:
    """The whole state, or the parts named in ``?parts=a,b``; ``?course=3`` narrows it."""
    named = [part for part in request.args.get("parts", "").split(",") if part]
    unknown = [part for part in named if part not in PARTS]
    if unknown:
        raise Invalid("unknown-part", f"There is no part {unknown[0]!r}.", fix=", ".join(PARTS))
    return jsonify(dump(campus(), named or list(PARTS), request.args.get("course", type=int)))


def copy() -> Response:
    """Copy a course ``{course, label?, rename?: {old: new}, tell?: true}`` and send the notices.

    They are sent without the lock, since tools ask for our keys before they answer.
    """
    here, body = campus(), request.get_json()
    with here.lock:
        origin = here.course(find_course(here, body.get("course")))
        made = copy_course(here, origin, str(body.get("label", "")), body.get("rename"))
        posts = notices.copied(here, made) if body.get("tell", True) else []
    told = notices.send(here, posts)
    return jsonify(
        {
            "course": made.id,
            "label": made.label,
            "notices": [p.body for p in posts],
            "answers": told,
        }
    )


def find_person(here: Campus, named: Any) -> Person:
    """A person by number, opaque id, account name, e-mail or SIS id. Raises ``NotFound``."""
    found = here.person_by_subject(str(named))
    if found is not None:
        return found
    for person in here.people.values():
        if named and named in {person.username, person.email, person.sis_id, person.name}:
            return person
    raise NotFound("no-person", f"There is no person {named!r}.")


def find_course(here: Campus, named: Any) -> int:
    """A course's number, from its number, opaque id or label. Raises ``NotFound``."""
    for course in here.courses.values():
        if str(named) in {str(course.id), course.uuid, course.label}:
            return course.id
    raise NotFound("no-course", f"There is no course {named!r}.")


def grade(here: Campus, body: Body) -> Body:
    """A teacher's change: ``{course, line_item, person, score or null, comment?, hidden?}``.

    ``line_item`` is the column's number or its label; the vendor's override rules apply.
    """
    course_id = find_course(here, body.get("course"))
    person = find_person(here, body.get("person"))
    named = str(body.get("line_item"))
    for column in here.course_columns(course_id):
        if named in {str(column.id), column.label}:
            break
    else:
        raise NotFound("no-column", f"There is no column {named!r} in this course.")
    score = body.get("score")
    cell = Grade(
        None if score is None else float(score),
        here.now(),
        comments=[str(body["comment"])] if body.get("comment") else [],
        hidden=bool(body.get("hidden", False)),
    )
    here.vendor.override(column, person.id, cell)
    return {"column": column.id, "person": person.id}


def enrol(here: Campus, body: Body) -> Body:
    """``{course, person, role?, sections?}``: enrol, or change an enrolment, or end a suspension."""
    course = here.course(find_course(here, body.get("course")))
    person = find_person(here, body.get("person"))
    role = body.get("role", "learner")
    if role not in {"teacher", "assistant", "learner"}:
        raise Invalid("bad-role", f"There is no role {role!r}.")
    sections = body.get("sections") or [course.sections[0].id]
    course.enrolments[person.id] = Enrolment(person.id, role, [int(one) for one in sections])
    return {"course": course.id, "person": person.id}


def _enrolment(here: Campus, body: Body) -> tuple[int, Enrolment]:
    course = here.course(find_course(here, body.get("course")))
    person = find_person(here, body.get("person"))
    if person.id not in course.enrolments:
        raise NotFound("not-enrolled", f"{person.name} is not in {course.label}.")
    return course.id, course.enrolments[person.id]


def unenrol(here: Campus, body: Body) -> Body:
    """``{course, person}``: the enrolment ends; grades stay in the gradebook."""
    course_id, entry = _enrolment(here, body)
    del here.courses[course_id].enrolments[entry.person_id]
    return {"course": course_id, "person": entry.person_id}


def suspend(here: Campus, body: Body) -> Body:
    """``{course, person, suspended?}``: suspend, or with false take back."""
    course_id, entry = _enrolment(here, body)
    entry.suspended = bool(body.get("suspended", True))
    return {"course": course_id, "person": entry.person_id, "suspended": entry.suspended}


def people(here: Campus, body: Body) -> Body:
    """Add a person ``{given, family, email?, sis_id?}``; with ``course`` enrol as a learner too."""
    if not body.get("given") or not body.get("family"):
        raise Invalid("bad-person", "A person needs given and family.")
    number = here.number("person")
    random = seeded(f"{here.config.seed}/{number}")
    person = make_person(
        random, number, str(body["given"]), str(body["family"]), sis_id=str(body.get("sis_id", ""))
    )
    person.email = str(body.get("email", person.email))
    here.add_person(person)
    if "course" in body:
        enrol(here, {**body, "person": number})
    return {"id": person.id, "subject": here.vendor.subject(person), "username": person.username}


def registration(here: Campus, body: Body) -> Body:
    """Make and activate a tool directly; see ``registration.manual_tool`` for the fields."""
    tool = manual_tool(here, body)
    vendor = here.vendor
    return {
        "tool": tool.id,
        "issuer": here.vendor.issuer(here),
        "client_id": tool.client_id,
        "deployment_id": tool.deployment_id,
        "authorization_endpoint": here.base_url + vendor.paths.authorization,
        "token_endpoint": vendor.access_url(here, tool),
        "jwks_uri": vendor.keys_url(here, tool),
    }


def clock_skew(here: Campus, body: Body) -> Body:
    """``{seconds}``: how far the LMS's clock is off, ahead if positive."""
    here.skew = timedelta(seconds=float(body.get("seconds", 0)))
    return {"seconds": here.skew.total_seconds()}


def rotate_keys(here: Campus, body: Body) -> Body:
    """``{keep_old?}``: sign with a new key; with ``keep_old`` false the old ones vanish at once."""
    return {"kid": here.keys.rotate(keep_old=bool(body.get("keep_old", True)))}


def throttle(here: Campus, body: Body) -> Body:
    """``{requests}``: answer that many service requests as a throttled vendor does (Canvas)."""
    here.throttled = int(body.get("requests", 1))
    return {"requests": here.throttled}


def framing(here: Campus, body: Body) -> Body:
    """``{storage?, sandbox?, cookies?, delay?}``: see ``framing.SWITCHES``; answers them all."""
    return here.framing.turn(body)


def page_size(here: Campus, body: Body) -> Body:
    """``{size}``: answer lists in pages of that many even to who asks for no limit; 0: as before."""
    here.vendor.page_size = int(body.get("size", 0)) or None
    return {"size": here.vendor.page_size}


def forge_token(here: Campus, body: Body) -> Body:
    """Mint an id_token ``{person, course, nonce, tool?, link?, message_type?}`` + ``forge.mint``."""
    tools = here.active_tools()
    tool_id = int(body["tool"]) if "tool" in body else (tools[0].id if tools else 0)
    if tool_id not in here.tools:
        raise NotFound("no-tool", "Register a tool first.")
    course_id = find_course(here, body.get("course"))
    message = str(body.get("message_type", RESOURCE_LINK))
    links = [link.id for link in here.course_links(course_id) if link.tool_id == tool_id]
    link_id = None if message == DEEP_LINK else int(body.get("link") or links[0])
    person = find_person(here, body.get("person"))
    launch = new_launch(here, person.id, course_id, tool_id, link_id, message, "iframe")
    claims = id_token_claims(Scene(here, launch), str(body.get("nonce", "")))
    return {"id_token": forge.mint(here, claims, body), "kinds": forge.KINDS}


def forge_next(here: Campus, body: Body) -> Body:
    """The next launch's id_token is forged as ordered ``{kind, claims?, headers?}``."""
    if body.get("kind", "honest") not in forge.KINDS:
        raise Invalid("unknown-kind", "There is no such forgery.", fix=", ".join(forge.KINDS))
    here.forge_next = body
    return {"kinds": forge.KINDS}


def reset(here: Campus, body: Body) -> Body:
    """Everything as at the start; ``{keep_tools: true}`` keeps the registered tools."""
    tools = list(here.tools.values()) if body.get("keep_tools") else []
    fill(here)
    here.skew = timedelta()
    for tool in tools:
        here.number("tool", tool.id)
        here.tools[tool.id] = tool
        if tool.active:
            here.activate(tool)
    return {"people": len(here.people), "config": asdict(here.config)}
