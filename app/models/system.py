"""Facts about this installation of Tassel, its workers and who holds which lease."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class SystemFact(Base):
    """Recorded once, for example ``public_url`` at the first issue, ``demo`` in a demo database."""

    __tablename__ = "system_fact"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class Heartbeat(Base):
    """A worker process that is alive."""

    __tablename__ = "heartbeat"

    executor_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    started_at: Mapped[datetime]
    at: Mapped[datetime]


class Lease(Base):
    """Exactly one holder for things that only one process may do at a time."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    until: Mapped[datetime]
