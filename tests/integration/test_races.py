"""Two who act at the same moment: the second waits or tries again, and nothing is lost or doubled.

On SQLite writers stand in line anyway; on PostgreSQL these are the places where they would not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.credentials import shares
from app.db import new_id
from app.delivery.port import Outcome
from app.lti.wire import Member
from app.models import (
    Award,
    Connection,
    Course,
    Delivery,
    Installation,
    Learner,
    Person,
    RuleVersion,
    Share,
)
from app.pipeline import badges, deliver, outbox
from app.pipeline.campus import Campus
from app.pipeline.outcomes import write
from app.pipeline.roster import sync_roster
from app.web.instructor.badges import edit_of
from tests.integration.trip import Trip

MOMENT = 0.5
"""Seconds given to the second to run into the first: a slow machine makes a test weaker, not red."""


class Second:
    """Somebody who acts in another thread as soon as this is made."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._result: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._thread.join(MOMENT)

    def _run(self) -> None:
        try:
            self._result = self._work()
        except Exception as error:
            self._error = error

    def result(self) -> Any:
        """Wait for the end; raises what was raised there."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10)}
    made.learner("ann")
    made.book.grades = {("quiz", "ann"): Decimal(8)}
    made.collect()
    return made


@pytest.fixture
def sending(trip: Trip) -> tuple[Trip, str]:
    """One award on its way to a student system; the trip and the id of the connection."""
    connection_id = new_id()
    with trip.db.transaction() as session:
        session.add(
            Connection(
                id=connection_id,
                kind="oneroster_rest",
                name="SIS",
                config={},
                state="active",
                created_at=trip.clock(),
            )
        )
    trip.badge({"quiz": 70})
    trip.collect()
    trip.sign()
    return trip, connection_id


def test_a_learner_who_clicks_share_twice_has_one_link(trip: Trip) -> None:
    trip.badge({"quiz": 70})
    trip.collect()
    with trip.db.reading() as session:
        award_id = session.scalars(select(Award.id)).one()

    def share() -> str:
        with trip.db.transaction() as session:
            return shares.share(session, award_id, False, trip.clock())

    with trip.db.transaction() as session:
        first = shares.share(session, award_id, False, trip.clock())
        second = Second(share)
    assert second.result() == first
    with trip.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Share)) == 1


def test_a_roster_that_is_read_while_somebody_launches_for_the_first_time(trip: Trip) -> None:
    member = Member("eve", "Active", (), "learner", "Eve", "", "", None, None, False)

    class Services:
        def members(self, _platform_id: str, _url: str, _rlid: str | None) -> list[Member]:
            return [member]

    campus = replace(trip.campus, lti=Services())  # type: ignore[arg-type]
    with trip.db.transaction() as session:
        session.get_one(Course, trip.course_id).services = {"memberships": "https://lms.example"}
    with trip.db.transaction() as session:
        learner = Learner(created_at=trip.clock())
        session.add(learner)
        session.flush()
        installation_id = session.scalars(select(Installation.id)).one()
        session.add(
            Person(
                installation_id=installation_id,
                sub="eve",
                learner_id=learner.id,
                created_at=trip.clock(),
            )
        )
        session.flush()
        second = Second(lambda: sync_roster(campus, trip.course_id))
    assert second.result().added == 1


def test_a_connection_that_is_paused_while_its_answer_comes_stays_paused(
    sending: tuple[Trip, str],
) -> None:
    trip, connection_id = sending
    (batch,) = deliver.claim(trip.campus)
    _, items = deliver._load(trip.campus, batch.ids)
    refused = Outcome("later", "sis-unauthorized", "The secret is refused.", attention=True)
    outcomes = {item.delivery_id: refused for item in items}
    with trip.db.transaction() as session:
        session.get_one(Connection, connection_id).state = "paused"
        session.flush()
        second = Second(lambda: write(trip.campus, connection_id, items, outcomes))
    second.result()
    with trip.db.reading() as session:
        assert session.get_one(Connection, connection_id).state == "paused"


def test_retrying_everything_waits_for_a_worker_that_claims(sending: tuple[Trip, str]) -> None:
    """Both take the connection first, so neither waits for what the other holds."""
    trip, connection_id = sending
    with trip.db.transaction() as session:
        session.get_one(Connection, connection_id).state = "attention"
    with trip.db.transaction() as session:
        session.get_one(Connection, connection_id, with_for_update=True)
        second = Second(lambda: outbox.retry_all(trip.campus, connection_id, "test"))
        session.execute(
            update(Delivery).where(Delivery.connection_id == connection_id).values(message="seen")
        )
    assert second.result() == 1


def test_what_is_published_is_not_changed_by_a_save_that_began_before(trip: Trip) -> None:
    achievement_id = badges.create(trip.campus, trip.course_id, "Data literacy", "test")
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, achievement_id)
    first = edit_of(present, definition=trip.rule({"quiz": 70}))
    badges.save(trip.campus, trip.course_id, achievement_id, first, "test")
    later = edit_of(present, definition=trip.rule({"quiz": 5}))
    with trip.db.transaction() as session:
        held = badges.draft(session, trip.course_id, achievement_id, to_change=True)
        held.rule_version.published_at = trip.clock()
        held.rule.published_version = held.rule_version.number
        session.flush()
        second = Second(
            lambda: badges.save(trip.campus, trip.course_id, achievement_id, later, "test")
        )
    second.result()
    with trip.db.reading() as session:
        query = select(RuleVersion).order_by(RuleVersion.number)
        marks = [row.definition["clauses"][0]["pass_mark"] for row in session.scalars(query)]
    assert marks == ["70", "5"]
