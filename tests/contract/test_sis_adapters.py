"""What every SIS adapter must do, whatever it speaks: one suite over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.delivery.port import AwardFacts, Outcome, Planned, Target
from app.delivery.sis import ADAPTERS
from app.demo.sis.server import SisServer
from app.errors import Invalid
from app.http import HttpClient
from tests.contract.sis_rigs import (
    OTHER_STUDENT,
    RIGS,
    STUDENT,
    CsvRig,
    Rig,
    award,
    explained,
    withdrawn,
)


@pytest.fixture(params=sorted(RIGS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each adapter and each way of recording, with an empty SIS."""
    with SisServer() as sis:
        http = HttpClient((sis.url,))
        yield RIGS[request.param](sis, tmp_path, http)
        http.close()


def send(target: Target, facts: AwardFacts, operation: str = "create") -> Outcome:
    """Send one award and return its outcome, checked for its explanation."""
    delivery_id = f"{operation}:{facts.award_id}"
    return explained(target.send_many([(delivery_id, facts, operation)])[delivery_id])


def test_an_award_arrives_on_the_right_record(rig: Rig) -> None:
    """Sent means that the SIS holds one result of this student, under a line item of this name."""
    outcome = send(rig.target(), award())
    assert outcome.kind == "sent"
    assert rig.students() == [STUDENT]
    assert [column["title"] for column in rig.columns()] == ["Data literacy"]
    (record,) = rig.records()
    assert record["scoreDate"] == "2026-11-20"
    assert record["textScore"] == "Met"


def test_sending_again_changes_nothing(rig: Rig) -> None:
    """The same award from the same and from another process: one record, the same content."""
    target = rig.target()
    first = send(target, award())
    before = rig.records()
    again = send(target, award())
    elsewhere = send(rig.target(), award())
    assert {first.remote_ref, again.remote_ref, elsewhere.remote_ref} == {first.remote_ref}
    assert rig.records() == before
    assert len(rig.columns()) == 1


def test_connections_and_awards_have_ids_of_their_own(rig: Rig) -> None:
    """Another award, or the same award through another connection, is another record."""
    send(rig.target(), award(1))
    send(rig.target(), award(2, learner_sis_id=OTHER_STUDENT))
    send(rig.target({"connection_id": "another"}), award(1))
    assert rig.students() == sorted([STUDENT, STUDENT, OTHER_STUDENT])


def test_a_batch_shares_its_line_item(rig: Rig) -> None:
    """Many awards of one badge stand under one line item, each row with its own outcome."""
    batch = [
        ("d1", award(1), "create"),
        ("d2", award(2, learner_sis_id=OTHER_STUDENT), "create"),
        ("d3", award(3, achievement_id="other", achievement_name="Probability"), "create"),
    ]
    outcomes = rig.target().send_many(batch)
    assert {key: outcome.kind for key, outcome in outcomes.items()} == dict.fromkeys(
        ["d1", "d2", "d3"], "sent"
    )
    assert rig.students() == sorted([STUDENT, STUDENT, OTHER_STUDENT])
    assert sorted(column["title"] for column in rig.columns()) == ["Data literacy", "Probability"]


def test_a_withdrawn_award_is_taken_back(rig: Rig) -> None:
    """Revoked means that no live result is left; revoking again is fine."""
    send(rig.target(), award(1))
    send(rig.target(), award(2, learner_sis_id=OTHER_STUDENT))
    revoked = award(1, **withdrawn(award(1)))
    for _ in range(2):
        assert send(rig.target(), revoked, "revoke").kind == "sent"
        assert rig.students() == [OTHER_STUDENT]


def test_withdrawing_what_never_arrived_is_done(rig: Rig) -> None:
    """The SIS need not have heard of it."""
    facts = award(1)
    assert send(rig.target(), award(1, **withdrawn(facts)), "revoke").kind == "sent"
    assert rig.students() == []


@pytest.mark.parametrize("operation", ["create", "revoke"])
def test_without_a_student_id_it_is_held(rig: Rig, operation: str) -> None:
    """Held, with who can mend it; the preview says the same."""
    facts = award(learner_sis_id=None, **withdrawn(award()))
    outcome = send(rig.target(), facts, operation)
    assert (outcome.kind, outcome.code) == ("held", "no-sis-id")
    assert rig.target().preview(facts, operation) == outcome


