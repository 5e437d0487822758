"""What a badge says of itself gets into what is signed, and what a learner does not want told does not."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from app.credentials import drift
from app.credentials.details import Details
from app.credentials.proofs import data_integrity
from app.errors import Invalid
from app.models import Award, Credential, SpentEntry
from app.pipeline import badges, disclose, supersede
from app.pipeline.campus import Campus
from app.web.instructor.badges import edit_of
from tests.integration.trip import Trip

FULL = Details(
    language="de",
    kind="Certificate",
    tags=("Daten", "Statistik"),
    credits=Decimal("2.5"),
    credit_unit="ECTS",
    hours=Decimal(60),
    level="Grundstufe",
    eqf=6,
    isced=6,
    evidence="assessments",
    marks=True,
)


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10)}
    made.learner("ann")
    made.book.grades = {("quiz", "ann"): Decimal(8)}
    made.collect()
    return made


def earned(trip: Trip, details: Details) -> str:
    """A badge with ``details``, awarded and signed; returns its id."""
    achievement_id = trip.badge({"quiz": 70}, details=details)
    trip.collect()
    trip.sign()
    return achievement_id


def document(trip: Trip) -> dict[str, Any]:
    """The newest credential of the only award."""
    with trip.db.reading() as session:
        query = select(Credential.document).order_by(Credential.number.desc()).limit(1)
        found: dict[str, Any] = json.loads(session.scalars(query).one())
    return found


def award_id(trip: Trip) -> str:
    with trip.db.reading() as session:
        return session.scalars(select(Award.id)).one()


def test_a_badge_that_says_nothing_more_is_signed_as_ever(trip: Trip) -> None:
    earned(trip, Details())
    signed = document(trip)
    achievement = signed["credentialSubject"]["achievement"]
    assert achievement["achievementType"] == "MicroCredential"
    assert achievement["criteria"]["narrative"] == "Quiz: at least 70 %."
    assert not {"tag", "creditsAvailable", "resultDescription"} & achievement.keys()
    assert "evidence" not in signed
    assert "result" not in signed["credentialSubject"]


def test_every_fact_is_in_the_credential_under_terms_that_all_copies_map(trip: Trip) -> None:
    achievement_id = earned(trip, FULL)
    signed = document(trip)
    achievement = signed["credentialSubject"]["achievement"]
    assert achievement["achievementType"] == "Certificate"
    assert achievement["creditsAvailable"] == 2.5
    assert achievement["tag"] == ["Daten", "Statistik"]
    assert achievement["criteria"]["narrative"] == (
        "Quiz: mindestens 70 %.\n\n"
        "- Umfang: 2.5 ECTS\n- Niveau: Grundstufe\n- Arbeitsaufwand: etwa 60 Stunden"
    )
    targets = {one.get("targetCode"): one["targetUrl"] for one in achievement["alignment"]}
    assert targets["EQF 6"] == "http://data.europa.eu/snb/eqf/6"
    assert "ISCED 6" in targets
    (asked,) = achievement["resultDescription"]
    assert asked["id"].endswith(f"/achievements/{achievement_id}#result-1")
    assert (asked["name"], asked["requiredValue"]) == ("Quiz", "70")
    (piece,) = signed["evidence"]
    assert piece["name"] == "Quiz"
    assert drift.lint({k: v for k, v in signed.items() if k != "proof"}) == ()
    assert data_integrity.check_trim({k: v for k, v in signed.items() if k != "proof"})


def test_no_grade_is_told_until_the_learner_says_so(trip: Trip) -> None:
    earned(trip, FULL)
    first = document(trip)
    assert "result" not in first["credentialSubject"]
    assert first["evidence"] == [{"type": ["Evidence"], "name": "Quiz"}]
    made = disclose.choose(trip.campus, award_id(trip), evidence=True, results=True, actor="ann")
    second = document(trip)
    assert second["id"] == f"urn:uuid:{made}"
    assert [r["value"] for r in second["credentialSubject"]["result"]] == ["80"]
    described = second["credentialSubject"]["achievement"]["resultDescription"][0]["id"]
    assert second["credentialSubject"]["result"][0]["resultDescription"] == described
    assert second["validFrom"] == first["validFrom"]
    with trip.db.reading() as session:
        assert session.scalars(select(SpentEntry.reason)).all() == ["disclosure"]


def test_the_learner_can_have_the_evidence_left_out(trip: Trip) -> None:
    earned(trip, FULL)
    disclose.choose(trip.campus, award_id(trip), evidence=False, results=False, actor="ann")
    assert "evidence" not in document(trip)


def test_a_choice_outlives_another_replacement_and_the_same_choice_signs_nothing(
    trip: Trip,
) -> None:
    earned(trip, FULL)
    choice = {"evidence": False, "results": True, "actor": "ann"}
    assert disclose.choose(trip.campus, award_id(trip), **choice)
    assert disclose.choose(trip.campus, award_id(trip), **choice) is None
    supersede.supersede(trip.campus, award_id(trip), "endorsement", "system")
    signed = document(trip)
    assert "evidence" not in signed
    assert signed["credentialSubject"]["result"]
    with trip.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Credential)) == 3


def test_a_badge_that_describes_no_marks_tells_no_result(trip: Trip) -> None:
    earned(trip, replace(FULL, marks=False))
    disclose.choose(trip.campus, award_id(trip), evidence=True, results=True, actor="ann")
    assert "result" not in document(trip)["credentialSubject"]


def test_marks_follow_the_rule_into_a_new_wording(trip: Trip) -> None:
    achievement_id = earned(trip, FULL)
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, achievement_id)
    edit = edit_of(present, definition=trip.rule({"quiz": 90}))
    badges.save(trip.campus, trip.course_id, achievement_id, edit, "test")
    badges.publish(trip.campus, trip.course_id, achievement_id, "test")
    with trip.db.reading() as session:
        version = badges.draft(session, trip.course_id, achievement_id).version
    (asked,) = Details.from_json(version.details).results
    assert (version.number, asked.required) == (2, Decimal(90))


def test_saving_the_same_again_makes_no_new_wording(trip: Trip) -> None:
    achievement_id = earned(trip, FULL)
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, achievement_id)
    badges.save(trip.campus, trip.course_id, achievement_id, edit_of(present), "test")
    with trip.db.reading() as session:
        assert badges.draft(session, trip.course_id, achievement_id).version.number == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "Nobel"}, "kind"),
        ({"language": "tlh"}, "language"),
        ({"eqf": 9}, "eqf"),
        ({"isced": -1}, "isced"),
        ({"credits": Decimal("0.001")}, "credits"),
        ({"credits": Decimal("NaN")}, "credits"),
        ({"hours": Decimal(-1)}, "hours"),
        ({"tags": ("a",) * 21}, "tags"),
        ({"tags": ("",)}, "tags"),
        ({"evidence": "grades"}, "evidence"),
        ({"level": "x" * 81}, "level"),
        ({"credit_unit": "x" * 41}, "credit_unit"),
    ],
)
def test_a_wrong_fact_is_refused_by_its_name(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        replace(FULL, **wrong).check()
    assert set(refused.value.fields) == {field}


def test_what_is_stored_comes_back(trip: Trip) -> None:
    assert Details.from_json(FULL.to_json()) == FULL
    assert Details().to_json() == {}


def test_a_character_that_cannot_be_signed_stops_publishing_and_names_its_field(
    trip: Trip,
) -> None:
    with pytest.raises(Invalid) as refused:
        trip.badge({"quiz": 70}, details=Details(tags=("bell\a",)))
    assert "tag" in refused.value.fields
