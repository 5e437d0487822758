"""Writes that may be repeated: the first answer under an ``Idempotency-Key`` is the only one.

The key is claimed in a committed row before the work begins. A repeat finds the answer, or learns
that the first is still running. When a process died in between, the key frees itself after a
minute; the verbs behind the API bear being run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Final, ParamSpec

from flask import Response, make_response, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import insert_new, new_id
from app.errors import AppError, Conflict, Invalid
from app.models import IdempotencyKey
from app.web import errors, session, tokens

ABANDONED: Final = timedelta(seconds=60)
KEPT: Final = timedelta(days=2)

P = ParamSpec("P")


def once(view: Callable[P, BaseModel]) -> Callable[P, ResponseReturnValue]:
    """Run ``view`` at most once per token and key; without a key, simply run it."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return _respond(view(*args, **kwargs))
        claimed = _claim(key)
        if isinstance(claimed, Response):
            return claimed
        return _run(claimed, lambda: view(*args, **kwargs))

    return guarded


def _respond(made: BaseModel) -> Response:
    return Response(made.model_dump_json(), 202, mimetype="application/json")


def _run(row_id: str, work: Callable[[], BaseModel]) -> Response:
    """Do it and keep the answer; what is our own fault keeps nothing, so that it can be repeated."""
    try:
        answer = _respond(work())
    except AppError as error:
        answer = make_response(
            errors.answer(errors.status_of(error), error.code, error.message, error.fix)
        )
    except Exception:
        with session.campus().db.transaction() as db:
            db.execute(delete(IdempotencyKey).where(IdempotencyKey.id == row_id))
        raise
    with session.campus().db.transaction() as db:
        row = db.get_one(IdempotencyKey, row_id)
        row.status, row.body = answer.status_code, answer.get_data()
    return answer


def _claim(key: str) -> str | Response:
    """The id of the row that is now ours, or the answer that the key already has."""
    token = tokens.presented()
    assert token is not None
    now = session.campus().clock()
    with session.campus().db.transaction() as db:
        db.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEPT))
        row = {
            "id": new_id(),
            "token_id": token.id,
            "key": key,
            "request_hash": _request_hash(),
            "created_at": now,
        }
        if insert_new(db, IdempotencyKey, [row]):
            return str(row["id"])
        return _known(db, token.id, key)


def _known(db: Session, token_id: str, key: str) -> str | Response:
    query = select(IdempotencyKey).where(
        IdempotencyKey.token_id == token_id, IdempotencyKey.key == key
    )
    found = db.scalars(query.with_for_update()).one()
    if found.request_hash != _request_hash():
        raise Invalid(
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request.",
            fix="Use a new random key for each different request.",
        )
    if found.status is None:
        return _take_over(found)
    answer = Response(found.body or b"", found.status)
    answer.mimetype = "application/json" if found.status < 400 else "application/problem+json"
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _take_over(found: IdempotencyKey) -> str:
    """The row of a process that died becomes ours; one that still runs keeps it."""
    now = session.campus().clock()
    if found.created_at > now - ABANDONED:
        raise Conflict(
            "still-running",
            "The first request with this key is still running.",
            fix="Ask again in a few seconds.",
        )
    found.created_at = now
    return found.id


def _request_hash() -> str:
    text = b"\n".join((request.method.encode(), request.path.encode(), request.get_data()))
    return hashlib.sha256(text).hexdigest()
