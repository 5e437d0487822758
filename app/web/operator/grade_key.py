"""A developer key for the LMS's own interface: with it teachers can let Tassel read whole courses."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.models import CourseSource, GradeAccess, GradeGrant, Platform
from app.pipeline import sources, token_sources
from app.pipeline.sources import Connectable
from app.web import session
from app.web.operator.blueprint import actor, bp, done

FIELDS = ("base_url", "client_id", "client_secret")


@bp.get("/platforms/<platform_id>/key")
def grade_key(platform_id: str) -> ResponseReturnValue:
    """The form, the test, and how many courses read through it."""
    return _page(platform_id)


def _place(db: Session, platform_id: str) -> tuple[Platform, Connectable]:
    row = db.get(Platform, platform_id)
    offered = sources.offered(session.campus(), row.installation.lms) if row else []
    if row is None or not offered:
        raise NotFound("no-key-source", "This LMS has no grade source that a developer key opens.")
    return row, offered[0]


def _page(platform_id: str, refused: Invalid | None = None) -> str:
    campus = session.campus()
    with campus.db.reading() as db:
        row, source = _place(db, platform_id)
        access = token_sources.access_of(db, row.installation_id, source.key)
        states = (
            select(CourseSource.state, func.count())
            .join(GradeGrant, GradeGrant.id == CourseSource.grant_id)
            .where(GradeGrant.access_id == (access.id if access else ""))
            .group_by(CourseSource.state)
        )
        return render_template(
            "operator/grade_key.html",
            row=row,
            source=source,
            access=access,
            states=dict(db.execute(states).all()),
            typed=request.form if refused else _stored(access, row),
            errors=_errors(refused),
            redirect_uri=sources.redirect_uri(campus),
        )


def _stored(access: GradeAccess | None, row: Platform) -> dict[str, str]:
    if access is None:
        return {"base_url": row.installation.origin}
    return {"base_url": access.base_url, "client_id": access.client_id}


def _errors(refused: Invalid | None) -> dict[str, str]:
    """Messages at the fields, in the visitor's language."""
    texts = {
        "base_url": gettext("Enter the address of the LMS, beginning with https://."),
        "client_id": gettext("Enter the id of the developer key."),
        "client_secret": gettext("Enter the secret of the developer key."),
    }
    return {name: texts[name] for name in FIELDS if refused and name in refused.fields}


@bp.post("/platforms/<platform_id>/key")
def grade_key_save(platform_id: str) -> ResponseReturnValue:
    """Keep the key."""
    campus = session.campus()
    with campus.db.reading() as db:
        row, source = _place(db, platform_id)
        installation_id, key = row.installation_id, source.key
    values = {name: request.form.get(name, "")[:2000] for name in FIELDS}
    try:
        sources.save_access(campus, installation_id, key, values, actor())
    except Invalid as error:
        return _page(platform_id, error), 422
    return done("operator.grade_key", "grade_key", platform_id=platform_id)


@bp.post("/platforms/<platform_id>/key/test")
def grade_key_test(platform_id: str) -> ResponseReturnValue:
    """Ask the LMS whether it knows the key."""
    campus = session.campus()
    with campus.db.reading() as db:
        row, source = _place(db, platform_id)
        access = token_sources.access_of(db, row.installation_id, source.key)
    if access is None:
        raise NotFound("no-key", "There is no key to test yet.")
    sources.test_access(campus, access.id)
    return done("operator.grade_key", "checked", platform_id=platform_id)
