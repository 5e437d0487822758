"""Collect, decide, award and sign on a real database: once, whatever is repeated."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from app import audit
from app.credentials import issuers, status
from app.credentials.keys import PublicKey
from app.credentials.proofs import FORMATS
from app.errors import Conflict, Invalid, NotFound, UpstreamError
from app.gradebook.columns import Ranks
from app.models import (
    AchievementVersion,
    Assessment,
    Attainment,
    AttainmentEvidence,
    Award,
    CollectRun,
    Course,
    Credential,
    Decision,
    Issuer,
    Person,
    Platform,
    Result,
    ResultVersion,
    StatusList,
)
from app.pipeline import badges, collect, reading, revoke
from app.pipeline.campus import Campus
from app.pipeline.preview import preview
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10), "lab": Decimal(100)}
    for name in ("ann", "bo", "chi"):
        made.learner(name)
    made.book.grades = {
        ("quiz", "ann"): Decimal(8),
        ("lab", "ann"): Decimal(75),
        ("quiz", "bo"): Decimal(8),
        ("lab", "bo"): Decimal("69.5"),
        ("quiz", "chi"): Decimal(0),
    }
    made.collect()
    return made


def count(trip: Trip, table: type) -> int:
    with trip.db.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def award_of(trip: Trip, sub: str) -> Award | None:
    with trip.db.reading() as session:
        return session.scalar(
            select(Award).join(Person, Person.id == Award.person_id).where(Person.sub == sub)
        )


def test_the_whole_way(trip: Trip) -> None:
    trip.badge({"quiz": 70, "lab": 70})
    trip.collect()
    assert trip.sign() == 1
    with trip.db.reading() as session:
        award = session.scalars(select(Award)).one()
        credential = session.scalars(select(Credential)).one()
        issuer = session.scalars(select(Issuer)).one()
        keys = issuers.public_keys(session, issuer)
        listed = session.scalars(select(StatusList)).one()
    assert award.state == "issued"
    document = json.loads(credential.document)
    assert document["credentialSubject"]["id"] == award.subject_id
    assert "ann" not in credential.document.decode().lower()
    assert "75" not in json.dumps(document["credentialSubject"].get("result", []))
    ed25519 = next(k for k in keys if k.kind.value == "ed25519")
    FORMATS["eddsa-rdfc-2022"].verify(credential.document, ed25519)
    assert document["credentialStatus"]["statusListCredential"].endswith("/status/1")
    assert listed.signed is not None


def test_reading_again_changes_nothing(trip: Trip) -> None:
    trip.badge({"quiz": 70, "lab": 70})
    trip.collect()
    trip.sign()
    tables = (Result, ResultVersion, Award, Credential, Attainment, AttainmentEvidence, Decision)
    before = [count(trip, table) for table in tables]
    for _ in range(3):
        run_id = trip.collect()
        trip.sign()
    assert [count(trip, table) for table in tables] == before
    with trip.db.reading() as session:
        assert session.get_one(CollectRun, run_id).changed == 0


def test_every_change_keeps_its_version_and_the_award_keeps_what_it_was_decided_on(
    trip: Trip,
) -> None:
    trip.badge({"quiz": 70})
    trip.collect()
    trip.book.grades["quiz", "ann"] = Decimal(9)
    trip.collect()
    del trip.book.grades["quiz", "ann"]
    trip.collect()
    with trip.db.reading() as session:
        ann = session.scalars(select(Person).where(Person.sub == "ann")).one()
        quiz = session.scalars(select(Assessment).where(Assessment.external_id == "quiz")).one()
        result = session.scalars(
            select(Result).where(Result.person_id == ann.id, Result.assessment_id == quiz.id)
        ).one()
        versions = session.scalars(
            select(ResultVersion.raw)
            .where(ResultVersion.result_id == result.id)
            .order_by(ResultVersion.number)
        ).all()
        decided_on = session.scalars(
            select(ResultVersion)
            .join(AttainmentEvidence, AttainmentEvidence.result_version_id == ResultVersion.id)
            .join(Attainment, Attainment.id == AttainmentEvidence.attainment_id)
            .where(ResultVersion.result_id == result.id)
        ).one()
        decision = session.scalars(select(Decision).where(Decision.person_id == ann.id)).one()
    assert versions == [Decimal(8), Decimal(9), None]
    assert decided_on.number == 1
    assert decision.state == "lapsed"
    award = award_of(trip, "ann")
    assert award is not None
    assert award.state != "revoked"


def test_the_policy_revoke_takes_back_what_a_regrade_no_longer_supports(trip: Trip) -> None:
    trip.badge({"quiz": 70}, regrade="revoke")
    trip.collect()
    trip.sign()
    trip.book.grades["quiz", "ann"] = Decimal(1)
    trip.collect()
    award = award_of(trip, "ann")
    assert award is not None
    assert award.state == "revoked"
    assert award_of(trip, "bo").state == "issued"  # type: ignore[union-attr]


def test_revocation_sets_exactly_one_bit_in_the_signed_list(trip: Trip) -> None:
    trip.badge({"quiz": 70})
    trip.collect()
    trip.sign()
    award = award_of(trip, "ann")
    assert award is not None
    with pytest.raises(Invalid):
        revoke.revoke(trip.campus, award.id, " ", "test")
    revoke.revoke(trip.campus, award.id, "Awarded by mistake", "test")
    with pytest.raises(Conflict):
        revoke.revoke(trip.campus, award.id, "Awarded by mistake", "test")
    with trip.db.reading() as session:
        issuer = session.scalars(select(Issuer)).one()
        signed = issuers.status_list_bytes(session, issuer, 1)
        key: PublicKey = next(
            k for k in issuers.public_keys(session, issuer) if k.kind.value == "ed25519"
        )
        assert audit.broken_at(session) is None
    subject = FORMATS["eddsa-rdfc-2022"].verify(signed, key)["credentialSubject"]
    bits = status.decode(subject["encodedList"])
    assert [i for i in range(status.SIZE) if status.get(bits, i)] == [award.status_index]


def test_without_an_address_the_award_stands_and_signing_waits(trip: Trip) -> None:
    person_id = trip.learner("dee", email=None)
    trip.book.grades["quiz", "dee"] = Decimal(10)
    trip.badge({"quiz": 70})
    trip.collect()
    trip.sign()
    award = award_of(trip, "dee")
    assert award is not None
    assert award.state == "needs_recipient"
    assert trip.sign() == 0
    with trip.db.transaction() as session:
        session.get_one(Person, person_id).email = "dee@example.edu"
    assert trip.sign() == 1
    assert award_of(trip, "dee").state == "issued"  # type: ignore[union-attr]


def test_who_never_earns(trip: Trip) -> None:
    """Staff, people who left and test users are not decided, whatever their grades."""
    trip.learner("teacher", role="instructor")
    test_user = trip.learner("preview")
    with trip.db.transaction() as session:
        session.get_one(Person, test_user).is_test = True
    for sub in ("teacher", "preview"):
        trip.book.grades["quiz", sub] = Decimal(10)
    trip.badge({"quiz": 70})
    trip.collect()
    assert award_of(trip, "teacher") is None
    assert award_of(trip, "preview") is None
    assert award_of(trip, "ann") is not None


def test_a_person_with_a_grade_who_stands_on_no_roster_is_kept(trip: Trip) -> None:
    trip.book.grades["quiz", "stranger"] = Decimal(9)
    trip.badge({"quiz": 70})
    trip.collect()
    award = award_of(trip, "stranger")
    assert award is not None
    trip.sign()
    assert award_of(trip, "stranger").state == "needs_recipient"  # type: ignore[union-attr]


def test_a_column_of_our_own_is_never_an_assessment(trip: Trip) -> None:
    trip.book.maximum["ours"] = Decimal(1)
    trip.book.tags["ours"] = "tassel-badge-1"
    trip.collect()
    with trip.db.reading() as session:
        names = set(session.scalars(select(Assessment.external_id)))
    assert names == {"quiz", "lab"}


def test_a_failing_column_loses_nothing_and_says_why(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trip.book.scores

    def broken(course: object, column: object) -> object:
        if column.external_id == "lab":  # type: ignore[attr-defined]
            raise UpstreamError(
                "upstream-503", "Campus LMS answered 503.", system="Campus LMS", permanent=False
            )
        return real(course, column)  # type: ignore[arg-type]

    trip.book.grades["quiz", "chi"] = Decimal(10)
    monkeypatch.setattr(trip.book, "scores", broken)
    run_id = trip.collect()
    with trip.db.reading() as session:
        run = session.get_one(CollectRun, run_id)
        assert run.state == "failed"
        assert run.problem is not None
        assert run.problem["message"] == "Campus LMS answered 503."
        assert run.changed == 1
    monkeypatch.undo()
    trip.badge({"quiz": 70})
    trip.collect()
    assert award_of(trip, "chi") is not None


def test_changes_of_a_reading_that_died_are_decided_by_the_next(trip: Trip) -> None:
    """What was kept before the worker died is not lost on the decision."""
    trip.badge({"quiz": 70})
    trip.collect()
    trip.book.grades["quiz", "chi"] = Decimal(10)
    run_id = collect.request(trip.campus, trip.course_id, "button")
    (batch,) = collect.claim(trip.campus)
    with trip.db.reading() as session:
        course = reading.course_ref(session, trip.course_id)
    begun = reading.begin(trip.campus, trip.book, course, Ranks({"ags": 10}), whole=False)
    reading.carry_out(trip.campus, begun, lambda *_: None)
    assert award_of(trip, "chi") is None
    trip.clock.forward(minutes=16)
    collect.reap(trip.campus)
    for again in collect.claim(trip.campus):
        collect.run(trip.campus, again.ids)
    assert batch.ids == (run_id,)
    assert award_of(trip, "chi") is not None


def test_a_worker_that_died_in_a_reading_is_replaced(trip: Trip) -> None:
    run_id = collect.request(trip.campus, trip.course_id, "button")
    assert len(collect.claim(trip.campus)) == 1
    assert collect.claim(trip.campus) == []
    assert collect.request(trip.campus, trip.course_id, "button") == run_id
    trip.clock.forward(minutes=16)
    assert collect.reap(trip.campus) == 1
    (batch,) = collect.claim(trip.campus)
    assert batch.ids == (run_id,)
    collect.run(trip.campus, batch.ids)
    with trip.db.reading() as session:
        assert session.get_one(CollectRun, run_id).state == "done"


def test_the_preview_says_what_the_decision_will_say(trip: Trip) -> None:
    rule = trip.rule({"quiz": 70, "lab": 70})
    with trip.db.reading() as session:
        seen = preview(session, trip.course_id, rule)
    assert (seen.total, seen.earn, seen.close) == (3, 1, 1)
    assert [line.name for line in seen.lines] == ["Ann", "Bo", "Chi"]
    assert seen.lines[1].decision.reasons[1].percent == Decimal("69.5")
    assert sum(seen.histogram[rule.clauses[0].assessment]) == 3
    trip.badge({"quiz": 70, "lab": 70})
    trip.collect()
    assert count(trip, Award) == seen.earn


def test_publishing_again_after_an_edit_keeps_old_awards(trip: Trip) -> None:
    achievement_id = trip.badge({"quiz": 70})
    trip.collect()
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, achievement_id)
    stricter = trip.rule({"quiz": 95})
    edit = badges.BadgeEdit(
        "Data literacy, harder", "", "", "hexagon", "ocean", None, "", "keep", True, stricter
    )
    badges.save(trip.campus, trip.course_id, achievement_id, edit, "test")
    badges.publish(trip.campus, trip.course_id, achievement_id, "test")
    trip.collect()
    assert count(trip, Award) == 2
    with trip.db.reading() as session:
        numbers = session.scalars(select(AchievementVersion.number)).all()
        award = session.scalars(select(Award)).first()
    assert sorted(numbers) == [1, 2]
    assert award is not None
    assert award.achievement_version == 1
    assert present.version.number == 1


def test_a_form_that_names_another_course_is_refused(trip: Trip, campus: Campus) -> None:
    achievement_id = trip.badge({"quiz": 70})
    foreign = trip.rule({"quiz": 70})
    bad = type(foreign)(
        "all", (type(foreign.clauses[0])("no-such", foreign.clauses[0].competency, Decimal(1)),)
    )
    edit = badges.BadgeEdit("Name", "", "", "shield", "indigo", None, "", "keep", True, bad)
    with pytest.raises(Invalid):
        badges.save(campus, trip.course_id, achievement_id, edit, "test")


def test_stopping_is_undone_by_resuming(trip: Trip) -> None:
    achievement_id = trip.badge({"quiz": 70})
    badges.stop(trip.campus, trip.course_id, achievement_id, "test")
    trip.collect()
    assert count(trip, Award) == 0
    badges.resume(trip.campus, trip.course_id, achievement_id, "test")
    trip.collect()
    assert count(trip, Award) == 2


def test_a_disabled_registration_fails_the_reading_and_schedules_no_other(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any expected failure ends in the run's row; a worker never dies of one."""

    def refused(course: object, column: object) -> object:
        raise NotFound("platform-unknown", "This registration is not active.")

    monkeypatch.setattr(trip.book, "scores", refused)
    run_id = trip.collect()
    with trip.db.transaction() as session:
        run = session.get_one(CollectRun, run_id)
        assert (run.state, run.lease_until) == ("failed", None)
        assert run.problem is not None
        assert run.problem["code"] == "platform-unknown"
        session.get_one(Course, trip.course_id).next_collect_at = trip.clock()
    assert collect.schedule(trip.campus) == 1
    with trip.db.transaction() as session:
        session.get_one(Course, trip.course_id).next_collect_at = trip.clock()
        for platform in session.scalars(select(Platform)):
            platform.state = "disabled"
    assert collect.schedule(trip.campus) == 0
