"""The return of a content selection (LTI Deep Linking 2.0): verify, then add to the course."""

from __future__ import annotations

from random import SystemRandom
from typing import Any

import jwt
from flask import Blueprint, Response, render_template, request

from app.demo.lms.claims import CLAIM, DEEP_LINKING
from app.demo.lms.people import opaque_id
from app.demo.lms.service import campus
from app.demo.lms.state import Campus, Column, Launch, Link, Tool
from app.demo.lms.tokens import ToolKeys
from app.demo.lms.vendors.base import Vendor
from app.errors import Invalid, UpstreamError


def deep_link_blueprint(vendor: Vendor, keys: ToolKeys) -> Blueprint:
    """The return endpoint at the vendor's address."""
    routes = Blueprint("deep_link", __name__)

    @routes.post(vendor.paths.deep_link_return)
    def content_selected() -> Response:
        here = campus()
        with here.lock:
            launch = _selection(here)
            tool = here.tools[launch.tool_id]
        claims = _verified(here, keys, tool)
        items = claims.get(DEEP_LINKING + "content_items") or []
        with here.lock:
            added = [_add(here, launch, item) for item in items if _is_link(item)]
            # A selection is answered once: the same response again adds nothing.
            here.launches.pop(launch.key, None)
            course = here.course(launch.course_id)
        page = render_template(
            "lms/selected.html",
            course=course,
            added=added,
            skipped=len(items) - len(added),
            message=str(claims.get(DEEP_LINKING + "msg", "")),
            error=str(claims.get(DEEP_LINKING + "errormsg", "")),
        )
        return Response(page, content_type="text/html; charset=utf-8")

    return routes


def _selection(here: Campus) -> Launch:
    """The open selection that the return address names. Raises ``Invalid``."""
    launch = here.launches.get(request.args.get("key", ""))
    if launch is None or str(launch.tool_id) != request.args.get("id"):
        raise Invalid("no-selection", "This content selection is over or was never started.")
    return launch


def _verified(here: Campus, keys: ToolKeys, tool: Tool) -> dict[str, Any]:
    """The claims of the response. Raises ``Invalid`` saying which check failed."""
    try:
        issuer = here.vendor.issuer(here)
        claims = keys.verify(tool, request.form.get("JWT", ""), [issuer], here.now())
    except (jwt.PyJWTError, UpstreamError) as error:
        raise Invalid("bad-response", f"The tool's answer cannot be trusted: {error}") from error
    expected = {
        "iss": tool.client_id,
        CLAIM + "deployment_id": tool.deployment_id,
        CLAIM + "message_type": "LtiDeepLinkingResponse",
        CLAIM + "version": "1.3.0",
    }
    for name, value in expected.items():
        if claims.get(name) != value:
            raise Invalid("bad-response", f"The tool's answer has a wrong {name}.")
    return claims


def _is_link(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "ltiResourceLink"


def _add(here: Campus, launch: Launch, item: dict[str, Any]) -> Link:
    """One activity in the course, with a column when the item brings one."""
    tool = here.tools[launch.tool_id]
    link = Link(
        id=here.number("link"),
        uuid=opaque_id(SystemRandom()),
        course_id=launch.course_id,
        title=str(item.get("title") or tool.name),
        description=str(item.get("text", "")),
        url=str(item.get("url", "")),
        custom={str(name): str(value) for name, value in (item.get("custom") or {}).items()},
        tool_id=tool.id,
    )
    here.links[link.id] = link
    described = item.get("lineItem")
    if isinstance(described, dict):
        column = Column(
            id=here.number("column"),
            course_id=launch.course_id,
            label=str(described.get("label") or link.title),
            maximum=float(described.get("scoreMaximum", 100)),
            kind="linked",
            tool_id=tool.id,
            link_id=link.id,
            tag=str(described.get("tag", "")),
            resource_id=str(described.get("resourceId", "")),
        )
        here.columns[column.id] = column
    return link
