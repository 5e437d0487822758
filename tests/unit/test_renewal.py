"""What renews a badge: new results that meet the whole rule, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.mastery.renewal import (
    Last,
    Prospect,
    Renewal,
    Seen,
    Terms,
    belongs,
    is_new,
    is_tried,
    occurrence,
    prospect,
)
from app.mastery.rules import Clause, RuleDefinition, Score
from app.mastery.validity import Validity

AWARDED = datetime(2026, 1, 10, 12, tzinfo=UTC)
ENDS = datetime(2027, 1, 10, 23, 59, 59, tzinfo=UTC)
LAST = Last(AWARDED, ENDS)
YEAR = Validity("years", 1)
WINDOW = Terms(YEAR, Renewal("window", 90))
ANY = Terms(YEAR, Renewal("result"))

ZONE = ZoneInfo("UTC")
RULE = RuleDefinition("all", (Clause("quiz", "c", Decimal(70)), Clause("exam", "c", Decimal(50))))


def seen(
    raw: int | None,
    at: datetime,
    *,
    attempt: int | None = None,
    graded: datetime | None = None,
) -> Seen:
    value = None if raw is None else Decimal(raw)
    return Seen(value, Decimal(100), attempt, graded, at)


def ask(
    histories: dict[str, Sequence[Seen]],
    terms: Terms = WINDOW,
    last: Last = LAST,
    now: datetime = ENDS - timedelta(days=10),
    rule: RuleDefinition = RULE,
) -> Prospect:
    scores = {key: Score(states[-1].raw, states[-1].maximum) for key, states in histories.items()}
    return prospect(rule, scores, histories, last, terms, now, ZONE)


OLD = {"quiz": [seen(80, AWARDED)], "exam": [seen(90, AWARDED)]}
IN_WINDOW = ENDS - timedelta(days=30)
BEFORE_WINDOW = ENDS - timedelta(days=100)


def test_old_results_never_renew() -> None:
    found = ask(OLD)
    assert found.state == "open"
    assert found.since == ENDS - timedelta(days=90)
    assert found.decision is not None
    assert {reason.state for reason in found.decision.reasons} == {"not_new"}
    assert ask(OLD, now=ENDS + timedelta(days=400)).state == "open"


def test_half_of_the_rule_renews_nothing() -> None:
    found = ask({**OLD, "quiz": [*OLD["quiz"], seen(95, IN_WINDOW)]})
    assert found.state == "open"
    assert found.decision is not None
    assert [reason.state for reason in found.decision.reasons] == ["met", "not_new"]


def test_the_whole_rule_by_new_results_renews() -> None:
    histories = {key: [*states, seen(95, IN_WINDOW)] for key, states in OLD.items()}
    assert ask(histories).state == "met"
    late = {key: [*states, seen(95, ENDS + timedelta(days=3))] for key, states in OLD.items()}
    assert ask(late, now=ENDS + timedelta(days=4)).state == "met"
    failed = {key: [*states, seen(20, IN_WINDOW)] for key, states in OLD.items()}
    assert ask(failed).state == "open"


def test_one_of_several_is_enough_where_the_rule_says_so() -> None:
    rule = replace(RULE, needs="any")
    assert ask({**OLD, "quiz": [*OLD["quiz"], seen(95, IN_WINDOW)]}, rule=rule).state == "met"


def test_before_the_window_only_the_other_policy_renews() -> None:
    histories = {key: [*states, seen(95, BEFORE_WINDOW)] for key, states in OLD.items()}
    early = ENDS - timedelta(days=99)
    assert ask(histories, now=early).state == "not_yet"
    assert ask(histories).state == "open"
    assert ask(histories, ANY, now=early).state == "met"


def test_what_cannot_be_renewed_says_why() -> None:
    histories = {key: [*states, seen(95, IN_WINDOW)] for key, states in OLD.items()}
    assert ask(histories, Terms(YEAR)).state == "closed"
    assert ask(histories, last=replace(LAST, ends=None)).state == "endless"
    assert ask(histories, last=replace(LAST, standing=False)).state == "barred"
    same = Terms(Validity("date", until=ENDS.date()), Renewal("result"))
    assert ask(histories, same).state == "no_later"
    endless = Terms(Validity(), Renewal("result"))
    assert ask(histories, endless).state == "closed"


def test_a_correction_of_a_counted_attempt_is_no_new_result() -> None:
    old = seen(80, AWARDED, attempt=1, graded=AWARDED)
    corrected = seen(85, IN_WINDOW, attempt=1, graded=IN_WINDOW)
    again = seen(85, IN_WINDOW, attempt=2, graded=IN_WINDOW)
    since = ENDS - timedelta(days=90)
    assert not is_new([old, corrected], since)
    assert is_new([old, again], since)
    assert is_new([old, replace(corrected, attempt=None)], since)


def test_hiding_and_showing_a_grade_makes_nothing_new() -> None:
    since = AWARDED + timedelta(days=1)
    first, hidden, shown = (seen(80, AWARDED + timedelta(days=n)) for n in (0, 5, 6))
    gone = seen(None, AWARDED + timedelta(days=7))
    back = seen(80, AWARDED + timedelta(days=8))
    assert not is_new([first, hidden, shown], since)
    assert not is_new([first, gone, back], since)
    assert not is_new([first, gone], since)
    assert is_new([first, seen(81, AWARDED + timedelta(days=9))], since)
    assert not is_new([], since)


def test_the_same_value_graded_later_is_new() -> None:
    since = ENDS - timedelta(days=90)
    old = seen(80, AWARDED, graded=AWARDED)
    assert is_new([old, seen(80, IN_WINDOW, graded=IN_WINDOW)], since)
    assert not is_new([old, seen(80, IN_WINDOW, graded=AWARDED)], since)


def test_a_failed_try_is_told_from_a_regrade() -> None:
    tried = {"quiz": [seen(80, AWARDED), seen(10, IN_WINDOW)]}
    regraded = {"quiz": [seen(80, AWARDED), seen(10, BEFORE_WINDOW)]}
    assert is_tried(LAST, WINDOW, tried)
    assert not is_tried(LAST, WINDOW, regraded)
    assert not is_tried(LAST, Terms(YEAR), tried)


def test_each_end_is_followed_once() -> None:
    assert occurrence("", ENDS, ZONE) == "after 2027-01-10"
    assert occurrence("term-1", ENDS, ZONE) == "term-1 after 2027-01-10"
    assert belongs("", "")
    assert belongs("after 2027-01-10", "")
    assert not belongs("term-1", "")
    assert belongs("term-1 after 2027-01-10", "term-1")
    assert not belongs("term-12", "term-1")
    assert len(occurrence("x" * 36, ENDS, ZONE)) <= 100


@pytest.mark.parametrize("days", [None, 0, 731])
def test_a_window_needs_a_length(days: int | None) -> None:
    with pytest.raises(Invalid):
        Terms(YEAR, Renewal("window", days)).check(date(2026, 1, 1))
    Terms(Validity(), Renewal("window", days)).check(date(2026, 1, 1))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(("never", "months", "years", "date")),
    policy=st.sampled_from(("none", "window", "result")),
)
def test_terms_keep_only_what_belongs_to_the_choice(kind: str, policy: str) -> None:
    terms = Terms(
        Validity(kind, 3, date(2030, 1, 1)),  # type: ignore[arg-type]
        Renewal(policy, 60),  # type: ignore[arg-type]
    )
    columns = terms.columns()
    row = type("Row", (), columns)()
    assert Terms.of(row).columns() == columns
    assert Terms.of(row).renews == terms.renews
    if kind == "never":
        assert not terms.renews


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    at=st.lists(st.integers(-300, 500), min_size=1, max_size=6).map(sorted),
    values=st.lists(st.integers(0, 100), min_size=6, max_size=6),
)
def test_nothing_seen_before_the_award_is_ever_new(at: list[int], values: list[int]) -> None:
    history = [
        seen(value, AWARDED + timedelta(days=day)) for day, value in zip(at, values, strict=False)
    ]
    if is_new(history, AWARDED):
        assert history[-1].seen_at > AWARDED
