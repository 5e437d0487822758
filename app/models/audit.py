"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId


class AuditEntry(Base):
    """Append-only, hash-chained; ids and codes only, never names or grades."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """1, 2, 3 … without gaps; the primary key refuses two successors of one entry."""
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(100))
    """``person:<id>``, ``operator:<name>``, ``token:<id>`` or ``system``."""
    action: Mapped[str] = mapped_column(String(60))
    """For example ``rule.published``."""
    subject: Mapped[str] = mapped_column(String(100))
    """``award:<id>`` and the like."""
    detail: Mapped[dict[str, Any]]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
