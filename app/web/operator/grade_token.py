"""A site-wide token: one account of the LMS through which every course is read."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select

from app.errors import AppError, Invalid, NotFound
from app.models import Course, CourseSource, Deployment, Platform
from app.pipeline import grade_tokens, token_sources
from app.web import session
from app.web.operator.blueprint import actor, bp, done


@bp.get("/platforms/<platform_id>/grades")
def grade_token(platform_id: str) -> ResponseReturnValue:
    """What the token opens, and the form."""
    return _page(platform_id)


def _page(platform_id: str, problem: AppError | None = None, base_url: str = "") -> str:
    campus = session.campus()
    with campus.db.reading() as db:
        row = db.get(Platform, platform_id)
        source = token_sources.source_of(campus, row.installation.lms) if row else None
        if row is None or source is None:
            raise NotFound("no-token-source", "This LMS has no grade source that a token opens.")
        access = token_sources.access_of(db, row.installation_id, source.key)
        grant = token_sources.site_grant(db, access)
        here = (
            select(Course.id)
            .join(Deployment, Deployment.id == Course.deployment_id)
            .join(Platform, Platform.id == Deployment.platform_id)
            .where(Platform.installation_id == row.installation_id)
        )
        states = select(CourseSource.state, func.count()).where(
            CourseSource.source == source.key, CourseSource.course_id.in_(here)
        )
        return render_template(
            "operator/grade_token.html",
            row=row,
            source=source,
            access=access,
            grant=grant,
            states=dict(db.execute(states.group_by(CourseSource.state)).all()),
            base_url=base_url or (access.base_url if access else row.issuer),
            problem=problem,
            errors=_errors(problem),
        )


def _errors(problem: AppError | None) -> dict[str, str]:
    """Messages at the fields."""
    found = problem.fields if isinstance(problem, Invalid) else {}
    texts = {
        "malformed": gettext(
            "This is not a token: it is one word without blanks. Paste all of it."
        ),
        "elsewhere": gettext("The address must be one of this LMS."),
    }
    return {field: texts[code] for field, code in found.items() if code in texts}


@bp.post("/platforms/<platform_id>/grades")
def grade_token_save(platform_id: str) -> ResponseReturnValue:
    """Try the token and keep it; it opens every course of this LMS."""
    campus = session.campus()
    base_url, token = request.form.get("base_url", ""), request.form.get("token", "")
    installation_id = _installation(platform_id)
    try:
        grade_tokens.connect_site(campus, installation_id, base_url, token, actor())
    except NotFound:
        raise
    except AppError as error:
        return _page(platform_id, error, base_url[:300]), 422
    return done("operator.grade_token", "site_token", platform_id=platform_id)


@bp.post("/platforms/<platform_id>/grades/pause")
def grade_token_pause(platform_id: str) -> ResponseReturnValue:
    """Read nothing through this interface any more."""
    grade_tokens.pause_site(session.campus(), _installation(platform_id), actor())
    return done("operator.grade_token", "site_token_paused", platform_id=platform_id)


def _installation(platform_id: str) -> str:
    with session.campus().db.reading() as db:
        row = db.get(Platform, platform_id)
        if row is None:
            raise NotFound("no-platform", "There is no such registration.")
        return row.installation_id
