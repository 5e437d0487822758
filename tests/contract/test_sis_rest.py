"""OneRoster REST against a SIS that fails in every way that real ones do, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.delivery.port import AwardFacts, Outcome, Target
from app.demo.sis.server import SisServer
from app.errors import Invalid, UpstreamError
from app.http import HttpClient, Response
from tests.contract.sis_rigs import (
    OTHER_STUDENT,
    STUDENT,
    GradebookRig,
    RestRig,
    award,
    explained,
    withdrawn,
)

SECRET = "sis-demo-secret"
RESULTS = "/assessmentResults/"


class HastyHttp(HttpClient):
    """Waits one second for an answer, so that a hanging SIS is soon given up."""

    def request(self, *args: Any, **kwargs: Any) -> Response:
        return super().request(*args, **kwargs | {"timeout": (1.0, 1.0)})


@pytest.fixture
def sis() -> Iterator[SisServer]:
    with SisServer() as server:
        yield server


@pytest.fixture
def rig(sis: SisServer, tmp_path: Path) -> Iterator[RestRig]:
    http = HastyHttp((sis.url,))
    yield RestRig(sis, tmp_path, http)
    http.close()


def send(target: Target, facts: AwardFacts, operation: str = "create") -> Outcome:
    return explained(target.send_many([("d", facts, operation)])["d"])


def send_two(target: Target) -> tuple[Outcome, Outcome]:
    """Two awards in one batch."""
    batch = [("d1", award(1), "create"), ("d2", award(2, learner_sis_id=OTHER_STUDENT), "create")]
    outcomes = target.send_many(batch)
    return explained(outcomes["d1"]), explained(outcomes["d2"])


def asked(sis: SisServer, method: str, fragment: str) -> int:
    """How often the SIS was asked for such a path."""
    log = sis.app.test_client().get("/_control/requests").get_json()["requests"]
    return sum(entry["method"] == method and fragment in entry["path"] for entry in log)


def say(sis: SisServer, status: int, body: str, **more: Any) -> None:
    """Make the SIS answer the next result with these words."""
    rule = {"path": RESULTS, "kind": "status", "status": status, "body": body}
    sis.faults.add(rule | more)


# Credentials


def test_a_wrong_secret_stops_the_batch_and_asks_for_somebody(rig: RestRig) -> None:
    first, second = send_two(rig.target(secret="wrong"))
    assert (first.kind, first.code, first.attention) == ("later", "sis-unauthorized", True)
    assert "secret" in first.message
    assert first.who == "SIS administrator"
    assert (second.kind, second.code) == ("later", "sis-unauthorized")
    assert second.message.startswith("Not tried yet.")
    assert asked(rig.sis, "POST", "/oauth/token") == 1
    assert rig.students() == []


def test_an_expired_secret_is_refused_in_the_middle(rig: RestRig) -> None:
    target = rig.target()
    assert send(target, award(1)).kind == "sent"
    rig.sis.store.switch({"secret_expired": True})
    outcome = send(target, award(2))
    assert (outcome.kind, outcome.code, outcome.attention) == ("later", "sis-unauthorized", True)
    rig.sis.store.switch({"secret_expired": False})
    assert send(target, award(2)).kind == "sent"


def test_a_token_that_ended_early_is_renewed_once(rig: RestRig) -> None:
    target = rig.target()
    assert send(target, award(1)).kind == "sent"
    rig.sis.app.test_client().delete("/_control/tokens")
    assert send(target, award(2)).kind == "sent"
    assert asked(rig.sis, "POST", "/oauth/token") == 2


def test_one_token_serves_a_batch(rig: RestRig) -> None:
    target = rig.target()
    send_two(target)
    send_two(target)
    assert asked(rig.sis, "POST", "/oauth/token") == 1


def test_a_lasting_401_stops_the_batch(rig: RestRig) -> None:
    rig.sis.faults.add({"path": RESULTS, "kind": "status", "status": 401, "times": None})
    first, second = send_two(rig.target())
    assert first.code == second.code == "sis-unauthorized"
    assert asked(rig.sis, "PUT", RESULTS) == 2, "once, and once with a new token"


def test_a_missing_permission_is_told_apart(rig: RestRig) -> None:
    readonly = "https://purl.imsglobal.org/spec/or/v1p2/scope/assessment.readonly"
    outcome = send(rig.target({"scope": readonly}), award())
    assert (outcome.code, outcome.status, outcome.attention) == ("sis-unauthorized", 403, True)
    assert "assessment.createput" in outcome.message


def test_a_scope_that_the_sis_does_not_know(rig: RestRig) -> None:
    outcome = send(rig.target({"scope": "everything"}), award())
    assert (outcome.code, outcome.status) == ("sis-unauthorized", 400)
    assert "scopes" in outcome.fix


def test_the_secret_can_go_in_the_form(rig: RestRig) -> None:
    assert send(rig.target({"auth_style": "post"}), award()).kind == "sent"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"kind": "html"}, "sis-not-data"),
        ({"kind": "status", "status": 200, "body": "{}"}, "sis-no-token"),
        ({"kind": "status", "status": 200, "body": '{"access_token": 7}'}, "sis-no-token"),
        ({"kind": "status", "status": 503}, "sis-server-error"),
        ({"kind": "status", "status": 429, "retry_after": 5}, "sis-busy"),
        ({"kind": "drop_before"}, "sis-unreachable"),
    ],
)
def test_a_token_desk_that_fails(rig: RestRig, rule: dict[str, Any], code: str) -> None:
    rig.sis.faults.add({"path": "/oauth/token"} | rule)
    target = rig.target()
    outcome = send(target, award())
    assert (outcome.kind, outcome.code) == ("later", code)
    assert send(target, award()).kind == "sent"


# Data that is refused


@pytest.mark.parametrize(
    "body",
    [
        (
            '{"imsx_codeMajor": "failure", "imsx_severity": "error", "imsx_description": "no such term",'
            ' "imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldName": "x",'
            ' "imsx_codeMinorFieldValue": "invaliddata"}]}}'
        ),
        '{"imsx_StatusInfo": {"imsx_codeMajor": "failure", "imsx_description": "no such term"}}',
        '{"imsx_codeMajor": "failure", "imsx_codeMinor": "no such term"}',
        '{"detail": "no such term"}',
        '{"detail": [{"loc": ["body"], "msg": "no such term"}]}',
        '{"message": "no such term"}',
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_the_reason_is_found_in_every_envelope(rig: RestRig, status: int, body: str) -> None:
    say(rig.sis, status, body)
    first, second = send_two(rig.target())
    assert (first.kind, first.code, first.status) == ("never", "sis-refused-data", status)
    assert "no such term" in first.message
    assert first.raw == body
    assert second.kind == "sent", "one bad row does not stop the batch"


def test_a_failure_inside_a_200_is_a_failure(rig: RestRig) -> None:
    body = (
        '{"imsx_codeMajor": "failure", "imsx_description": "term is closed", "imsx_CodeMinor":'
        ' {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invaliddata"}]}}'
    )
    say(rig.sis, 200, body)
    outcome = send(rig.target(), award())
    assert (outcome.kind, outcome.code) == ("never", "sis-refused-data")
    assert "term is closed" in outcome.message


def test_an_unknown_student_is_refused_by_the_real_thing(rig: RestRig) -> None:
    batch = [
        ("d1", award(1), "create"),
        ("d2", award(2, learner_sis_id="S-nobody"), "create"),
        ("d3", award(3, learner_sis_id=OTHER_STUDENT), "create"),
    ]
    outcomes = rig.target().send_many(batch)
    assert [outcomes[d].kind for d in ("d1", "d2", "d3")] == ["sent", "never", "sent"]
    assert "S-nobody" in explained(outcomes["d2"]).message


def test_404_names_an_unknown_object(rig: RestRig) -> None:
    say(rig.sis, 404, '{"imsx_codeMajor": "failure", "imsx_description": "no user S-1"}')
    outcome = send(rig.target(), award())
    assert (outcome.kind, outcome.code) == ("never", "sis-unknown-object")


def test_a_locked_record(rig: RestRig) -> None:
    say(rig.sis, 409, '{"message": "assignment is locked"}')
    outcome = send(rig.target(), award())
    assert (outcome.kind, outcome.code) == ("never", "sis-locked")


def test_a_line_item_that_is_refused(rig: RestRig) -> None:
    rig.sis.faults.add({"path": "/assessmentLineItems/", "kind": "status", "status": 422})
    outcome = send(rig.target(), award())
    assert (outcome.kind, outcome.code) == ("never", "sis-refused-data")
    assert outcome.message.startswith("The line item of the badge")


# A SIS that is busy, broken or away


def test_429_is_honoured_and_stops_the_batch(rig: RestRig) -> None:
    say(rig.sis, 429, "{}", retry_after=17)
    first, second = send_two(rig.target())
    assert (first.kind, first.code, first.retry_after) == ("later", "sis-busy", 17.0)
    assert (second.kind, second.retry_after) == ("later", 17.0)
    assert (first.tried, second.tried) == (True, False)
    assert not first.attention
    assert asked(rig.sis, "PUT", RESULTS) == 1


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"kind": "status", "status": 500}, "sis-server-error"),
        ({"kind": "status", "status": 503, "retry_after": 9}, "sis-server-error"),
        ({"kind": "html"}, "sis-not-data"),
        ({"kind": "html", "status": 502}, "sis-server-error"),
        ({"kind": "html", "status": 404}, "sis-not-data"),
        ({"kind": "status", "status": 200, "body": '{"broken'}, "sis-not-data"),
        ({"kind": "status", "status": 302, "body": ""}, "sis-not-data"),
        ({"kind": "drop_before"}, "sis-unreachable"),
        ({"kind": "huge"}, "sis-answer-too-long"),
        ({"kind": "commit_then_drop"}, "sis-unreachable"),
        ({"kind": "commit_then_hang", "delay": 3600}, "sis-unreachable"),
    ],
)
@pytest.mark.parametrize("operation", ["create", "revoke"])
def test_trouble_is_tried_again_and_doubles_nothing(
    rig: RestRig, operation: str, rule: dict[str, Any], code: str
) -> None:
    """Whether or not the lost answer stood for work done, the second try ends it."""
    target = rig.target()
    facts = award()
    if operation == "revoke":
        assert send(target, facts).kind == "sent"
        facts = award(**withdrawn(facts))
    rig.sis.faults.add({"path": RESULTS} | rule)
    outcome = send(target, facts, operation)
    assert (outcome.kind, outcome.code) == ("later", code)
    assert not outcome.attention
    assert send(target, facts, operation).kind == "sent"
    assert rig.students() == ([STUDENT] if operation == "create" else [])
    assert len(rig.columns()) == 1


def test_a_dead_sis_is_given_up_after_three_rows(rig: RestRig) -> None:
    rig.sis.faults.add({"path": RESULTS, "kind": "drop_before", "times": None})
    batch = [(f"d{n}", award(n), "create") for n in range(1, 9)]
    outcomes = rig.target().send_many(batch)
    assert {outcome.kind for outcome in outcomes.values()} == {"later"}
    assert asked(rig.sis, "PUT", RESULTS) == 3


def test_an_address_that_tassel_may_not_contact(rig: RestRig) -> None:
    http = HttpClient(())
    outcome = send(rig.target(http=http), award())
    http.close()
    assert (outcome.kind, outcome.code) == ("later", "sis-address-forbidden")
    assert outcome.attention
    assert "TASSEL_ALLOWED_ORIGINS" in outcome.fix


# What goes over the wire


def test_the_line_item_is_put_once(rig: RestRig) -> None:
    target = rig.target()
    for _ in range(2):
        send_two(target)
    assert asked(rig.sis, "PUT", "/assessmentLineItems/") == 1


def test_a_line_item_that_was_deleted_there_is_put_again(rig: RestRig) -> None:
    target = rig.target()
    assert send(target, award(1)).kind == "sent"
    rig.sis.store.reset()
    assert send(target, award(2)).kind == "sent"
    assert len(rig.columns()) == 1


def test_marking_keeps_the_record(rig: RestRig) -> None:
    target = rig.target({"revoke": "mark"})
    send(target, award())
    outcome = send(target, award(**withdrawn(award())), "revoke")
    assert (outcome.kind, outcome.code) == ("sent", "marked-for-deletion")
    (record,) = rig.sis.store.all("assessmentResults")
    assert record["status"] == "tobedeleted"
    assert record["comment"] == "Withdrawn: entered for STAT 101 by mistake"


def test_deleting_what_is_gone_succeeds(rig: RestRig) -> None:
    outcome = send(rig.target(), award(**withdrawn(award())), "revoke")
    assert (outcome.kind, outcome.code, outcome.status) == ("sent", "already-gone", 404)


def test_ids_that_the_sis_allocates(rig: RestRig) -> None:
    """References and the deletion use the SIS's ids, also from another process."""
    rig.sis.store.switch({"server_allocated_ids": True})
    target = rig.target({"ids": "sis"})
    outcome = send(target, award())
    assert outcome.kind == "sent"
    (column,) = rig.columns()
    (record,) = rig.records()
    assert column["sourcedId"].startswith("SIS-")
    assert record["assessmentLineItem"]["sourcedId"] == column["sourcedId"]
    assert outcome.remote_ref == f"assessmentResults/{record['sourcedId']}"
    assert send(rig.target({"ids": "sis"}), award()).remote_ref == outcome.remote_ref
    revoked = award(**withdrawn(award()))
    assert send(rig.target({"ids": "sis"}), revoked, "revoke").code == "deleted"
    assert rig.sis.store.all("assessmentResults") == []


