"""The administrator's page "External tools": register by link or by hand, activate, remove."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, request, url_for

from app.demo.lms.pages import page
from app.demo.lms.registration import manual_tool, new_invite, same_host
from app.demo.lms.service import campus, locked
from app.demo.lms.sessions import require_admin
from app.demo.lms.state import Campus, Tool
from app.errors import Invalid, NotFound


def admin_blueprint() -> Blueprint:
    """The routes of this module."""
    routes = Blueprint("admin", __name__, url_prefix="/admin/tools")
    routes.add_url_rule("", "tools", locked(tools))
    routes.add_url_rule("/register", "register", locked(register), methods=["POST"])
    routes.add_url_rule("/manual", "manual", locked(manual), methods=["POST"])
    routes.add_url_rule("/<int:tool_id>/activate", "activate", locked(activate), methods=["POST"])
    routes.add_url_rule("/<int:tool_id>/remove", "remove", locked(remove), methods=["POST"])
    return routes


def tools() -> Response:
    """Every tool with its ids, and the two ways to add one."""
    here = campus()
    require_admin(here)
    return _tools_page(here)


def _tools_page(here: Campus, problem: str = "", status: int = 200) -> Response:
    found = page(
        "tools.html",
        tools=[(tool, _to_copy(here, tool)) for tool in here.tools.values()],
        by_link=here.vendor.dynamic_registration,
        problem=problem,
    )
    found.status_code = status
    return found


def _to_copy(here: Campus, tool: Tool) -> dict[str, str]:
    """What an administrator copies from the LMS into a tool that is set up by hand."""
    vendor = here.vendor
    return {
        "Issuer (platform id)": vendor.issuer(here),
        "Client id": tool.client_id,
        "Deployment id": tool.deployment_id,
        "Authentication request URL": here.base_url + vendor.paths.authorization,
        "Access token URL": vendor.access_url(here, tool),
        "Public keyset URL": vendor.keys_url(here, tool),
    }


def register() -> Response:
    """Open the tool's registration page in a frame, with a fresh registration token.

    Where the vendor asks, a tool of the same host is updated or a new one is made.
    """
    here = campus()
    require_admin(here)
    if not here.vendor.dynamic_registration:
        raise NotFound("by-hand", "Tools are set up by hand here.")
    url = request.form.get("url", "").strip()
    if urlsplit(url).scheme not in {"http", "https"}:
        return _tools_page(here, "Paste the registration link that the tool gave you.", 422)
    old = same_host(here, url)
    choice = request.form.get("choice", "")
    if old is not None and here.vendor.asks_update and choice not in {"update", "new"}:
        return page("update_or_new.html", url=url, tool=old)
    token = new_invite(here, old if old and choice == "update" else None)
    return page(
        "register.html",
        source=_with_invite(here, url, token),
        host=urlsplit(url).netloc,
        in_window=here.vendor.registers_in_window,
    )


def _with_invite(here: Campus, url: str, token: str) -> str:
    """The registration address with the two parameters of the standard in its query."""
    split = urlsplit(url)
    query = [
        *parse_qsl(split.query, keep_blank_values=True),
        ("openid_configuration", here.vendor.configuration_url(here, token)),
    ]
    if here.vendor.sends_registration_token:
        query.append(("registration_token", token))
    return urlunsplit(split._replace(query=urlencode(query)))


def manual() -> Response:
    """A tool by hand: the administrator copies addresses both ways."""
    here = campus()
    require_admin(here)
    form = request.form.to_dict()
    pairs = [line.partition("=") for line in form.get("custom", "").splitlines() if "=" in line]
    described = {
        **form,
        "redirect_uris": form.get("redirect_uris", "").split(),
        "custom": {name.strip(): value.strip() for name, _, value in pairs},
    }
    try:
        manual_tool(here, described)
    except Invalid as error:
        missing = ", ".join(name.replace("_", " ") for name in error.fields)
        return _tools_page(here, f"{error.message} Look at: {missing}.", 422)
    return _back()


def _tool(here: Campus, tool_id: int) -> Tool:
    require_admin(here)
    if tool_id not in here.tools:
        raise NotFound("no-tool", "There is no such tool.")
    return here.tools[tool_id]


def activate(tool_id: int) -> Response:
    """Let the tool be used in courses."""
    here = campus()
    here.activate(_tool(here, tool_id))
    return _back()


def remove(tool_id: int) -> Response:
    """Take the tool away; its columns stay, as numbers without a source."""
    here = campus()
    del here.tools[_tool(here, tool_id).id]
    for link in here.links.values():
        if link.tool_id == tool_id:
            link.tool_id = None
    for column in here.columns.values():
        if column.tool_id == tool_id:
            column.tool_id = None
    return _back()


def _back() -> Response:
    return Response(status=303, headers={"Location": url_for("admin.tools")})
