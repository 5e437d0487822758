"""The pages for people: become somebody, the courses, and the page that frames the tool."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, request, url_for

from app.demo.lms import notices
from app.demo.lms.copying import copy_course
from app.demo.lms.framing import PARENT, SWITCHES, Framing, Listener, listeners, other_name
from app.demo.lms.service import campus, locked
from app.demo.lms.sessions import (
    current_person,
    require_person,
    require_teacher,
    sign_in,
    sign_out,
)
from app.demo.lms.state import Campus, Course, Enrolment, Person, Tool
from app.errors import Forbidden, NotFound

_SHOWN = 60


def pages_blueprint() -> Blueprint:
    """The routes of this module, and what every template may know."""
    routes = Blueprint("pages", __name__)
    routes.app_context_processor(_shared)
    routes.before_app_request(refuse_foreign_forms)
    routes.add_url_rule("/", "home", locked(home))
    routes.add_url_rule("/become", "become", locked(become), methods=["POST"])
    routes.add_url_rule("/leave", "leave", locked(leave), methods=["POST"])
    routes.add_url_rule("/courses/<int:course_id>", "course", locked(course))
    routes.add_url_rule("/courses/<int:course_id>/open/<int:link_id>", "frame", locked(frame))
    routes.add_url_rule(
        "/courses/<int:course_id>/content/<int:tool_id>", "content", locked(content)
    )
    routes.add_url_rule("/courses/<int:course_id>/copy", "copy", copy, methods=["POST"])
    routes.add_url_rule("/storage-frame", "storage_frame", locked(storage_frame))
    routes.add_url_rule("/framing", "turn_switches", locked(turn_switches), methods=["POST"])
    routes.add_url_rule("/mod/lti/return.php", "launch_return", launch_return)
    return routes


def _shared() -> dict[str, Any]:
    here = campus()
    return {
        "lms": here.vendor.title,
        "mode": here.vendor.name,
        "me": current_person(here),
        "short": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
    }


def refuse_foreign_forms() -> None:
    """No other site may press a button of these pages for somebody."""
    pages = ("pages.", "gradebook.", "admin.", "moodle_keys.")
    ours = str(request.endpoint or "").startswith(pages)
    origin = request.headers.get("Origin")
    if request.method != "POST" or not ours or origin is None:
        return
    if urlsplit(origin).netloc != request.host:
        raise Forbidden("foreign-form", "This form was sent by another site.")


def page(name: str, **values: Any) -> Response:
    """A rendered template as a response that nobody stores."""
    response = Response(render_template(f"lms/{name}", **values))
    response.content_type = "text/html; charset=utf-8"
    response.headers["Cache-Control"] = "no-store"
    return response


def home() -> Response:
    """Who do you want to be?"""
    here = campus()
    found = here.people.values()
    staff = [(one, _roles(here, one)) for one in found if one.is_admin or _teaches(here, one)]
    learners = [one for one in found if not one.is_admin and not _teaches(here, one)]
    query = request.args.get("q", "").strip().lower()
    if query:
        learners = [one for one in learners if query in one.name.lower()]
    preview = [one for one in learners if one.is_test]
    return page(
        "home.html",
        staff=staff,
        preview=preview,
        visiting=[one for one in learners if one.visits],
        others=[one for one in learners if not one.visits and not one.is_test][:_SHOWN],
        total=len(learners),
        shown=_SHOWN,
        query=query,
        mine=_my_courses(here),
    )


def _teaches(here: Campus, person: Person) -> bool:
    return any(
        course.enrolments[person.id].role != "learner"
        for course in here.courses.values()
        if person.id in course.enrolments
    )


def _roles(here: Campus, person: Person) -> list[str]:
    words = {"teacher": "teacher", "assistant": "teaching assistant", "learner": "learner"}
    roles = ["administrator"] if person.is_admin else []
    for course in here.courses.values():
        entry = course.enrolments.get(person.id)
        if entry is not None:
            roles.append(f"{words[entry.role]} in {course.label}")
    return roles


def _my_courses(here: Campus) -> list[tuple[Course, Enrolment | None]]:
    person = current_person(here)
    if person is None:
        return []
    return [
        (one, one.enrolments.get(person.id))
        for one in here.courses.values()
        if person.is_admin or person.id in one.enrolments
    ]


def become() -> Response:
    """Sign in as the chosen person; with one course go straight there."""
    here = campus()
    person = here.person_by_subject(request.form.get("person", ""))
    if person is None:
        raise NotFound("no-person", "There is no such person.")
    mine = [one for one in here.courses.values() if person.id in one.enrolments]
    target = url_for("pages.course", course_id=mine[0].id) if len(mine) == 1 else "/"
    response = Response(status=303, headers={"Location": target})
    sign_in(here, person, response)
    return response


def leave() -> Response:
    """Be nobody again."""
    response = Response(status=303, headers={"Location": "/"})
    sign_out(campus(), response)
    return response


def _member(here: Campus, course_id: int) -> tuple[Course, Enrolment | None]:
    """The course and my enrolment; administrators may look without one."""
    person = require_person(here)
    found = here.course(course_id)
    entry = found.enrolments.get(person.id)
    if entry is None and not person.is_admin:
        raise Forbidden("not-enrolled", "You are not in this course.")
    return found, entry


def course(course_id: int) -> Response:
    """The course page: navigation, activities, and what a teacher may do."""
    here = campus()
    found, entry = _member(here, course_id)
    links = here.course_links(course_id)
    columns = {column.link_id: column for column in here.course_columns(course_id)}
    return page(
        "course.html",
        course=found,
        role=entry.role if entry else "administrator",
        navigation=[(link, here.tools.get(link.tool_id or 0)) for link in links if link.navigation],
        activities=[(link, columns.get(link.id)) for link in links if not link.navigation],
        tools=[tool for tool in here.active_tools() if tool.deep_link_url],
        count=sum(
            one.role == "learner" and not here.people[one.person_id].is_test
            for one in found.enrolments.values()
        ),
    )


def frame(course_id: int, link_id: int) -> Response:
    """The page that frames the tool."""
    here = campus()
    found, _ = _member(here, course_id)
    link = here.links.get(link_id)
    if link is None or link.course_id != course_id:
        raise NotFound("no-link", "There is no such activity.")
    tool = here.tools.get(link.tool_id or 0)
    title = link.title or (tool.name if tool else "External tool")
    return _framed(found, tool, title, url_for("oidc.start_link", link_id=link_id))


def content(course_id: int, tool_id: int) -> Response:
    """The page that frames the tool's content selection."""
    here = campus()
    require_teacher(here, course_id)
    if tool_id not in here.tools:
        raise NotFound("no-tool", "There is no such tool.")
    tool = here.tools[tool_id]
    source = url_for("oidc.start_selection", course_id=course_id, tool_id=tool_id)
    return _framed(here.course(course_id), tool, f"Content from {tool.name}", source)


