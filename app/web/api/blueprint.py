"""The blueprint of the API."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

bp = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="Tassel")


@bp.after_request
def _challenge(answer: Response) -> Response:
    """A 401 says how to sign in (RFC 6750, section 3)."""
    if answer.status_code == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="Tassel"'
    return answer
