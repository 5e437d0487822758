"""The error envelope of OneRoster 1.2 (``imsx_StatusInfoDType``), sent bare as the binding says."""

from __future__ import annotations

from typing import Literal

from flask import Response, jsonify

CodeMinor = Literal[
    "invalid_filter_field",
    "invalid_selection_field",
    "invaliddata",
    "unauthorisedrequest",
    "internal_server_error",
    "server_busy",
    "deletefailure",
    "unknownobject",
    "forbidden",
]


class RefusalError(Exception):
    """A request that the SIS refuses: HTTP status, minor code and a sentence."""

    def __init__(self, status: int, minor: CodeMinor, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.minor = minor
        self.description = description

    def response(self) -> Response:
        """The refusal as the wire wants it."""
        field = {
            "imsx_codeMinorFieldName": "TargetEndSystem",
            "imsx_codeMinorFieldValue": self.minor,
        }
        answer = jsonify(
            imsx_codeMajor="failure",
            imsx_severity="error",
            imsx_description=self.description,
            imsx_CodeMinor={"imsx_codeMinorField": [field]},
        )
        answer.status_code = self.status
        if self.status == 401:
            answer.headers["WWW-Authenticate"] = 'Bearer realm="sis"'
        return answer


def unknown(kind: str, sourced_id: str) -> RefusalError:
    """404 for an object that is not here."""
    return RefusalError(404, "unknownobject", f"No {kind} has the sourcedId {sourced_id}.")


def bad_data(description: str) -> RefusalError:
    """422 for a body that cannot be accepted."""
    return RefusalError(422, "invaliddata", description)
