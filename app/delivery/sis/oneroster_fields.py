"""What the operator enters for a OneRoster connection, and the scopes that follow from it."""

from __future__ import annotations

from app.delivery.sis.connection import Field
from app.delivery.sis.oneroster_records import RecordKind

_SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
_WRITING = {
    "assessmentResult": ("assessment.createput", "assessment.delete", "assessment.readonly"),
    "result": ("gradebook.createput", "gradebook.delete", "gradebook.readonly"),
}

_NAME = Field(
    "name",
    "Name of the SIS",
    "text",
    required=True,
    help="As people on campus call it; shown in every message.",
)
_SCHOOL_HELP = "sourcedId of the school in the SIS."
_CATEGORY_HELP = "sourcedId of the gradebook category that badges are filed under."
_TEXT_SCORE = Field(
    "text_score",
    "Text for a badge that was earned",
    "text",
    default="Met",
    help="Shown in the SIS as the text grade.",
)
_OBJECTIVES = Field(
    "other_objectives",
    "Competencies without a CASE id",
    "choice",
    default="unknown",
    choices=(("unknown", "Send their code"), ("omit", "Leave them out")),
)
_SCORE = Field(
    "score",
    "Send the number 1 of 1",
    "bool",
    default="true",
    help="Many school systems want a number beside the text.",
)
_TITLE_LIMIT = Field(
    "title_limit",
    "Longest name allowed",
    "number",
    help="Some systems allow 30 or 50 characters. Empty: no limit.",
)

REST_FIELDS: tuple[Field, ...] = (
    _NAME,
    Field(
        "gradebook_url",
        "Gradebook address",
        "url",
        required=True,
        help="Ends in /ims/oneroster/gradebook/v1p2 on most systems.",
    ),
    Field(
        "rostering_url",
        "Rostering address",
        "url",
        help="Empty: the gradebook address with rostering in the place of gradebook.",
    ),
    Field("token_url", "Token address", "url", required=True),
    Field("client_id", "Client id", "text", required=True),
    Field("client_secret", "Client secret", "secret", required=True),
    Field(
        "secret_expires",
        "Secret is valid until",
        "date",
        help="Many systems let secrets expire after a year; the test warns a month before.",
    ),
    Field(
        "auth_style",
        "How the secret is sent",
        "choice",
        default="basic",
        choices=(("basic", "Authorization header (usual)"), ("post", "In the form")),
    ),
    Field(
        "scope",
        "Scopes",
        "text",
        help="Separated by spaces. Empty: the standard scopes for the record chosen below.",
    ),
    Field(
        "record",
        "Record a badge as",
        "choice",
        default="assessmentResult",
        choices=(
            ("assessmentResult", "Assessment result (no class needed)"),
            ("result", "Result in the gradebook of the class"),
        ),
    ),
    Field("category_id", "Category", "text", help=_CATEGORY_HELP),
    Field("school_id", "School", "text", help=_SCHOOL_HELP),
    Field(
        "revoke",
        "When a badge is withdrawn",
        "choice",
        default="delete",
        choices=(("delete", "Delete the record"), ("mark", "Mark it as to be deleted")),
    ),
    Field(
        "ids",
        "Ids of the records",
        "choice",
        default="tassel",
        choices=(("tassel", "Tassel's (standard)"), ("sis", "Allocated by the SIS")),
    ),
    _TEXT_SCORE,
    _SCORE,
    _OBJECTIVES,
    _TITLE_LIMIT,
)

CSV_FIELDS: tuple[Field, ...] = (
    _NAME,
    Field(
        "folder",
        "Drop folder",
        "text",
        required=True,
        default="sis-drop",
        help="Below the data directory of Tassel; the SIS fetches its files there.",
    ),
    Field("category_id", "Category", "text", required=True, help=_CATEGORY_HELP),
    Field(
        "category_title",
        "Name of the category",
        "text",
        help="Empty: the SIS has the category already, and no file creates it.",
    ),
    Field("school_id", "School", "text", required=True, help=_SCHOOL_HELP),
    Field(
        "session_id",
        "Term or grading period",
        "text",
        required=True,
        help="sourcedId of the academic session; the file format requires one.",
    ),
    _TEXT_SCORE,
    _SCORE,
    _OBJECTIVES,
    _TITLE_LIMIT,
)


def scopes_for(record: RecordKind) -> str:
    """The scopes of OneRoster 1.2 that sending and testing such records needs."""
    reading = (
        ("roster-core.readonly", "gradebook.readonly")
        if record == "result"
        else ("roster-core.readonly",)
    )
    names = dict.fromkeys((*_WRITING[record], *reading))
    return " ".join(_SCOPE + name for name in names)
