"""Who may use which route. A route that is not in this table answers nobody; a test walks it.

``who``: public | a permission of ``web.permissions`` | ``api:<scope>`` (a bearer token with it).
``commits_on_get``: why a GET may write (protocol routes only). ``twin``: the API route that does
the same, or the reason why there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from app.errors import Forbidden, NotFound
from app.web import session, tokens
from app.web.permissions import OPERATOR, PERMISSIONS


@dataclass(frozen=True)
class Access:
    """One line of the table."""

    who: str
    twin: str
    commits_on_get: str = ""
    outside_posts: str = ""
    """Why another site may POST here (guarded by the protocol instead of the CSRF check)."""


PUBLIC_PAGE = "a page for people; the data behind it has its own address"
PROTOCOL = "part of a protocol"

TABLE: dict[str, Access] = {
    "static": Access("public", PUBLIC_PAGE),
    "operator.enter": Access("public", "single-use way in for people; programs use tokens"),
    "operator.enter_confirm": Access("public", "single-use way in for people; programs use tokens"),
    "operator.leave": Access("deliveries", "ends a browser's grant; programs have none"),
    "operator.home": Access("deliveries", "a page for people; the data behind it has its own address"),
}


def guard() -> None:
    """Before every request: find the route's line and hold the visitor against it.

    Raises NotFound (no such route or line), Unauthenticated or Forbidden.
    """
    if request.endpoint is None:
        return
    line = TABLE.get(request.endpoint)
    if line is None:
        raise NotFound("not-found", "There is no such page.")
    if line.who.startswith("api:"):
        tokens.require(line.who.removeprefix("api:"))
        return
    if not line.outside_posts:
        session.refuse_forged_posts()
    if line.who != "public":
        _require(line.who)


def _require(who: str) -> None:
    """Hold the visitor's role in the area of the permission against its line."""
    permission = PERMISSIONS[who]
    if permission.area == OPERATOR:
        if session.visitor(session.OPERATOR).role not in permission.roles:
            raise Forbidden(
                "role-not-allowed",
                "Your role does not open this page.",
                fix="An operator of this server can do this.",
            )
        return
    course_id = (request.view_args or {}).get("course_id", "")
    if session.visitor(f"course:{course_id}").role not in permission.roles:
        raise Forbidden(
            "role-not-allowed",
            "Your role in this course does not open this page.",
            fix="The teacher of the course can do this, or change your role in the LMS.",
        )
