"""What a vendor is, and the ids and addresses that it hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.demo.lms.claims import Scene
from app.demo.lms.state import Campus, Column, Course, Link, Person, Tool
from app.demo.lms.vendors.words import LINE_ITEM, Paths, fill

if TYPE_CHECKING:
    from flask import Request


class Addresses:
    """Names of the standard. ``token_seconds`` is the life of an id_token.

    ``storage_frame`` names the frame that keeps values for tools without cookies (LTI platform
    storage): "_parent" is the page itself, "" is an LMS that offers none.
    """

    name = "standard"
    product = "demo"
    version = "1.0"
    title = "Demo LMS"
    paths = Paths()
    token_seconds = 300
    login_method = "get"
    context_type = "http://purl.imsglobal.org/vocab/lis/v2/course#CourseSection"
    nrps_versions: tuple[str, ...] = ("2.0",)
    student_view = False
    extra_scopes: tuple[str, ...] = ()
    storage_frame = "_parent"
    repeats_storage_frame = True
    navigation_takes_columns = True
    posts_auth_errors = True
    grant_content_type = "application/json"
    bearer_word = "Bearer"
    checks_assertion = True
    missing_scope_status = 403
    dynamic_registration = True
    registers_in_window = False
    sends_registration_token = True
    configuration_needs_token = False
    registration_status = 201
    returns_deployment = True
    asks_update = False
    score_status = 200
    created_type = LINE_ITEM
    missing_maximum_status = 400
    deletes_linked = False
    members_page: int | None = None
    page_size: int | None = None
    """Entries a page where the tool asks for no ``limit``; None: everything at once."""

    # --- ids and addresses -------------------------------------------------------------------

    def issuer(self, campus: Campus) -> str:
        """The ``iss`` of every token."""
        return campus.base_url

    def subject(self, person: Person) -> str:
        """The ``sub`` and service ``user_id`` of a person."""
        return person.uuid

    def context_id(self, course: Course) -> str:
        """The ``context.id`` of a course."""
        return course.uuid

    def new_deployment(self, tool_id: int) -> str:
        """The deployment id of a new tool."""
        return str(tool_id)

    def new_client_id(self, token: str) -> str:
        """The client id of a new tool, from 15 random letters and digits."""
        return token

    def access_url(self, campus: Campus, tool: Tool) -> str:
        """The token endpoint that a tool uses."""
        return campus.base_url + self.paths.access.replace("<string:tool>", tool.client_id)

    def keys_url(self, campus: Campus, tool: Tool) -> str:
        """Where a tool finds the platform's public keys."""
        return campus.base_url + self.paths.keys.replace("<string:tool>", tool.client_id)

    def audiences(self, campus: Campus, tool: Tool) -> list[str]:
        """Who a client assertion may be for."""
        return [self.access_url(campus, tool), self.issuer(campus)]

    def service_query(self, tool: Tool) -> str:
        """What every service URL of a tool carries after its path."""
        return ""

    def lineitems_url(self, campus: Campus, tool: Tool, course_id: int) -> str:
        """The AGS collection of a course."""
        path = fill(self.paths.lineitems, course=course_id)
        return campus.base_url + path + self.service_query(tool)

    def item_url(self, campus: Campus, tool: Tool, column: Column, suffix: str = "") -> str:
        """A line item; ``suffix`` ("/results") goes before the query."""
        path = fill(self.paths.lineitem, course=column.course_id, item=column.id)
        return campus.base_url + path + suffix + self.service_query(tool)

    def memberships_url(self, campus: Campus, tool: Tool, course_id: int) -> str:
        """The NRPS roster of a course."""
        return campus.base_url + fill(self.paths.memberships, course=course_id, binding=tool.id)

    def collection(self, campus: Campus, number: int) -> tuple[int, int | None]:
        """The course and (where collections belong to links) the link of a service address."""
        del campus
        return number, None

    def launch_services(self, scene: Scene) -> tuple[str, str]:
        """Line item collection and roster that a launch names."""
        campus, tool, course = scene.campus, scene.tool, scene.course.id
        return self.lineitems_url(campus, tool, course), self.memberships_url(campus, tool, course)

    def configuration_url(self, campus: Campus, token: str) -> str:
        """The ``openid_configuration`` that goes with a registration token."""
        del token
        return campus.base_url + self.paths.configuration

    def configured_client(self, request: Request) -> str:
        """The future client id that the address of a configuration names, if it does."""
        del request
        return ""

    def registration_url(self, campus: Campus, request: Request) -> str:
        """The ``registration_endpoint`` of a configuration that was asked for by ``request``."""
        del request
        return campus.base_url + self.paths.registration

    def registration_token(self, request: Request) -> str:
        """The token with which a tool registers: a bearer."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else ""

    def link_id(self, link: Link) -> str:
        """The ``resource_link.id`` of a link."""
        return link.uuid
