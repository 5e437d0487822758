"""What we know of our own gradebook columns: where they are and what we wrote into them.

Every method is one short transaction of its own, so that a time stamp is on disk before the score
that carries it leaves. The network is the business of ``delivery.course``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.db import Database, new_id
from app.gradebook.port import OWN_TAG
from app.lti.vocabulary import RESULT_SCOPE
from app.models import (
    AchievementVersion,
    Award,
    Course,
    CourseColumn,
    CourseScore,
    Deployment,
    Person,
)

FULL = Decimal(1)
"""Full marks and maximum of every column of ours: earned, or nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """One column of ours: which registration, which course, which badge."""

    course_id: str
    achievement_id: str
    platform_id: str
    line_items: str
    """Collection URL from the launch."""
    readable: bool
    """Whether the launch let us read results back."""
    label: str
    link: str | None = None
    """The resource link that the column must name, where the LMS asks for one."""

    @property
    def tag(self) -> str:
        """Our mark in the LMS; also what keeps the column from being read as an assessment."""
        return f"{OWN_TAG}-{self.achievement_id}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One person in one column; ``user`` is the LTI ``sub``."""

    place: Place
    person_id: str
    user: str


@dataclass(frozen=True, slots=True)
class Written:
    """What we wrote: ``value`` once it is known to have arrived, ``timestamp`` of the last try."""

    value: Decimal | None
    timestamp: datetime


class ColumnBook:
    """The rows of ``CourseColumn`` and ``CourseScore``."""

    def __init__(self, db: Database) -> None:
        """Opens nothing."""
        self._db = db

    def cells(self, award_ids: Sequence[str]) -> dict[str, Cell]:
        """Award id to the cell it belongs in; awards of courses without line items are left out."""
        with self._db.reading() as session:
            rows = session.execute(
                select(Award.id, Course, Deployment.platform_id, AchievementVersion.name, Person)
                .join(Course, Course.id == Award.course_id)
                .join(Deployment, Deployment.id == Course.deployment_id)
                .join(Person, Person.id == Award.person_id)
                .join(
                    AchievementVersion,
                    (AchievementVersion.achievement_id == Award.achievement_id)
                    & (AchievementVersion.number == Award.achievement_version),
                )
                .where(Award.id.in_(award_ids))
                .add_columns(Award.achievement_id)
            ).all()
        return {
            award_id: Cell(
                Place(
                    course.id,
                    achievement_id,
                    platform_id,
                    str(course.services["lineitems"]),
                    RESULT_SCOPE in (course.services.get("ags_scopes") or ()),
                    f"Badge: {name}",
                    course.services.get("column_link"),
                ),
                person.id,
                person.sub,
            )
            for award_id, course, platform_id, name, person, achievement_id in rows
            if course.services.get("lineitems")
        }

    def url(self, place: Place) -> str | None:
        """Where the column is, None while it is not known."""
        with self._db.reading() as session:
            return session.scalar(select(CourseColumn.url).where(*_is(place)))

    def label(self, place: Place) -> str | None:
        """The name that we gave the column, None while we have none."""
        with self._db.reading() as session:
            return session.scalar(select(CourseColumn.label).where(*_is(place)))

    def keep_label(self, place: Place) -> None:
        """Remember that the column was offered its present name."""
        with self._db.transaction() as session:
            session.execute(update(CourseColumn).where(*_is(place)).values(label=place.label[:300]))

    def is_gone(self, place: Place) -> bool:
        """Whether somebody deleted the column and nobody has asked for it since."""
        with self._db.reading() as session:
            return session.scalar(select(CourseColumn.gone_at).where(*_is(place))) is not None

    def mark_gone(self, place: Place, now: datetime) -> None:
        """Somebody deleted the column in the LMS, and with it all that stood there."""
        column = select(CourseColumn.id).where(*_is(place)).scalar_subquery()
        with self._db.transaction() as session:
            session.execute(update(CourseColumn).where(*_is(place)).values(url=None, gone_at=now))
            session.execute(
                update(CourseScore).where(CourseScore.column_id == column).values(value=None)
            )

    def keep_url(self, place: Place, url: str) -> None:
        """Remember where the column is."""
        row = {
            "id": new_id(),
            "course_id": place.course_id,
            "achievement_id": place.achievement_id,
            "tag": place.tag,
            "label": place.label[:300],
            "maximum": FULL,
        }
        with self._db.transaction() as session:
            insert = sqlite.insert if self._db.is_sqlite else postgresql.insert
            session.execute(insert(CourseColumn).values(row).on_conflict_do_nothing())
            session.execute(update(CourseColumn).where(*_is(place)).values(url=url))

    def written(self, place: Place, person_ids: Iterable[str]) -> dict[str, Written]:
        """Person id to what we wrote there."""
        with self._db.reading() as session:
            rows = session.scalars(
                select(CourseScore)
                .join(CourseColumn, CourseColumn.id == CourseScore.column_id)
                .where(*_is(place), CourseScore.person_id.in_(person_ids))
            ).all()
        return {row.person_id: Written(row.value, row.timestamp) for row in rows}

    def stamp(self, place: Place, stamps: Mapping[str, datetime]) -> set[str]:
        """Commit each person's next time stamp before anything is sent; returns who got theirs.

        A person whose row meanwhile holds a stamp as late (a worker thought dead still writes) is
        left out.
        """
        with self._db.transaction() as session:
            column_id = session.scalars(select(CourseColumn.id).where(*_is(place))).one()
            rows = session.scalars(
                select(CourseScore)
                .where(CourseScore.column_id == column_id, CourseScore.person_id.in_(stamps))
                .with_for_update()
            ).all()
            known = {row.person_id: row for row in rows}
            won = {
                who for who, at in stamps.items() if who not in known or known[who].timestamp < at
            }
            for who in won:
                row = known.get(who)
                if row is None:
                    row = CourseScore(column_id=column_id, person_id=who, value=None)
                    session.add(row)
                row.timestamp = stamps[who]
        return won

    def settle(self, place: Place, person_ids: Iterable[str], value: Decimal | None) -> None:
        """Remember that ``value`` is what stands there now by us (None: nothing)."""
        column = select(CourseColumn.id).where(*_is(place)).scalar_subquery()
        with self._db.transaction() as session:
            session.execute(
                update(CourseScore)
                .where(CourseScore.column_id == column, CourseScore.person_id.in_(person_ids))
                .values(value=value)
            )


def _is(place: Place) -> tuple[ColumnElement[bool], ...]:
    return (
        CourseColumn.course_id == place.course_id,
        CourseColumn.achievement_id == place.achievement_id,
    )
