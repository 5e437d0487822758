"""Who may do what: the one permission table. ``web.access`` holds every route against it.

A permission is exercised inside an area: a course (the role comes from the verified launch of that
course) or the operator's area (the role comes from the link that let the person in). A role that is
not named in a line may not do it; there is no ranking of roles to reason about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

COURSE: Final = "course"
OPERATOR: Final = "operator"
PRIVACY: Final = "privacy"
ENDORSER: Final = "endorser"

_EVERYBODY = frozenset({"instructor", "assistant", "administrator", "learner", "observer"})


@dataclass(frozen=True)
class Permission:
    """One line: where it holds, and which roles have it there."""

    area: str
    """``course``, ``operator``, ``privacy`` (one person or LMS that a launch asked about) or
    ``endorser`` (the badge that a link was made for)."""
    roles: frozenset[str]
    what: str
    """What it allows, for people who read this table."""


PERMISSIONS: Final[Mapping[str, Permission]] = {
    "course": Permission(COURSE, _EVERYBODY, "see what a course shows everybody in it"),
    "staff": Permission(
        COURSE,
        frozenset({"instructor", "assistant", "administrator"}),
        "see the grades, decisions and awards of a course",
    ),
    "teacher": Permission(
        COURSE,
        frozenset({"instructor", "administrator"}),
        "map assessments, publish badges, revoke awards in a course",
    ),
    "lms_administrator": Permission(
        COURSE,
        frozenset({"administrator"}),
        "come into the operator's area from a trusted LMS, as administrator without a role in the course",
    ),
    "learner": Permission(COURSE, frozenset({"learner"}), "see and share one's own badges"),
    "privacy": Permission(
        PRIVACY,
        frozenset({"privacy"}),
        "see and export what is held about the person that the LMS asks about",
    ),
    "endorser": Permission(
        ENDORSER,
        frozenset({"endorser"}),
        "read the one badge that a link was made for, endorse it once, and take that back",
    ),
    "area": Permission(
        OPERATOR,
        frozenset({"operator", "sis_administrator", "approver"}),
        "come into the operator's area and leave it",
    ),
    "approvals": Permission(
        OPERATOR,
        frozenset({"operator", "approver"}),
        "approve or decline badges that teachers send to an issuer",
    ),
    "deliveries": Permission(
        OPERATOR,
        frozenset({"operator", "sis_administrator"}),
        "set up SIS connections, read and repair deliveries",
    ),
    "operator": Permission(
        OPERATOR,
        frozenset({"operator"}),
        "approve LMSs, look after issuers, keys, mail, API tokens, the audit log and health",
    ),
}
"""Name of the permission (as ``Access.who`` says it) to its line."""

OPERATOR_ROLES: Final = PERMISSIONS["area"].roles
"""Roles that ``tassel admin link`` can give."""


def allows(permission: str, role: str) -> bool:
    """Whether ``role`` has ``permission``; KeyError for a permission that does not exist."""
    return role in PERMISSIONS[permission].roles