def _framed(course: Course, tool: Tool | None, title: str, source: str) -> Response:
    """The tool in a frame; on one host the page says what that cannot show."""
    here = campus()
    host = urlsplit(request.host_url).hostname
    found = listeners(here.framing, here.vendor.storage_frame)
    return page(
        "frame.html",
        course=course,
        tool=tool,
        title=title,
        source=source,
        listeners=found,
        addresses={one.name: _listener_address(one) for one in found},
        framing=here.framing,
        usual=Framing(),
        switches=SWITCHES,
        storage_frame=here.vendor.storage_frame,
        walled=bool(here.config.wall),
        one_site=tool is not None and urlsplit(tool.target_url).hostname == host,
    )


def _listener_address(one: Listener) -> str:
    address = url_for("pages.storage_frame", name=one.name, _external=True)
    return other_name(address) if one.elsewhere else address


def copy(course_id: int) -> Response:
    """Copy the course for the next term; one assessment gets a new name on the way."""
    here = campus()
    with here.lock:
        require_teacher(here, course_id)
        links = [link for link in here.course_links(course_id) if not link.navigation]
        renamed = {link.title: f"{link.title} (spring)" for link in links[:1]}
        made = copy_course(here, here.course(course_id), renamed=renamed)
        posts = notices.copied(here, made)
    notices.send(here, posts)
    target = url_for("pages.course", course_id=made.id)
    return Response(status=303, headers={"Location": target})


def storage_frame() -> Response:
    """A hidden frame that keeps values for tools without cookies (LTI platform storage)."""
    here = campus()
    for one in listeners(here.framing, here.vendor.storage_frame):
        if one.name == request.args.get("name") != PARENT:
            return page("storage.html", listener=one, framing=here.framing)
    raise NotFound("no-frame", "There is no such frame now.")


def turn_switches() -> Response:
    """Frame the tool again under other rules."""
    back = request.form.get("back", "/")
    positions = {name: value for name, value in request.form.items() if name in SWITCHES}
    campus().framing.turn(positions)
    ours = back.startswith("/") and not back.startswith("//")
    return Response(status=303, headers={"Location": back if ours else "/"})


def launch_return() -> Response:
    """Where a tool sends people back to."""
    wanted = request.args.get("course", type=int) or 0
    return Response(status=303, headers={"Location": url_for("pages.course", course_id=wanted)})
