"""Refusals as 1EdTech services say them: ``Imsx_StatusInfo``."""

from __future__ import annotations

from typing import Final

from flask import Response, jsonify

_MINOR: Final = {
    400: "invalid_query_parameter",
    401: "unauthorizedrequest",
    403: "forbidden",
    404: "not_found",
    405: "not_allowed",
    406: "not_acceptable",
    429: "server_busy",
    503: "server_busy",
}


def status_info(status: int, description: str) -> Response:
    """The refusal with an HTTP status; ``description`` is for people."""
    minor = _MINOR.get(status, "internal_server_error" if status >= 500 else "invalid_data")
    answer = jsonify(
        imsx_codeMajor="unsupported" if status == 405 else "failure",
        imsx_severity="error",
        imsx_description=description,
        imsx_codeMinor={
            "imsx_codeMinorField": [
                {
                    "imsx_codeMinorFieldName": "TargetEndSystem",
                    "imsx_codeMinorFieldValue": minor,
                }
            ]
        },
    )
    answer.status_code = status
    return answer
