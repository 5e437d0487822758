"""Pictures say the same as their numbers."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.charts import BASE, LEFT, RIGHT, TOP, histogram, split

BINS = [0, 0, 2, 3, 4, 6, 9, 12, 8, 5]


def test_bars_are_as_high_as_their_counts() -> None:
    bars = histogram(BINS, Decimal(70)).bars
    assert [bar.count for bar in bars] == BINS
    assert bars[7].y == TOP
    assert bars[4].height == pytest.approx((BASE - TOP) * 4 / 12, abs=0.1)
    assert bars[0].height == 0


def test_bars_below_the_mark_look_different_and_one_cut_by_it_is_named() -> None:
    assert [bar.kind for bar in histogram(BINS, Decimal(70)).bars] == ["out"] * 7 + [""] * 3
    assert [bar.kind for bar in histogram(BINS, Decimal(75)).bars][6:9] == ["out", "near", ""]


@pytest.mark.parametrize(("mark", "x"), [("0", LEFT), ("100", RIGHT), ("50", (LEFT + RIGHT) / 2)])
def test_the_mark_stands_at_its_percentage(mark: str, x: float) -> None:
    assert histogram(BINS, Decimal(mark)).mark_x == x


def test_the_name_of_the_mark_stays_inside_the_picture() -> None:
    assert histogram(BINS, Decimal(95)).mark_anchor == "end"
    assert histogram(BINS, Decimal(5)).mark_anchor == "start"


def test_an_empty_course_draws_no_bar_and_does_not_divide_by_zero() -> None:
    chart = histogram([0] * 10, Decimal(70))
    assert chart.total == 0
    assert {bar.height for bar in chart.bars} == {0}


def test_a_wrong_number_of_bins_is_refused() -> None:
    with pytest.raises(ValueError, match="10 bins"):
        histogram([1, 2], Decimal(70))


@given(st.lists(st.integers(0, 10_000), min_size=10, max_size=10), st.integers(0, 100))
def test_every_bar_stays_inside_and_none_covers_another(bins: list[int], mark: int) -> None:
    bars = histogram(bins, Decimal(mark)).bars
    assert all(TOP <= bar.y <= BASE and LEFT <= bar.x <= RIGHT for bar in bars)
    assert all(a.x + a.width < b.x for a, b in itertools.pairwise(bars))


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=5))
def test_parts_fill_the_bar_in_proportion(counts: list[int]) -> None:
    parts = split([(count, "") for count in counts], width=100)
    assert [part.count for part in parts] == [count for count in counts if count]
    if parts:
        assert sum(part.width for part in parts) == pytest.approx(100, abs=0.3)
        assert all(
            part.width == pytest.approx(100 * part.count / sum(counts), abs=0.06) for part in parts
        )
