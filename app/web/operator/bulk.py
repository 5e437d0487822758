"""Take many awards back: choose, see the number, say why, watch it, or undo it in time."""

from __future__ import annotations

import re

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.errors import Conflict, Invalid, NotFound
from app.models import Achievement, AchievementVersion, BulkRevocation, Course
from app.pipeline import bulk_revoke
from app.pipeline.bulk_revoke import Choice
from app.web import session
from app.web.operator.blueprint import actor, bp, done

SHOWN = 500
"""Badges and courses in a list; an address can name any other."""


def _choice(args: MultiDict[str, str]) -> Choice:
    ids = tuple(dict.fromkeys(re.findall(r"[0-9a-f-]{36}", args.get("awards", ""))))
    return Choice(args.get("badge", "")[:36], args.get("course", "")[:36], ids)


@bp.get("/revoke-many")
def bulk() -> ResponseReturnValue:
    """Choose awards; with a choice, say what would happen. Nothing is changed."""
    return _page(_choice(request.args), "", {})


def _page(choice: Choice, reason: str, errors: dict[str, str]) -> str:
    campus = session.campus()
    counted = None
    if choice != Choice():
        try:
            counted = bulk_revoke.count(campus, choice)
        except Invalid as error:
            errors = errors | {"awards": error.message}
    with campus.db.reading() as db:
        return render_template(
            "operator/bulk.html",
            choice=choice,
            counted=counted,
            badges=_badges(db),
            courses=_courses(db),
            recent=db.scalars(
                select(BulkRevocation).order_by(BulkRevocation.created_at.desc()).limit(10)
            ).all(),
            reason=reason,
            errors=errors,
            minutes=int(bulk_revoke.UNDO.total_seconds() // 60),
        )


def _badges(db: Session) -> list[tuple[str, str]]:
    query = (
        select(Achievement.id, AchievementVersion.name)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Achievement.id)
            & (AchievementVersion.number == Achievement.published_version),
        )
        .order_by(AchievementVersion.name, Achievement.id)
        .limit(SHOWN)
    )
    return [(row[0], row[1]) for row in db.execute(query)]


def _courses(db: Session) -> list[tuple[str, str]]:
    query = select(Course.id, Course.title).order_by(Course.title, Course.id).limit(SHOWN)
    return [(row[0], row[1]) for row in db.execute(query)]


@bp.post("/revoke-many")
def bulk_begin() -> ResponseReturnValue:
    """Have them revoked when the time for an undo is over."""
    choice, reason = _choice(request.form), request.form.get("reason", "")
    counted = request.form.get("counted", "")
    try:
        made = bulk_revoke.begin(
            session.campus(), choice, reason, actor(), int(counted) if counted.isdecimal() else 0
        )
    except Invalid as error:
        said = {"awards": error.message}
        if error.code == "revoke-reason":
            said = {"reason": gettext("Say why. Each learner reads this reason.")}
        return _page(choice, reason, said), 422
    except Conflict as error:
        return _page(choice, reason, {"awards": f"{error.message} {error.fix}"}), 409
    return done("operator.bulk_run", "bulk_asked", bulk_id=made)


@bp.get("/revoke-many/<bulk_id>")
def bulk_run(bulk_id: str) -> ResponseReturnValue:
    """How far it is."""
    with session.campus().db.reading() as db:
        row = db.get(BulkRevocation, bulk_id)
        if row is None:
            raise NotFound("bulk-unknown", "There is no such bulk revocation.")
        return render_template("operator/bulk_run.html", row=row)


@bp.post("/revoke-many/<bulk_id>/undo")
def bulk_undo(bulk_id: str) -> ResponseReturnValue:
    """Call it off while it has not begun."""
    bulk_revoke.undo(session.campus(), bulk_id, actor())
    return done("operator.bulk_run", "bulk_undone", bulk_id=bulk_id)
