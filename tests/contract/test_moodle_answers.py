"""Recorded answers of a real Moodle 4.5.6, read into columns and marks."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UpstreamError
from app.gradebook import moodle_answers as answers
from app.gradebook.moodle_answers import Mark, merge_items, read_enrolled, read_reports, read_site

RECORDED = Path(__file__).parent.parent / "recordings" / "moodle-4.5.6"
REPORT = "gradereport_user_get_grade_items"


def load(name: str) -> Any:
    return json.loads((RECORDED / f"ws-{name}.json").read_text(encoding="utf-8"))


def marks(recording: str) -> dict[tuple[str, str], Mark]:
    """(person, item title) to mark."""
    return {
        (report.user, item.title): mark
        for report in read_reports(load(f"{REPORT}-{recording}"), "Moodle")
        for item, mark in zip(report.items, report.marks, strict=True)
    }


def test_columns_are_every_item_but_the_totals() -> None:
    items = merge_items(read_reports(load(f"{REPORT}-hidden-overridden-excluded"), "Moodle"))
    assert [(one.id, one.title, one.module, one.maximum) for one in items] == [
        ("5", "Lab report 1", "assign", 100),
        ("6", "Quiz 1: Cells", "quiz", 10),
        ("7", "Participation", "manual", 20),
        ("9", "Extra column renamed", "manual", 50),
        ("11", "Adaptive practice", "lti", 100),
        ("12", "Deep linked activity", "lti", 50),
        ("13", "Cross-site embedded", "lti", 10),
        ("14", "Same-site embedded", "lti", 10),
    ]


def test_native_grades_of_the_whole_class() -> None:
    found = marks("teacher")
    lab = {person: mark.raw for (person, title), mark in found.items() if title == "Lab report 1"}
    assert lab == {
        "12": Decimal(92), "13": Decimal("71.5"), "14": Decimal(58), "15": Decimal(84), "16": None,
    }  # fmt: skip
    assert found["14", "Quiz 1: Cells"].raw == 0
    assert found["15", "Quiz 1: Cells"].raw is None
    graded = found["12", "Lab report 1"].graded_at
    assert graded is not None
    assert graded.isoformat() == "2026-11-22T00:29:12+00:00"


def test_hidden_overridden_and_suspended() -> None:
    found = marks("hidden-overridden-excluded")
    hidden = {key for key, mark in found.items() if mark.hidden}
    assert hidden == {(person, "Participation") for person in ("12", "13", "14", "15")}
    assert {key for key, mark in found.items() if mark.overridden} == {("14", "Adaptive practice")}
    assert found["14", "Adaptive practice"].raw == 61
    assert not any(mark.locked for mark in found.values())
    assert "16" not in {person for person, _ in found}  # suspended: no entry at all


def test_a_students_own_report_has_no_flags() -> None:
    found = marks("student-own")
    assert {person for person, _ in found} == {"12"}
    assert ("12", "Participation") not in found
    assert not any(mark.overridden or mark.locked for mark in found.values())
    owns = {
        name: {report.own for report in read_reports(load(f"{REPORT}-{name}"), "Moodle")}
        for name in ("student-own", "teacher", "hidden-overridden-excluded")
    }
    assert owns == {
        "student-own": {True}, "teacher": {False}, "hidden-overridden-excluded": {False},
    }  # fmt: skip


def test_people_and_their_roles() -> None:
    people = read_enrolled(load("core_enrol_get_enrolled_users"), "Moodle")
    assert [person.id for person in people if person.learner] == ["12", "13", "14", "15", "16"]
    assert [person.id for person in people if not person.learner] == ["10", "11"]
    assert [person.id for person in people if person.seen is None] == ["13", "14", "15", "16"]


def item(**changes: Any) -> dict[str, Any]:
    found = dict(load(f"{REPORT}-teacher")["usergrades"][0]["gradeitems"][0])
    return found | changes


def report_of(*entries: Any) -> answers.Report:
    user = {"userid": 12, "gradeitems": list(entries)}
    return next(read_reports({"usergrades": [user]}, "Moodle"))


def test_a_scale_is_an_index_with_its_id() -> None:
    report = report_of(item(scaleid=2, graderaw=2, grademin=1, grademax=3, gradeformatted="Good"))
    assert report.items[0].scale == "2"
    assert (report.marks[0].raw, report.marks[0].maximum, report.marks[0].scale) == (2, 3, "2")


def test_totals_and_stale_items_are_left_out() -> None:
    report = report_of(
        item(id=1, itemtype="category"), item(id=2, itemtype="course"), item(gradeneedsupdate=True)
    )
    assert len(report.items) == 1
    assert report.marks == ()
    assert report.stale == {"5"}


@pytest.mark.parametrize(
    "broken",
    [None, "text", {}, item(id="x"), item(graderaw="many"), item(graderaw=float("nan")),
     item(graderaw=True), item(graderaw=10**12), item(grademax=[])],
)  # fmt: skip
def test_one_unreadable_item_does_not_stop_the_others(broken: Any) -> None:
    report = report_of(item(id=4), broken, item(id=6))
    assert [mark.item for mark in report.marks] == ["4", "6"]
    assert len(report.unreadable) == 1
    assert not report.unreadable & {"4", "6"}


def test_an_impossible_time_does_not_lose_the_grade() -> None:
    mark = report_of(item(gradedategraded=10**18)).marks[0]
    assert (mark.raw, mark.graded_at) == (Decimal("71.5"), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["usergrades", "functions", "x"]))
def test_whatever_comes_is_read_or_refused(value: Any, key: str) -> None:
    for answer in (
        value,
        {key: value},
        {key: [value]},
        {key: [{"userid": 1, "gradeitems": value}]},
    ):
        for read in (read_enrolled, lambda one, name: list(read_reports(one, name)), read_site):
            with suppress(UpstreamError):
                read(answer, "Moodle")


@pytest.mark.parametrize(
    ("errorcode", "code", "says"),
    [
        ("invalidtoken", "source-lost", "new token"),
        ("wsaccessusersuspended", "source-lost", "new token"),
        ("accessexception", "ws-function-missing", "External services"),
        ("nopermissions", "source-lost", "teacher"),
        ("errorcoursecontextnotvalid", "source-lost", "teacher"),
        ("invalidrecord", "ws-course-gone", "course"),
        ("dbconnectionfailed", "ws-dbconnectionfailed", "again"),
    ],
)
def test_errors_say_who_can_do_what(errorcode: str, code: str, says: str) -> None:
    answer = {"exception": "x", "errorcode": errorcode, "message": "Secret of Ana Ábrego"}
    with pytest.raises(UpstreamError) as caught:
        list(read_reports(answer, "Campus Moodle"))
    assert caught.value.code == code
    assert says in caught.value.fix
    assert caught.value.body == errorcode
    assert "Ana" not in str(caught.value)
    assert "Campus Moodle" in caught.value.message


def test_site_info_names_exactly_what_is_missing() -> None:
    held = [{"name": answers.SITE_INFO, "version": "1"}, {"name": REPORT, "version": "1"}]
    site = read_site({"sitename": "S", "release": "4.5.6", "userid": 8, "functions": held}, "M")
    assert site.missing == (answers.ENROLLED,)