def test_without_a_class_id_it_is_held_where_one_is_needed(rig: Rig) -> None:
    """An assessment result needs no class, a gradebook column does."""
    outcome = send(rig.target(), award(class_sis_id=None))
    expected = ("held", "no-class-id") if rig.needs_class else ("sent", "delivered")
    assert (outcome.kind, outcome.code) == expected


def test_a_row_that_cannot_go_does_not_stop_the_others(rig: Rig) -> None:
    """First, middle and last row of a batch arrive around one that is held."""
    batch = [
        ("d1", award(1), "create"),
        ("d2", award(2, learner_sis_id=None), "create"),
        ("d3", award(3, learner_sis_id=OTHER_STUDENT), "create"),
    ]
    outcomes = rig.target().send_many(batch)
    assert [outcomes[key].kind for key in ("d1", "d2", "d3")] == ["sent", "held", "sent"]
    assert rig.students() == [STUDENT, OTHER_STUDENT]


def test_an_empty_batch_is_nothing(rig: Rig) -> None:
    assert rig.target().send_many([]) == {}
    assert rig.students() == []


def test_the_preview_is_what_is_sent(rig: Rig) -> None:
    """Same code path: the records of the preview stand in the SIS afterwards, word for word."""
    plan = rig.target().preview(award(), "create")
    assert isinstance(plan, Planned)
    assert plan.summary
    assert rig.students() == [], "a preview writes nothing"
    send(rig.target(), award())
    if isinstance(rig, CsvRig):
        assert isinstance(plan.payload, dict)
        (row,) = rig.records()
        assert ",".join(row.values()) in plan.payload["results.csv"]
    else:
        assert [plan.payload] == [{rig.record: record} for record in rig.records()]
        (before,) = plan.before
        assert [before.payload] == [{rig.column: column} for column in rig.columns()]


def test_what_was_sent_can_be_read_back(rig: Rig) -> None:
    """``remote_ref`` leads to the record."""
    outcome = send(rig.target(), award())
    assert outcome.remote_ref
    record = rig.target().fetch(outcome.remote_ref)
    assert record is not None
    assert [record] == rig.records()
    assert rig.target().fetch(f"{outcome.remote_ref[:-4]}beef") is None


def test_competencies_travel_with_the_award(rig: Rig) -> None:
    """CASE ids under their own source, other codes as unknown; nothing at all when switched off."""
    send(rig.target(), award())
    if isinstance(rig, CsvRig):
        rows = rig.imported()["resultLearningObjectiveIds"].values()
        sent = {(row["source"], row["learningObjectiveId"]) for row in rows}
        assert sent == {
            ("case", "urn:uuid:6b8f4c1e-54a1-4f0b-9d0a-2f6f0c9d7a10"),
            ("unknown", "DL-2"),
        }
    else:
        (record,) = rig.records()
        assert [
            (
                group["source"],
                [one["learningObjectiveId"] for one in group["learningObjectiveResults"]],
            )
            for group in record["learningObjectiveSet"]
        ] == [("case", ["6b8f4c1e-54a1-4f0b-9d0a-2f6f0c9d7a10"]), ("unknown", ["DL-2"])]


def test_a_long_name_is_cut_with_a_warning(rig: Rig) -> None:
    """Systems that take 30 characters get 30, and the preview says so."""
    target = rig.target({"title_limit": "30"})
    facts = award(achievement_name="Data literacy for the social sciences, part one")
    plan = target.preview(facts, "create")
    assert isinstance(plan, Planned)
    assert len(plan.warnings) == 1
    send(target, facts)
    (column,) = rig.columns()
    assert column["title"] == "Data literacy for the social…"


def test_the_connection_test_is_not_red(rig: Rig) -> None:
    """A good connection passes its test and leaves nothing behind."""
    lines = rig.target().test()
    assert lines
    assert {line.state for line in lines} <= {"green", "amber"}, lines
    assert rig.students() == []
    assert rig.columns() == []


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_an_incomplete_connection_names_its_fields(kind: str) -> None:
    """Every required field that is empty is named at once, by the label of the form."""
    adapter = ADAPTERS[kind]
    with HttpClientForNothing() as http, pytest.raises(Invalid) as caught:
        adapter.build({"connection_id": "c", "data_dir": "/nowhere"}, {}, http)
    required = {f.name for f in adapter.fields if f.required and not f.default}
    assert set(caught.value.fields) == required


class HttpClientForNothing(HttpClient):
    """A client that is closed again, for targets that are never made."""

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
