"""Invitations: single-use registration links, each fixed to the origin of one LMS."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import audit
from app.db import Database, new_id
from app.errors import Conflict, Invalid, NotFound
from app.lti.addresses import safe_origin
from app.lti.platforms import is_shared
from app.models import Invitation
from app.secrets import new_token, token_hash

INVITATION_LIFE = timedelta(days=7)


def invite(db: Database, lms_origin: str, now: datetime, *, actor: str = "system") -> str:
    """A single-use registration token for the LMS at ``lms_origin``; only its hash is kept.

    Who invites whom stands in the audit log.
    """
    origin = safe_origin(lms_origin)
    if not origin or len(origin) > 300 or is_shared(origin):
        raise Invalid(
            "bad-origin",
            "The address of the LMS must look like https://lms.example.edu.",
            fields={
                "lms_origin": "Scheme and host name of the school's own LMS, for example https://lms.example.edu."
            },
        )
    token = new_token()
    with db.transaction() as session:
        row = Invitation(
            id=new_id(),
            token_hash=token_hash(token),
            lms_origin=origin,
            created_at=now,
            expires_at=now + INVITATION_LIFE,
        )
        session.add(row)
        subject, detail = f"invitation:{row.id}", {"origin": origin}
        audit.record(session, actor, "platform.invited", subject, detail, now)
    return token


def invited_origin(db: Database, token: str, now: datetime) -> str | None:
    """The origin that may frame the registration page of ``token``; None for a dead link."""
    with db.reading() as session:
        found = _invitation(session, token, now)
        return found.lms_origin if found else None


def _invitation(session: Session, token: str, now: datetime) -> Invitation | None:
    return session.scalar(
        select(Invitation).where(
            Invitation.token_hash == token_hash(token),
            Invitation.used_at.is_(None),
            Invitation.expires_at > now,
        )
    )


def require_origin(db: Database, token: str, now: datetime) -> str:
    """The invited origin; NotFound for a link that was used or is too old."""
    origin = invited_origin(db, token, now)
    if origin is None:
        raise NotFound(
            "no-invitation",
            "This registration link was used before or is too old.",
            fix="The operator of Tassel makes a new one with: tassel platform invite --lms ADDRESS",
        )
    return origin


def spend(db: Database, token: str, now: datetime) -> None:
    """Use the invitation up; of two at once only one gets through."""
    with db.transaction() as session:
        spent = session.execute(
            update(Invitation)
            .where(Invitation.token_hash == token_hash(token), Invitation.used_at.is_(None))
            .values(used_at=now)
            .returning(Invitation.id)
        )
        if spent.first() is None:
            raise Conflict("invitation-used", "This registration link was used just now.")


def give_back(db: Database, token: str) -> None:
    """Make the link usable again after a registration that came to nothing."""
    with db.transaction() as session:
        session.execute(
            update(Invitation)
            .where(Invitation.token_hash == token_hash(token))
            .values(used_at=None)
        )
