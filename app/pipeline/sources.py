"""Connect a course to a grade source: the operator's entry, a person's consent, and the way back.

Consent is the OAuth 2 code flow. Its state is random, single use and bound to the one browser tab that
went to the LMS; who asked and for which course stands in our row, never in the address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, cast
from urllib.parse import urlsplit

from sqlalchemy import Select, delete, select, update

from app import audit
from app.db import new_id
from app.errors import AppError, Conflict, Invalid, NotFound, Unauthenticated
from app.gradebook import columns
from app.gradebook.grants import Access, Authoriser, Refused
from app.gradebook.port import GradeSource
from app.models import (
    Course,
    CourseSource,
    Deployment,
    GradeAccess,
    GradeConsent,
    GradeGrant,
    Installation,
    Platform,
)
from app.pipeline import collect
from app.pipeline.campus import Campus
from app.pipeline.reading import source_row
from app.secrets import new_token, token_hash

CONSENT_LIVES = timedelta(minutes=15)
BACK = "/grades/connected"
"""Path of the one redirect address that a developer key has to list."""


class Connectable(GradeSource, Authoriser, Protocol):
    """A source that reads with somebody's authorisation. ``lms`` is the quirk key it belongs to."""

    lms: str
    scopes: tuple[str, ...]
    """What a key that enforces scopes has to allow."""


def connectable(campus: Campus, key: str) -> Connectable:
    """The source of a key that people can connect. Raises NotFound."""
    source = campus.sources.get(key)
    if source is None or not hasattr(source, "authorise_url"):
        raise NotFound("no-such-source", "There is no such grade source.")
    return cast(Connectable, source)


def offered(campus: Campus, lms: str) -> list[Connectable]:
    """The sources that courses of an LMS can be connected to."""
    found = (cast(Connectable, one) for one in campus.sources.values() if hasattr(one, "lms"))
    return [one for one in found if one.lms == lms and hasattr(one, "authorise_url")]


def redirect_uri(campus: Campus) -> str:
    """The fixed address to which an LMS sends people back."""
    return campus.settings.public_url.rstrip("/") + BACK


# --- the operator's entry --------------------------------------------------------------------


def save_access(
    campus: Campus, installation_id: str, key: str, values: Mapping[str, str], actor: str
) -> str:
    """Keep base address, key id and secret; an empty secret keeps the stored one. Returns the row's id.

    Raises NotFound, Invalid with a message per field. A stored secret never goes to another address.
    """
    connectable(campus, key)
    base, client_id = values.get("base_url", "").strip().rstrip("/"), values.get("client_id", "")
    now = campus.clock()
    with campus.db.transaction() as session:
        if session.get(Installation, installation_id) is None:
            raise NotFound("no-installation", "There is no such LMS.")
        row = session.scalar(
            select(GradeAccess)
            .where(GradeAccess.installation_id == installation_id, GradeAccess.source == key)
            .with_for_update()
        )
        secret = values.get("client_secret", "").strip()
        kept = row is not None and row.base_url == base and bool(row.sealed)
        errors = _errors(campus, base, client_id.strip(), bool(secret) or kept)
        if errors:
            raise Invalid("access-form", "The entry is not complete.", fields=errors)
        if row is None:
            row = GradeAccess(
                id=new_id(), installation_id=installation_id, source=key, created_at=now
            )
            session.add(row)
        row.base_url, row.client_id, row.tested_at = base, client_id.strip()[:300], None
        if secret:
            row.sealed = campus.box.seal(json.dumps({"client_secret": secret}).encode())
        row.state, row.problem = "active", None
        session.flush()
        audit.record(session, actor, "grades.access", f"access:{row.id}", {"source": key}, now)
        return row.id


def _errors(campus: Campus, base: str, client_id: str, has_secret: bool) -> dict[str, str]:
    errors: dict[str, str] = {}
    parts = urlsplit(base)
    allowed = base in campus.settings.allowed_origins
    if (parts.scheme != "https" and not allowed) or not parts.hostname or parts.username:
        errors["base_url"] = "Enter the address of the LMS, beginning with https://."
    if not client_id:
        errors["client_id"] = "Enter the id of the developer key."
    if not has_secret:
        errors |= {"client_secret": "Enter the secret of the developer key."}
    return errors


def test_access(campus: Campus, access_id: str) -> AppError | None:
    """Whether the LMS knows the key: a code that nobody has must be refused, the key must not be."""
    access = campus.grants.access(access_id)
    with campus.db.reading() as session:
        key = session.get_one(GradeAccess, access_id).source
    problem: AppError | None = None
    try:
        connectable(campus, key).exchange(access, new_token(8), redirect_uri(campus))
    except Refused:
        problem = None
    except AppError as error:
        problem = error
    with campus.db.transaction() as session:
        row = session.get_one(GradeAccess, access_id)
        row.tested_at = campus.clock()
        row.problem = (
            {"code": problem.code, "message": problem.message, "fix": problem.fix}
            if problem
            else None
        )
    return problem


# --- consent ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begun:
    """A consent that can go to the LMS: where, and the secret for this browser's cookie."""

    url: str
    binding: str


