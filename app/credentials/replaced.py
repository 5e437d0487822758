"""Credentials of an award that others stand in for: which, since when, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Credential, SpentEntry


@dataclass(frozen=True)
class Earlier:
    """A credential that was replaced. ``reason`` is a key of ``models.SpentEntry.reason``."""

    credential_id: str
    number: int
    issued_at: datetime
    replaced_at: datetime
    reason: str


def earlier(session: Session, award_id: str) -> Sequence[Earlier]:
    """Every replaced credential of an award, latest first."""
    query = (
        select(
            Credential.id,
            Credential.number,
            Credential.issued_at,
            SpentEntry.at,
            SpentEntry.reason,
        )
        .join(SpentEntry, SpentEntry.credential_id == Credential.id)
        .where(Credential.award_id == award_id)
        .order_by(Credential.number.desc())
    )
    return [Earlier(*row) for row in session.execute(query)]
