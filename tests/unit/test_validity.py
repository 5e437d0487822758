"""The last second of a badge: months of unequal length, leap days, clocks that change at midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.mastery.validity import Kind, Validity, add_months, days_left, end_of_day

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = sorted(name for name in available_timezones() if not name.startswith(("right/", "posix")))
days = st.dates(date(2024, 1, 1), date(2090, 12, 31))
zones = st.sampled_from(ZONES).map(ZoneInfo)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2027, 8, 31), 1, date(2027, 9, 30)),
        (date(2027, 12, 15), 1, date(2028, 1, 15)),
        (date(2026, 11, 30), 15, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 11, 27), 0, date(2026, 11, 27)),
    ],
)
def test_months_end_on_the_same_day_or_the_last(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=days, months=st.integers(0, 600))
def test_a_month_later_is_in_the_next_month(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(1)).day == 1)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=days, other=days, months=st.integers(1, 600))
def test_who_earns_it_later_does_not_lose_it_sooner(first: date, other: date, months: int) -> None:
    assert add_months(min(first, other), months) <= add_months(max(first, other), months)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=days, zone=zones)
def test_a_day_ends_with_its_last_second_everywhere(day: date, zone: ZoneInfo) -> None:
    end = end_of_day(day, zone)
    assert end.astimezone(zone).date() == day
    assert (end + timedelta(seconds=1)).astimezone(zone).date() > day


def test_midnight_that_is_left_out() -> None:
    """Greenland's clocks go from 23:00 to midnight on a Saturday in March."""
    zone = ZoneInfo("America/Nuuk")
    assert end_of_day(date(2026, 3, 28), zone) == datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)


def ends(kind: Kind, count: int | None, awarded: datetime, until: date | None = None) -> str:
    end = Validity(kind, count, until).ends(awarded, BERLIN)
    return end.isoformat() if end else "never"


def test_ends_are_days_of_the_campus() -> None:
    late = datetime(2026, 1, 30, 23, 30, tzinfo=UTC)  # 31 January in Berlin
    assert ends("never", None, late) == "never"
    assert ends("months", 1, late) == "2026-02-28T22:59:59+00:00"
    assert ends("years", 2, late) == "2028-01-31T22:59:59+00:00"
    assert ends("months", 6, late) == "2026-07-31T21:59:59+00:00"
    assert ends("date", None, late, date(2027, 5, 3)) == "2027-05-03T21:59:59+00:00"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(day=days, hour=st.integers(0, 23), count=st.integers(1, 50), zone=zones)
def test_years_are_twelve_months_and_lie_ahead(
    day: date, hour: int, count: int, zone: ZoneInfo
) -> None:
    awarded = datetime.combine(day, time(hour), UTC)
    years = Validity("years", count).ends(awarded, zone)
    assert years == Validity("months", 12 * count).ends(awarded, zone)
    assert years is not None
    assert years > awarded
    assert days_left(years, awarded, zone) >= 365 * count - 1


def test_the_last_day_has_no_days_left() -> None:
    end = end_of_day(date(2027, 5, 3), BERLIN)
    assert days_left(end, end, BERLIN) == 0
    assert days_left(end, end - timedelta(hours=23), BERLIN) == 0
    assert days_left(end, end - timedelta(hours=24), BERLIN) == 1


@pytest.mark.parametrize(
    ("validity", "field"),
    [
        (Validity("months"), "valid_count"),
        (Validity("months", 0), "valid_count"),
        (Validity("months", 601), "valid_count"),
        (Validity("years", 51), "valid_count"),
        (Validity("date"), "valid_until"),
        (Validity("date", until=date(2026, 11, 27)), "valid_until"),
        (Validity("date", until=date(2127, 1, 1)), "valid_until"),
        (Validity("date", until=date.max), "valid_until"),
    ],
)
def test_what_cannot_be_published(validity: Validity, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        validity.check(date(2026, 11, 27))
    assert field in refused.value.fields


def test_what_can_be_published() -> None:
    for good in (
        Validity(),
        Validity("months", 600),
        Validity("years", 1),
        Validity("date", until=date(2026, 11, 28)),
        Validity("date", until=date(2126, 12, 31)),
    ):
        good.check(date(2026, 11, 27))
