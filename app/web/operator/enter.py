"""The way in: a single-use link that only shows a button; the button's POST opens the area."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound
from app.models import AdminLink
from app.pipeline.campus import Campus
from app.secrets import new_token, token_hash
from app.web import session
from app.web.operator.blueprint import bp
from app.web.permissions import OPERATOR_ROLES

LINK_MINUTES: Final = 15


def make_admin_link(campus: Campus, name: str, role: str = "operator") -> str:
    """A single-use address that lets ``name`` in as ``role`` for the next 15 minutes.

    ``name`` stands in the audit log. Raises Invalid for an empty name or an unknown role.
    """
    if not name.strip() or len(name) > 90:
        raise Invalid("bad-name", "Give a name of 1 to 90 characters: it stands in the audit log.")
    if role not in OPERATOR_ROLES:
        raise Invalid("bad-role", f"The role must be one of {', '.join(sorted(OPERATOR_ROLES))}.")
    token, now = new_token(), campus.clock()
    with campus.db.transaction() as db:
        link = AdminLink(
            token_hash=token_hash(token),
            name=name.strip(),
            role=role,
            created_at=now,
            expires_at=now + timedelta(minutes=LINK_MINUTES),
        )
        db.add(link)
        db.flush()
        audit.record(db, "system", "admin-link.made", f"admin-link:{link.id}", {"role": role}, now)
    return f"{campus.settings.public_url}/operator/enter/{token}"


@bp.get("/enter/<token>")
def enter(token: str) -> ResponseReturnValue:
    """Only a button, so that a mail scanner or preview that follows the link uses nothing up."""
    with session.campus().db.reading() as db:
        link = _living(db, token)
    return render_template("operator/enter.html", link=link, token=token)


@bp.post("/enter/<token>")
def enter_confirm(token: str) -> ResponseReturnValue:
    """Use the link up and open the operator's area in this browser."""
    campus = session.campus()
    now = campus.clock()
    with campus.db.transaction() as db:
        link = _living(db, token)
        taken = db.scalar(
            update(AdminLink)
            .where(AdminLink.id == link.id, AdminLink.used_at.is_(None))
            .values(used_at=now)
            .returning(AdminLink.id)
        )
        if taken is None:
            raise _over()
        audit.record(
            db, f"operator:{link.name}", "operator.entered", f"admin-link:{link.id}", {}, now
        )
    return session.admit_operator(link.name, link.role)


@bp.post("/leave")
def leave() -> ResponseReturnValue:
    """Close the operator's area in this browser."""
    session.leave(session.OPERATOR)
    return redirect(url_for("operator.left"), 303)


@bp.get("/left")
def left() -> ResponseReturnValue:
    """The page after leaving."""
    return render_template("operator/left.html")


def _living(db: Session, token: str) -> AdminLink:
    link = db.scalar(
        select(AdminLink).where(
            AdminLink.token_hash == token_hash(token),
            AdminLink.used_at.is_(None),
            AdminLink.expires_at > session.campus().clock(),
        )
    )
    if link is None:
        raise _over()
    return link


def _over() -> NotFound:
    return NotFound(
        "link-over",
        "This link was used or is older than 15 minutes.",
        fix="An administrator of this server gets a new one with: tassel admin link",
    )
