"""The blueprint of the public addresses and the answers that programs get."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, request

from app.web import session, wording

bp = Blueprint("public", __name__)

FIVE_MINUTES: Final = 300
DAY: Final = 86_400

JSON_TYPES: Final = (
    "application/json",
    "application/ld+json",
    "application/vc+ld+json",
    "application/vc",
)
TOKEN_TYPES: Final = ("text/plain", "application/jwt", "application/vc+jwt")


@bp.app_template_filter("written_day")
def written_day(moment: datetime | None) -> str:
    """The day of a moment in the campus zone, written out; a dash for none."""
    return wording.day_in(moment, session.campus().settings.zone) if moment else "–"


@bp.after_request
def _open_to_programs(answer: Response) -> Response:
    """Verifiers and wallets run in browsers of other origins; all of this is public anyway."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def wants(choices: Sequence[str]) -> str:
    """The media type of ``choices`` that the caller likes best; the first one for everything."""
    return request.accept_mimetypes.best_match(choices, choices[0]) or choices[0]


def as_json(value: Any, media_type: str = "application/json") -> Response:
    """``value`` as cacheable JSON."""
    return cacheable(json.dumps(value, indent=2).encode(), media_type, FIVE_MINUTES)


def cacheable(content: bytes, media_type: str, seconds: int) -> Response:
    """``content`` with an ETag, or 304 when the caller has it."""
    answer = Response(content, mimetype=media_type)
    answer.headers["Cache-Control"] = f"public, max-age={seconds}"
    answer.headers["Vary"] = "Accept"
    answer.set_etag(hashlib.sha256(content).hexdigest()[:32])
    answer.make_conditional(request)
    return answer
