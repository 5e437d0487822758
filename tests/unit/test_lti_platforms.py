"""What each LMS does otherwise than the standard, and that no other module names one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import app.lti
from app.lti.platforms import LMS, lms_for, lms_of_family

AT = datetime(2026, 11, 22, 10, 0, 0, 700_000, tzinfo=UTC)


def test_standard_timestamps_rise_by_more_than_a_millisecond() -> None:
    standard = LMS["generic"]
    assert standard.score_timestamp(AT, None) == AT
    assert standard.score_timestamp(AT, AT - timedelta(hours=1)) == AT
    assert standard.score_timestamp(AT, AT) > AT + timedelta(seconds=1)


@pytest.mark.parametrize("ago", [0, 300, 699, 700])
def test_whole_second_timestamps_rise_by_a_second(ago: int) -> None:
    last = AT - timedelta(milliseconds=ago)
    following = LMS["moodle"].score_timestamp(AT, last)
    assert following.microsecond == 0
    assert int(following.timestamp()) > int(last.timestamp())


def test_scores_are_final_and_make_no_new_attempt() -> None:
    for lms in LMS.values():
        message = lms.score_message(Decimal(1))
        assert message["activityProgress"] == "Completed"
        assert message["gradingProgress"] == "FullyGraded"
        assert lms.score_message(None)["gradingProgress"] != "FullyGraded"
    extension = LMS["canvas"].score_message(Decimal(1))[
        "https://canvas.instructure.com/lti/submission"
    ]
    assert extension == {"new_submission": False, "prioritize_non_tool_grade": True}


def test_throttling_is_told_apart_from_refusal() -> None:
    canvas = LMS["canvas"]
    assert canvas.is_throttled(403, {}, "403 Forbidden (Rate Limit Exceeded)\n")
    assert not canvas.is_throttled(403, {}, "no permission")
    assert not LMS["generic"].is_throttled(403, {}, "Rate Limit Exceeded")


def test_shared_issuers_fit_one_lms_only() -> None:
    origin = "https://school.instructure.com"
    assert LMS["canvas"].issuer_fits("https://canvas.instructure.com", origin)
    assert not LMS["canvas"].issuer_fits("https://evil.example", origin)
    assert not LMS["generic"].issuer_fits("https://canvas.instructure.com", origin)
    assert "https://sso.canvaslms.com" in LMS["canvas"].site(origin)


def test_sections_come_from_where_they_mean_a_class() -> None:
    lis = {"course_section_sourcedid": "COURSE-1"}
    assert LMS["moodle"].section_sis_id(lis, {}) == "COURSE-1"
    assert LMS["canvas"].section_sis_id(lis, {}) is None
    assert LMS["canvas"].section_sis_id(lis, {"section_sis_ids": "A-1,A-2"}) == "A-1"


def test_a_token_is_made_for_the_address_or_for_a_fixed_name() -> None:
    address = "https://lms.example/token"
    assert LMS["generic"].token_audience(address, None) == address
    assert LMS["brightspace"].token_audience(address, None).endswith("brightspace.com/auth/token")
    assert LMS["brightspace"].token_audience(address, "told") == "told"


@pytest.mark.parametrize(
    ("key", "status", "body", "person"),
    [
        ("generic", 400, "", True),
        ("generic", 404, "There is no such learner", True),
        ("generic", 404, "Line item does not exist", False),
        ("generic", 403, "User in requested score is not enrolled", False),
        ("blackboard", 400, "User could not be found: 1", True),
        ("brightspace", 403, "User in requested score is not enrolled in the org unit", True),
        ("brightspace", 403, "Insufficient scope", False),
        ("brightspace", 404, "User in requested score does not exist", True),
    ],
)
def test_a_refusal_is_about_the_person_or_not(
    key: str, status: int, body: str, person: bool
) -> None:
    assert LMS[key].refuses_person(status, body) is person


def test_student_numbers_come_from_the_vendors_own_claim() -> None:
    claims = {"http://www.brightspace.com": {"org_defined_id": "S-1"}}
    assert LMS["brightspace"].person_sis_id({}, {}, claims) == "S-1"
    assert LMS["generic"].person_sis_id({}, {}, claims) is None
    for odd in ({}, {"http://www.brightspace.com": "S-1"}, {"http://www.brightspace.com": {}}):
        assert LMS["brightspace"].person_sis_id({"person_sourcedid": "S-2"}, {}, odd) == "S-2"


def test_table() -> None:
    assert lms_for("nobody").key == "generic"
    assert lms_of_family("Moodle").key == "moodle"
    assert lms_of_family("").key == "generic"
    assert all(LMS[key].key == key for key in LMS)


def test_an_lms_is_named_in_its_own_file_only() -> None:
    room = Path(app.lti.__file__).parent
    vendors = [key for key in LMS if key != "generic"]
    names = re.compile("|".join(vendors), re.IGNORECASE)
    named = {
        path.name for path in room.rglob("*.py") if names.search(path.read_text(encoding="utf-8"))
    }
    assert named == {f"{key}.py" for key in vendors} | {"__init__.py"}
    assert not names.search((room / "__init__.py").read_text(encoding="utf-8"))
