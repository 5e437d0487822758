"""The id_token of a launch (LTI 1.3 core, LTI Advantage). What a vendor says differently is hooked."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

from app.demo.lms import notices
from app.demo.lms.state import Campus, Course, Enrolment, Launch, Link, Person, Tool

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS_CLAIM = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
DEEP_LINKING = "https://purl.imsglobal.org/spec/lti-dl/claim/"
BASIC_OUTCOME = "https://purl.imsglobal.org/spec/lti-bo/claim/basicoutcome"
AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
AGS_SCOPES = [AGS + name for name in ("lineitem", "lineitem.readonly", "result.readonly", "score")]
RESOURCE_LINK = "LtiResourceLinkRequest"
DEEP_LINK = "LtiDeepLinkingRequest"


class Scene:
    """Everything one launch is about, looked up once. Raises ``NotFound``."""

    def __init__(self, campus: Campus, launch: Launch) -> None:
        self.campus = campus
        self.launch = launch
        self.tool: Tool = campus.tools[launch.tool_id]
        self.person: Person = campus.person(launch.person_id)
        self.course: Course = campus.course(launch.course_id)
        self.enrolment: Enrolment | None = self.course.enrolments.get(self.person.id)
        self.link: Link | None = campus.links.get(launch.link_id or 0)

    @property
    def target(self) -> str:
        """The target link URI of this launch."""
        if self.launch.message_type == DEEP_LINK:
            return self.tool.deep_link_url or self.tool.target_url
        return (self.link.url if self.link else "") or self.tool.target_url

    def shares(self, claim: str) -> bool:
        """Whether the tool asked for a personal claim (name, email ...)."""
        return not self.tool.claims or claim in self.tool.claims


def id_token_claims(scene: Scene, nonce: str) -> dict[str, Any]:
    """All claims of the id_token, in the order in which the recorded launch has them."""
    vendor, campus = scene.campus.vendor, scene.campus
    issued = int(campus.now().timestamp())
    claims: dict[str, Any] = {
        "nonce": nonce,
        "iat": issued,
        "exp": issued + vendor.token_seconds,
        "iss": vendor.issuer(campus),
        "aud": scene.tool.client_id,
        CLAIM + "deployment_id": scene.tool.deployment_id,
        CLAIM + "target_link_uri": scene.target,
        "sub": vendor.subject(scene.person),
        CLAIM + "lis": vendor.lis(scene),
        CLAIM + "roles": vendor.launch_roles(scene),
        CLAIM + "context": _context(scene),
        CLAIM + "message_type": scene.launch.message_type,
    }
    if scene.launch.message_type != DEEP_LINK and scene.link is not None:
        claims[CLAIM + "resource_link"] = vendor.resource_link(scene, scene.link)
    claims |= personal_claims(scene)
    claims |= {
        CLAIM + "launch_presentation": vendor.presentation(scene),
        CLAIM + "tool_platform": vendor.tool_platform(campus),
        CLAIM + "version": "1.3.0",
        CLAIM + "custom": vendor.custom(scene),
    }
    claims |= _services(scene)
    if scene.launch.message_type == DEEP_LINK:
        claims[DEEP_LINKING + "deep_linking_settings"] = vendor.deep_linking_settings(scene)
    return vendor.extra_claims(scene, claims)


def _context(scene: Scene) -> dict[str, Any]:
    course, vendor = scene.course, scene.campus.vendor
    return {
        "id": vendor.context_id(course),
        "label": course.label,
        "title": course.title,
        "type": [vendor.context_type],
    }


def personal_claims(scene: Scene) -> dict[str, str]:
    """Names and address, as far as the person has them and the tool asked for them."""
    person = scene.person
    known = {
        "given_name": person.given,
        "family_name": person.family,
        "name": person.name,
        "email": person.email,
    }
    return {name: value for name, value in known.items() if value and scene.shares(name)}


def _services(scene: Scene) -> dict[str, Any]:
    """The AGS and NRPS claims, each only when the tool was granted a scope of it."""
    vendor, tool = scene.campus.vendor, scene.tool
    found: dict[str, Any] = {}
    scopes = vendor.claimed_scopes(scene)
    lineitems, memberships = vendor.launch_services(scene)
    if scopes:
        found[AGS_CLAIM] = {"scope": scopes, "lineitems": lineitems} | _own_line_item(scene)
    if NRPS in tool.scopes:
        found[NRPS_CLAIM] = {
            "context_memberships_url": memberships,
            "service_versions": vendor.nrps_versions,
        }
    return found | notices.claim(scene)


def _own_line_item(scene: Scene) -> dict[str, str]:
    """``lineitem`` is there when exactly one column belongs to the link."""
    if scene.link is None:
        return {}
    campus, tool = scene.campus, scene.tool
    columns = [
        column
        for column in campus.tool_columns(scene.course.id, tool.id)
        if column.link_id == scene.link.id
    ]
    if len(columns) != 1:
        return {}
    return {"lineitem": campus.vendor.item_url(campus, tool, columns[0])}


def resolve_custom(declared: dict[str, str], known: dict[str, str | None]) -> dict[str, Any]:
    """Custom parameters with ``$Name`` replaced; a name the LMS does not know stays as it is."""
    return {
        name: known.get(value[1:], value) if value.startswith("$") else value
        for name, value in declared.items()
    }


def basic_outcome(scene: Scene, path: str) -> dict[str, str]:
    """The LTI 1.1 outcome claim that Moodle still sends: a signed result id and an address."""
    data = {
        "instanceid": str(scene.launch.link_id),
        "userid": str(scene.person.id),
        "typeid": str(scene.tool.id),
        "launchid": secrets.randbelow(2_000_000_000),
    }
    digest = hashlib.sha256(json.dumps(data).encode()).hexdigest()
    text = json.dumps({"data": data, "hash": digest}, separators=(",", ":"))
    return {
        "lis_result_sourcedid": text,
        "lis_outcome_service_url": scene.campus.base_url + path,
    }
