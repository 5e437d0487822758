"""Moodle 4.5 as measured, 5.x as read.

No ``limit`` is ever sent: without it every list comes whole, with it ``results`` crashes (404 and
an HTML page) and the ``Link`` header is malformed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.lti.platforms.base import Lms


class Moodle(Lms):
    """Whole-second score times; everything else is the standard."""

    key = "moodle"
    name = "Moodle"
    families = ("moodle",)

    def score_timestamp(self, now: datetime, last: datetime | None) -> datetime:
        """Strictly later by whole seconds than the stored grade, else 409."""
        now = now.replace(microsecond=0)
        if last is None:
            return now
        return max(now, last.replace(microsecond=0) + timedelta(seconds=1))

    def is_stale(self, status: int, body: str) -> bool:
        """409 only; its 400 means that the person cannot be graded."""
        return status == 409
