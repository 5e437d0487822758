"""The standard LTI 1.3 platform. Every hook that a vendor bends is a method here."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms.claims import (
    AGS_SCOPES,
    CLAIM,
    NRPS,
    Scene,
    personal_claims,
    resolve_custom,
)
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Launch, Link, Person, Tool
from app.demo.lms.vendors.words import MEMBERSHIP, SYSTEM, Paths, fill, number

if TYPE_CHECKING:
    from flask import Request, Response


class Vendor:
    """The standard. ``token_seconds`` is the life of an id_token."""

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
    platform_storage = True
    navigation_takes_columns = True
    posts_auth_errors = True
    grant_content_type = "application/json"
    checks_assertion = True
    missing_scope_status = 403
    configuration_needs_token = False
    registration_status = 201
    returns_deployment = True
    asks_update = False
    score_status = 200
    missing_maximum_status = 400
    deletes_linked = False
    members_page: int | None = None

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

    def configuration_url(self, campus: Campus, token: str) -> str:
        """The ``openid_configuration`` that goes with a registration token."""
        return campus.base_url + self.paths.configuration

    # --- launch ------------------------------------------------------------------------------

    def message_hint(self, launch: Launch) -> str:
        """``lti_message_hint``: opaque to the tool, which must echo it byte for byte."""
        return launch.key

    def launch_key(self, hint: str) -> str:
        """The launch that an echoed hint names; "" if it cannot be read."""
        return hint

    def login_fields(self, scene: Scene) -> dict[str, str]:
        """The login initiation (OIDC third-party login with the LTI parameters)."""
        return {
            "iss": self.issuer(scene.campus),
            "target_link_uri": scene.target,
            "login_hint": self.subject(scene.person),
            "lti_message_hint": self.message_hint(scene.launch),
            "client_id": scene.tool.client_id,
            "lti_deployment_id": scene.tool.deployment_id,
        }

    def lis(self, scene: Scene) -> dict[str, str]:
        """The ``lis`` claim."""
        known = {
            "person_sourcedid": scene.person.sis_id,
            "course_section_sourcedid": self.section_sis_id(scene),
            "course_offering_sourcedid": scene.course.sis_id,
        }
        return {name: value for name, value in known.items() if value}

    def section_sis_id(self, scene: Scene) -> str:
        """The SIS id of the person's first section."""
        mine = scene.enrolment.sections if scene.enrolment else []
        return next((s.sis_id for s in scene.course.sections if s.id in mine), "")

    def launch_roles(self, scene: Scene) -> list[str]:
        """Context roles, and the system role of an administrator."""
        roles = [MEMBERSHIP + _STANDARD[scene.enrolment.role]] if scene.enrolment else []
        if scene.enrolment and scene.enrolment.role == "assistant":
            roles.append(
                "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"
            )
        return [*roles, SYSTEM + "Administrator"] if scene.person.is_admin else roles

    def resource_link(self, scene: Scene, link: Link) -> dict[str, str]:
        """The ``resource_link`` claim."""
        found = {"id": link.uuid, "title": link.title or scene.tool.name}
        return found | ({"description": link.description} if link.description else {})

    def presentation(self, scene: Scene) -> dict[str, str]:
        """The ``launch_presentation`` claim."""
        campus, course = scene.campus, scene.course
        return {
            "locale": "en",
            "document_target": scene.launch.document_target,
            "return_url": f"{campus.base_url}/courses/{course.id}",
        }

    def tool_platform(self, campus: Campus) -> dict[str, str]:
        """The ``tool_platform`` claim."""
        return {
            "guid": "3f0f7c5a1d3c4f53a8f0f2d4b1a7c6e5",
            "name": self.title,
            "product_family_code": self.product,
            "version": self.version,
        }

    def variables(self, scene: Scene) -> dict[str, str | None]:
        """The substitution variables that this LMS knows, without their ``$``."""
        person, course = scene.person, scene.course
        return {
            "User.id": self.subject(person),
            "User.username": person.username,
            "Person.sourcedId": person.sis_id,
            "Person.name.full": person.name,
            "Person.email.primary": person.email,
            "Context.id": self.context_id(course),
            "Context.title": course.title,
            "CourseSection.sourcedId": self.section_sis_id(scene),
            "ResourceLink.title": scene.link.title if scene.link else None,
        }

    def custom(self, scene: Scene) -> dict[str, Any]:
        """The ``custom`` claim: the tool's parameters, then those of the link."""
        own = scene.link.custom if scene.link else {}
        return resolve_custom({**own, **scene.tool.custom}, self.variables(scene))

    def deep_linking_settings(self, scene: Scene) -> dict[str, Any]:
        """The settings of a content selection (LTI Deep Linking 2.0)."""
        campus, tool = scene.campus, scene.tool
        query = urlencode({"course": scene.course.id, "id": tool.id, "key": scene.launch.key})
        return {
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "auto_create": True,
            "deep_link_return_url": f"{campus.base_url}{self.paths.deep_link_return}?{query}",
            "data": f"data-{scene.launch.key}",
        }

    def extra_claims(self, scene: Scene, claims: dict[str, Any]) -> dict[str, Any]:
        """The last word on the claims."""
        del scene
        return {name: value for name, value in claims.items() if value not in ({}, None)}

    # --- registration and tokens -------------------------------------------------------------

    def configuration_extra(self) -> dict[str, Any]:
        """What goes into ``lti-platform-configuration`` (LTI Dynamic Registration 1.0)."""
        return {
            "product_family_code": self.product,
            "version": self.version,
            "messages_supported": [
                {"type": "LtiResourceLinkRequest"},
                {"type": "LtiDeepLinkingRequest"},
            ],
            "variables": ["User.id", "Person.sourcedId", "CourseSection.sourcedId"],
        }

    def scopes_supported(self) -> list[str]:
        """All scopes that a tool may ask for."""
        return [*AGS_SCOPES, NRPS]

    def granted_scopes(self, tool: Tool) -> list[str]:
        """The scopes that launches and tokens really give to a tool."""
        return tool.scopes

    def registered_scopes(self, tool: Tool) -> list[str]:
        """The scopes that the answer to a registration claims to grant."""
        return tool.scopes

    # --- services ----------------------------------------------------------------------------

    def guard_service(self, campus: Campus, request: Request) -> None:
        """Refuse a service request before anything else is looked at."""

    def finish_service(self, request: Request, response: Response) -> Response:
        """The last touch on every service response."""
        del request
        return response

    def check_accept(self, request: Request, media_type: str) -> None:
        """Refuse an ``Accept`` that the endpoint does not serve (406 by HTTP)."""
        accept = request.accept_mimetypes
        if accept and not accept.best_match([media_type, "application/json"]):
            raise ServiceError(406, "Not acceptable")

    def check_content_type(self, request: Request, media_type: str) -> None:
        """Refuse a body of another type (415 by HTTP)."""
        if request.mimetype not in {media_type, "application/json"}:
            raise ServiceError(415, "Unsupported media type")

    def check_address(self, tool: Tool, request: Request) -> None:
        """Refuse a service URL that is not as it was handed out."""

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """The body and media type of a refused service request."""
        del request
        body = {"error": error.reason} if error.body is None else error.body
        return json.dumps(body), "application/json"

    def foreign_item(self) -> ServiceError:
        """What a tool hears about a column that is not its own."""
        return ServiceError(404, "Line item does not exist")

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """One line item as AGS shows it."""
        found: dict[str, Any] = {
            "id": self.item_url(campus, tool, column),
            "label": column.label,
            "scoreMaximum": number(column.maximum),
        }
        if column.resource_id:
            found["resourceId"] = column.resource_id
        if column.tag:
            found["tag"] = column.tag
        if column.link_id is not None:
            found["resourceLinkId"] = self.link_id(campus.links[column.link_id])
        return found | column.extra

    def link_id(self, link: Link) -> str:
        """The ``resource_link.id`` of a link."""
        return link.uuid

    def created_item(
        self, campus: Campus, tool: Tool, column: Column, sent: dict[str, Any]
    ) -> dict[str, Any]:
        """The answer to the creation of a line item."""
        del sent
        return self.line_item(campus, tool, column)

    def page(self, kind: str, request: Request, total: int) -> tuple[slice, str]:
        """Which part of ``total`` entries to send, and the ``Link`` header ("" for none).

        The standard leaves the cursor to the platform: here ``limit`` and ``from``.
        """
        del kind
        limit = request.args.get("limit", type=int)
        if limit is None or limit < 1:
            return slice(None), ""
        start = request.args.get("from", 0, type=int)
        if start + limit >= total:
            return slice(start, start + limit), ""
        return slice(start, start + limit), f'<{with_query(request, start + limit)}>; rel="next"'

    def link_header(self) -> str:
        """How the ``Link`` header is spelled."""
        return "Link"

    def graded(self, column: Column) -> dict[int, Grade]:
        """The cells that ``results`` lists: those with a grade."""
        return {key: cell for key, cell in column.grades.items() if cell.value is not None}

    def result(
        self, campus: Campus, tool: Tool, column: Column, person: Person, grade: Grade
    ) -> dict[str, Any]:
        """One result as AGS shows it."""
        item = self.item_url(campus, tool, column)
        found: dict[str, Any] = {
            "id": f"{item}/results/{person.id}",
            "scoreOf": item,
            "userId": self.subject(person),
            "resultMaximum": number(column.maximum),
        }
        if grade.value is not None:
            found["resultScore"] = number(grade.value)
        return found | ({"comment": grade.comments[-1]} if grade.comments else {})

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Refuse a score that this LMS does not take; otherwise say whose it is."""
        person = campus.person_by_subject(str(score.get("userId", "")))
        entry = campus.course(column.course_id).enrolments.get(person.id if person else 0)
        if person is None or entry is None or entry.role != "learner":
            raise ServiceError(404, "There is no such learner in this course.", score=True)
        return person

    def check_newer(self, column: Column, person: Person, at: datetime) -> None:
        """Refuse a score that is not later than what is stored (AGS 2.0, timestamp: 409)."""
        stored = column.grades.get(person.id)
        if stored is not None and at <= stored.timestamp:
            raise ServiceError(409, "There is a later score already.", score=True)

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Store an accepted score. Only a final one becomes a grade."""
        if score["gradingProgress"] != "FullyGraded" or "scoreGiven" not in score:
            return
        value = score["scoreGiven"] / score["scoreMaximum"] * column.maximum
        comments = [str(score["comment"])] if score.get("comment") else []
        column.grades[person.id] = Grade(value, at, author="tool", comments=comments)

    def score_answer(
        self, campus: Campus, tool: Tool, column: Column, person: Person
    ) -> dict[str, Any] | None:
        """The body of an accepted score; None for an empty one."""
        del campus, tool, column, person
        return None

    def override(self, column: Column, person_id: int, grade: Grade) -> None:
        """A teacher's own grade enters the column."""
        old = column.grades.get(person_id)
        grade.overridden = old is not None and old.author != "teacher"
        column.grades[person_id] = grade

    # --- roster ------------------------------------------------------------------------------

    def roster(self, course: Course) -> list[Enrolment]:
        """The enrolments that NRPS lists."""
        return list(course.enrolments.values())

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """The roles of a member in NRPS."""
        del person
        return [MEMBERSHIP + _STANDARD[entry.role]]

    def member(self, scene: Scene, entry: Enrolment) -> dict[str, Any]:
        """One member as NRPS shows it; ``scene`` is seen from this member's side."""

        person = scene.person
        found: dict[str, Any] = {
            "status": "Inactive" if entry.suspended else "Active",
            "roles": self.roster_roles(entry, person),
            "user_id": self.subject(person),
        }
        if person.sis_id:
            found["lis_person_sourcedid"] = person.sis_id
        return found | personal_claims(scene)

    def member_message(self, scene: Scene) -> dict[str, Any]:
        """The per-member message of a roster asked for with ``rlid`` (NRPS 2.0, 2.6)."""
        return {
            CLAIM + "message_type": scene.launch.message_type,
            CLAIM + "custom": self.custom(scene),
        }


_STANDARD = {"teacher": "Instructor", "assistant": "Instructor", "learner": "Learner"}


def with_query(request: Request, start: int) -> str:
    """The request's own URL with the cursor moved to ``start``."""
    query = request.args.to_dict() | {"from": str(start)}
    return f"{request.base_url}?{urlencode(query)}"
