"""Everything that Tassel holds about one person of an LMS, found by walking the tables.

The walk follows every foreign key that leads to the person, so a table that is added later is part
of the export without anybody having to think of it. Secrets and what opens doors are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Table, func, select
from sqlalchemy.orm import Session

from app import audit
from app.db import Base
from app.errors import LaunchRefused
from app.lti.launch import LaunchContext
from app.models import Award, Course, Deployment, Disclosure, Installation, Person, Platform
from app.pipeline.campus import Campus
from app.pipeline.enter import person_of

_SECRET = re.compile("sealed|token|hash|secret|binding|salt|tx_code|verifier|nonce")
_CHUNK = 500
_ELSEWHERE = frozenset({"learner", "browser_session", "grant", "content_selection", "app_token"})
"""Shared with people of other LMSs, or open doors of the moment that end by themselves."""
_OF_OTHERS = frozenset({("grade_upload", "grade_upload_change")})
"""What stands below a person's rows and is about others: a teacher's upload holds learners' grades."""


def begin(campus: Campus, launch: LaunchContext) -> tuple[str, str]:
    """Who asks (a person id) and about what: a person id, or an installation id for all of it.

    Only administrators of the LMS and its privacy officers may ask; every question is audited.
    """
    if not launch.administers:
        raise LaunchRefused(
            "not-administrator",
            "Only an administrator or the privacy officer of the LMS can ask what is held about people.",
            fix="Learners see what is held about them when they open Tassel from a course.",
        )
    now = campus.clock()

    def keep(session: Session) -> tuple[str, str]:
        installation = session.get_one(Installation, launch.installation_id)
        asker = person_of(session, campus.box, installation, launch, now)
        subject = installation.id
        if launch.for_user:
            wanted = select(Person.id).where(
                Person.installation_id == installation.id, Person.sub == launch.for_user
            )
            subject = session.scalar(wanted) or "nobody"
        audit.record(session, f"person:{asker.id}", "privacy.asked", f"held:{subject}", {}, now)
        return asker.id, subject

    return campus.db.settle(keep)


def held(session: Session, person_id: str) -> dict[str, list[dict[str, Any]]]:
    """Rows by table, the person's own first; values as JSON takes them."""
    found: dict[str, list[dict[str, Any]]] = {}
    _walk(session, Base.metadata.tables["person"], [person_id], found, set())
    return found


def _walk(
    session: Session,
    table: Table,
    ids: Sequence[Any],
    found: dict[str, list[dict[str, Any]]],
    path: set[str],
    column: Column[Any] | None = None,
) -> None:
    """Rows of ``table`` whose ``column`` is among ``ids``, then the rows that hang on them."""
    wanted = column if column is not None else table.c.id
    known = {_key(row) for row in found.get(table.name, [])}
    rows = []
    for start in range(0, len(ids), _CHUNK):
        chosen = select(table).where(wanted.in_(ids[start : start + _CHUNK]))
        rows += [dict(row._mapping) for row in session.execute(chosen)]
    fresh = [row for row in rows if _key(shown(row)) not in known]
    if not fresh:
        return
    found.setdefault(table.name, []).extend(shown(row) for row in fresh)
    if "id" not in table.c:
        return
    mine = [row["id"] for row in fresh]
    for child, foreign in _children(table):
        if child.name not in path:
            _walk(session, child, mine, found, path | {table.name}, foreign)


def _key(row: dict[str, Any]) -> str:
    """What tells two shown rows of a table apart."""
    return str(row.get("id") or sorted(row.items()))


def _children(table: Table) -> Iterator[tuple[Table, Column[Any]]]:
    for child in Base.metadata.sorted_tables:
        if child.name in _ELSEWHERE or child is table or (table.name, child.name) in _OF_OTHERS:
            continue
        for column in child.columns:
            if any(key.column is table.c.get("id") for key in column.foreign_keys):
                yield child, column


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON takes it, without secrets; bytes that are text (signed documents) as text."""
    return {name: _plain(value) for name, value in row.items() if not _SECRET.search(name)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return f"{len(value)} bytes"
    return value


def export(campus: Campus, person_id: str, actor: str) -> dict[str, list[dict[str, Any]]]:
    """What is held, handed out: audited, and each award's disclosure is noted for the learner."""
    now = campus.clock()
    with campus.db.transaction() as session:
        rows = held(session, person_id)
        for award_id in session.scalars(select(Award.id).where(Award.person_id == person_id)):
            note = Disclosure(award_id=award_id, kind="privacy", target="privacy", at=now)
            session.add(note)
        audit.record(session, actor, "privacy.exported", f"person:{person_id}", {}, now)
    return rows


def accounts(session: Session, learner_id: str) -> list[tuple[str, Person]]:
    """Every LMS account of a learner, with the name of its LMS."""
    query = (
        select(Installation.name, Person)
        .join(Person, Person.installation_id == Installation.id)
        .where(Person.learner_id == learner_id)
        .order_by(Installation.name, Person.created_at)
    )
    return [(name, person) for name, person in session.execute(query)]


def counted(session: Session, installation_id: str) -> dict[str, int]:
    """How many rows hang on all people and courses of one LMS: people, courses, awards."""
    people = select(Person.id).where(Person.installation_id == installation_id)
    courses = (
        select(Course.id)
        .join(Deployment, Deployment.id == Course.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .where(Platform.installation_id == installation_id)
    )
    awards = select(Award.id).where(Award.person_id.in_(people))
    queries = {"person": people, "course": courses, "award": awards}
    return {
        name: session.scalar(select(func.count()).select_from(query.subquery())) or 0
        for name, query in queries.items()
    }