def test_a_result_in_a_class_is_complete(sis: SisServer, tmp_path: Path) -> None:
    http = HttpClient((sis.url,))
    rig = GradebookRig(sis, tmp_path, http)
    assert send(rig.target(), award()).kind == "sent"
    http.close()
    (column,) = rig.columns()
    assert column["class"]["sourcedId"] == "STAT101-2026-AUT-A"
    assert column["school"]["sourcedId"] == "SCHOOL-1"
    assert column["category"]["sourcedId"] == "CAT-MICRO"
    assert column["dueDate"] == "2026-11-20T23:30:00.000Z"


def test_local_times_become_utc(rig: RestRig) -> None:
    """Half past eight in the evening of the 20th in New York is the 21st in UTC."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    at = datetime(2026, 11, 20, 20, 30, tzinfo=ZoneInfo("America/New_York"))
    send(rig.target(), award(awarded_at=at))
    (record,) = rig.records()
    assert record["scoreDate"] == "2026-11-21"
    assert record["dateLastModified"] == "2026-11-21T01:30:00.000Z"


def test_ids_with_odd_characters_make_sound_addresses(rig: RestRig) -> None:
    """A student id with spaces and slashes is escaped in its address and kept in its field."""
    outcome = send(rig.target(), award(learner_sis_id="S 1/2?é"))
    assert outcome.code == "sis-refused-data"
    assert "no student is known as S 1/2?é" in outcome.message


def test_secrets_never_reach_the_ledger(rig: RestRig) -> None:
    say(rig.sis, 422, f'{{"detail": "client tassel with {SECRET} is odd"}}')
    outcome = send(rig.target(), award())
    assert SECRET not in repr(outcome)
    assert "•••" in outcome.message
    assert "•••" in outcome.raw


# The connection test


def lines_of(target: Target) -> dict[str, tuple[str, str]]:
    """State and detail by name; every line that is not green says how to mend it."""
    lines = target.test()
    assert all(line.fix for line in lines if line.state == "red")
    return {line.name: (line.state, line.detail) for line in lines}


def test_the_test_asks_for_each_permission(rig: RestRig) -> None:
    lines = rig.target().test()
    assert [(line.name, line.state) for line in lines] == [
        ("Get a token", "green"),
        ("Read the roster", "green"),
        ("Read the gradebook", "green"),
        ("Write records", "green"),
    ]
    assert all(line.url.startswith(rig.sis.url) for line in lines)
    assert rig.sis.store.history() == []


def test_the_test_ends_at_a_wrong_secret(rig: RestRig) -> None:
    lines = lines_of(rig.target(secret="wrong"))
    assert {name: state for name, (state, _) in lines.items()} == {"Get a token": "red"}


def test_the_test_shows_a_missing_permission(rig: RestRig) -> None:
    scope = "https://purl.imsglobal.org/spec/or/v1p2/scope/assessment.readonly"
    lines = lines_of(rig.target({"scope": scope}))
    assert lines["Write records"][0] == "red"
    assert lines["Read the roster"][0] == "amber"
    assert lines["Read the gradebook"][0] == "green"


def test_the_test_looks_for_category_and_school(sis: SisServer, tmp_path: Path) -> None:
    http = HttpClient((sis.url,))
    target = GradebookRig(sis, tmp_path, http).target({"category_id": "NONE"})
    lines = lines_of(target)
    http.close()
    assert lines["Category"] == ("red", "The SIS has no NONE.")
    assert lines["School"][0] == "green"


def test_a_sis_that_checks_nothing_is_amber(rig: RestRig) -> None:
    rule = {"path": "/assessmentLineItems/", "method": "PUT", "kind": "status", "status": 201}
    rig.sis.faults.add(rule | {"body": ""})
    assert lines_of(rig.target())["Write records"][0] == "amber"
    assert asked(rig.sis, "DELETE", "/assessmentLineItems/") == 1


@pytest.mark.parametrize(
    ("date", "state"), [("2001-01-01", "red"), ("2999-01-01", "green"), ("soon", "amber")]
)
def test_the_test_knows_when_the_secret_ends(rig: RestRig, date: str, state: str) -> None:
    assert lines_of(rig.target({"secret_expires": date}))["Secret"][0] == state


def test_a_class_result_needs_category_and_school(rig: RestRig) -> None:
    with pytest.raises(Invalid) as caught:
        rig.target({"record": "result", "category_id": "", "school_id": ""})
    assert set(caught.value.fields) == {"category_id", "school_id"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("gradebook_url", "ftp://sis"), ("record", "transcript"), ("title_limit", "many")],
)
def test_a_value_that_cannot_be_is_named(rig: RestRig, field: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        rig.target({field: value})
    assert set(caught.value.fields) == {field}


def test_reading_back_says_when_it_cannot(rig: RestRig) -> None:
    target = rig.target()
    outcome = send(target, award())
    assert outcome.remote_ref
    rig.sis.faults.add({"path": RESULTS, "kind": "status", "status": 503})
    with pytest.raises(UpstreamError) as caught:
        target.fetch(outcome.remote_ref)
    assert (caught.value.code, caught.value.permanent) == ("sis-server-error", False)
    rig.sis.store.switch({"secret_expired": True})
    with pytest.raises(UpstreamError) as caught:
        target.fetch(outcome.remote_ref)
    assert caught.value.code == "sis-unauthorized"
