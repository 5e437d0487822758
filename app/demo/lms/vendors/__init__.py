"""One file per vendor: the base class is the standard, a subclass holds only what differs."""

from __future__ import annotations

from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.blackboard import Blackboard
from app.demo.lms.vendors.brightspace import Brightspace
from app.demo.lms.vendors.canvas import Canvas
from app.demo.lms.vendors.moodle import Moodle
from app.demo.lms.vendors.openedx import OpenEdx
from app.demo.lms.vendors.sakai import Sakai
from app.errors import Invalid

VENDORS: dict[str, type[Vendor]] = {
    "standard": Vendor,
    "moodle": Moodle,
    "canvas": Canvas,
    "blackboard": Blackboard,
    "brightspace": Brightspace,
    "openedx": OpenEdx,
    "sakai": Sakai,
}


def vendor_for(mode: str) -> Vendor:
    """A fresh vendor object for a mode. Raises ``Invalid`` for a mode that does not exist."""
    if mode not in VENDORS:
        known = ", ".join(sorted(VENDORS))
        raise Invalid("unknown-mode", f"There is no LMS mode {mode!r}.", fix=f"Use one of {known}.")
    return VENDORS[mode]()
