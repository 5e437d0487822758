"""A rule that changes after the first awards: new words for new awards, nothing taken from old ones."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.models import AchievementVersion, Award, Credential, Person
from app.pipeline import award, badges, revoke
from app.pipeline.campus import Campus
from app.web.instructor.badges import edit_of
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10)}
    for name in ("ann", "bo"):
        made.learner(name)
    made.book.grades = {("quiz", "ann"): Decimal(8), ("quiz", "bo"): Decimal(2)}
    made.collect()
    return made


def change(trip: Trip, achievement_id: str, **parts: object) -> None:
    """Save a change of the draft and publish it."""
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, achievement_id)
    edit = edit_of(present, **parts)
    badges.save(trip.campus, trip.course_id, achievement_id, edit, "test")
    badges.publish(trip.campus, trip.course_id, achievement_id, "test")
    trip.collect()


def award_of(trip: Trip, sub: str) -> Award:
    with trip.db.reading() as session:
        query = select(Award).join(Person, Person.id == Award.person_id).where(Person.sub == sub)
        return session.scalars(query).one()


def signed(trip: Trip, sub: str) -> dict[str, object]:
    """The achievement inside somebody's credential."""
    with trip.db.reading() as session:
        query = select(Credential.document).where(Credential.award_id == award_of(trip, sub).id)
        document = json.loads(session.scalars(query).one())
    achievement: dict[str, object] = document["credentialSubject"]["achievement"]
    return achievement


def test_a_credential_says_the_rule_that_it_was_earned_by(trip: Trip) -> None:
    """Another pass mark and another competency, with no word changed by the author."""
    achievement_id = trip.badge({"quiz": 70})
    trip.collect()
    trip.sign()
    other = trip.rule({"quiz": 90})
    change(trip, achievement_id, definition=other)
    trip.book.grades["quiz", "bo"] = Decimal(9)
    trip.collect()
    trip.sign()
    first, second = signed(trip, "ann"), signed(trip, "bo")
    assert first["criteria"]["narrative"] == "Quiz: at least 70 %."  # type: ignore[index]
    assert second["criteria"]["narrative"] == "Quiz: at least 90 %."  # type: ignore[index]
    with trip.db.reading() as session:
        latest = badges.draft(session, trip.course_id, achievement_id).version
    assert [item["competency"] for item in latest.alignments] == [other.clauses[0].competency]
    assert (first["version"], second["version"]) == ("1", "2")


def test_words_of_the_author_stay_when_the_rule_changes(trip: Trip) -> None:
    achievement_id = trip.badge({"quiz": 70}, criteria="Pass the quiz.")
    trip.collect()
    change(trip, achievement_id, definition=trip.rule({"quiz": 90}))
    with trip.db.reading() as session:
        assert badges.draft(session, trip.course_id, achievement_id).version.criteria == (
            "Pass the quiz."
        )


def test_a_new_picture_keeps_criteria_in_step_with_the_rule(trip: Trip) -> None:
    """The page sends back the words that Tassel made; they are not the author's by that."""
    achievement_id = trip.badge({"quiz": 70})
    change(trip, achievement_id, design="hexagon")
    change(trip, achievement_id, definition=trip.rule({"quiz": 90}))
    with trip.db.reading() as session:
        found = badges.draft(session, trip.course_id, achievement_id).version
    assert (found.design, found.criteria) == ("hexagon", "Quiz: at least 90 %.")


def test_publishing_the_same_again_makes_no_new_wording(trip: Trip) -> None:
    achievement_id = trip.badge({"quiz": 70})
    change(trip, achievement_id)
    with trip.db.reading() as session:
        assert list(session.scalars(select(AchievementVersion.number))) == [1]


def test_a_stricter_rule_takes_no_badge_away(trip: Trip) -> None:
    """Only a regrade does, held against the rule that the badge was earned by."""
    achievement_id = trip.badge({"quiz": 70}, regrade="revoke")
    trip.collect()
    trip.sign()
    change(trip, achievement_id, definition=trip.rule({"quiz": 90}))
    assert award_of(trip, "ann").state == "issued"
    trip.book.grades["quiz", "ann"] = Decimal("7.5")
    trip.collect()
    assert award_of(trip, "ann").state == "issued"
    trip.book.grades["quiz", "ann"] = Decimal(6)
    trip.collect()
    assert award_of(trip, "ann").state == "revoked"


def test_a_revocation_stands_although_the_address_was_unusable(trip: Trip) -> None:
    """Revoked between the claim and the end of signing, which then finds the address unusable."""
    with trip.db.transaction() as session:
        query = select(Person).where(Person.sub == "ann")
        session.scalars(query).one().email = "ann@example\x07.edu"
    trip.badge({"quiz": 70})
    trip.collect()

    class Revoking:
        """A clock: the operator revokes while the worker is between reading and writing."""

        def __call__(self):  # type: ignore[no-untyped-def]
            found = award_of(trip, "ann")
            if found.revoked_at is None:
                revoke.revoke(trip.campus, found.id, "Awarded by mistake", "test")
            return trip.clock()

    (batch,) = award.claim(trip.campus)
    award.run(replace(trip.campus, clock=Revoking()), batch.ids)
    assert award_of(trip, "ann").state == "revoked"
