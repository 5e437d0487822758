"""The notification service of the platform: tools order notices, the LMS posts them signed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from flask import Blueprint, Response, request

from app.demo.hosts import real_address
from app.demo.lms.errors import ServiceError
from app.demo.lms.service import answer, service
from app.demo.lms.state import Campus, Course, Tool

if TYPE_CHECKING:
    from app.demo.lms.claims import Scene

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
SCOPE = "https://purl.imsglobal.org/spec/lti/scope/noticehandlers"
NOTICES_CLAIM = CLAIM + "platformnotificationservice"
COPY = "LtiContextCopyNotice"
LIFE = 300
_PATH = "/lti/notice-handlers/<int:tool_id>"
_TIMEOUT = (5, 15)


@dataclass(frozen=True, slots=True)
class Post:
    """One notice on its way; sent without holding the lock, since the tool asks for our keys."""

    url: str
    body: dict[str, Any]


def notices_blueprint() -> Blueprint:
    """Where tools order notices."""
    routes = Blueprint("notices", __name__)
    routes.add_url_rule(_PATH, "handlers", handlers, methods=["GET"])
    routes.add_url_rule(_PATH, "order", order, methods=["PUT"])
    return routes


def claim(scene: Scene) -> dict[str, Any]:
    """The claim of a launch, for a tool that may order notices."""
    if SCOPE not in scene.campus.vendor.granted_scopes(scene.tool):
        return {}
    return {
        NOTICES_CLAIM: {
            "platform_notification_service_url": _url(scene.campus, scene.tool),
            "service_versions": ["1.0"],
            "scope": [SCOPE],
            "notice_types_supported": ["LtiHelloWorldNotice", COPY],
        }
    }


def _url(here: Campus, tool: Tool) -> str:
    return here.base_url + _PATH.replace("<int:tool_id>", str(tool.id))


@service(SCOPE)
def handlers(here: Campus, tool: Tool, tool_id: int) -> Response:
    """What the tool has ordered."""
    _own(tool, tool_id)
    listed = [{"notice_type": kind, "handler": url} for kind, url in tool.handlers.items()]
    return answer({"client_id": tool.client_id, "notice_handlers": listed}, "application/json")


@service(SCOPE)
def order(here: Campus, tool: Tool, tool_id: int) -> Response:
    """One handler for one kind of notice; an empty one ends the order."""
    _own(tool, tool_id)
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict) or sent.get("notice_type") != COPY:
        raise ServiceError(400, "Unknown notice type")
    tool.handlers[COPY] = str(sent.get("handler", ""))
    return answer({"notice_type": COPY, "handler": tool.handlers[COPY]}, "application/json")


def _own(tool: Tool, tool_id: int) -> None:
    if tool.id != tool_id:
        raise ServiceError(403, "These are another tool's notices")


def copied(here: Campus, copy: Course) -> list[Post]:
    """The notices that tell of a copied course; called with the lock held."""
    return [
        Post(tool.handlers[COPY], {"notices": [{"jwt": here.keys.sign(_claims(here, tool, copy))}]})
        for tool in here.active_tools()
        if tool.handlers.get(COPY)
    ]


def _claims(here: Campus, tool: Tool, copy: Course) -> dict[str, Any]:
    vendor, now = here.vendor, here.now()
    return {
        "iss": vendor.issuer(here),
        "aud": [tool.client_id],
        "azp": tool.client_id,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + LIFE,
        "nonce": uuid.uuid4().hex,
        CLAIM + "version": "1.3.0",
        CLAIM + "deployment_id": tool.deployment_id,
        CLAIM + "notice": {"id": str(uuid.uuid4()), "timestamp": now.isoformat(), "type": COPY},
        CLAIM + "origin_contexts": [vendor.context_id(here.courses[copy.copied_from[0]])],
        CLAIM + "context": {
            "id": vendor.context_id(copy),
            "label": copy.label,
            "title": copy.title,
            "type": [vendor.context_type],
        },
    }


def send(here: Campus, posts: list[Post]) -> list[int]:
    """Post notices and return the tools' answers; 0 for a tool that does not answer."""
    statuses = []
    for post in posts:
        try:
            url = real_address(here.config.hosts, post.url)
            statuses.append(requests.post(url, json=post.body, timeout=_TIMEOUT).status_code)
        except requests.RequestException:
            statuses.append(0)
    return statuses
