"""Moodle 4.5, as a real one answered on the wire; each difference says what was observed."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import urlencode

from app.demo.lms.claims import AGS_SCOPES, BASIC_OUTCOME, CLAIM, NRPS, Scene, basic_outcome
from app.demo.lms.state import Campus, Course, Launch, Link, Person, Tool
from app.demo.lms.vendors.moodle_services import SERVICES, MoodleServices
from app.demo.lms.vendors.words import (
    INSTITUTION,
    MEMBERSHIP,
    SYSTEM,
    Paths,
)


class Moodle(MoodleServices):
    """Moodle 4.5.6."""

    name = "moodle"
    product = "moodle"
    version = "2024100706"
    title = "Demo Moodle"
    paths = Paths(
        configuration="/mod/lti/openid-configuration.php",
        registration="/mod/lti/openid-registration.php",
        authorization="/mod/lti/auth.php",
        access="/mod/lti/token.php",
        keys="/mod/lti/certs.php",
        lineitems=SERVICES + "/<int:course>/lineitems",
        lineitem=SERVICES + "/<int:course>/lineitems/<int:item>/lineitem",
        memberships=SERVICES + "/CourseSection/<int:course>/bindings/<int:binding>/memberships",
        deep_link_return="/mod/lti/contentitem_return.php",
    )
    token_seconds = 60
    login_method = "post"
    storage_frame = ""
    context_type = "CourseSection"
    nrps_versions = ("1.0", "2.0")
    posts_auth_errors = False
    grant_content_type = "text/html; charset=utf-8"
    checks_assertion = False
    registration_status = 200
    asks_update = True

    def subject(self, person: Person) -> str:
        """A small integer, unique only at this site."""
        return str(person.id)

    def context_id(self, course: Course) -> str:
        """A small integer."""
        return str(course.id)

    def link_id(self, link: Link) -> str:
        """A small integer."""
        return str(link.id)

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
            *AGS_SCOPES[1:],
            AGS_SCOPES[0],
            NRPS,
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
