"""The registrations that we hold: stored, approved, switched off, and who may frame our pages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.db import Database, new_id
from app.errors import Conflict, Invalid, NotFound
from app.lti.addresses import safe_origin
from app.lti.keys import ensure_key
from app.lti.platforms import LMS, lms_for
from app.lti.vocabulary import SCOPES
from app.models import Deployment, Installation, Platform
from app.secrets import SecretBox


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
    """Switch a registration off; its courses and awards stay. NotFound when there is none."""
    with db.transaction() as session:
        row = session.get(Platform, platform_id)
        _set_state(session, row, "disabled", "platform.disabled", actor, now)


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


def frame_origins(db: Database) -> tuple[str, ...]:
    """Origins of the LMSs that may frame our pages: those with an active registration."""
    with db.reading() as session:
        chosen = (
            select(Installation.origin)
            .join(Platform, Platform.installation_id == Installation.id)
            .where(Platform.state == "active")
            .distinct()
            .order_by(Installation.origin)
        )
        return tuple(session.scalars(chosen))
