"""Grade sources that a token opens: try it, keep it, give it up.

A site-wide token (from an operator) opens every course of an installation, those that come later
included; a teacher's own token opens one course and goes before it there. A token is tried before it is
kept, and kept only sealed. When it stops working the reading notes so, what was read stays, and the
page says whose it was.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.db import new_id
from app.errors import Forbidden, Invalid, NotFound
from app.gradebook import token_grants
from app.gradebook.token_grants import Checked, TokenSource
from app.http import origin_of
from app.models import (
    Course,
    CourseSource,
    GradeAccess,
    GradeGrant,
    Installation,
    Platform,
)
from app.pipeline import collect
from app.pipeline.campus import Campus
from app.pipeline.token_sources import (
    access_of,
    attach,
    attach_unless_own,
    course_state,
    courses_of,
    installation_of,
    site_grant,
    source_of,
)

MAX_TOKEN = 500


def _address(session: Session, installation: Installation) -> str:
    """Where the LMS stands, from its verified registration and from no form."""
    issuer = session.scalars(
        select(Platform.issuer)
        .where(Platform.installation_id == installation.id, Platform.state == "active")
        .order_by(Platform.created_at.desc())
        .limit(1)
    ).first()
    there = issuer and origin_of(issuer) == installation.origin
    return str(issuer if there else installation.origin).rstrip("/")


def _try(source: TokenSource, base_url: str, token: str, course_key: str | None) -> Checked:
    """Raises Invalid when the token is none or the service lacks functions, else as the source does."""
    if not 8 <= len(token) <= MAX_TOKEN or not token.isprintable() or " " in token:
        raise Invalid("token-malformed", "This is not a token.", fields={"token": "malformed"})
    found = source.check(base_url, token, course_key)
    if found.missing:
        raise Invalid(
            "token-functions-missing",
            f"The web service lacks {', '.join(found.missing)}.",
            fix=f"The administrator of {source.label} adds the missing functions to the service.",
            fields={"token": "missing"},
        )
    return found


def connect_course(
    campus: Campus, course_id: str, token: str, person_id: str, actor: str
) -> Checked:
    """Keep a teacher's token for one course and ask for a reading.

    Raises NotFound, Invalid, Forbidden (the operator has paused this source) or what the source raises.
    """
    with campus.db.reading() as session:
        installation = installation_of(session, course_id)
        source = source_of(campus, installation.lms)
        course_key = session.get_one(Course, course_id).context_id
        if source is None:
            raise NotFound("no-token-source", "This LMS has no such grade source.")
        access = access_of(session, installation.id, source.key)
        base_url = access.base_url if access else _address(session, installation)
        _refuse_paused(access, source)
    found = _try(source, base_url, token.strip(), course_key)
    now = campus.clock()
    with campus.db.transaction() as session:
        # While the LMS answered, the operator may have switched the source off.
        _refuse_paused(access_of(session, installation.id, source.key), source)
        access = _open(session, installation.id, source.key, base_url, now)
        grant = _grant(campus, session, access, found, token.strip(), person_id, now)
        attach(session, course_id, source.key, grant.id, course_key, person_id, now)
        subject = f"course:{course_id}"
        audit.record(session, actor, "grades.connected", subject, {"source": source.key}, now)
    collect.request(campus, course_id, "button", whole=True)
    return found


def _refuse_paused(access: GradeAccess | None, source: TokenSource) -> None:
    if access is not None and access.state != "active":
        raise Forbidden(
            "source-paused",
            f"The operator has switched reading from {source.label} off.",
            fix="Ask the operator of Tassel.",
        )


def _open(
    session: Session, installation_id: str, key: str, base_url: str, now: datetime
) -> GradeAccess:
    access = access_of(session, installation_id, key)
    if access is None:
        access = GradeAccess(
            id=new_id(), installation_id=installation_id, source=key, created_at=now
        )
        session.add(access)
    access.base_url, access.state, access.tested_at, access.problem = base_url, "active", now, None
    session.flush()
    return access


def _grant(
    campus: Campus,
    session: Session,
    access: GradeAccess,
    found: Checked,
    token: str,
    person_id: str | None,
    now: datetime,
) -> GradeGrant:
    """One grant per account and access; a site-wide one stays site-wide."""
    grant = session.scalar(
        select(GradeGrant).where(
            GradeGrant.access_id == access.id, GradeGrant.lms_user_id == found.account_id
        )
    )
    if grant is None:
        grant = GradeGrant(
            id=new_id(),
            access_id=access.id,
            lms_user_id=found.account_id,
            person_id=person_id,
            created_at=now,
        )
        session.add(grant)
    elif person_id is None:
        grant.person_id = None
    grant.name, grant.sealed = found.account, token_grants.seal(campus.box, token)
    grant.state, grant.problem, grant.refreshed_at = "active", None, now
    session.flush()
    return grant


def disconnect_course(campus: Campus, course_id: str, actor: str) -> None:
    """Read nothing more through it. What was read stays; a token that opens nothing else is destroyed."""
    now = campus.clock()
    with campus.db.transaction() as session:
        state = course_state(campus, session, course_id)
        if state is None or state.row is None:
            raise NotFound("not-connected", "This course is not connected.")
        state.row.state, state.row.grant_id, state.row.problem = "off", None, None
        session.flush()
        if state.grant is not None:
            _forget_unused(session, state.grant)
        detail = {"source": state.source.key}
        audit.record(session, actor, "grades.disconnected", f"course:{course_id}", detail, now)


def _forget_unused(session: Session, grant: GradeGrant) -> None:
    used = select(CourseSource.id).where(CourseSource.grant_id == grant.id).limit(1)
    if grant.person_id is not None and session.scalar(used) is None:
        session.delete(grant)


def connect_site(
    campus: Campus, installation_id: str, base_url: str, token: str, actor: str
) -> Checked:
    """Keep a site-wide token: every course of the installation is read through it from now on.

    ``base_url`` must stand at the installation's own origin. Raises as ``connect_course``.
    """
    base_url = base_url.strip().rstrip("/")
    with campus.db.reading() as session:
        installation = session.get(Installation, installation_id)
        source = source_of(campus, installation.lms) if installation else None
        if installation is None or source is None:
            raise NotFound("no-token-source", "This LMS has no such grade source.")
        if origin_of(base_url) != installation.origin:
            raise Invalid(
                "address-elsewhere",
                f"The address must begin with {installation.origin}.",
                fields={"base_url": "elsewhere"},
            )
    found = _try(source, base_url, token.strip(), None)
    now = campus.clock()
    with campus.db.transaction() as session:
        access = _open(session, installation_id, source.key, base_url, now)
        before = site_grant(session, access)
        grant = _grant(campus, session, access, found, token.strip(), None, now)
        if before is not None and before.id != grant.id:
            _move(session, before, grant)
        courses = courses_of(session, installation_id)
        for course in courses:
            attach_unless_own(session, course, source.key, grant, now)
        subject = f"installation:{installation_id}"
        audit.record(session, actor, "grades.site-connected", subject, {"source": source.key}, now)
    return found


def _move(session: Session, old: GradeGrant, new: GradeGrant) -> None:
    """The site-wide token belongs to another account now."""
    for row in session.scalars(select(CourseSource).where(CourseSource.grant_id == old.id)):
        row.grant_id, row.state, row.problem = new.id, "active", None
    session.flush()
    session.delete(old)


def pause_site(campus: Campus, installation_id: str, actor: str) -> None:
    """Nothing is read through this interface any more, by nobody's token, until it is connected again."""
    now = campus.clock()
    with campus.db.transaction() as session:
        installation = session.get(Installation, installation_id)
        source = source_of(campus, installation.lms) if installation else None
        access = access_of(session, installation_id, source.key) if source else None
        if source is None or access is None:
            raise NotFound("not-connected", "This LMS is not connected.")
        access.state = "paused"
        subject = f"installation:{installation_id}"
        audit.record(session, actor, "grades.site-paused", subject, {"source": source.key}, now)
