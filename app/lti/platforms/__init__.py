"""The LMSs that differ from the standard: one file each, and one line in ``LMS``."""

from __future__ import annotations

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.canvas import Canvas
from app.lti.platforms.moodle import Moodle

__all__ = ["LMS", "Lms", "ToolFacts", "lms_for", "lms_of_family"]

LMS: dict[str, Lms] = {lms.key: lms for lms in (Lms(), Moodle(), Canvas())}


def lms_for(key: str) -> Lms:
    """The LMS of an installation; the standard for an unknown key."""
    return LMS.get(key, LMS["generic"])


def lms_of_family(family: str) -> Lms:
    """The LMS that a ``product_family_code`` names; the standard for an unknown one."""
    wanted = family.strip().lower()
    return next((lms for lms in LMS.values() if wanted in lms.families), LMS["generic"])
