"""The permission table."""

from __future__ import annotations

import pytest

from app.lti.roles import STAFF
from app.web.permissions import (
    COURSE,
    ENDORSER,
    OPERATOR,
    OPERATOR_ROLES,
    PERMISSIONS,
    PRIVACY,
    allows,
)


def test_launches_and_the_table_mean_the_same_roles():
    assert PERMISSIONS["staff"].roles == frozenset(STAFF)
    assert PERMISSIONS["teacher"].roles == frozenset(STAFF) - {"assistant"}


def test_learners_never_hold_a_permission_of_staff():
    held = {name for name, line in PERMISSIONS.items() if "learner" in line.roles}
    assert held == {"course", "learner"}


def test_roles_of_one_area_open_nothing_in_the_other():
    course = {role for line in PERMISSIONS.values() if line.area == COURSE for role in line.roles}
    privacy = {role for line in PERMISSIONS.values() if line.area == PRIVACY for role in line.roles}
    assert not course & OPERATOR_ROLES
    assert not privacy & (course | OPERATOR_ROLES)
    assert {line.area for line in PERMISSIONS.values()} == {COURSE, ENDORSER, OPERATOR, PRIVACY}


@pytest.mark.parametrize(
    ("role", "held"), [("sis_administrator", "deliveries"), ("approver", "approvals")]
)
def test_helpers_of_the_operator_come_in_for_one_thing(role: str, held: str):
    assert {name for name in PERMISSIONS if allows(name, role)} == {"area", held}


def test_unknown_permission_is_an_error():
    with pytest.raises(KeyError):
        allows("everything", "operator")
