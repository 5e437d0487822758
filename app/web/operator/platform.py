"""One registration: its facts, the self-test, and what an operator lets it do."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from app.errors import NotFound
from app.lti import registered, selftest
from app.lti.keys import last_fetch
from app.lti.platforms import lms_for
from app.lti.vocabulary import SCOPES
from app.models import Course, Deployment, Person, Platform
from app.pipeline import sources, token_sources
from app.web import session
from app.web.operator.blueprint import actor, bp, done


@bp.get("/platforms/<platform_id>")
def platform(platform_id: str) -> ResponseReturnValue:
    """Everything about one registration."""
    campus = session.campus()
    with campus.db.reading() as db:
        row = db.get(Platform, platform_id)
        if row is None:
            raise NotFound("no-platform", "There is no such registration.")
        lms = lms_for(row.installation.lms)
        found = selftest.stored(row)
        people = select(func.count(Person.id)).where(
            Person.installation_id == row.installation_id, Person.sis_id.is_not(None)
        )
        courses = (
            select(func.count(Course.id))
            .join(Deployment, Deployment.id == Course.deployment_id)
            .where(Deployment.platform_id == row.id)
        )
        return render_template(
            "operator/platform.html",
            row=row,
            installation=row.installation,
            lms=lms,
            grades=token_sources.source_of(campus, row.installation.lms),
            keys=sources.offered(campus, row.installation.lms),
            findings=found,
            worst=selftest.worst(found),
            scopes=[_scope(row, one) for one in dict.fromkeys((*SCOPES, *row.scopes_asked))],
            deployments=list(
                db.scalars(
                    select(Deployment)
                    .where(Deployment.platform_id == row.id)
                    .order_by(Deployment.created_at)
                )
            ),
            courses=db.scalar(courses),
            numbered=db.scalar(people),
            older=_older(row),
            replaced=db.get(Platform, row.continues_id) if row.continues_id else None,
            fetched=last_fetch(campus.db),
        )


def _scope(row: Platform, scope: str) -> dict[str, object]:
    """One permission: asked for, claimed by the registration's answer, given by the token."""
    return {
        "scope": scope,
        "asked": scope in row.scopes_asked,
        "claimed": scope in row.scopes_granted,
        "given": None if row.scopes_given is None else scope in row.scopes_given,
    }


def _older(row: Platform) -> list[Platform]:
    """Registrations of the same LMS that this one could take the place of."""
    with session.campus().db.reading() as db:
        return list(
            db.scalars(
                select(Platform)
                .where(
                    Platform.installation_id == row.installation_id,
                    Platform.id != row.id,
                    Platform.created_at <= row.created_at,
                )
                .order_by(Platform.created_at.desc())
            )
        )


@bp.post("/platforms/<platform_id>/check")
def platform_check(platform_id: str) -> ResponseReturnValue:
    """Run the self-test; it asks the LMS and changes nothing there."""
    here = session.campus()
    selftest.run(here.db, here.http, here.lti, here.settings, here.clock, platform_id)
    return done("operator.platform", "checked", platform_id=platform_id)


@bp.post("/platforms/<platform_id>/continue")
def platform_continue(platform_id: str) -> ResponseReturnValue:
    """Let it take the place of an older registration of the same LMS."""
    here, old = session.campus(), request.form.get("old", "")
    registered.continue_from(here.db, platform_id, old, actor=actor(), now=here.clock())
    return done("operator.platform", "continues", platform_id=platform_id)


@bp.post("/platforms/<platform_id>/administrators")
def platform_administrators(platform_id: str) -> ResponseReturnValue:
    """Which role the LMS's administrators have in the operator's area, or none."""
    here, role = session.campus(), request.form.get("role", "")
    registered.trust_administrators(
        here.db, _installation(platform_id), role or None, actor=actor(), now=here.clock()
    )
    return done("operator.platform", "trusted" if role else "untrusted", platform_id=platform_id)


@bp.post("/platforms/<platform_id>/student-numbers")
def platform_student_numbers(platform_id: str) -> ResponseReturnValue:
    """Whether equal student numbers make one learner."""
    here, on = session.campus(), request.form.get("join") == "yes"
    registered.join_by_sis_id(
        here.db, _installation(platform_id), on, actor=actor(), now=here.clock()
    )
    return done("operator.platform", "joins" if on else "joins_not", platform_id=platform_id)


def _installation(platform_id: str) -> str:
    with session.campus().db.reading() as db:
        row = db.get(Platform, platform_id)
        if row is None:
            raise NotFound("no-platform", "There is no such registration.")
        return row.installation_id
