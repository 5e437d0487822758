"""RESEAL: everything that is stored under the master key moves under the first of several keys."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import audit
from app.models import (
    AccessToken,
    Connection,
    GradeAccess,
    GradeGrant,
    GradeUpload,
    Installation,
    IssuerKey,
    OperatorLogin,
    TombstoneKey,
    ToolKey,
    WalletOffer,
)
from app.pipeline import erasure_journal
from app.pipeline.campus import Campus

SEALED: Final[tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], ...]] = (
    ToolKey.sealed,
    IssuerKey.sealed,
    AccessToken.sealed,
    Connection.sealed,
    GradeAccess.sealed,
    GradeGrant.sealed,
    GradeUpload.sealed,
    Installation.lti11_secret,
    OperatorLogin.verifier,
    WalletOffer.tx_code,
    TombstoneKey.sealed,
)
"""Every column that holds something under the master key: one that is missing here is lost when the
old key is taken away."""


def reseal(campus: Campus, actor: str) -> int:
    """Encrypt all of it anew; returns how many secrets. ConfigurationError when a key is missing.

    The journal of erasures follows, because it holds the key of its marks too.
    """
    erasure_journal.level(campus)
    with campus.db.transaction() as session:
        count = sum(_reseal(session, campus, column) for column in SEALED)
        detail = {"rows": count}
        audit.record(session, actor, "secrets.resealed", "master-key", detail, campus.clock())
    erasure_journal.level(campus)
    return count


def _reseal(
    session: Session,
    campus: Campus,
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
) -> int:
    """One column. The rows are locked: a token that is refreshed meanwhile must not come back old."""
    rows = session.scalars(select(column.class_).where(column != "").with_for_update()).all()
    for row in rows:
        setattr(row, column.key, campus.box.rotate(getattr(row, column.key)))
    return len(rows)
