"""The registrations that we hold: stored, approved, switched off, and who may frame our pages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app import audit
from app.db import Database, new_id
from app.errors import Conflict, Invalid, NotFound
from app.lti.addresses import safe_origin
from app.lti.keys import ensure_key
from app.lti.platforms import LMS, is_shared, lms_for
from app.lti.vocabulary import SCOPES
from app.models import AdminLink, Course, Deployment, Grant, Installation, Person, Platform
from app.secrets import SecretBox

ADMIN_ROLES = ("operator", "sis_administrator")
"""Roles that administrators of a trusted LMS can have in the operator's area."""


def register_manual(
    db: Database,
    box: SecretBox,
    *,
    name: str,
    lms: str,
    origin: str,
    issuer: str,
    client_id: str,
    auth_url: str,
    token_url: str,
    jwks_url: str,
    deployment_id: str | None = None,
    token_audience: str | None = None,
    actor: str,
    now: datetime,
) -> str:
    """Keep a registration that was made by hand in the LMS; returns the platform's id.

    ``lms`` is a key of ``lti.platforms``. Inactive until approved, like every other.
    """
    values = {
        "origin": origin,
        "issuer": issuer,
        "auth_url": auth_url,
        "token_url": token_url,
        "jwks_url": jwks_url,
    }
    wrong = {
        field: "This must be a full address, https://…"
        for field, value in values.items()
        if not safe_origin(value) or len(value) > 300
    }
    if is_shared(safe_origin(origin)):
        # People are unique within an origin: two schools at one would be one campus of people.
        wrong["origin"] = (
            "This address is the same for every school. Enter that of the school's own LMS."
        )
    if not client_id or len(client_id) > 300:
        wrong["client_id"] = "Copy it from the tool's details in the LMS."
    if lms not in LMS:
        wrong["lms"] = f"Choose one of: {', '.join(LMS)}."
    if wrong:
        raise Invalid("bad-platform", "The registration is not complete.", fields=wrong)
    ensure_key(db, box, now)
    del values["origin"]
    with db.transaction() as session:
        platform = upsert(
            session, safe_origin(origin), lms, name, {**values, "client_id": client_id}, now
        )
        platform.token_audience = token_audience or None
        platform.scopes_asked = platform.scopes_granted = list(SCOPES)
        if deployment_id:
            add_deployment(session, platform, deployment_id, now)
        audit.record(session, actor, "platform.registered", f"platform:{platform.id}", {}, now)
        return platform.id


def upsert(
    session: Session, origin: str, lms: str, name: str, values: dict[str, str], now: datetime
) -> Platform:
    """The platform with this issuer and client id, new or brought up to date.

    Only the LMS that made a registration can change it. Other addresses than before need a new
    approval: they decide whose signatures count.
    """
    chosen = select(Platform).where(
        Platform.issuer == values["issuer"], Platform.client_id == values["client_id"]
    )
    platform = session.scalar(chosen)
    if platform is None:
        installation = _installation(session, origin, lms, name, now)
        platform = Platform(
            id=new_id(), installation_id=installation.id, state="pending", created_at=now, **values
        )
        session.add(platform)
        session.flush()
        return platform
    if platform.installation.origin != origin:
        raise Conflict(
            "registered-elsewhere",
            "Another LMS is registered with the same issuer and client id.",
            fix="The operator of Tassel can remove the other registration first.",
        )
    if any(getattr(platform, column) != value for column, value in values.items()):
        platform.state, platform.jwks, platform.jwks_expires_at = "pending", None, None
    for column, value in values.items():
        setattr(platform, column, value)
    return platform


def _installation(
    session: Session, origin: str, lms: str, name: str, now: datetime
) -> Installation:
    """The LMS at ``origin``: a second registration of it is the same campus of people."""
    chosen = select(Installation).where(Installation.origin == origin).limit(1)
    installation = session.scalar(chosen)
    if installation is None:
        installation = Installation(
            id=new_id(), name=name or lms_for(lms).name, lms=lms, origin=origin, created_at=now
        )
        session.add(installation)
        session.flush()
    return installation


def add_deployment(session: Session, platform: Platform, deployment_id: str, now: datetime) -> None:
    """The deployment that the registration itself named is approved together with it."""
    chosen = select(Deployment).where(
        Deployment.platform_id == platform.id, Deployment.deployment_id == deployment_id
    )
    row = session.scalar(chosen)
    if row is None:
        row = Deployment(platform_id=platform.id, deployment_id=deployment_id[:300], created_at=now)
        session.add(row)
    row.state = "active"


def approve(db: Database, platform_id: str, *, actor: str, now: datetime) -> None:
    """Let a registration launch. NotFound when there is none."""
    with db.transaction() as session:
        row = session.get(Platform, platform_id)
        _set_state(session, row, "active", "platform.approved", actor, now)


def disable(db: Database, platform_id: str, *, actor: str, now: datetime) -> None:
    """Switch a registration off; its courses and awards stay. NotFound when there is none.

    What its LMS's administrators opened by the operator's area is over too; another registration of
    the same LMS lets them in again.
    """
    with db.transaction() as session:
        row = session.get(Platform, platform_id)
        _set_state(session, row, "disabled", "platform.disabled", actor, now)
        if row is not None:
            _put_out(session, row.installation_id)


