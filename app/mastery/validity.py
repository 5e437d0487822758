"""How long a badge is valid: from the words its author chose to the last second of it. Pure.

Days are days of the campus: a badge ends with the end of its last day there, so that nobody loses
the afternoon of the day that a page names.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from app.errors import Invalid

Kind = Literal["never", "months", "years", "date"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LONGEST: Final = {"months": 600, "years": 50}
"""More than a working life is a typing error."""
FURTHEST: Final = 100
"""Years ahead of a fixed day: what lies further is meant to be never (and the calendar ends in 9999)."""
LAST_SECOND: Final = time(23, 59, 59)


@dataclass(frozen=True)
class Validity:
    """``never`` ends; ``count`` months or years after the award; with the day ``until``."""

    kind: Kind = "never"
    count: int | None = None
    until: date | None = None

    def check(self, today: date) -> None:
        """Raise Invalid, with the field to look at, unless awards of ``today`` can end like this."""
        if self.kind in LONGEST and not 1 <= (self.count or 0) <= LONGEST[self.kind]:
            raise Invalid(
                "validity-count",
                f"Say for how many {self.kind} the badge is valid.",
                fields={"valid_count": f"1 to {LONGEST[self.kind]}"},
            )
        if self.kind == "date" and (self.until is None or self.until <= today):
            raise Invalid(
                "validity-past",
                "The last day of the badge must lie in the future.",
                fix="Choose a later day, or another way for the badge to end.",
                fields={"valid_until": "a day after today"},
            )
        if self.kind == "date" and self.until and self.until.year > today.year + FURTHEST:
            raise Invalid(
                "validity-far",
                f"The last day of the badge lies more than {FURTHEST} years ahead.",
                fix="Let the badge never end.",
                fields={"valid_until": f"within {FURTHEST} years"},
            )

    def ends(self, awarded_at: datetime, zone: ZoneInfo) -> datetime | None:
        """The last second (aware, UTC) of an award; None when it never ends.

        A fixed day may lie before ``awarded_at``: then nothing can be awarded any more.
        """
        if self.kind == "never":
            return None
        if self.kind == "date":
            return None if self.until is None else end_of_day(self.until, zone)
        months = (self.count or 0) * (12 if self.kind == "years" else 1)
        return end_of_day(add_months(awarded_at.astimezone(zone).date(), months), zone)


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it has no such day.

    31 January and one month is 28 February, or the 29th in a leap year; 29 February and a year is
    28 February.
    """
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return date(years, month + 1, min(day.day, last))


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second (aware, UTC) of a day in ``zone``, also where clocks change at midnight.

    ``fold=1`` reads an hour that comes twice as its second time, and one that is left out by the
    clock that follows, which is before midnight in both cases.
    """
    return datetime.combine(day, LAST_SECOND, zone).replace(fold=1).astimezone(UTC)


def days_left(ends: datetime, now: datetime, zone: ZoneInfo) -> int:
    """Whole days of the campus between today and the last day: 0 on the last day itself."""
    return (ends.astimezone(zone).date() - now.astimezone(zone).date()).days
