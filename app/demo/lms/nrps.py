"""Names and Role Provisioning Services 2.0: the roster of a course."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.demo.lms.claims import NRPS, RESOURCE_LINK, Scene
from app.demo.lms.errors import ServiceError
from app.demo.lms.service import answer, service
from app.demo.lms.state import Campus, Course, Enrolment, Launch, Link, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import MEMBERS, MEMBERSHIP


def nrps_blueprint(vendor: Vendor) -> Blueprint:
    """The roster endpoint at the vendor's address."""
    routes = Blueprint("nrps", __name__)
    routes.add_url_rule(vendor.paths.memberships, view_func=list_members, methods=["GET"])
    return routes


@service(NRPS)
def list_members(here: Campus, tool: Tool, course: int, **_: int) -> Response:
    """The members, filtered by ``role``, paged, with a message each when asked with ``rlid``."""
    vendor = here.vendor
    vendor.check_accept(request, MEMBERS)
    number = vendor.collection(here, course)[0]
    if number not in here.courses:
        raise ServiceError(404, "Course does not exist")
    found = here.courses[number]
    entries = [entry for entry in vendor.roster(found) if _wanted(here, entry)]
    part, link = vendor.page("members", request, len(entries))
    resource_link = _resource_link(here, tool, found)
    body = {
        "id": vendor.memberships_url(here, tool, course),
        "context": vendor.roster_context(found),
        "members": [_member(here, tool, found, entry, resource_link) for entry in entries[part]],
    }
    return answer(body, MEMBERS, link=link)


def _wanted(here: Campus, entry: Enrolment) -> bool:
    """``role`` may be short or the full name."""
    role = request.args.get("role")
    if not role:
        return True
    roles = here.vendor.roster_roles(entry, here.people[entry.person_id])
    short = role.removeprefix(MEMBERSHIP)
    return any(short == one.removeprefix(MEMBERSHIP) for one in roles)


def _resource_link(here: Campus, tool: Tool, course: Course) -> Link | None:
    """The link that ``rlid`` names, by the id that launches of it say."""
    named = request.args.get("rlid")
    if not named:
        return None
    somebody = next(iter(course.enrolments.values()))
    for link in here.course_links(course.id):
        scene = _scene(here, tool, course, somebody, link)
        if here.vendor.resource_link(scene, link)["id"] == named:
            return link
    raise ServiceError(400, "There is no such resource link in this course.")


def _scene(here: Campus, tool: Tool, course: Course, entry: Enrolment, link: Link | None) -> Scene:
    """A launch of the link as this member would make it."""
    number = link.id if link else None
    return Scene(
        here, Launch("", entry.person_id, course.id, tool.id, number, RESOURCE_LINK, "iframe")
    )


def _member(
    here: Campus, tool: Tool, course: Course, entry: Enrolment, link: Link | None
) -> dict[str, object]:
    scene = _scene(here, tool, course, entry, link)
    member = here.vendor.member(scene, entry)
    if link is None:
        return member
    return member | {"message": [here.vendor.member_message(scene)]}
