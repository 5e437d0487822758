"""From LTI role names to the one role that counts in a course. Pure.

Context roles decide; institution and system roles are noise while a context role is there (an
LMS may send institution#Instructor in a course where the person is a learner).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

Role = Literal["learner", "instructor", "assistant", "observer", "administrator", "none"]

TEST_USER = "http://purl.imsglobal.org/vocab/lti/system/person#TestUser"
STAFF = ("instructor", "assistant", "administrator")

_CONTEXT = "http://purl.imsglobal.org/vocab/lis/v2/membership"
_ELSEWHERE = (
    "http://purl.imsglobal.org/vocab/lis/v2/institution/",
    "http://purl.imsglobal.org/vocab/lis/v2/system/",
    "http://purl.imsglobal.org/vocab/lti/system/",
    "urn:lti:instrole:",
    "urn:lti:sysrole:",
)
_URN = "urn:lti:role:ims/lis/"
_ORDER: tuple[tuple[Role, frozenset[str]], ...] = (
    ("assistant", frozenset({"TeachingAssistant"})),
    ("instructor", frozenset({"Instructor", "ContentDeveloper", "Administrator"})),
    ("learner", frozenset({"Learner"})),
    ("observer", frozenset({"Mentor"})),
)


def role_of(names: Iterable[str]) -> Role:
    """The role for a launch's or a member's role names; "none" gives no rights.

    Full names, sub-roles, LTI 1.1 URNs and short names (as rosters have them) are understood. A
    teaching assistant stays one even when membership#Instructor is sent beside it.
    """
    names = [name.strip() for name in names if isinstance(name, str)]
    words = {word for name in names for word in _context_words(name)}
    for role, accepted in _ORDER:
        if words & accepted:
            return role
    has_context = any(not name.startswith(_ELSEWHERE) and _context_words(name) for name in names)
    if not has_context and any(_is_administrator(name) for name in names):
        return "administrator"
    return "none"


def administers(names: Iterable[str]) -> bool:
    """Whether a role over the whole LMS or its institution is held: administrator, privacy officer.

    A course's own administrators do not count.
    """
    return any(
        _is_administrator(name)
        or (name.startswith(_ELSEWHERE) and name.lower().endswith("privacyofficer"))
        for name in names
    )


def is_test_user(names: Sequence[str]) -> bool:
    """Whether a preview user (student view) is meant: such a one never earns anything."""
    return TEST_USER in names


def _context_words(name: str) -> tuple[str, ...]:
    """The core role and the sub-role that a context role names; () for other kinds of role.

    ``membership#Learner``, ``membership/Instructor#TeachingAssistant``,
    ``urn:lti:role:ims/lis/Instructor/TeachingAssistant`` and plain ``Learner``.
    """
    if name.startswith(_ELSEWHERE):
        return ()
    if name.startswith(_CONTEXT):
        return tuple(word for word in name[len(_CONTEXT) :].replace("#", "/").split("/") if word)
    if name.startswith(_URN):
        return tuple(name[len(_URN) :].split("/"))
    return () if ":" in name else tuple(name.replace("#", "/").split("/"))


def _is_administrator(name: str) -> bool:
    return name.startswith(_ELSEWHERE) and name.replace("/", "#").endswith(
        ("#Administrator", "#SysAdmin", "ims#lis#Administrator", "ims#lis#SysAdmin")
    )