def ask(campus: Campus, course_id: str, key: str, person_id: str | None) -> str:
    """A ticket with which one new tab may go to the LMS within minutes. Raises NotFound, Conflict."""
    connectable(campus, key)
    now, ticket = campus.clock(), new_token()
    with campus.db.transaction() as session:
        access = session.scalar(_access_of(course_id, key))
        if access is None:
            raise Conflict(
                "no-access",
                "The operator of Tassel has not set up this source for your LMS yet.",
                fix="The operator adds a developer key under Platforms > Grades.",
            )
        if not session.get_one(Course, course_id).services.get("lms_course_id"):
            raise Conflict(
                "no-course-number",
                "The LMS has not told Tassel which course this is.",
                fix="Open Tassel again from the course. If this stays, the LMS administrator adds the custom fields of the guide to the tool.",
            )
        session.execute(delete(GradeConsent).where(GradeConsent.expires_at <= now))
        session.add(
            GradeConsent(
                state_hash=token_hash(ticket),
                access_id=access.id,
                course_id=course_id,
                person_id=person_id,
                binding_hash="",
                created_at=now,
                expires_at=now + CONSENT_LIVES,
            )
        )
    return ticket


def _access_of(course_id: str, key: str) -> Select[GradeAccess]:
    return (
        select(GradeAccess)
        .join(Platform, Platform.installation_id == GradeAccess.installation_id)
        .join(Deployment, Deployment.platform_id == Platform.id)
        .join(Course, Course.deployment_id == Deployment.id)
        .where(Course.id == course_id, GradeAccess.source == key, GradeAccess.state == "active")
    )


def start(campus: Campus, ticket: str) -> Begun:
    """Bind a ticket to this browser, once. Raises Unauthenticated for one that is used or over."""
    binding = new_token()
    with campus.db.transaction() as session:
        taken: str | None = session.scalar(
            update(GradeConsent)
            .where(
                GradeConsent.state_hash == token_hash(ticket),
                GradeConsent.binding_hash == "",
                GradeConsent.expires_at > campus.clock(),
            )
            .values(binding_hash=token_hash(binding))
            .returning(GradeConsent.access_id)
        )
        if taken is None:
            raise _over()
        key = session.get_one(GradeAccess, taken).source
    source = connectable(campus, key)
    access = campus.grants.access(taken)
    return Begun(source.authorise_url(access, redirect_uri(campus), ticket), binding)


def finish(campus: Campus, state: str, binding: str, code: str) -> str:
    """Exchange the code and connect the course; returns the course's id.

    Raises Unauthenticated when this is not the browser that began or it was used before; Conflict when
    the LMS refuses the code; UpstreamError.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        row: GradeConsent | None = session.scalar(
            update(GradeConsent)
            .where(
                GradeConsent.state_hash == token_hash(state),
                GradeConsent.binding_hash == token_hash(binding),
                GradeConsent.used_at.is_(None),
                GradeConsent.expires_at > now,
            )
            .values(used_at=now)
            .returning(GradeConsent)
        )
        if row is None or not binding or row.course_id is None:
            raise _over()
        course_id, person_id, access_id = row.course_id, row.person_id, row.access_id
        key = session.get_one(GradeAccess, access_id).source
    access = campus.grants.access(access_id)
    _exchange(campus, key, access, code, course_id, person_id)
    collect.request(campus, course_id, "connect")
    return course_id


def _exchange(
    campus: Campus, key: str, access: Access, code: str, course_id: str, person_id: str | None
) -> None:
    try:
        tokens = connectable(campus, key).exchange(access, code, redirect_uri(campus))
    except Refused as error:
        raise Conflict(
            "consent-refused",
            "The LMS did not confirm the authorisation.",
            fix="Begin again from the course page.",
        ) from error
    now = campus.clock()
    with campus.db.transaction() as session:
        grant = campus.grants.keep(session, access.id, tokens, person_id)
        row = source_row(session, course_id, key, now)
        course = session.get_one(Course, course_id)
        row.grant_id, row.connected_by = grant.id, person_id
        row.course_key = str(course.services.get("lms_course_id") or "")
        row.state, row.problem, row.cursor = "active", None, None
        revived = (
            update(CourseSource)
            .where(CourseSource.grant_id == grant.id, CourseSource.state == "lost")
            .values(state="active", problem=None)
        )
        session.execute(revived)
        actor = f"person:{person_id}"
        audit.record(
            session, actor, "grades.connected", f"course:{course_id}", {"source": key}, now
        )


def _over() -> Unauthenticated:
    return Unauthenticated(
        "consent-over",
        "This authorisation was begun in another browser, or too long ago.",
        fix="Begin again from the course page in Tassel.",
    )


def disconnect(campus: Campus, course_id: str, key: str, actor: str) -> None:
    """Read the course through this source no more; the last course gives the authorisation back.

    What was read stays. Raises NotFound.
    """
    source, now = connectable(campus, key), campus.clock()
    with campus.db.transaction() as session:
        row = session.scalar(
            select(CourseSource)
            .where(CourseSource.course_id == course_id, CourseSource.source == key)
            .with_for_update()
        )
        if row is None or row.state == "off":
            raise NotFound("not-connected", "This course is not connected to that source.")
        grant_id, row.grant_id = row.grant_id, None
        row.state, row.problem, row.cursor = "off", None, None
        columns.release_source(session, course_id, key)
        session.flush()
        others = session.scalar(
            select(CourseSource.id).where(CourseSource.grant_id == grant_id).limit(1)
        )
        subject = f"course:{course_id}"
        audit.record(session, actor, "grades.disconnected", subject, {"source": key}, now)
    if grant_id and others is None:
        _give_back(campus, source, grant_id)
    collect.request(campus, course_id, "connect")


def _give_back(campus: Campus, source: Connectable, grant_id: str) -> None:
    """Best effort at the LMS; our copy is deleted in any case."""
    with campus.db.reading() as session:
        grant = session.get_one(GradeGrant, grant_id)
        access_id = grant.access_id
        token = json.loads(campus.box.open(grant.sealed))["access"]
    with suppress(AppError):
        source.revoke(campus.grants.access(access_id), token)
    with campus.db.transaction() as session:
        session.execute(delete(GradeGrant).where(GradeGrant.id == grant_id))
