"""The verifier for programs: what ``tassel verify`` says, without an account."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, jsonify, request

from app.credentials.verify import MAX_FILE_BYTES
from app.web.api.blueprint import bp
from app.web.public.verify import judge

_ANSWERS: Final[dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]] = {
    200: {
        "description": '`{"verdict": "valid" | "invalid" | "unknown", "checks": [{"name", "result", "why"}]}`',
        "content": {"application/json": {}},
    }
}


@bp.post("/verify")
@bp.doc(
    summary="Check a credential",
    description="The body is the credential as it came: JSON, a compact JWT, a PNG, an SVG, a PDF certificate, or a photo (JPEG, PNG, WebP) of a QR code that leads to it. Ours and anybody's; nothing is kept.",
    responses=_ANSWERS,
)
def verify() -> Response:
    """Everything that can be said about the body, one line for each check."""
    request.max_content_length = MAX_FILE_BYTES + 1
    return jsonify(judge(request.stream.read(MAX_FILE_BYTES + 1)).as_json())
