"""The one role that counts, from what each LMS sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lti.roles import TEST_USER, is_test_user, role_of

MEMBER = "http://purl.imsglobal.org/vocab/lis/v2/membership"
INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"
ASSISTANT = MEMBER + "/Instructor#TeachingAssistant"


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ([MEMBER + "#Instructor"], "instructor"),
        ([MEMBER + "#ContentDeveloper"], "instructor"),
        ([MEMBER + "#Administrator"], "instructor"),
        ([MEMBER + "#Learner"], "learner"),
        ([MEMBER + "/Learner#NonCreditLearner"], "learner"),
        ([MEMBER + "#Mentor"], "observer"),
        ([ASSISTANT, MEMBER + "#Instructor"], "assistant"),
        ([MEMBER + "#Learner", MEMBER + "#Instructor"], "instructor"),
        (
            [MEMBER + "#Learner", INSTITUTION + "Instructor", INSTITUTION + "Administrator"],
            "learner",
        ),
        ([MEMBER + "#Mentor", SYSTEM + "Administrator"], "observer"),
        ([MEMBER + "#Member", SYSTEM + "Administrator"], "none"),
        ([SYSTEM + "Administrator"], "administrator"),
        ([INSTITUTION + "Administrator"], "administrator"),
        ([SYSTEM + "SysAdmin"], "administrator"),
        ([INSTITUTION + "Instructor"], "none"),
        ([SYSTEM + "User", INSTITUTION + "Student"], "none"),
        ([INSTITUTION + "None", SYSTEM + "None", MEMBER + "#Learner"], "learner"),
        (["Instructor"], "instructor"),
        (["Learner"], "learner"),
        (["Instructor#TeachingAssistant"], "assistant"),
        (["urn:lti:role:ims/lis/Learner"], "learner"),
        (["urn:lti:role:ims/lis/Instructor/TeachingAssistant"], "assistant"),
        (["urn:lti:sysrole:ims/lis/SysAdmin"], "administrator"),
        (["urn:lti:instrole:ims/lis/Administrator", "urn:lti:role:ims/lis/Learner"], "learner"),
        (["https://example.org/Instructor"], "none"),
        (["instructor"], "none"),
        ([TEST_USER, MEMBER + "#Learner"], "learner"),
        ([TEST_USER], "none"),
        ([], "none"),
    ],
)
def test_role(names: list[str], role: str) -> None:
    assert role_of(names) == role
    assert role_of(reversed(names)) == role


def test_preview_users_are_known() -> None:
    assert is_test_user([TEST_USER, MEMBER + "#Learner"])
    assert not is_test_user([MEMBER + "#Learner"])


@given(st.lists(st.text(max_size=40), max_size=5))
def test_strange_names_give_no_staff_rights(names: list[str]) -> None:
    strange = [name for name in names if not name.isascii() or not name.strip().isalpha()]
    cleaned = [name.replace("#", "").replace("/", "") + "?" for name in strange]
    assert role_of(cleaned) == "none"
