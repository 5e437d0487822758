"""Frameworks and their competencies. One importer per format, one line each in IMPORTERS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import Invalid
from app.mastery.frameworks.csv_format import parse_csv
from app.mastery.frameworks.rows import CompetencyRow, Problem
from app.models import Competency, Framework

IMPORTERS: dict[str, Callable[[bytes], tuple[list[CompetencyRow], list[Problem]]]] = {
    "csv": parse_csv,
}


@dataclass(frozen=True)
class ImportReport:
    """What an import did; ``problems`` name the line, so that one bad row never hides."""

    framework_id: str
    added: int
    updated: int
    problems: list[Problem] = field(default_factory=list)


def own_framework(session: Session, course_id: str, now: datetime) -> Framework:
    """The hand-made framework of a course, created at the first need."""
    found = session.scalar(
        select(Framework).where(Framework.course_id == course_id, Framework.kind == "own")
    )
    if found is None:
        found = Framework(
            id=new_id(), title="Competencies of this course", course_id=course_id, created_at=now
        )
        session.add(found)
        session.flush()
    return found


def add_competency(
    session: Session, course_id: str, statement: str, code: str | None, now: datetime
) -> Competency:
    """Add one by hand; the code is made up from its place when empty. Raises Invalid."""
    statement = " ".join(statement.split())
    if not 3 <= len(statement) <= 1000:
        raise Invalid(
            "competency-statement",
            "Say in a few words what somebody can do.",
            fields={"statement": "between 3 and 1,000 characters"},
        )
    framework = own_framework(session, course_id, now)
    count = session.scalar(
        select(func.count()).select_from(Competency).where(Competency.framework_id == framework.id)
    )
    place = (count or 0) + 1
    code = (code or "").strip()[:100] or f"C{place}"
    if _by_code(session, framework.id).get(code) is not None:
        raise Invalid("competency-code", "This code is taken.", fields={"code": "taken"})
    competency = Competency(
        id=new_id(), framework_id=framework.id, code=code, statement=statement, position=place
    )
    session.add(competency)
    session.flush()
    return competency


def competencies(session: Session, course_id: str) -> list[Competency]:
    """Everything a course may map to: its own frameworks first, then the campus's."""
    query = (
        select(Competency)
        .join(Framework, Framework.id == Competency.framework_id)
        .where(or_(Framework.course_id == course_id, Framework.course_id.is_(None)))
        .order_by(Framework.course_id.is_(None), Framework.title, Competency.position)
    )
    return list(session.scalars(query))


def bring(session: Session, course_id: str, wanted: Iterable[str], now: datetime) -> dict[str, str]:
    """Competencies that a course may map to in place of ``wanted``: those of the campus as they are.

    A framework of another course comes over whole; what is here already with the same words is not
    doubled, and a code that means something else here gets another.
    """
    query = (
        select(Competency, Framework)
        .join(Framework, Framework.id == Competency.framework_id)
        .where(Competency.id.in_(set(wanted)))
    )
    found = {competency.id: framework for competency, framework in session.execute(query)}
    here = {
        key: key for key, framework in found.items() if framework.course_id in (None, course_id)
    }
    foreign = {item.id: item for key, item in found.items() if key not in here}
    for key in sorted(foreign):
        here |= _bring_framework(session, course_id, foreign[key], now)
    return here


def _bring_framework(
    session: Session, course_id: str, origin: Framework, now: datetime
) -> dict[str, str]:
    """Every competency of ``origin`` to its twin in this course."""
    target = _twin(session, course_id, origin, now)
    known = _by_code(session, target.id)
    same = {item.statement: item for item in known.values()}
    pairs: dict[str, str] = {}
    items = session.scalars(
        select(Competency)
        .where(Competency.framework_id == origin.id)
        .order_by(Competency.position, Competency.id)
    )
    for old in items.all():
        twin = same.get(old.statement)
        if twin is None:
            twin = Competency(
                id=new_id(),
                framework_id=target.id,
                code=_free_code(old.code, known),
                statement=old.statement,
                uri=old.uri,
                case_id=old.case_id,
                position=len(known) + 1,
            )
            session.add(twin)
            known[twin.code] = same[twin.statement] = twin
        pairs[old.id] = twin.id
    session.flush()
    return pairs


def _twin(session: Session, course_id: str, origin: Framework, now: datetime) -> Framework:
    """The framework of this course that stands for one of another course."""
    if origin.kind == "own":
        return own_framework(session, course_id, now)
    found = session.scalar(
        select(Framework).where(
            Framework.course_id == course_id,
            Framework.title == origin.title,
            Framework.kind == origin.kind,
        )
    )
    if found is None:
        found = Framework(
            id=new_id(),
            title=origin.title,
            uri=origin.uri,
            kind=origin.kind,
            course_id=course_id,
            created_at=now,
        )
        session.add(found)
        session.flush()
    return found


def _free_code(code: str, known: Mapping[str, Competency]) -> str:
    number, free = 2, code
    while free in known:
        free = f"{code[:90]}-{number}"
        number += 1
    return free


def import_csv(
    session: Session, course_id: str | None, title: str, content: bytes, now: datetime
) -> ImportReport:
    """Import or update a framework from CSV (columns code, statement, uri). Raises Invalid.

    Importing the same title into the same place again updates by code; nothing is deleted, since
    rules and awards may name it.
    """
    rows, problems = IMPORTERS["csv"](content)
    framework = _framework(session, course_id, title, now)
    known = _by_code(session, framework.id)
    added = updated = 0
    for place, row in enumerate(rows, len(known) + 1):
        competency = known.get(row.code)
        if competency is None:
            session.add(_new(framework.id, row, place))
            added += 1
        elif (competency.statement, competency.uri) != (row.statement, row.uri):
            competency.statement, competency.uri = row.statement, row.uri
            updated += 1
    session.flush()
    return ImportReport(framework.id, added, updated, problems)


def _framework(session: Session, course_id: str | None, title: str, now: datetime) -> Framework:
    title = " ".join(title.split())[:300]
    if not title:
        raise Invalid("framework-title", "Give the framework a title.", fields={"title": "missing"})
    found = session.scalar(
        select(Framework).where(
            Framework.title == title, Framework.course_id == course_id, Framework.kind == "csv"
        )
    )
    if found is None:
        found = Framework(id=new_id(), title=title, course_id=course_id, kind="csv", created_at=now)
        session.add(found)
        session.flush()
    return found


def _by_code(session: Session, framework_id: str) -> dict[str, Competency]:
    query = select(Competency).where(Competency.framework_id == framework_id)
    return {item.code: item for item in session.scalars(query)}


def _new(framework_id: str, row: CompetencyRow, place: int) -> Competency:
    return Competency(
        id=new_id(),
        framework_id=framework_id,
        code=row.code,
        statement=row.statement,
        uri=row.uri,
        position=place,
    )
