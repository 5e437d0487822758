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
from sqlalchemy import ColumnElement, delete, insert, or_, select
from sqlalchemy.orm import Session

from app.db import new_id, table_of
from app.errors import Forbidden, Unauthenticated
from app.models import BrowserSession, Course, Deployment, Grant, Person, Platform
from app.pipeline.campus import Campus
from app.secrets import new_token, token_hash
from app.web.landing import Landing

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
    found = _living(Grant.scope == scope)
    if not found:
        raise not_signed_in(scope)
    return found[0]


def learners() -> list[Visitor]:
    """Everybody whom this browser may act for as a learner, in whatever course; the latest first."""
    return _living(Grant.role == "learner")


def _living(which: ColumnElement[bool]) -> list[Visitor]:
    """Grants of this browser that hold now."""
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
            which,
            Grant.expires_at > now,
        )
        .order_by(Grant.created_at.desc(), Grant.id)
    )
    if not token:
        return []
    with campus().db.reading() as session:
        return [
            Visitor(grant.role, grant.course_id, grant.person_id, grant.operator, grant.locale)
            for grant in session.scalars(query)
        ]


def people_here() -> set[str]:
    """Ids of the people who came into a course in this browser and have not left."""
    token, now = presented_token(), campus().clock()
    query = (
        select(Grant.person_id)
        .join(BrowserSession, BrowserSession.id == Grant.session_id)
        .where(
            BrowserSession.token_hash == token_hash(token or ""),
            Grant.person_id.is_not(None),
            Grant.expires_at > now,
        )
    )
    with campus().db.reading() as session:
        return {person for person in session.scalars(query) if person}


def not_signed_in(scope: str = "") -> Unauthenticated:
    """What somebody reads whose session or grant is over, with the way back."""
    return Unauthenticated(
        "not-signed-in",
        "This page is not open in this browser any more.",
        fix=_way_back(scope),
    )


def _way_back(scope: str) -> str:
    if scope == OPERATOR:
        return "Sign in at /operator/sign-in, or an administrator of this server gets a link with: tassel admin link"
    return "Open Tassel again from your course."


def admit(landing: Landing) -> Response:
    """Add the course grant of a verified launch to this browser and open its page."""
    with campus().db.transaction() as session:
        opened = enter_session(session, landing)
    return set_cookie(redirect(landing.path, 303), opened.token)  # type: ignore[arg-type]


def enter_session(session: Session, landing: Landing) -> _Opened:
    """This browser's session with the grant of a verified launch."""
    now, entered = campus().clock(), landing.entered
    opened = open_session(session, now)
    if not opened.fresh:
        _forget_others(session, opened, entered.person_id)
    _grant(
        session,
        opened,
        scope=landing.scope or f"course:{entered.course_id}",
        role=entered.role,
        now=now,
        course_id=entered.course_id or None,
        person_id=entered.person_id,
        locale=entered.locale,
    )
    return opened


def _forget_others(session: Session, opened: _Opened, person_id: str) -> None:
    """One account of an LMS per browser: whoever launches ends what the one before could open."""
    installation = select(Person.installation_id).where(Person.id == person_id).scalar_subquery()
    others = select(Person.id).where(Person.installation_id == installation, Person.id != person_id)
    session.execute(
        delete(Grant)
        .where(Grant.session_id == opened.id, Grant.person_id.in_(others))
        .execution_options(synchronize_session=False)
    )


def carry_grant(session: Session, opened: _Opened, grant: Grant) -> None:
    """A course grant of another session in this one too, for as long as it lasts there."""
    if grant.person_id is not None:
        _forget_others(session, opened, grant.person_id)
    kept = {column.name: getattr(grant, column.name) for column in _GRANTS.columns}
    connection = session.connection()
    connection.execute(
        delete(_GRANTS).where(_GRANTS.c.session_id == opened.id, _GRANTS.c.scope == grant.scope)
    )
    connection.execute(_GIVE, kept | {"id": new_id(), "session_id": opened.id})


def admit_operator(name: str, role: str) -> Response:
    """Add the operator grant after a single-use link was confirmed."""
    now = campus().clock()
    with campus().db.transaction() as session:
        opened = open_session(session, now)
        _grant(session, opened, scope=OPERATOR, role=role, now=now, operator=name)
    return set_cookie(redirect(url_for("operator.home"), 303), opened.token)  # type: ignore[arg-type]


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


@dataclass(frozen=True)
class _Opened:
    """This browser's session; a ``fresh`` one was begun just now and holds no grant yet."""

    id: str
    token: str
    fresh: bool


_SESSIONS, _GRANTS = table_of(BrowserSession), table_of(Grant)
_BEGIN, _GIVE = insert(_SESSIONS), insert(_GRANTS)


def open_session(session: Session, now: datetime) -> _Opened:
    """This browser's living session, or a new one."""
    token = presented_token()
    known = living_session(session, token, now) if token else None
    if known is None or not token:
        return _begin_session(session, now)
    known.expires_at = now + timedelta(hours=SESSION_HOURS)
    return _Opened(known.id, token, fresh=False)


def living_session(session: Session, token: str, now: datetime) -> BrowserSession | None:
    """The session of a token, unless it is over."""
    chosen = select(BrowserSession).where(
        BrowserSession.token_hash == token_hash(token), BrowserSession.expires_at > now
    )
    return session.scalar(chosen)


def _begin_session(session: Session, now: datetime) -> _Opened:
    """A new session without any grant."""
    opened = _Opened(new_id(), new_token(), fresh=True)
    row = {"id": opened.id, "token_hash": token_hash(opened.token), "created_at": now}
    expires_at = now + timedelta(hours=SESSION_HOURS)
    session.connection().execute(_BEGIN, row | {"expires_at": expires_at})
    return opened


def _grant(
    session: Session,
    opened: _Opened,
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
    connection = session.connection()
    if not opened.fresh:
        connection.execute(
            delete(_GRANTS).where(_GRANTS.c.session_id == opened.id, _GRANTS.c.scope == scope)
        )
    row = {
        "id": new_id(),
        "session_id": opened.id,
        "scope": scope,
        "course_id": course_id,
        "person_id": person_id,
        "operator": operator,
        "role": role,
        "locale": locale,
        "created_at": now,
        "expires_at": now + timedelta(hours=GRANT_HOURS),
    }
    connection.execute(_GIVE, row)


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
