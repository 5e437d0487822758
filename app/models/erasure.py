"""What is left of somebody who was erased: keyed marks, and entries of status lists."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class Erasure(Base):
    """One learner was erased. Who it was stands nowhere; the marks recognise the person again."""

    __tablename__ = "erasure"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    at: Mapped[datetime]
    badges: Mapped[str] = mapped_column(String(20))
    """kept (credentials that others hold stay valid) | revoked."""
    lifted_at: Mapped[datetime | None]
    """The person came back and asked to begin afresh: the marks count no more."""


class Tombstone(Base):
    """A keyed hash of one id of somebody erased, so that no list of an LMS brings the person back."""

    __tablename__ = "tombstone"

    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    """HMAC-SHA-256 as hex under a ``TombstoneKey``; see ``pipeline.tombstones``."""
    erasure_id: Mapped[str] = mapped_column(ForeignKey("erasure.id"), primary_key=True)


class TombstoneKey(Base):
    """The key of the marks: random, and sealed, so that the master key can change under it."""

    __tablename__ = "tombstone_key"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    sealed: Mapped[str]
    """32 random bytes as hex under the master key."""
    created_at: Mapped[datetime]


class ErasedEntry(Base):
    """An entry of a status list whose award was erased: never set, never given to another award."""

    __tablename__ = "erased_entry"
    __table_args__ = (UniqueConstraint("status_list_id", "status_index"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    status_list_id: Mapped[str] = mapped_column(ForeignKey("status_list.id"))
    status_index: Mapped[int]
