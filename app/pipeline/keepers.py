"""What is wrong with the keeper of a key, for the page of its issuer: noted, and cleared."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from sqlalchemy import null, update
from sqlalchemy.orm import Session

from app.errors import AppError
from app.models import IssuerKey
from app.pipeline.campus import Campus

log = structlog.get_logger()


def note(campus: Campus, key_ids: Iterable[str], error: AppError) -> None:
    """These keys did not sign, and why; what waits for them is tried again by itself."""
    ids = list(key_ids)
    log.warning("key-does-not-sign", keys=ids, code=error.code)
    problem = {
        "code": error.code,
        "message": error.message,
        "fix": error.fix,
        "at": campus.clock().isoformat(timespec="seconds"),
    }
    with campus.db.transaction() as session:
        session.execute(update(IssuerKey).where(IssuerKey.id.in_(ids)).values(problem=problem))


def clear(session: Session, key_ids: Iterable[str]) -> None:
    """These keys signed."""
    session.execute(
        update(IssuerKey)
        .where(IssuerKey.id.in_(list(key_ids)), IssuerKey.problem.is_not(None))
        .values(problem=null())
    )
