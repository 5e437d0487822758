"""The ledger of deliveries as pages, the CSV export and the API read it: one query for all.

Lines hold the student number and never a name: whoever repairs a delivery needs no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.models import AchievementVersion, Attempt, Award, Connection, Delivery, Learner, Person

NEEDS_YOU: Final = ("dead", "held")
"""States in which nothing happens until somebody acts."""
LATER: Final = ("waiting", "sending")

STATES: Final = ("needs_you", "later", "sent", "held", "dead", "dropped")
"""What the ledger can be filtered by: groups first, then single states."""


@dataclass(frozen=True)
class Wanted:
    """What to show. Empty text = everything."""

    state: str = ""
    connection_id: str = ""
    find: str = ""


@dataclass(frozen=True)
class Line:
    """One delivery with what people call its parts."""

    delivery: Delivery
    connection: Connection
    award: Award
    badge: str
    student: str | None
    """Student number; empty when the LMS sent none."""


def _base(*columns: Any) -> Select[Any]:
    return _awards(
        select(*columns)
        .select_from(Delivery)
        .join(Connection, Connection.id == Delivery.connection_id)
        .join(Award, Award.id == Delivery.award_id)
    )


def _awards(query: Select[Any]) -> Select[Any]:
    """``query`` over awards, joined to what a ledger line says about them."""
    return (
        query.join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(Person, Person.id == Award.person_id)
        .join(Learner, Learner.id == Award.learner_id)
    )


_LINE = (
    Delivery,
    Connection,
    Award,
    AchievementVersion.name,
    func.coalesce(Person.sis_id, Learner.sis_id),
)


def conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """The WHERE of ``wanted``; an unknown state matches nothing."""
    found: list[ColumnElement[bool]] = []
    if wanted.state:
        groups = {"needs_you": NEEDS_YOU, "later": LATER}
        found.append(Delivery.state.in_(groups.get(wanted.state, (wanted.state,))))
    if wanted.connection_id:
        found.append(Delivery.connection_id == wanted.connection_id)
    if wanted.find:
        pattern = f"%{_literal(wanted.find)}%"
        columns = (AchievementVersion.name, Person.sis_id, Learner.sis_id)
        said = or_(*(column.ilike(pattern, escape="\\") for column in columns))
        found.append(Delivery.award_id.in_(_awards(select(Award.id)).where(said)))
    return found


def _literal(text: str) -> str:
    """``text`` without the wildcards of LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def count(session: Session, wanted: Wanted) -> int:
    """How many deliveries match."""
    return session.scalar(select(func.count(Delivery.id)).where(*conditions(wanted))) or 0


def lines(session: Session, wanted: Wanted, *, limit: int, offset: int) -> list[Line]:
    """One page: what needs somebody first, then the newest."""
    order = case((Delivery.state.in_(NEEDS_YOU), 0), else_=1)
    chosen = (
        select(Delivery.id)
        .where(*conditions(wanted))
        .order_by(order, Delivery.created_at.desc(), Delivery.id)
        .limit(limit)
        .offset(offset)
    )
    ids = list(session.scalars(chosen))
    rows = session.execute(_base(*_LINE).where(Delivery.id.in_(ids)))
    found = {row[0].id: Line(*row) for row in rows}
    return [found[name] for name in ids if name in found]


def every(session: Session, wanted: Wanted) -> Iterator[Line]:
    """All matching lines, newest first, in constant memory."""
    query = _base(*_LINE).where(*conditions(wanted))
    ordered = query.order_by(Delivery.created_at.desc(), Delivery.id)
    for row in session.execute(ordered.execution_options(yield_per=500)):
        yield Line(*row)


def one(session: Session, delivery_id: str) -> Line | None:
    """One delivery, or None."""
    row = session.execute(_base(*_LINE).where(Delivery.id == delivery_id)).one_or_none()
    return Line(*row) if row else None


def attempts(session: Session, delivery_id: str) -> list[Attempt]:
    """Every try of a delivery, newest first."""
    query = select(Attempt).where(Attempt.delivery_id == delivery_id)
    return list(session.scalars(query.order_by(Attempt.number.desc())))


@dataclass(frozen=True)
class Numbers:
    """What the top of the ledger says."""

    sent_last_day: int
    later: int
    needs_you: int


def numbers(session: Session, now: datetime) -> Numbers:
    """Counted in one pass."""
    day_ago = now - timedelta(days=1)
    row = session.execute(
        select(
            _sum((Delivery.state == "sent") & (Delivery.sent_at >= day_ago)),
            _sum(Delivery.state.in_(LATER)),
            _sum(Delivery.state.in_(NEEDS_YOU)),
        )
    ).one()
    return Numbers(*row)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def by_day(session: Session, midnights: list[datetime]) -> list[tuple[int, int]]:
    """(sent, refused attempts) of each day between two neighbours of ``midnights``."""
    sent = _per_day(session, Delivery.sent_at, midnights, Delivery.state == "sent")
    refused = _per_day(
        session, Attempt.finished_at, midnights, Attempt.outcome.in_(("never", "held"))
    )
    return [(sent.get(day, 0), refused.get(day, 0)) for day in range(len(midnights) - 1)]


def _per_day(
    session: Session,
    at: InstrumentedAttribute[datetime | None],
    midnights: list[datetime],
    condition: ColumnElement[bool],
) -> dict[int, int]:
    """Number of the day to how many rows of it meet ``condition``."""
    day = case(*((at < end, number) for number, end in enumerate(midnights[1:]))).label("day")
    within = (at >= midnights[0], at < midnights[-1], condition)
    rows = session.execute(select(day, func.count()).where(*within).group_by("day"))
    return {row[0]: row[1] for row in rows}


def stuck_connections(session: Session) -> list[str]:
    """Ids of the connections with deliveries that need somebody."""
    return list(
        session.scalars(
            select(Delivery.connection_id).where(Delivery.state.in_(NEEDS_YOU)).distinct()
        )
    )
