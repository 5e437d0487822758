"""Many awards taken back together: counted, undone in time, exactly those, whoever dies over it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import audit, jobs
from app.errors import Conflict, Invalid
from app.models import Award, BulkRevocation, BulkRevocationAward, Delivery, StatusList
from app.pipeline import bulk_revoke, outbox, revoke
from app.pipeline.bulk_revoke import Choice
from app.pipeline.campus import Campus
from tests.integration.issuer_rig import Stranger, awards, badged, credentials
from tests.integration.trip import Trip
from tests.operator_seed import enter


@pytest.fixture
def trip(campus: Campus) -> Trip:
    return badged(campus, learners=5)


def states(trip: Trip) -> list[str]:
    return sorted(award.state for award in awards(trip.campus))


def ask(trip: Trip, choice: Choice) -> str:
    counted = bulk_revoke.count(trip.campus, choice).awards
    return bulk_revoke.begin(trip.campus, choice, "Wrong  exam.", "operator:test", counted)


def of_the_badge(trip: Trip) -> Choice:
    return Choice(badge=awards(trip.campus)[0].achievement_id)


def row(trip: Trip, bulk_id: str) -> BulkRevocation:
    with trip.db.reading() as session:
        return session.get_one(BulkRevocation, bulk_id)


def test_the_dry_run_counts_and_changes_nothing(trip: Trip) -> None:
    first = awards(trip.campus)[0]
    revoke.revoke(trip.campus, first.id, "By mistake.", "operator:test")
    for choice in (of_the_badge(trip), Choice(course=trip.course_id)):
        counted = bulk_revoke.count(trip.campus, choice)
        assert (counted.awards, counted.learners, counted.signed, counted.revoked) == (4, 4, 4, 1)
    some = Choice(badge=first.achievement_id, awards=tuple(a.id for a in awards(trip.campus)[:3]))
    assert bulk_revoke.count(trip.campus, some).awards == 2
    assert bulk_revoke.count(trip.campus, Choice(badge="another")).awards == 0
    assert states(trip) == ["issued"] * 4 + ["revoked"]
    with pytest.raises(Invalid):
        bulk_revoke.count(trip.campus, Choice())


def test_nothing_happens_before_its_time_and_then_all_of_it(
    trip: Trip, client: FlaskClient
) -> None:
    with trip.db.transaction() as session:
        outbox.ensure_mail(session, True, trip.clock())
    bulk_id = ask(trip, of_the_badge(trip))
    trip.clock.forward(minutes=9)
    assert jobs.run_until_idle(trip.campus, ["revoke"]) == {"revoke": 0}
    assert states(trip) == ["issued"] * 5
    trip.clock.forward(minutes=2)
    assert jobs.run_until_idle(trip.campus, ["revoke"]) == {"revoke": 1}
    assert states(trip) == ["revoked"] * 5
    found = row(trip, bulk_id)
    assert (found.state, found.done, found.total) == ("done", 5, 5)
    stranger = Stranger(client)
    assert {stranger.judge(one) for one in credentials(trip.campus)} == {"revoked"}
    assert {award.revoke_reason for award in awards(trip.campus)} == {"Wrong exam."}
    with trip.db.reading() as session:
        told = select(func.count()).where(Delivery.operation == "revoke")
        assert session.scalar(told) == 5
        assert session.scalars(select(StatusList)).one().revision == 1
        assert audit.broken_at(session) is None


def test_undone_in_time_nothing_is_revoked(trip: Trip) -> None:
    bulk_id = ask(trip, of_the_badge(trip))
    bulk_revoke.undo(trip.campus, bulk_id, "operator:test")
    trip.clock.forward(minutes=60)
    jobs.run_until_idle(trip.campus, ["revoke"])
    assert states(trip) == ["issued"] * 5
    assert row(trip, bulk_id).state == "undone"


def test_begun_it_cannot_be_undone(trip: Trip) -> None:
    bulk_id = ask(trip, of_the_badge(trip))
    trip.clock.forward(minutes=11)
    bulk_revoke.claim(trip.campus)
    with pytest.raises(Conflict):
        bulk_revoke.undo(trip.campus, bulk_id, "operator:test")


def test_only_what_was_counted(trip: Trip) -> None:
    choice = of_the_badge(trip)
    with pytest.raises(Conflict, match="5"):
        bulk_revoke.begin(trip.campus, choice, "Wrong exam.", "operator:test", 4)
    with pytest.raises(Invalid):
        bulk_revoke.begin(trip.campus, choice, " ", "operator:test", 5)
    ask(trip, choice)
    trip.learner("late")
    trip.book.grades["quiz", "late"] = trip.book.maximum["quiz"]
    trip.collect()
    trip.sign()
    trip.clock.forward(minutes=11)
    jobs.run_until_idle(trip.campus, ["revoke"])
    assert states(trip) == ["issued"] + ["revoked"] * 5


def test_who_dies_in_the_middle_loses_and_doubles_nothing(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_revoke, "GROUP", 2)
    bulk_id = ask(trip, of_the_badge(trip))
    by_hand = awards(trip.campus)[4].id
    trip.clock.forward(minutes=11)
    (batch,) = bulk_revoke.claim(trip.campus)
    original, calls = revoke.revoke_some, []

    def die(*args: object) -> None:
        calls.append(1)
        original(*args)  # type: ignore[arg-type]
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(revoke, "revoke_some", die)
        with pytest.raises(KeyboardInterrupt):
            bulk_revoke.run(trip.campus, batch.ids)
    assert states(trip) == ["issued"] * 3 + ["revoked"] * 2
    assert row(trip, bulk_id).done == 2
    revoke.revoke(trip.campus, by_hand, "Asked for.", "operator:other")
    assert bulk_revoke.claim(trip.campus) == []
    assert bulk_revoke.release(trip.campus, bulk_revoke.leased(trip.campus)) == 1
    jobs.run_until_idle(trip.campus, ["revoke"])
    with trip.db.reading() as session:
        assert session.get_one(Award, by_hand).revoke_reason == "Asked for."
        left = select(func.count()).where(BulkRevocationAward.done_at.is_(None))
        assert session.scalar(left) == 0
    found = row(trip, bulk_id)
    assert (found.state, found.done) == ("done", 5)
    assert states(trip) == ["revoked"] * 5


def test_the_pages(trip: Trip, client: FlaskClient, app) -> None:
    enter(client, app.extensions["tassel"])
    path = "/operator/revoke-many"
    assert "would be revoked" not in client.get(path).get_data(as_text=True)
    badge = awards(trip.campus)[0].achievement_id
    page = client.get(f"{path}?badge={badge}").get_data(as_text=True)
    assert "5 awards of 5 learners would be revoked" in page
    assert "revoked already" not in page, "nothing is said of none"
    none = client.get(f"{path}?course=nowhere").get_data(as_text=True)
    assert "No award of your choice can be revoked" in none
    assert "<strong>0" not in none
    assert "Revoke 0" not in none
    form = {"badge": badge, "counted": "5", "reason": ""}
    assert client.post(path, data=form).status_code == 422
    assert (
        client.post(path, data=form | {"reason": "Wrong exam.", "counted": "3"}).status_code == 409
    )
    nothing = {"reason": "Wrong exam.", "counted": "5"}
    assert client.post(path, data=nothing).status_code == 422
    made = client.post(path, data=form | {"reason": "Wrong exam."})
    assert made.status_code == 303
    place = made.headers["Location"].partition("?")[0]
    asked = client.get(place).get_data(as_text=True)
    assert "can be undone" in asked
    assert "0 of 5" not in asked, "it has not begun"
    assert client.post(f"{place}/undo").status_code == 303
    assert "can be undone" not in client.get(place).get_data(as_text=True)
    assert client.post(f"{place}/undo").status_code == 409
    assert states(trip) == ["issued"] * 5
