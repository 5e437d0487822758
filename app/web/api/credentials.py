"""The signed files, for archives and for systems that keep a learner's record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Response, make_response
from sqlalchemy.orm import Session

from app.credentials import files
from app.errors import NotFound
from app.models import Award
from app.web import session
from app.web.api.blueprint import bp

FORMS: Final[dict[str, tuple[str, Callable[[Session, Award], bytes]]]] = {
    "json": ("application/vc+ld+json", lambda db, award: files.to_hand_out(db, award).document),
    "jwt": ("text/plain", lambda db, award: files.to_hand_out(db, award).jwt.encode("ascii")),
    "png": ("image/png", files.baked_png),
}
"""Ending of the address to media type and bytes."""

_ANSWERS: Final[dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]] = {
    200: {"description": "The file.", "content": {kind: {} for kind, _ in FORMS.values()}}
}


@bp.get("/awards/<award_id>/credential.<any(json, jwt, png):form>")
@bp.doc(
    summary="Read one signed badge",
    description="The exact bytes that were signed: JSON, JWT, or the picture that carries the JSON.",
    responses=_ANSWERS,
)
def credential(award_id: str, form: str) -> Response:
    """One form of the newest credential of an award; 404 while it is not signed."""
    kind, read = FORMS[form]
    with session.campus().db.reading() as db:
        award = db.get(Award, award_id)
        if award is None:
            raise NotFound("no-such-award", "There is no such award.")
        answer = make_response(read(db, award))
    answer.mimetype = kind
    return answer
