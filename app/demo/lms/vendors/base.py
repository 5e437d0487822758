"""The standard LTI 1.3 platform. Every hook that a vendor bends is a method here or above."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from app.demo.lms import copying
from app.demo.lms.claims import AGS_SCOPES, CLAIM, NRPS, Scene, resolve_custom
from app.demo.lms.state import Campus, Launch, Link, Tool
from app.demo.lms.vendors.services import WORDS, Services
from app.demo.lms.vendors.words import MEMBERSHIP, SYSTEM


class Vendor(Services):
    """The standard: launch and registration; ``services`` and ``addresses`` hold the rest."""

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
        roles = [MEMBERSHIP + WORDS[scene.enrolment.role]] if scene.enrolment else []
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
        } | copying.variables(scene)

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
        return [*AGS_SCOPES, NRPS, *self.extra_scopes]

    def claimed_scopes(self, scene: Scene) -> list[str]:
        """The AGS scopes that a launch names."""
        return [scope for scope in AGS_SCOPES if scope in self.granted_scopes(scene.tool)]

    def granted_scopes(self, tool: Tool) -> list[str]:
        """The scopes that launches and tokens really give to a tool."""
        return tool.scopes

    def registered_scopes(self, tool: Tool) -> list[str]:
        """The scopes that the answer to a registration claims to grant."""
        return tool.scopes

    def member_message(self, scene: Scene) -> dict[str, Any]:
        """The per-member message of a roster asked for with ``rlid`` (NRPS 2.0, 2.6)."""
        return {
            CLAIM + "message_type": scene.launch.message_type,
            CLAIM + "custom": self.custom(scene),
        }
