"""Who is at the browser. The LMS has a cookie of its own and no passwords: one becomes somebody."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Response, request

from app.demo.lms.state import Campus, Person, Session
from app.errors import Forbidden, Unauthenticated

_PLAIN = "_plain"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def cookie_name(here: Campus) -> str:
    """One name per port, because browsers share cookies between the ports of a host."""
    return f"demo_lms_{urlsplit(here.base_url).port or 443}"


def presented(here: Campus) -> str:
    """The session's token as this browser shows it, "" without one."""
    name = cookie_name(here)
    return request.cookies.get(name) or request.cookies.get(name + _PLAIN, "")


def current_session(here: Campus) -> Session | None:
    """The session of this browser, if it has one and the person still exists."""
    session = here.sessions.get(presented(here))
    return session if session is not None and session.person_id in here.people else None


def current_person(here: Campus) -> Person | None:
    """Who this browser is."""
    session = current_session(here)
    return here.people[session.person_id] if session else None


def require_person(here: Campus) -> Person:
    """Who this browser is, or ``Unauthenticated``."""
    person = current_person(here)
    if person is None:
        raise Unauthenticated("nobody", "Choose who you are first.")
    return person


def require_admin(here: Campus) -> Person:
    """The administrator at this browser, or ``Forbidden``."""
    person = require_person(here)
    if not person.is_admin:
        raise Forbidden("not-admin", "Only the administrator may do this.")
    return person


def require_teacher(here: Campus, course_id: int) -> Person:
    """A teacher of the course (or the administrator), or ``Forbidden``."""
    person = require_person(here)
    entry = here.course(course_id).enrolments.get(person.id)
    if person.is_admin or (entry is not None and entry.role == "teacher"):
        return person
    raise Forbidden("not-teacher", "Only a teacher of this course may do this.")


def sign_in(here: Campus, person: Person, response: Response) -> None:
    """Make this browser that person.

    Like real LMSs the cookie is sent inside foreign frames (SameSite=None), which browsers allow
    on https and on loopback; elsewhere it stays Lax. WebKit keeps no secure cookie of a loopback
    address without TLS, but sends one without any attribute everywhere, so it gets that as well.
    """
    token = secrets.token_urlsafe(24)
    here.sessions[token] = Session(person.id, secrets.token_hex(5))
    address = urlsplit(here.base_url)
    everywhere = address.scheme == "https" or address.hostname in _LOOPBACK
    response.set_cookie(
        cookie_name(here),
        token,
        httponly=True,
        secure=everywhere,
        samesite="None" if everywhere else "Lax",
    )
    if everywhere and address.scheme == "http":
        response.set_cookie(cookie_name(here) + _PLAIN, token, httponly=True)


def sign_out(here: Campus, response: Response) -> None:
    """Be nobody again."""
    here.sessions.pop(presented(here), None)
    for name in (cookie_name(here), cookie_name(here) + _PLAIN):
        response.delete_cookie(name)
