"""LMSs: invite one, approve, switch off."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select

from app.errors import Invalid
from app.lti import registration, selftest
from app.lti.platforms import LMS
from app.models import Course, Deployment, Invitation, Platform
from app.web import session
from app.web.operator.blueprint import actor, bp, done


@bp.get("/platforms")
def platforms() -> ResponseReturnValue:
    """Every registration with its state, what waits for approval, and the invitation form."""
    return _page("", "", {})


def _page(invited: str, origin: str, errors: dict[str, str]) -> str:
    campus = session.campus()
    with campus.db.reading() as db:
        courses = (
            select(Deployment.platform_id, func.count(Course.id))
            .join(Course, Course.deployment_id == Deployment.id)
            .group_by(Deployment.platform_id)
        )
        open_links = select(Invitation).where(
            Invitation.used_at.is_(None), Invitation.expires_at > campus.clock()
        )
        rows = list(db.scalars(select(Platform).order_by(Platform.created_at.desc())))
        return render_template(
            "operator/platforms.html",
            platforms=[(row, row.installation) for row in rows],
            lms=LMS,
            checked={row.id: selftest.worst(selftest.stored(row)) for row in rows},
            courses=dict(db.execute(courses).all()),
            deployments=[
                (row, row.platform, row.platform.installation)
                for row in db.scalars(select(Deployment).where(Deployment.state == "pending"))
            ],
            invitations=list(db.scalars(open_links.order_by(Invitation.created_at.desc()))),
            invited=invited,
            origin=origin,
            errors=errors,
        )


@bp.post("/platforms/invite")
def platform_invite() -> ResponseReturnValue:
    """Make a registration link; the answer to this POST is the only page that shows it."""
    campus, origin = session.campus(), request.form.get("lms_origin", "").strip()
    try:
        token = registration.invite(campus.db, origin, campus.clock(), actor=actor())
    except Invalid:
        wrong = gettext("Give scheme and host name, for example https://lms.example.edu.")
        return _page("", origin, {"lms_origin": wrong}), 422
    return _page(f"{campus.settings.public_url}/lti/register/{token}", origin, {}), 201


@bp.post("/platforms/<platform_id>/approve")
def platform_approve(platform_id: str) -> ResponseReturnValue:
    """Let it launch."""
    campus = session.campus()
    registration.approve(campus.db, platform_id, actor=actor(), now=campus.clock())
    return done("operator.platforms", "approved")


@bp.post("/platforms/<platform_id>/disable")
def platform_disable(platform_id: str) -> ResponseReturnValue:
    """Switch it off; everything that it brought stays, and approving it again undoes this."""
    campus = session.campus()
    registration.disable(campus.db, platform_id, actor=actor(), now=campus.clock())
    return done("operator.platforms", "disabled")


@bp.post("/deployments/<deployment_id>/approve")
def deployment_approve(deployment_id: str) -> ResponseReturnValue:
    """Let a deployment that was first seen in a launch in."""
    campus = session.campus()
    registration.approve_deployment(campus.db, deployment_id, actor=actor(), now=campus.clock())
    return done("operator.platforms", "deployment_approved")
