"""What every service endpoint shares: the bearer token, the lock, and how a refusal is told."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, cast

from flask import Response, current_app, request

from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Tool

View = Callable[..., Response]


def campus() -> Campus:
    """The campus of the running app."""
    return cast(Campus, current_app.extensions["demo_lms"])


def locked(view: View) -> View:
    """Run a view while holding the campus's lock; never for one that calls out."""

    @functools.wraps(view)
    def run(*args: Any, **kwargs: Any) -> Response:
        with campus().lock:
            return view(*args, **kwargs)

    return run


def service(*scopes: str) -> Callable[[View], View]:
    """A view of a service: vendor's guard, bearer token with one of ``scopes``, lock.

    The view gets ``(campus, tool, ...)``.
    """

    def wrap(view: Callable[..., Response]) -> View:
        @functools.wraps(view)
        def run(**kwargs: Any) -> Response:
            here = campus()
            try:
                here.vendor.guard_service(here, request)
                with here.lock:
                    response = view(here, bearer_tool(here, scopes), **kwargs)
            except ServiceError as error:
                response = refusal(here, error)
            return here.vendor.finish_service(request, response)

        return run

    return wrap


def bearer_tool(here: Campus, scopes: tuple[str, ...]) -> Tool:
    """The tool behind the access token. Raises ``ServiceError`` 401, or 403 for the scope."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    access = here.access.get(token) if kind.lower() == "bearer" else None
    if access is None or access.expires <= here.now() or access.tool_id not in here.tools:
        raise ServiceError(401, "Unauthorized", headers={"WWW-Authenticate": "Bearer"})
    if not access.scopes & set(scopes):
        raise ServiceError(here.vendor.missing_scope_status, "Insufficient scope")
    return here.tools[access.tool_id]


def refusal(here: Campus, error: ServiceError) -> Response:
    """The vendor's error answer; the reason is also the HTTP reason phrase, as in Moodle."""
    body, media_type = here.vendor.error_body(request, error)
    response = Response(body, content_type=media_type)
    response.status = f"{error.status} {error.reason.encode('ascii', 'replace').decode()}"
    response.headers.extend(error.headers)
    return response


def answer(payload: Any, media_type: str, status: int = 200, link: str = "") -> Response:
    """A JSON answer under a media type; ``payload`` None is an empty body."""
    text = "" if payload is None else json.dumps(payload, ensure_ascii=False)
    response = Response(text, status, content_type=f"{media_type}; charset=utf-8")
    if link:
        # WSGI headers are Latin-1 text; the typographic quotes must leave as UTF-8 bytes.
        response.headers[campus().vendor.link_header()] = link.encode().decode("latin-1")
    return response
