"""Where awards go: configured connections, the ledger of deliveries and every attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, new_id


class Connection(Base):
    """A configured target: a SIS adapter, the mail server, or the course columns of an LMS."""

    __tablename__ = "connection"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(40))
    """course | mail | oneroster_rest | oneroster_csv: key of the target table in ``delivery``."""
    name: Mapped[str] = mapped_column(String(200))
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Fields of the adapter that are no secrets."""
    sealed: Mapped[str | None]
    """JSON of the secret fields under the master key."""
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | paused | attention (credentials refused: somebody must look)."""
    problem: Mapped[dict[str, Any] | None]
    """``{code, message, fix, who}`` while in attention."""
    tested_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Delivery(Base):
    """One award to one target: the outbox row that is the truth about it."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("award_id", "connection_id", "operation"),
        Index("ix_delivery_due", "state", "next_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"))
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), index=True)
    operation: Mapped[str] = mapped_column(String(20), default="create")
    """create | revoke | replace-N (tell the learner that a new credential stands in) | remind-N (that
    the badge ends in N days)."""
    state: Mapped[str] = mapped_column(String(20), default="waiting")
    """waiting | sending | sent | held | dead | dropped (withdrawn before it was sent)."""
    code: Mapped[str | None] = mapped_column(String(60))
    """Stable reason of the present state, for example "no-sis-id"."""
    message: Mapped[str | None] = mapped_column(Text)
    fix: Mapped[str | None] = mapped_column(Text)
    who: Mapped[str | None] = mapped_column(String(100))
    """Who can mend it."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    """When it is due (again); empty when nothing will happen by itself."""
    lease_until: Mapped[datetime | None]
    """While sending: after this a reaper takes it back."""
    remote_ref: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class Attempt(Base):
    """One try of a delivery."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("delivery_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("delivery.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))
    """sent | later | never | held; empty = the process died in between."""
    code: Mapped[str | None] = mapped_column(String(60))
    status: Mapped[int | None]
    raw: Mapped[str | None] = mapped_column(Text)
    """At most 2,000 characters of the answer, secrets masked."""


class OptOut(Base):
    """A learner does not want notifications of this kind."""

    __tablename__ = "opt_out"

    learner_id: Mapped[str] = mapped_column(ForeignKey("learner.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    """mail."""
    at: Mapped[datetime]
