"""The outbox: what is queued, claimed, tried, put off, held, taken back and retried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.audit import broken_at
from app.db import Database
from app.errors import Conflict, NotFound
from app.models import (
    Achievement,
    Attempt,
    AuditEntry,
    Award,
    Connection,
    Delivery,
    Disclosure,
    OptOut,
    Person,
)
from app.pipeline import deliver, outcomes
from app.settings import Settings
from tests.integration.send_stage import Stage

SIS = "oneroster_rest"


@pytest.fixture
def stage(settings: Settings, db: Database) -> Iterator[Stage]:
    made = Stage(settings, db)
    with db.transaction() as session:
        session.execute(update(Achievement).values(course_column=False))
    made.sis_id = made.add_sis()
    yield made
    made.close()


def results(stage: Stage) -> list[str]:
    assert stage.sis is not None
    found = stage.sis.store.all("assessmentResults")
    return sorted(r["student"]["sourcedId"] for r in found if r["status"] == "active")


def writes(stage: Stage) -> list[int]:
    """How often each result was created at the SIS."""
    assert stage.sis is not None
    made: dict[str, int] = {}
    for write in stage.sis.store.history():
        if write.collection == "assessmentResults" and write.created:
            made[write.sourced_id] = made.get(write.sourced_id, 0) + 1
    return list(made.values())


def test_every_award_arrives_once_with_a_disclosure_for_its_learner(stage: Stage) -> None:
    stage.queue()
    stage.queue()
    assert stage.send() == 6
    assert stage.states(SIS) == {"sent": 6}
    assert results(stage) == sorted(p.sis_id for p in stage.people)
    with stage.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Disclosure)) == 6
        assert set(session.scalars(select(Disclosure.kind))) == {"sis"}
    assert [(a.number, a.outcome) for a in stage.attempts()] == [(1, "sent")] * 6


def test_a_paused_connection_collects_and_sends_later(stage: Stage) -> None:
    with stage.db.transaction() as session:
        session.execute(update(Connection).values(state="paused"))
    stage.queue()
    assert stage.send() == 0
    with stage.db.transaction() as session:
        session.execute(update(Connection).values(state="active"))
    assert stage.send() == 6


def test_only_one_batch_of_a_connection_is_out(stage: Stage) -> None:
    stage.queue(stage.awards[:3])
    first = deliver.claim(stage.campus)
    stage.queue()
    assert deliver.claim(stage.campus) == []
    deliver.run(stage.campus, first[0].ids)
    second = deliver.claim(stage.campus)
    assert [len(batch.ids) for batch in first + second] == [3, 3]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "status", "status": 429, "retry_after": 7200}, None),
        ({"kind": "status", "status": 500}, None),
        ({"kind": "html", "status": 200}, None),
        ({"kind": "drop_before"}, None),
        ({"kind": "commit_then_drop"}, None),
    ],
)
def test_a_bad_peer_loses_nothing(stage: Stage, fault: dict[str, object], code: None) -> None:
    assert stage.sis is not None
    stage.sis.faults.add({"path": "assessmentResults", "times": None, **fault})
    stage.queue()
    stage.send()
    states = stage.states(SIS)
    assert set(states) == {"waiting"}
    for row in stage.deliveries(SIS):
        assert row.code
        assert row.message
        assert row.fix
        assert row.next_at is not None
        assert row.next_at > stage.clock()
    stage.sis.faults.clear()
    assert stage.send() == 0, "it waits"
    stage.make_due()
    stage.send()
    assert stage.states(SIS) == {"sent": 6}
    assert set(writes(stage)) == {1}


def test_a_peers_wish_to_wait_is_honoured(stage: Stage) -> None:
    assert stage.sis is not None
    rule = {"path": "assessmentResults", "kind": "status", "status": 429, "retry_after": 7200}
    stage.sis.faults.add(rule | {"times": None})
    stage.queue()
    stage.send()
    soonest = min(row.next_at for row in stage.deliveries(SIS) if row.next_at)
    assert soonest > stage.clock() + timedelta(minutes=115)


def test_backoff_doubles_with_a_spread_and_ends_at_six_hours() -> None:
    for attempts, seconds in ((1, 60), (2, 120), (5, 960), (30, 21600)):
        waits = [outcomes.backoff(attempts).total_seconds() for _ in range(200)]
        assert 0.8 * seconds <= min(waits) < max(waits) <= 1.2 * seconds
        assert max(waits) - min(waits) > 0.2 * seconds


def test_after_twelve_refusals_somebody_has_to_look(stage: Stage) -> None:
    assert stage.sis is not None
    rule = {"path": "assessmentResults", "kind": "status", "status": 500, "times": None}
    stage.sis.faults.add(rule)
    stage.queue(stage.awards[:1])
    for _ in range(12):
        assert stage.send() == 1
        stage.make_due()
    assert stage.states(SIS) == {"dead": 1}
    assert stage.send() == 0
    stage.sis.faults.clear()
    (row,) = stage.deliveries(SIS)
    deliver.retry(stage.campus, row.id, "operator:ada")
    stage.send()
    assert stage.states(SIS) == {"sent": 1}
    assert [a.number for a in stage.attempts()] == list(range(1, 14))


def test_refused_credentials_stop_the_connection_and_burn_nothing(stage: Stage) -> None:
    assert stage.sis is not None
    stage.sis.store.switch({"secret_expired": True})
    stage.queue()
    stage.send()
    with stage.db.reading() as session:
        connection = session.get_one(Connection, stage.sis_id)
    assert connection.state == "attention"
    assert connection.problem is not None
    assert connection.problem["message"]
    assert stage.states(SIS) == {"waiting": 6}
    assert {row.attempts for row in stage.deliveries(SIS)} == {0}
    stage.make_due()
    assert stage.send() == 1, "one probe, not six"
    assert stage.send() == 0, "and not another one at once"
    stage.sis.store.switch({"secret_expired": False})
    stage.make_due()
    assert stage.send() == 1
    assert stage.send() == 5, "the rest follows as soon as the probe went through"
    with stage.db.reading() as session:
        healed = session.get_one(Connection, stage.sis_id)
    assert (healed.state, healed.problem) == ("active", None)


def test_retry_all_wakes_a_connection(stage: Stage) -> None:
    assert stage.sis is not None
    stage.sis.store.switch({"secret_expired": True})
    stage.queue()
    stage.send()
    stage.sis.store.switch({"secret_expired": False})
    assert deliver.retry_all(stage.campus, stage.sis_id, "operator:ada") == 6
    assert stage.send() == 6
    assert stage.states(SIS) == {"sent": 6}
    with stage.db.reading() as session:
        assert session.scalars(select(AuditEntry.action)).all() == ["deliveries.retried"]
        assert broken_at(session) is None
    with pytest.raises(NotFound):
        deliver.retry_all(stage.campus, "nowhere", "operator:ada")


def test_a_missing_student_id_is_held_and_goes_out_when_it_comes(stage: Stage) -> None:
    with stage.db.transaction() as session:
        award = session.get_one(Award, stage.awards[0])
        person = session.get_one(Person, award.person_id)
        person.sis_id, known = None, person.sis_id
    stage.queue()
    stage.send()
    assert stage.states(SIS) == {"held": 1, "sent": 5}
    (held,) = [row for row in stage.deliveries(SIS) if row.state == "held"]
    assert held.code == "no-sis-id"
    assert held.who
    assert held.attempts == 0
    assert deliver.reap(stage.campus) == 0
    with stage.db.transaction() as session:
        session.get_one(Person, person.id).sis_id = known
    assert deliver.reap(stage.campus) == 1
    stage.send()
    assert stage.states(SIS) == {"sent": 6}


def test_one_person_that_the_sis_does_not_know_stops_nobody_else(stage: Stage) -> None:
    with stage.db.transaction() as session:
        award = session.get_one(Award, stage.awards[2])
        session.get_one(Person, award.person_id).sis_id = "S-nobody"
    stage.queue()
    stage.send()
    assert stage.states(SIS) == {"sent": 5, "dead": 1}


def test_revoking_reaches_the_sis_and_drops_what_was_never_tried(stage: Stage) -> None:
    stage.queue(stage.awards[:3])
    stage.send()
    stage.queue()
    stage.revoke(stage.awards[0])
    stage.revoke(stage.awards[5])
    stage.send()
    assert stage.states(SIS) == {"sent": 5, "dropped": 1}
    assert stage.states(SIS, "revoke") == {"sent": 1}
    gone = {stage.people[0].sis_id, stage.people[5].sis_id}
    assert results(stage) == sorted({p.sis_id for p in stage.people} - gone)


def test_a_try_without_answer_is_revoked_although_it_never_counted_as_sent(stage: Stage) -> None:
    assert stage.sis is not None
    stage.sis.faults.add(
        {"path": "assessmentResults", "kind": "commit_then_drop", "times": None, "method": "PUT"}
    )
    stage.queue(stage.awards[:1])
    stage.send()
    stage.sis.faults.clear()
    assert len(results(stage)) == 1
    stage.revoke(stage.awards[0])
    stage.make_due()
    stage.send()
    assert stage.states(SIS) == {"dropped": 1}
    assert stage.states(SIS, "revoke") == {"sent": 1}
    assert results(stage) == []


def test_a_revocation_while_the_award_is_on_its_way_follows_it(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    (batch,) = deliver.claim(stage.campus)
    stage.revoke(stage.awards[0])
    assert deliver.claim(stage.campus) == []
    deliver.run(stage.campus, batch.ids)
    stage.send()
    assert stage.states(SIS, "revoke") == {"sent": 1}
    assert results(stage) == []


def test_a_passed_lease_comes_back_and_the_repeat_writes_nothing_twice(stage: Stage) -> None:
    stage.queue()
    (batch,) = deliver.claim(stage.campus)
    assert deliver.reap(stage.campus) == 0
    stage.clock.pass_(seconds=61)
    assert deliver.reap(stage.campus) == 6
    assert {row.attempts for row in stage.deliveries(SIS)} == {0}
    (again,) = deliver.claim(stage.campus)
    assert sorted(again.ids) == sorted(batch.ids)
    assert again.attempt > batch.attempt
    deliver.run(stage.campus, again.ids)
    deliver.run(stage.campus, again.ids)
    assert stage.states(SIS) == {"sent": 6}
    assert set(writes(stage)) == {1}


def test_who_lost_the_lease_writes_nothing_down(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    (batch,) = deliver.claim(stage.campus)
    connection, items = deliver._load(stage.campus, batch.ids)
    assert connection is not None
    deliver.release(stage.campus, batch.ids)
    deliver.claim(stage.campus)
    late = {items[0].delivery_id: outcomes.Outcome("never", "late", "Too late.")}
    outcomes.write(stage.campus, connection.id, items, late)
    assert stage.states(SIS) == {"sending": 1}


def test_a_row_over_which_workers_keep_dying_is_set_aside(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    for _ in range(deliver.MAX_DEATHS):
        (batch,) = deliver.claim(stage.campus)
        deliver.release(stage.campus, batch.ids)
        stage.make_due()
    (row,) = stage.deliveries(SIS)
    assert (row.state, row.code) == ("dead", "worker-died")


def test_drop_and_retry_refuse_what_is_past_it(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    (row,) = stage.deliveries(SIS)
    deliver.drop(stage.campus, row.id, "operator:ada")
    assert stage.states(SIS) == {"dropped": 1}
    with pytest.raises(Conflict):
        deliver.retry(stage.campus, row.id, "operator:ada")
    with pytest.raises(Conflict):
        deliver.drop(stage.campus, row.id, "operator:ada")
    with pytest.raises(NotFound):
        deliver.drop(stage.campus, "nothing", "operator:ada")


def test_mail_goes_only_where_it_is_wanted(stage: Stage) -> None:
    with stage.db.transaction() as session:
        deliver.ensure_mail(session, False, stage.clock())
    stage.queue(stage.awards[:1])
    assert stage.deliveries("mail") == []
    with stage.db.transaction() as session:
        deliver.ensure_mail(session, True, stage.clock())
        deliver.ensure_mail(session, True, stage.clock())
        second = session.get_one(Award, stage.awards[1])
        session.add(OptOut(learner_id=second.learner_id, kind="mail", at=stage.clock()))
        third = session.get_one(Award, stage.awards[2])
        session.get_one(Person, third.person_id).email = None
    stage.queue(stage.awards[:4])
    wanted = sorted((stage.awards[0], stage.awards[3]))
    assert sorted(row.award_id for row in stage.deliveries("mail")) == wanted
    with stage.db.transaction() as session:
        deliver.ensure_mail(session, False, stage.clock())
    stage.queue(stage.awards[4:5])
    assert len(stage.deliveries("mail")) == 2
    with stage.db.transaction() as session:
        deliver.ensure_mail(session, True, stage.clock())
        fourth = session.get_one(Award, stage.awards[3])
        session.add(OptOut(learner_id=fourth.learner_id, kind="mail", at=stage.clock()))
    deliver.claim(stage.campus)
    assert stage.states("mail") == {"sending": 1, "dropped": 1}


def test_a_master_key_that_does_not_fit_is_the_operators_to_mend(stage: Stage) -> None:
    with stage.db.transaction() as session:
        session.get_one(Connection, stage.sis_id).sealed = "gAAAAAB-not-ours"
    stage.queue(stage.awards[:1])
    stage.send()
    with stage.db.reading() as session:
        connection = session.get_one(Connection, stage.sis_id)
        assert session.scalars(select(Attempt.outcome)).all() == ["later"]
    assert connection.state == "attention"
    assert stage.states(SIS) == {"waiting": 1}


def test_the_number_of_queries_does_not_grow_with_the_batch(stage: Stage) -> None:
    """Facts are read for a whole batch: the number of statements does not grow with it."""
    from sqlalchemy import event

    counts: list[int] = []
    for size in (2, 6):
        with stage.db.transaction() as session:
            for delivery in session.scalars(select(Delivery)):
                delivery.state = "dropped"
        stage.queue(stage.awards[:size]) if size == 6 else stage.queue(stage.awards[:2])
        with stage.db.transaction() as session:
            session.execute(
                update(Delivery)
                .where(Delivery.award_id.in_(stage.awards[:size]))
                .values(state="sending", lease_until=stage.clock())
            )
            ids = session.scalars(select(Delivery.id).where(Delivery.state == "sending")).all()
            session.add_all(
                Attempt(delivery_id=name, number=size, started_at=stage.clock()) for name in ids
            )
        seen: list[str] = []
        event.listen(
            stage.db.engine, "before_cursor_execute", lambda *a, seen=seen: seen.append(a[2])
        )
        deliver._load(stage.campus, ids)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_claim_leaves_a_row_that_another_worker_holds(stage: Stage) -> None:
    stage.queue(stage.awards[:1])
    with stage.db.transaction() as session:
        session.execute(
            update(Delivery).values(
                state="sending", lease_until=stage.clock() + timedelta(seconds=30)
            )
        )
    assert deliver.claim(stage.campus) == []
