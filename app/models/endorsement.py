"""What partners say of a badge: the link that each was given, and what came back signed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class Endorsement(Base):
    """One invitation to endorse a badge, with the endorsement once it has come."""

    __tablename__ = "endorsement"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    achievement_id: Mapped[str] = mapped_column(ForeignKey("achievement.id"), index=True)
    partner: Mapped[str] = mapped_column(String(200))
    """Whom the link was made for, as typed; for the people of the course only."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(20), default="invited")
    """invited | closed (the link was taken back) | received | accepted | declined | withdrawn."""
    invited_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """Until then the link takes an endorsement; afterwards it only shows what became of it."""
    version: Mapped[int | None]
    """Number of the wording that the partner saw and endorsed."""
    document: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The signed EndorsementCredential exactly as it came: JSON with a proof inside, or a JWT."""
    received_at: Mapped[datetime | None]
    """When it came, and every check of it passed."""
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(100))
    """Who accepted or declined it."""
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(100))
