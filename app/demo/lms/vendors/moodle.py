"""Moodle 4.5, as a real one answered on the wire; each difference says what was observed."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms.claims import AGS_SCOPES, BASIC_OUTCOME, CLAIM, Scene, basic_outcome
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Launch, Link, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import (
    INSTITUTION,
    MEMBERSHIP,
    SYSTEM,
    Paths,
    instant,
    number,
)

if TYPE_CHECKING:
    from flask import Request

_SERVICES = "/mod/lti/services.php"


class Moodle(Vendor):
    """Moodle 4.5.6."""

    name = "moodle"
    product = "moodle"
    version = "2024100706"
    title = "Demo Moodle"
    paths = Paths(
        configuration="/mod/lti/openid-configuration.php",
        registration="/mod/lti/openid-registration.php",
        authorization="/mod/lti/auth.php",
        token="/mod/lti/token.php",  # noqa: S106  a path
        keys="/mod/lti/certs.php",
        lineitems=_SERVICES + "/<int:course>/lineitems",
        lineitem=_SERVICES + "/<int:course>/lineitems/<int:item>/lineitem",
        memberships=_SERVICES + "/CourseSection/<int:course>/bindings/<int:tool>/memberships",
        deep_link_return="/mod/lti/contentitem_return.php",
    )
    token_seconds = 60
    login_method = "post"
    context_type = "CourseSection"
    nrps_versions = ("1.0", "2.0")
    posts_auth_errors = False
    token_content_type = "text/html; charset=utf-8"  # noqa: S105  a media type
    checks_assertion = False
    missing_scope_status = 401
    registration_status = 200
    asks_update = True
    deletes_linked = True

    def subject(self, person: Person) -> str:
        """A small integer, unique only at this site."""
        return str(person.id)

    def context_id(self, course: Course) -> str:
        """A small integer."""
        return str(course.id)

    def link_id(self, link: Link) -> str:
        """A small integer."""
        return str(link.id)

    def service_query(self, tool: Tool) -> str:
        """Every AGS address carries the tool's number in its query."""
        return f"?type_id={tool.id}"

    # --- launch ------------------------------------------------------------------------------

    def message_hint(self, launch: Launch) -> str:
        """JSON text, to be echoed byte for byte."""
        hint = {"cmid": (launch.link_id or 0) + 4, "launchid": launch.key}
        return json.dumps(hint, separators=(",", ":"))

    def launch_key(self, hint: str) -> str:
        """The ``launchid`` of an echoed hint."""
        try:
            found = json.loads(hint)
        except ValueError:
            return ""
        return str(found.get("launchid", "")) if isinstance(found, dict) else ""

    def lis(self, scene: Scene) -> dict[str, str]:
        """Both keys are always there, empty if unknown; the class is the course's id number."""
        return {
            "person_sourcedid": scene.person.sis_id,
            "course_section_sourcedid": scene.course.sis_id,
        }

    def launch_roles(self, scene: Scene) -> list[str]:
        """A non-editing teacher is Instructor at launch; an administrator gets three roles."""
        if scene.person.is_admin:
            return [
                INSTITUTION + "Administrator",
                MEMBERSHIP + "Instructor",
                SYSTEM + "Administrator",
            ]
        if scene.enrolment is None:
            return []
        learner = scene.enrolment.role == "learner"
        return [MEMBERSHIP + ("Learner" if learner else "Instructor")]

    def resource_link(self, scene: Scene, link: Link) -> dict[str, str]:
        """Title, description (always there) and a small integer."""
        title = link.title or scene.tool.name
        return {"title": title, "description": link.description, "id": str(link.id)}

    def presentation(self, scene: Scene) -> dict[str, str]:
        """The return address carries the session key; a content selection has the locale alone."""
        if scene.link is None:
            return {"locale": "en"}
        window = scene.launch.document_target == "window"
        query = urlencode(
            {
                "course": scene.course.id,
                "launch_container": 4 if window else 3,
                "instanceid": scene.link.id,
                "sesskey": secrets.token_hex(5),
            }
        )
        return {
            "locale": "en",
            "document_target": scene.launch.document_target,
            "return_url": f"{scene.campus.base_url}/mod/lti/return.php?{query}",
        }

    def tool_platform(self, campus: Campus) -> dict[str, str]:
        """With the description of the site."""
        del campus
        return {
            "product_family_code": self.product,
            "version": self.version,
            "guid": "5b0c2f0e4a7d4c7c9c54a1f3d0c9e8b7",
            "name": "demo",
            "description": "Demo University",
        }

    def variables(self, scene: Scene) -> dict[str, str | None]:
        """Known but empty ones come as "", and as null in a content selection."""
        groups = scene.enrolment.sections if scene.enrolment else []
        return super().variables(scene) | {
            "CourseSection.sourcedId": scene.course.sis_id,
            "Context.sourcedId": scene.course.sis_id,
            "Context.label": scene.course.label,
            "CourseSection.title": scene.course.title,
            "CourseSection.label": scene.course.label,
            "Context.id.history": "",
            "Person.name.given": scene.person.given,
            "Person.name.family": scene.person.family,
            "Moodle.Person.userGroupIds": ",".join(str(group) for group in groups),
            "ResourceLink.id": str(scene.link.id) if scene.link else None,
            "ResourceLink.title": self._link_title(scene),
        }

    def _link_title(self, scene: Scene) -> str | None:
        return (scene.link.title or scene.tool.name) if scene.link else None

    def custom(self, scene: Scene) -> dict[str, Any]:
        """The roster's address is repeated here, as older tools look for it."""
        address = self.memberships_url(scene.campus, scene.tool, scene.course.id)
        return super().custom(scene) | {"context_memberships_url": address}

    def deep_linking_settings(self, scene: Scene) -> dict[str, Any]:
        """Resource links only, nothing made without the teacher's click, no ``data``."""
        standard = super().deep_linking_settings(scene)
        return {
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["frame", "iframe", "window"],
            "accept_copy_advice": False,
            "accept_multiple": True,
            "accept_unsigned": False,
            "auto_create": False,
            "can_confirm": False,
            "deep_link_return_url": standard["deep_link_return_url"],
            "title": scene.tool.name,
            "text": "",
        }

    def extra_claims(self, scene: Scene, claims: dict[str, Any]) -> dict[str, Any]:
        """The account name, and the LTI 1.1 outcome of a launch with a resource link."""
        claims[CLAIM + "ext"] = {"user_username": scene.person.username, "lms": "moodle-2"}
        if CLAIM + "resource_link" in claims:
            claims[BASIC_OUTCOME] = basic_outcome(scene, "/mod/lti/service.php")
        return claims

    # --- registration and tokens -------------------------------------------------------------

    def configuration_extra(self) -> dict[str, Any]:
        """The long build name, the placement of content selection, the variables."""
        return {
            "product_family_code": self.product,
            "version": "4.5.6 (Build: 20250811)",
            "messages_supported": [
                {"type": "LtiResourceLinkRequest"},
                {"type": "LtiDeepLinkingRequest", "placements": ["ContentArea"]},
            ],
            "variables": [
                "Context.id",
                "Context.title",
                "Context.label",
                "Context.id.history",
                "Context.sourcedId",
                "CourseSection.title",
                "CourseSection.label",
                "CourseSection.sourcedId",
                "ResourceLink.id",
                "ResourceLink.title",
                "User.id",
                "User.username",
                "Person.name.full",
                "Person.name.given",
                "Person.name.family",
                "Person.email.primary",
                "Person.sourcedId",
                "Moodle.Person.userGroupIds",
            ],
        }

    def scopes_supported(self) -> list[str]:
        """Also basic outcomes, tool settings and ``openid``."""
        return [
            "https://purl.imsglobal.org/spec/lti-bo/scope/basicoutcome",
            *super().scopes_supported(),
            "https://purl.imsglobal.org/spec/lti-ts/scope/toolsetting",
            "openid",
        ]

    def granted_scopes(self, tool: Tool) -> list[str]:
        """Any AGS scope brings ``lineitem.readonly``, ``result.readonly`` and ``score``."""
        if not set(tool.scopes) & set(AGS_SCOPES):
            return tool.scopes
        return [*tool.scopes, *(scope for scope in AGS_SCOPES[1:] if scope not in tool.scopes)]

    def registered_scopes(self, tool: Tool) -> list[str]:
        """The answer claims all AGS scopes, whatever was asked for; the token says the truth."""
        if not set(tool.scopes) & set(AGS_SCOPES):
            return tool.scopes
        others = [scope for scope in tool.scopes if scope not in AGS_SCOPES]
        return [*reversed(AGS_SCOPES), *others]

    # --- services ----------------------------------------------------------------------------

    def check_accept(self, request: Request, media_type: str) -> None:
        """AGS wants exactly the media type (400 for ``*/*``); NRPS takes ``*/*`` as well."""
        accept = request.headers.get("Accept", "").split(",")[0].split(";")[0].strip()
        anything = "nrps" in media_type and accept in {"*/*", ""}
        if accept != media_type and not anything:
            raise ServiceError(400, _no_handler(request, accept))

    def check_content_type(self, request: Request, media_type: str) -> None:
        """Exactly the media type, 400 otherwise."""
        if request.mimetype != media_type:
            raise ServiceError(400, _no_handler(request, request.mimetype))

    def check_address(self, tool: Tool, request: Request) -> None:
        """The address works as it was handed out, with its ``type_id``."""
        if request.args.get("type_id") != str(tool.id):
            raise ServiceError(404, "Line item does not exist")

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """The request is told back; a refused score gets an empty array under its own type."""
        if error.body is not None:
            return str(error.body), "text/html; charset=utf-8"
        if error.score:
            return "[]", "application/vnd.ims.lis.v1.score+json; charset=utf-8"
        body = {
            "status": error.status,
            "reason": error.reason,
            "request": {
                "method": request.method,
                "url": request.full_path.rstrip("?"),
                "accept": request.headers.get("Accept", ""),
                "contentType": request.headers.get("Content-Type", ""),
            },
        }
        return json.dumps(body), "application/json; charset=utf-8"

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """Empty strings for what is not set, ``ltiLinkId`` beside the link; dates are forgotten."""
        found: dict[str, Any] = {
            "id": self.item_url(campus, tool, column),
            "label": column.label,
            "scoreMaximum": number(column.maximum),
        }
        if column.resource_id is not None:
            found["resourceId"] = column.resource_id
        found["tag"] = column.tag
        if column.link_id is not None:
            found |= {"resourceLinkId": str(column.link_id), "ltiLinkId": str(column.link_id)}
        return found

    def created_item(
        self, campus: Campus, tool: Tool, column: Column, sent: dict[str, Any]
    ) -> dict[str, Any]:
        """What was sent comes back once, dates included, with the new id."""
        return sent | {"id": self.item_url(campus, tool, column)}

    def page(self, kind: str, request: Request, total: int) -> tuple[slice, str]:
        """Typographic quotes and ``&amp;`` in AGS links; a proper link in NRPS without ``role``.

        Only with ``limit``. A limit on results crashes Moodle.
        """
        limit = request.args.get("limit", type=int)
        if limit is None or limit < 1:
            return slice(None), ""
        if kind == "results":
            raise ServiceError(404, "Not Found", body=_CRASH)
        start = request.args.get("from", 0, type=int)
        if kind == "members":
            return slice(start, start + limit), self._member_link(request, start + limit, total)
        last = (total - 1) // limit * limit if total else 0
        cursors = [("first", 0), ("canonical", start)]
        if start + limit < total:
            cursors.append(("next", start + limit))
        cursors.append(("last", last))
        links = [f"<{_ags_link(request, at, limit)}>; rel=“{rel}”" for rel, at in cursors]
        return slice(start, start + limit), ", ".join(links)

    def _member_link(self, request: Request, start: int, total: int) -> str:
        if start >= total:
            return ""
        kept = {key: value for key, value in request.args.items() if key in {"limit", "rlid"}}
        return f'<{request.base_url}?{urlencode(kept | {"from": start})}>; rel="next"'

    def result(
        self, campus: Campus, tool: Tool, column: Column, person: Person, grade: Grade
    ) -> dict[str, Any]:
        """With a ``timestamp``; the id is the collection narrowed to the person."""
        comment = {"comment": grade.comments[-1]} if grade.comments else {}
        return {
            "id": f"{self.item_url(campus, tool, column, '/results')}&user_id={person.id}",
            "userId": str(person.id),
            "resultScore": number(grade.value or 0),
            "resultMaximum": number(column.maximum),
            **comment,
            "scoreOf": self.item_url(campus, tool, column),
            "timestamp": instant(grade.timestamp),
        }

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Teachers, strangers and unknown people: 400 with the score in the reason phrase."""
        try:
            return super().check_score(campus, column, score)
        except ServiceError as error:
            reason = "Incorrect score received" + json.dumps(score)
            raise ServiceError(400, reason, score=True) from error

    def check_newer(self, column: Column, person: Person, at: datetime) -> None:
        """Later by a whole second at least; a teacher's change counts too."""
        stored = column.grades.get(person.id)
        if stored is not None and int(at.timestamp()) <= int(stored.timestamp.timestamp()):
            reason = (
                f"Refusing score with an earlier timestamp for item {column.id} "
                f"and user {person.id}"
            )
            raise ServiceError(409, reason, score=True)

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Rescaled and cut at the maximum; a teacher's override stays as it is.

        A score that is not ``FullyGraded`` counts as no score: nothing enters an empty cell, and
        an earlier grade is erased. A score without a comment wipes the earlier comment.
        """
        stored = column.grades.get(person.id)
        if stored is not None and stored.overridden:
            return
        final = score["gradingProgress"] == "FullyGraded" and score.get("scoreGiven") is not None
        if not final:
            if stored is not None:
                stored.value, stored.comments, stored.timestamp = None, [], at
            return
        share = score["scoreGiven"] / score["scoreMaximum"]
        value = min(max(share, 0.0), 1.0) * column.maximum
        comments = [str(score["comment"])] if score.get("comment") else []
        column.grades[person.id] = Grade(round(value, 5), at, author="tool", comments=comments)

    def override(self, column: Column, person_id: int, grade: Grade) -> None:
        """A change in the grader report is an override, whoever graded before."""
        grade.overridden = True
        column.grades[person_id] = grade

    # --- roster ------------------------------------------------------------------------------

    def roster(self, course: Course) -> list[Enrolment]:
        """Suspended people vanish instead of becoming inactive."""
        return [entry for entry in course.enrolments.values() if not entry.suspended]

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """Short names; a non-editing teacher is a Learner here."""
        del person
        return ["Instructor" if entry.role == "teacher" else "Learner"]

    def member(self, scene: Scene, entry: Enrolment) -> dict[str, Any]:
        """The SIS id is always there (empty if unknown), and the account name."""
        found = super().member(scene, entry)
        return {
            "status": found.pop("status"),
            "roles": found.pop("roles"),
            "user_id": found.pop("user_id"),
            "lis_person_sourcedid": scene.person.sis_id,
            **found,
            "ext_user_username": scene.person.username,
        }

    def member_message(self, scene: Scene) -> dict[str, Any]:
        """Basic outcomes only, no custom values."""
        return {
            CLAIM + "message_type": "LtiResourceLinkRequest",
            BASIC_OUTCOME: basic_outcome(scene, "/mod/lti/service.php"),
        }


_CRASH = (
    "<!DOCTYPE html><html lang='en'><head><title>Error</title></head><body>"
    "<h1>Error</h1><p>Exception - Call to a member function out() on null</p></body></html>"
)


def _no_handler(request: Request, accept: str) -> str:
    path = request.path.removeprefix(_SERVICES)
    return f"No handler found for {path}  {accept}"


def _ags_link(request: Request, start: int, limit: int) -> str:
    kept = {k: v for k, v in request.args.items() if k not in {"limit", "from"}}
    query = [*kept.items(), ("limit", str(limit)), ("from", str(start))]
    return f"{request.base_url}?{urlencode(query)}".replace("&", "&amp;")
