"""Columns of a copied course find their old ones, and nothing doubtful passes as certain."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mastery.rematch import Column, Match, rematch


def column(ident: str, title: str, maximum: int | None = 10, **marks: object) -> Column:
    top = None if maximum is None else Decimal(maximum)
    return Column(ident, title, top, **marks)  # type: ignore[arg-type]


OLD = column("old", "Lab 2: Simulating chance", tag="t", resource_id="r", link_id="7")


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (column("n", "Renamed", 5, tag="t", resource_id="r"), Match("n", "mark")),
        (column("n", "Renamed", 5, link_id="9", link_history=("8", "7")), Match("n", "link")),
        (column("n", "Lab 2:  Simulating chance"), Match("n", "title")),
        (column("n", "Lab 2: Simulating chance", 20), Match("n", "similar")),
        (column("n", "lab 2: simulating chance"), Match("n", "similar")),
        (column("n", "Lab 2: Simulating chance (spring 2027)"), Match("n", "similar")),
        (column("n", "Lab 3: Simulating chance"), Match(None, "none")),
        (column("n", "Final exam"), Match(None, "none")),
        (column("n", "Other", tag="t"), Match(None, "none")),
        (column("n", ""), Match(None, "none")),
    ],
)
def test_one_column(new: Column, expected: Match) -> None:
    assert rematch([OLD], [new]) == {"old": expected}


def test_an_ambiguous_title_is_never_certain() -> None:
    twins = [column("a", "Quiz"), column("b", "Quiz")]
    found = rematch([column("old", "Quiz")], twins)
    assert found["old"].how == "similar"
    found = rematch([column("one", "Quiz"), column("two", "Quiz")], twins)
    assert {match.how for match in found.values()} == {"similar"}
    assert {match.new for match in found.values()} == {"a", "b"}


def test_a_stronger_way_takes_the_column_from_a_weaker_one() -> None:
    old = [column("x", "Quiz 1"), column("y", "Quiz 2", resource_id="r")]
    new = [column("n", "Quiz 1", resource_id="r")]
    assert rematch(old, new) == {"x": Match(None, "none"), "y": Match("n", "mark")}


COLUMNS = st.lists(
    st.builds(
        Column,
        id=st.uuids().map(str),
        title=st.text("Quizab12 ", max_size=8),
        maximum=st.sampled_from([None, Decimal(10), Decimal(20)]),
        tag=st.sampled_from([None, "t"]),
        resource_id=st.sampled_from([None, "r", "s"]),
        link_id=st.sampled_from([None, "1", "2", "3"]),
        link_history=st.lists(st.sampled_from(["1", "2", "3"]), max_size=2).map(tuple),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)


@given(COLUMNS, COLUMNS, st.randoms(use_true_random=False))
def test_what_always_holds(old: list[Column], new: list[Column], random) -> None:
    found = rematch(old, new)
    assert found.keys() == {one.id for one in old}
    given_out = [match.new for match in found.values() if match.new]
    assert len(given_out) == len(set(given_out))
    assert set(given_out) <= {one.id for one in new}
    shuffled = [random.sample(old, len(old)), random.sample(new, len(new))]
    again = rematch(*shuffled)
    assert {k: m for k, m in found.items() if m.certain} == {
        k: m for k, m in again.items() if m.certain
    }


@given(st.lists(st.integers(0, 99), unique=True, max_size=6))
def test_an_unchanged_copy_is_matched_whole(numbers: list[int]) -> None:
    old = [column(f"o{n}", f"Quiz {n}") for n in numbers]
    new = [column(f"n{n}", f"Quiz {n}") for n in reversed(numbers)]
    assert rematch(old, new) == {f"o{n}": Match(f"n{n}", "title") for n in numbers}
