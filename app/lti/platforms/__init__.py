"""The LMSs that differ from the standard: one file each, and one line in ``LMS``."""

from __future__ import annotations

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.blackboard import Blackboard
from app.lti.platforms.brightspace import Brightspace
from app.lti.platforms.canvas import Canvas
from app.lti.platforms.moodle import Moodle
from app.lti.platforms.openedx import OpenEdx
from app.lti.platforms.sakai import Sakai

__all__ = ["LMS", "Lms", "ToolFacts", "is_shared", "lms_for", "lms_of_family"]

LMS: dict[str, Lms] = {
    lms.key: lms
    for lms in (Lms(), Moodle(), Canvas(), Blackboard(), Brightspace(), OpenEdx(), Sakai())
}


def lms_for(key: str) -> Lms:
    """The LMS of an installation; the standard for an unknown key."""
    return LMS.get(key, LMS["generic"])


def is_shared(origin: str) -> bool:
    """Whether an address is a vendor's for all of its schools, so that no single LMS stands there."""
    return any(origin in lms.shared for lms in LMS.values())


def lms_of_family(family: str) -> Lms:
    """The LMS that a ``product_family_code`` names; the standard for an unknown one."""
    wanted = family.strip().lower()
    return next((lms for lms in LMS.values() if wanted in lms.families), LMS["generic"])
