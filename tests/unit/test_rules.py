"""The rule engine: a table of cases, and properties that hold for every course."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.mastery.rules import Clause, RuleDefinition, Score, evaluate

D = Decimal


def clause(assessment: str, mark: str = "70") -> Clause:
    return Clause(assessment, "c1", D(mark))


@pytest.mark.parametrize(
    ("score", "state"),
    [
        (None, "no_grade"),
        (Score(None, D(100)), "no_grade"),
        (Score(D("70"), D(100)), "met"),
        (Score(D("69.999"), D(100)), "below"),
        (Score(D("69.5"), D(100)), "below"),
        (Score(D("0"), D(100)), "below"),
        (Score(D("7"), D(10)), "met"),
        (Score(D("120"), D(100)), "met"),
        (Score(D("90"), D(100), posted=False), "not_posted"),
        (Score(D("90"), D(100), excused=True), "excused"),
        (Score(None, D(100), excused=True), "excused"),
        (Score(D("90"), None), "no_maximum"),
        (Score(D("90"), D(0)), "no_maximum"),
    ],
)
def test_one_clause(score: Score | None, state: str) -> None:
    scores = {} if score is None else {"a": score}
    decision = evaluate(RuleDefinition("all", (clause("a"),)), scores)
    assert decision.reasons[0].state == state
    assert decision.state == ("met" if state == "met" else "not_yet")


def test_a_third_of_the_points_is_compared_exactly() -> None:
    """33.333… % of 3 points is not reached by rounding."""
    rule = RuleDefinition("all", (clause("a", "33.34"),))
    assert evaluate(rule, {"a": Score(D(1), D(3))}).state == "not_yet"
    rule = RuleDefinition("all", (clause("a", "33.33"),))
    assert evaluate(rule, {"a": Score(D(1), D(3))}).state == "met"


@pytest.mark.parametrize(
    ("needs", "met", "expected", "missing"),
    [
        ("all", {"a", "b", "c"}, "met", 0),
        ("all", {"a", "b"}, "not_yet", 1),
        ("any", {"b"}, "met", 0),
        ("any", set(), "not_yet", 1),
        (2, {"a", "c"}, "met", 0),
        (2, {"a"}, "not_yet", 1),
        (3, set(), "not_yet", 3),
    ],
)
def test_how_many_are_needed(needs: int | str, met: set[str], expected: str, missing: int) -> None:
    rule = RuleDefinition(needs, (clause("a"), clause("b"), clause("c")))  # type: ignore[arg-type]
    scores = {name: Score(D(80 if name in met else 20), D(100)) for name in "abc"}
    decision = evaluate(rule, scores)
    assert (decision.state, decision.missing) == (expected, missing)


@pytest.mark.parametrize(
    "rule",
    [
        RuleDefinition("all", ()),
        RuleDefinition("all", (clause("a"), clause("a"))),
        RuleDefinition("all", (clause("a", "101"),)),
        RuleDefinition("all", (clause("a", "-1"),)),
        RuleDefinition(3, (clause("a"), clause("b"))),
        RuleDefinition(0, (clause("a"),)),
    ],
)
def test_what_cannot_be_published(rule: RuleDefinition) -> None:
    with pytest.raises(Invalid):
        rule.check()


NAMES = ["a", "b", "c", "d", "e"]
points = st.decimals(min_value=0, max_value=200, places=2)
scores_of = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Score, raw=points, maximum=st.just(D(100)))
)
rules = st.builds(
    lambda names, marks, needs: RuleDefinition(
        needs if isinstance(needs, str) else min(needs, len(names)),
        tuple(Clause(n, "c", m) for n, m in zip(names, marks, strict=False)),
    ),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True),
    st.lists(st.decimals(min_value=0, max_value=100, places=1), min_size=5, max_size=5),
    st.one_of(st.just("all"), st.just("any"), st.integers(1, 5)),
)


@given(rules, scores_of, st.sampled_from(NAMES), points)
def test_more_points_never_lose_a_badge(
    rule: RuleDefinition, scores: dict[str, Score], name: str, extra: Decimal
) -> None:
    before = evaluate(rule, scores)
    old = scores.get(name, Score(D(0), D(100)))
    more = {**scores, name: Score((old.raw or D(0)) + extra, D(100))}
    after = evaluate(rule, more)
    assert after.missing <= before.missing


@given(rules, scores_of)
def test_the_order_of_clauses_does_not_matter(
    rule: RuleDefinition, scores: dict[str, Score]
) -> None:
    turned = RuleDefinition(rule.needs, tuple(reversed(rule.clauses)))
    first, second = evaluate(rule, scores), evaluate(turned, scores)
    assert (first.state, first.missing) == (second.state, second.missing)


@given(rules)
def test_a_rule_survives_storage(rule: RuleDefinition) -> None:
    assert RuleDefinition.from_json(rule.to_json()) == rule
