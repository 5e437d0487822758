"""Mails before a badge ends: each once, the newest only, and none that nobody needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from app.mastery.renewal import Renewal, Terms
from app.mastery.validity import Validity
from app.models import Award, Course, Delivery, OptOut, Person
from app.pipeline import badges, deliver, hold, reminders, revoke
from app.pipeline.campus import Campus
from app.web.instructor.badges import edit_of
from tests.integration.trip import Trip

YEAR = Terms(Validity("years", 1), Renewal("window", 60))


class Mailed(Trip):
    """A course whose campus sends mail; nothing leaves, the rows are what is looked at."""

    def __init__(self, campus: Campus) -> None:
        super().__init__(campus)
        self.book.maximum = {"quiz": Decimal(10)}
        with self.db.transaction() as session:
            deliver.ensure_mail(session, True, self.clock())

    def holders(self, *names: str, terms: Terms = YEAR) -> str:
        """Each has earned the badge today; returns its id."""
        for name in names:
            self.learner(name)
            self.book.grades["quiz", name] = Decimal(8)
        self.collect()
        badge = self.badge({"quiz": 70}, terms=terms)
        self.collect()
        self.sign()
        return badge

    def before_end(self, days: float) -> None:
        """Go to so many days before the end of the first award."""
        end = self.award().expires_at
        assert end is not None
        self.clock.now = end - timedelta(days=days)

    def award(self, name: str = "ann") -> Award:
        with self.db.reading() as session:
            query = select(Award).join(Person, Person.id == Award.person_id)
            return session.scalars(
                query.where(Person.sub == name).order_by(Award.awarded_at).limit(1)
            ).one()

    def reminded(self, *states: str) -> list[tuple[str, str]]:
        """(learner, operation) of the reminders in the ledger, in those states only when given."""
        with self.db.reading() as session:
            rows = session.execute(
                select(Person.sub, Delivery.operation, Delivery.state)
                .join(Award, Award.id == Delivery.award_id)
                .join(Person, Person.id == Award.person_id)
                .where(Delivery.operation.startswith("remind"))
                .order_by(Person.sub, Delivery.created_at)
            )
            return [(sub, name) for sub, name, state in rows if not states or state in states]


@pytest.fixture
def trip(campus: Campus) -> Mailed:
    mail = campus.settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:2525"})
    return Mailed(replace(campus, settings=mail))


def test_each_reminder_once_at_its_time(trip: Mailed) -> None:
    trip.holders("ann", "bo")
    for days, expected in (
        (61, 0),
        (60, 2),
        (59, 0),
        (15, 0),
        (14, 2),
        (13, 0),
        (1, 0),
        (-1, 0),
    ):
        trip.before_end(days)
        assert reminders.queue_due(trip.campus) == expected, days
        assert reminders.queue_due(trip.campus) == 0
    assert trip.reminded() == [
        ("ann", "remind-60"),
        ("ann", "remind-14"),
        ("bo", "remind-60"),
        ("bo", "remind-14"),
    ]


def test_after_a_long_standstill_only_the_newest(trip: Mailed) -> None:
    trip.holders("ann")
    trip.before_end(10)
    assert reminders.queue_due(trip.campus) == 1
    assert trip.reminded() == [("ann", "remind-14")]


def test_none_after_the_end(trip: Mailed) -> None:
    trip.holders("ann")
    trip.before_end(-0.01)
    assert reminders.queue_due(trip.campus) == 0


def test_a_badge_that_is_short_is_not_reminded_on_the_day_it_is_earned(trip: Mailed) -> None:
    trip.holders("ann", terms=Terms(Validity("months", 1), Renewal("window", 20)))
    assert reminders.queue_due(trip.campus) == 0
    trip.before_end(14)
    assert reminders.queue_due(trip.campus) == 1
    assert trip.reminded() == [("ann", "remind-14")]


def test_none_where_nothing_can_be_renewed(trip: Mailed) -> None:
    trip.holders("ann", terms=Terms(Validity("years", 1)))
    trip.before_end(10)
    assert reminders.queue_due(trip.campus) == 0


def test_a_fixed_day_is_reminded_of_once_a_later_one_is_published(trip: Mailed) -> None:
    until = Terms(Validity("date", until=date(2027, 5, 3)), Renewal("window", 60))
    badge = trip.holders("ann", terms=until)
    trip.before_end(10)
    assert reminders.queue_due(trip.campus) == 0
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, badge)
    later = Terms(Validity("date", until=date(2028, 5, 3)), Renewal("window", 60))
    badges.save(trip.campus, trip.course_id, badge, edit_of(present, terms=later), "test")
    badges.publish(trip.campus, trip.course_id, badge, "test")
    assert reminders.queue_due(trip.campus) == 1


def test_none_for_a_stopped_badge_or_a_concluded_course(trip: Mailed) -> None:
    badge = trip.holders("ann")
    trip.before_end(10)
    badges.stop(trip.campus, trip.course_id, badge, "test")
    assert reminders.queue_due(trip.campus) == 0
    badges.resume(trip.campus, trip.course_id, badge, "test")
    with trip.db.transaction() as session:
        session.get_one(Course, trip.course_id).state = "concluded"
    assert reminders.queue_due(trip.campus) == 0
    with trip.db.transaction() as session:
        session.get_one(Course, trip.course_id).state = "active"
    assert reminders.queue_due(trip.campus) == 1


def test_none_for_revoked_held_or_opted_out(trip: Mailed) -> None:
    trip.holders("ann", "bo", "cy", "di")
    trip.before_end(10)
    revoke.revoke(trip.campus, trip.award("ann").id, "A mistake", "test")
    hold.hold(trip.campus, trip.award("bo").id, "Looked into", "test")
    with trip.db.transaction() as session:
        learner = trip.award("cy").learner_id
        session.add(OptOut(learner_id=learner, kind="mail", at=trip.clock()))
    assert reminders.queue_due(trip.campus) == 1
    assert trip.reminded() == [("di", "remind-14")]


def test_a_renewed_badge_is_not_reminded_of_and_the_new_one_is(trip: Mailed) -> None:
    trip.holders("ann")
    trip.before_end(40)
    trip.book.grades["quiz", "ann"] = Decimal(9)
    trip.collect()
    trip.sign()
    trip.before_end(10)
    assert reminders.queue_due(trip.campus) == 0
    trip.clock.forward(days=300)
    assert reminders.queue_due(trip.campus) == 1


@pytest.mark.parametrize("change", ["revoked", "held", "renewed", "ended", "opted out"])
def test_what_waits_is_withdrawn_when_nobody_needs_it_any_more(trip: Mailed, change: str) -> None:
    trip.holders("ann")
    trip.before_end(20)
    reminders.queue_due(trip.campus)
    award = trip.award()
    if change == "revoked":
        revoke.revoke(trip.campus, award.id, "A mistake", "test")
    elif change == "held":
        hold.hold(trip.campus, award.id, "Looked into", "test")
    elif change == "renewed":
        trip.book.grades["quiz", "ann"] = Decimal(9)
        trip.clock.forward(hours=1)
        trip.collect()
    elif change == "ended":
        trip.clock.forward(days=21)
    else:
        with trip.db.transaction() as session:
            session.add(OptOut(learner_id=award.learner_id, kind="mail", at=trip.clock()))
    deliver.claim(trip.campus)
    assert trip.reminded("dropped") == [("ann", "remind-60")]
    assert trip.reminded("waiting", "sending") == []


def test_what_is_still_needed_is_sent(trip: Mailed) -> None:
    trip.holders("ann")
    trip.before_end(20)
    reminders.queue_due(trip.campus)
    deliver.claim(trip.campus)
    assert trip.reminded("sending") == [("ann", "remind-60")]


def test_the_days_are_the_campus_s_choice(trip: Mailed) -> None:
    trip.holders("ann")
    none = trip.campus.settings.model_copy(update={"reminder_days": ()})
    one = trip.campus.settings.model_copy(update={"reminder_days": (30,)})
    trip.before_end(29)
    assert reminders.queue_due(replace(trip.campus, settings=none)) == 0
    assert reminders.queue_due(replace(trip.campus, settings=one)) == 1
    assert trip.reminded() == [("ann", "remind-30")]


def test_without_a_mail_server_nothing_is_queued(trip: Mailed) -> None:
    trip.holders("ann")
    trip.before_end(20)
    off = trip.campus.settings.model_copy(update={"smtp_url": ""})
    assert reminders.queue_due(replace(trip.campus, settings=off)) == 0


def test_more_than_one_group(trip: Mailed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "GROUP", 2)
    trip.holders("ann", "bo", "cy", "di", "ed")
    trip.before_end(20)
    assert reminders.queue_due(trip.campus) == 5
    assert reminders.queue_due(trip.campus) == 0


def test_an_award_without_an_end_is_left_alone(trip: Mailed) -> None:
    trip.holders("ann")
    with trip.db.transaction() as session:
        session.execute(update(Award).values(expires_at=None))
    trip.clock.now = datetime(2030, 1, 1, tzinfo=UTC)
    assert reminders.queue_due(trip.campus) == 0