def continue_from(
    db: Database, platform_id: str, old_id: str, *, actor: str, now: datetime
) -> None:
    """Let a registration take the place of an older one of the same LMS, which is switched off.

    A course moves over with all that belongs to it when it is next opened (``pipeline.enter``).
    """
    with db.transaction() as session:
        new, old = session.get(Platform, platform_id), session.get(Platform, old_id)
        if new is None or old is None or new.id == old.id:
            raise NotFound("no-platform", "There is no such registration.")
        if new.installation_id != old.installation_id or new.created_at < old.created_at:
            raise Conflict(
                "not-the-same-lms",
                "Only a newer registration of the same LMS can take the place of an older one.",
            )
        new.continues_id = old.id
        audit.record(
            session, actor, "platform.continues", f"platform:{new.id}", {"old": old.id}, now
        )
        _set_state(session, old, "disabled", "platform.disabled", actor, now)


def trust_administrators(
    db: Database, installation_id: str, role: str | None, *, actor: str, now: datetime
) -> None:
    """Which role in the operator's area the LMS's administrators have; None takes it back.

    ``role`` is one of ``ADMIN_ROLES``. A change ends what they have open.
    """
    if role is not None and role not in ADMIN_ROLES:
        raise Invalid("bad-role", f"The role must be one of {', '.join(ADMIN_ROLES)}.")
    with db.transaction() as session:
        row = _required(session, installation_id)
        if row.admin_role != role:
            row.admin_role = role
            _put_out(session, row.id)
            detail = {"role": role}
            subject = f"installation:{row.id}"
            audit.record(session, actor, "installation.trusted", subject, detail, now)


def admin_role(db: Database, installation_id: str) -> str | None:
    """The role in the operator's area that administrators of this LMS have; None for no trust."""
    with db.reading() as session:
        row = session.get(Installation, installation_id)
        return row.admin_role if row else None


def administrator_name(installation_id: str, person_id: str) -> str:
    """What stands in the audit log for somebody who came in as administrator of an LMS."""
    return f"lti-{installation_id}-{person_id}"


def _put_out(session: Session, installation_id: str) -> None:
    """End what administrators of this LMS opened, and their links that wait to be used."""
    theirs = administrator_name(installation_id, "%")
    session.execute(delete(Grant).where(Grant.operator.like(theirs)))
    session.execute(delete(AdminLink).where(AdminLink.name.like(theirs)))


def join_by_sis_id(
    db: Database, installation_id: str, on: bool, *, actor: str, now: datetime
) -> None:
    """Whether this LMS's student numbers are the campus's: equal ones are then one learner."""
    with db.transaction() as session:
        row = _required(session, installation_id)
        if row.sis_authoritative != on:
            row.sis_authoritative = on
            subject = f"installation:{row.id}"
            audit.record(session, actor, "installation.joins-by-sis", subject, {"on": on}, now)


def _required(session: Session, installation_id: str) -> Installation:
    row = session.get(Installation, installation_id)
    if row is None:
        raise NotFound("no-installation", "There is no such LMS.")
    return row


def approve_deployment(db: Database, deployment_id: str, *, actor: str, now: datetime) -> None:
    """Let a deployment (by our row id) launch. NotFound when there is none."""
    with db.transaction() as session:
        row = session.get(Deployment, deployment_id)
        _set_state(session, row, "active", "deployment.approved", actor, now)


def _set_state(
    session: Session,
    row: Platform | Deployment | None,
    state: str,
    action: str,
    actor: str,
    now: datetime,
) -> None:
    """Change the state once, with a line in the audit log."""
    if row is None:
        raise NotFound("no-platform", "There is no such registration.")
    if row.state != state:
        row.state = state
        subject = f"{row.__tablename__}:{row.id}"
        audit.record(session, actor, action, subject, {}, now)


def frame_origins(
    db: Database,
    course_id: str | None = None,
    platform_id: str | None = None,
    person_id: str | None = None,
) -> tuple[str, ...]:
    """Origins of the LMSs that may frame our pages: those with an active registration.

    Pages of a course, of a launch whose registration is known and of somebody who asks on behalf of
    an LMS are framed by that LMS alone.
    """
    chosen = (
        select(Installation.origin)
        .join(Platform, Platform.installation_id == Installation.id)
        .where(Platform.state == "active")
        .distinct()
        .order_by(Installation.origin)
    )
    if course_id is not None:
        deployments = chosen.join(Deployment, Deployment.platform_id == Platform.id)
        chosen = deployments.join(Course, Course.deployment_id == Deployment.id)
        chosen = chosen.where(Course.id == course_id)
    if platform_id is not None:
        chosen = chosen.where(Platform.id == platform_id)
    if person_id is not None:
        own = select(Person.installation_id).where(Person.id == person_id)
        chosen = chosen.where(Installation.id == own.scalar_subquery())
    with db.reading() as session:
        return tuple(session.scalars(chosen))
