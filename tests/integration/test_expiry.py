"""Badges that end and are earned again, on a real database with a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import jwt
import pytest
from sqlalchemy import func, select, update

from app import models
from app.delivery import COURSE
from app.errors import Invalid
from app.gradebook.port import CourseRef, SourceColumn, SourceScore
from app.lti.vocabulary import LINE_ITEM_SCOPE, SCORE_SCOPE
from app.mastery.renewal import Renewal, Terms
from app.mastery.validity import Validity
from app.models import (
    AchievementVersion,
    Attainment,
    Award,
    Connection,
    Credential,
    Delivery,
    Person,
)
from app.pipeline import badges, hold, revoke
from app.pipeline.campus import Campus
from app.web.instructor.badges import edit_of
from tests.integration.trip import Gradebook, Trip

YEAR = Terms(Validity("years", 1), Renewal("window", 60))
ANY = Terms(Validity("years", 1), Renewal("result"))


class Dated(Gradebook):
    """A source that tells when each grade was given and which attempt it is of."""

    def __init__(self) -> None:
        super().__init__(maximum={"quiz": Decimal(10)})
        self.graded: dict[tuple[str, str], datetime] = {}
        self.attempts: dict[tuple[str, str], int] = {}

    def scores(self, course: CourseRef, column: SourceColumn) -> Iterator[SourceScore]:
        for score in super().scores(course, column):
            cell = (column.external_id, score.user)
            yield replace(score, graded_at=self.graded.get(cell), attempt=self.attempts.get(cell))


class Course(Trip):
    """A course in which somebody takes a quiz again and again."""

    def __init__(self, campus: Campus) -> None:
        super().__init__(campus)
        self.book = Dated()
        self.campus = replace(self.campus, sources={"ags": self.book})
        self.person = self.learner("ann")

    def grade(self, raw: int, *, attempt: int | None = None, read: bool = True) -> None:
        self.book.grades["quiz", "ann"] = Decimal(raw)
        self.book.graded["quiz", "ann"] = self.clock()
        if attempt is not None:
            self.book.attempts["quiz", "ann"] = attempt
        if read:
            self.clock.forward(minutes=10)
            self.collect()

    def start(self, terms: Terms, **edits: object) -> str:
        """One award by a first result."""
        self.grade(8, attempt=1)
        made = self.badge({"quiz": 70}, terms=terms, **edits)
        self.collect()
        self.sign()
        assert len(self.awards()) == 1
        return made

    def awards(self) -> list[Award]:
        with self.db.reading() as session:
            return list(session.scalars(select(Award).order_by(Award.awarded_at, Award.id)))

    def documents(self) -> list[dict[str, Any]]:
        with self.db.reading() as session:
            query = select(Credential.document).order_by(Credential.issued_at)
            return [json.loads(one) for one in session.scalars(query)]


@pytest.fixture
def course(campus: Campus) -> Course:
    berlin = campus.settings.model_copy(update={"time_zone": "Europe/Berlin"})
    return Course(replace(campus, settings=berlin))


def test_the_credential_says_the_last_second_in_the_zone_of_the_campus(course: Course) -> None:
    course.start(YEAR)
    (award,) = course.awards()
    assert award.expires_at == datetime(2027, 11, 20, 22, 59, 59, tzinfo=UTC)
    (document,) = course.documents()
    assert document["validUntil"] == "2027-11-20T22:59:59Z"
    with course.db.reading() as session:
        token = session.scalars(select(Credential.jwt)).one()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] == int(award.expires_at.timestamp())


def test_without_an_end_nothing_is_said_of_one(course: Course) -> None:
    course.start(Terms())
    assert course.awards()[0].expires_at is None
    assert "validUntil" not in course.documents()[0]


def test_the_end_is_frozen_with_the_wording(course: Course) -> None:
    badge = course.start(YEAR)
    with course.db.reading() as session:
        present = badges.draft(session, course.course_id, badge)
    other = edit_of(present, terms=Terms(Validity("months", 6)))
    badges.save(course.campus, course.course_id, badge, other, "test")
    with course.db.reading() as session:
        rows = session.scalars(select(AchievementVersion).order_by(AchievementVersion.number))
        assert [(row.valid_kind, row.valid_count) for row in rows] == [
            ("years", 1),
            ("months", 6),
        ]
    course.learner("bo")
    course.book.grades["quiz", "bo"] = Decimal(9)
    course.collect()
    assert {award.achievement_version for award in course.awards()} == {1}
    badges.publish(course.campus, course.course_id, badge, "test")
    course.learner("cy")
    course.book.grades["quiz", "cy"] = Decimal(9)
    course.collect()
    latest = next(award for award in course.awards() if award.achievement_version == 2)
    assert latest.expires_at == datetime(2027, 5, 20, 21, 59, 59, tzinfo=UTC)


def test_a_day_that_is_past_is_not_published_and_awards_nothing(course: Course) -> None:
    course.grade(2)
    until = Terms(Validity("date", until=date(2026, 12, 1)))
    badge = course.badge({"quiz": 70}, terms=until)
    course.clock.forward(days=12)
    course.grade(9)
    assert course.awards() == []
    with pytest.raises(Invalid, match="future"):
        badges.publish(course.campus, course.course_id, badge, "test")


def test_old_results_never_renew(course: Course) -> None:
    badge = course.start(YEAR)
    for days in (200, 120, 60, 200):
        course.clock.forward(days=days)
        course.collect()
        badges.publish(course.campus, course.course_id, badge, "test")
        course.collect()
    assert len(course.awards()) == 1


def test_a_new_result_in_the_window_renews_and_the_old_award_stays(course: Course) -> None:
    course.start(YEAR)
    course.clock.forward(days=200)
    course.grade(9, attempt=2)
    assert len(course.awards()) == 1, "before the window"
    course.clock.forward(days=120)
    course.grade(6, attempt=3)
    assert len(course.awards()) == 1, "below the mark"
    course.grade(8, attempt=4)
    first, second = course.awards()
    assert second.occurrence == "after 2027-11-20"
    assert first.state == "issued"
    assert first.revoked_at is None
    assert second.expires_at is not None
    assert second.expires_at.date() == date(2028, 10, 6)
    course.sign()
    ends = [document["validUntil"] for document in course.documents()]
    assert ends == ["2027-11-20T22:59:59Z", "2028-10-06T21:59:59Z"]
    with course.db.reading() as session:
        shown = session.scalars(select(Attainment.award_id))
        assert set(shown) == {first.id, second.id}, "each award keeps what it was decided on"


def test_the_same_points_again_renew_and_once_only(course: Course) -> None:
    course.start(YEAR)
    course.clock.forward(days=330)
    course.grade(8, attempt=2)
    for _ in range(3):
        course.collect()
    assert len(course.awards()) == 2


def test_a_correction_of_the_counted_attempt_renews_nothing(course: Course) -> None:
    course.start(YEAR)
    course.clock.forward(days=330)
    course.grade(9, attempt=1)
    assert len(course.awards()) == 1


def test_long_after_the_end_it_can_be_earned_again(course: Course) -> None:
    course.start(YEAR)
    course.clock.forward(days=900)
    course.grade(10, attempt=2)
    first, second = course.awards()
    assert second.awarded_at > first.expires_at  # type: ignore[operator]
    course.clock.forward(days=340)
    course.grade(9, attempt=3)
    assert [award.occurrence for award in course.awards()][2] == "after 2030-05-08"


def test_any_later_result_renews_where_the_badge_says_so(course: Course) -> None:
    course.start(ANY)
    course.clock.forward(hours=2)
    course.grade(9, attempt=2)
    assert len(course.awards()) == 1, "the same day would not end later"
    course.clock.forward(days=30)
    course.grade(7, attempt=3)
    assert len(course.awards()) == 2


def test_what_is_revoked_or_on_hold_is_not_renewed(course: Course) -> None:
    course.start(YEAR)
    (first,) = course.awards()
    hold.hold(course.campus, first.id, "Looked into", "test")
    course.clock.forward(days=330)
    course.grade(9, attempt=2)
    assert len(course.awards()) == 1
    hold.release(course.campus, first.id, "test")
    course.collect()
    assert len(course.awards()) == 2, "the hold is over, and the result counts"
    second = course.awards()[1]
    revoke.revoke(course.campus, second.id, "A mistake", "test")
    course.clock.forward(days=330)
    course.grade(10, attempt=3)
    assert len(course.awards()) == 2


def test_a_failed_try_to_renew_takes_nothing_back(course: Course) -> None:
    course.start(YEAR, regrade="revoke")
    course.clock.forward(days=330)
    course.grade(2, attempt=2)
    assert [award.state for award in course.awards()] == ["issued"]


def test_a_regrade_still_takes_back(course: Course) -> None:
    course.start(YEAR, regrade="revoke")
    course.clock.forward(days=20)
    course.grade(2, attempt=1)
    assert [award.state for award in course.awards()] == ["revoked"]


def test_many_readings_of_many_learners_award_each_once(course: Course) -> None:
    course.start(YEAR)
    for n in range(12):
        course.learner(f"l{n}")
        course.book.grades["quiz", f"l{n}"] = Decimal(9)
    course.collect()
    course.clock.forward(days=330)
    for n in range(6):
        course.book.grades["quiz", f"l{n}"] = Decimal(10)
    for _ in range(2):
        course.collect()
    with course.db.reading() as session:
        counted = session.execute(
            select(Person.sub, func.count())
            .join(Award, Award.person_id == Person.id)
            .group_by(Person.sub)
        )
        found = dict(counted.all())
    assert found == {"ann": 1} | {f"l{n}": 2 if n < 6 else 1 for n in range(12)}


def test_the_last_of_two_awards_takes_the_mark_back_that_the_first_one_left(course: Course) -> None:
    """Whatever became of its own delivery: what stands in the course came by the first."""
    with course.db.transaction() as session:
        services = {"lineitems": "https://lms.example.edu/items"}
        scopes = {"ags_scopes": [LINE_ITEM_SCOPE, SCORE_SCOPE]}
        session.get_one(models.Course, course.course_id).services = services | scopes
    course.start(YEAR)
    course.clock.forward(days=320)
    course.grade(9, attempt=2)
    course.sign()
    first, second = course.awards()
    with course.db.transaction() as session:
        sent = update(Delivery).where(Delivery.award_id == first.id)
        session.execute(sent.values(state="sent"))
    revoke.revoke(course.campus, first.id, "A mistake.", "test")
    assert taken_back(course) == [], "the other one stands"
    revoke.revoke(course.campus, second.id, "A mistake too.", "test")
    assert taken_back(course) == [second.id]


def taken_back(course: Course) -> list[str]:
    """Awards whose mark is asked back from the course."""
    query = (
        select(Delivery.award_id)
        .join(Connection, Connection.id == Delivery.connection_id)
        .where(Connection.kind == COURSE, Delivery.operation == "revoke")
    )
    with course.db.reading() as session:
        return list(session.scalars(query))
