"""Browser sessions: a random token names a row; grants on the row say what it may do.

The token travels in a partitioned cookie, or as ``Authorization: Bearer`` where no cookie sticks.
Neither holds personal data. Every course has its own grant and every path its course id, so two
courses with two roles in two tabs never mix.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from flask import Response, current_app, g, redirect, request, url_for
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from app.errors import Forbidden, Unauthenticated
from app.lti.launch import LaunchContext
from app.lti.roles import STAFF
from app.models import BrowserSession, Course, Deployment, Grant, Person, Platform
from app.pipeline.campus import Campus
from app.pipeline.enter import Entered
from app.secrets import new_token, token_hash

SESSION_HOURS = 12
GRANT_HOURS = 8
OPERATOR = "operator"


@dataclass(frozen=True)
class Visitor:
    """Who acts in this request, as one grant says."""

    role: str
    course_id: str | None
    person_id: str | None
    operator: str | None
    locale: str | None

    @property
    def actor(self) -> str:
        """Name for the audit log: an id, never a person's name."""
        return f"operator:{self.operator}" if self.operator else f"person:{self.person_id}"


def campus() -> Campus:
    """The Campus of the running application."""
    found: Campus = current_app.extensions["tassel"]
    return found


def cookie_name() -> str:
    """``__Host-`` binds the cookie to this origin; browsers honour it on loopback http too."""
    return "__Host-tassel"


def presented_token() -> str | None:
    """The session token of this request: bearer first, else cookie."""
    return _bearer() or request.cookies.get(cookie_name())


def _bearer() -> str:
    """The bearer of this request, "" without one. Other schemes are not ours: a proxy's password."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def visitor(scope: str) -> Visitor:
    """The grant of this browser for ``scope`` (``course:<id>`` or ``operator``).

    Raises Unauthenticated without a living session or grant.
    """
    cached: dict[str, Visitor] = g.setdefault("visitors", {})
    if scope not in cached:
        cached[scope] = _load(scope)
    return cached[scope]


def _load(scope: str) -> Visitor:
    token = presented_token()
    now = campus().clock()
    query = (
        select(Grant)
        .join(BrowserSession, BrowserSession.id == Grant.session_id)
        .outerjoin(Course, Course.id == Grant.course_id)
        .outerjoin(Deployment, Deployment.id == Course.deployment_id)
        .outerjoin(Platform, Platform.id == Deployment.platform_id)
        .where(
            or_(Grant.course_id.is_(None), Platform.state == "active"),
            BrowserSession.token_hash == token_hash(token or ""),
            BrowserSession.expires_at > now,
            Grant.scope == scope,
            Grant.expires_at > now,
        )
    )
    with campus().db.reading() as session:
        grant = session.scalar(query) if token else None
    if grant is None:
        raise Unauthenticated(
            "not-signed-in",
            "This page is not open in this browser any more.",
            fix=_way_back(scope),
        )
    return Visitor(grant.role, grant.course_id, grant.person_id, grant.operator, grant.locale)


def _way_back(scope: str) -> str:
    if scope == OPERATOR:
        return "An administrator of this server gets a new link with: tassel admin link"
    return "Open Tassel again from your course."


def admit(entered: Entered, launch: LaunchContext) -> Response:
    """Add the course grant of a verified launch to this browser and go to the role's home."""
    now = campus().clock()
    with campus().db.transaction() as session:
        token = _open(session, now)
        _forget_others(session, token, entered.person_id)
        _grant(
            session,
            token,
            scope=f"course:{entered.course_id}",
            role=entered.role,
            now=now,
            course_id=entered.course_id,
            person_id=entered.person_id,
            locale=entered.locale,
        )
    home = "instructor.home" if entered.role in STAFF else "learner.home"
    answer = redirect(url_for(home, course_id=entered.course_id), 303)
    return set_cookie(answer, token)  # type: ignore[arg-type]


def _forget_others(session: Session, token: str, person_id: str) -> None:
    """One account of an LMS per browser: whoever launches ends what the one before could open."""
    installation = select(Person.installation_id).where(Person.id == person_id).scalar_subquery()
    others = select(Person.id).where(Person.installation_id == installation, Person.id != person_id)
    owner = select(BrowserSession.id).where(BrowserSession.token_hash == token_hash(token))
    session.execute(
        delete(Grant)
        .where(Grant.session_id == owner.scalar_subquery(), Grant.person_id.in_(others))
        .execution_options(synchronize_session=False)
    )


def admit_operator(name: str, role: str) -> Response:
    """Add the operator grant after a single-use link was confirmed."""
    now = campus().clock()
    with campus().db.transaction() as session:
        token = _open(session, now)
        _grant(session, token, scope=OPERATOR, role=role, now=now, operator=name)
    return set_cookie(redirect(url_for("operator.home"), 303), token)  # type: ignore[arg-type]


def leave(scope: str) -> None:
    """End one grant of this browser."""
    token = presented_token()
    if not token:
        return
    with campus().db.transaction() as session:
        owner = select(BrowserSession.id).where(BrowserSession.token_hash == token_hash(token))
        session.execute(
            delete(Grant).where(Grant.scope == scope, Grant.session_id == owner.scalar_subquery())
        )


def _open(session: Session, now: datetime) -> str:
    """The token of this browser's living session, or of a new one."""
    token = presented_token()
    if token:
        known = session.scalar(
            select(BrowserSession).where(
                BrowserSession.token_hash == token_hash(token), BrowserSession.expires_at > now
            )
        )
        if known is not None:
            known.expires_at = now + timedelta(hours=SESSION_HOURS)
            return token
    token = new_token()
    session.add(
        BrowserSession(
            token_hash=token_hash(token),
            created_at=now,
            expires_at=now + timedelta(hours=SESSION_HOURS),
        )
    )
    session.flush()
    return token


def _grant(
    session: Session,
    token: str,
    *,
    scope: str,
    role: str,
    now: datetime,
    course_id: str | None = None,
    person_id: str | None = None,
    operator: str | None = None,
    locale: str | None = None,
) -> None:
    """Replace the session's grant for ``scope``."""
    owner = session.scalars(
        select(BrowserSession).where(BrowserSession.token_hash == token_hash(token))
    ).one()
    session.execute(delete(Grant).where(Grant.session_id == owner.id, Grant.scope == scope))
    session.add(
        Grant(
            session_id=owner.id,
            scope=scope,
            course_id=course_id,
            person_id=person_id,
            operator=operator,
            role=role,
            locale=locale,
            created_at=now,
            expires_at=now + timedelta(hours=GRANT_HOURS),
        )
    )


def set_cookie(answer: Response, token: str) -> Response:
    """The one session cookie. Partitioned, so that it sticks inside an LMS's frame (CHIPS)."""
    answer.set_cookie(
        cookie_name(),
        token,
        max_age=SESSION_HOURS * 3600,
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
        path="/",
    )
    return answer


def refuse_forged_posts() -> None:
    """CSRF guard for cookie sessions: only our own pages may send unsafe requests.

    Browsers say so in ``Sec-Fetch-Site`` (or ``Origin``); a bearer cannot be sent by a stranger.
    """
    if request.method in ("GET", "HEAD", "OPTIONS") or _bearer():
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    ours = urlsplit(campus().settings.public_url)
    same = site == "same-origin" if site else origin == f"{ours.scheme}://{ours.netloc}"
    if not same:
        raise Forbidden(
            "forged-post",
            "This form was not sent from a page of Tassel.",
            fix="Open Tassel again from your course and repeat the step there.",
        )
