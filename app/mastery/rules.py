"""The rule engine: a rule and a learner's scores in, a decision with reasons out. Pure.

A clause is met when the raw score reaches its pass mark: compared exactly, without rounding
(69.5 of 100 is not 70 %). Excused, unposted and missing grades never meet a clause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from app.errors import Invalid
from app.words import say

State = Literal["met", "not_yet"]
ReasonState = Literal["met", "below", "no_grade", "not_posted", "excused", "no_maximum", "not_new"]
"""``not_new`` comes from ``mastery.renewal`` alone: the grade is that of an earlier award."""


@dataclass(frozen=True)
class Clause:
    """One assessment that shows one competency from ``pass_mark`` percent (0 to 100) on."""

    assessment: str
    competency: str
    pass_mark: Decimal


@dataclass(frozen=True)
class RuleDefinition:
    """Clauses and how many of them are needed: all, any (one), or at least a number."""

    needs: Literal["all", "any"] | int
    clauses: tuple[Clause, ...]

    @property
    def required(self) -> int:
        """How many clauses must be met; never more than there are, and at least one."""
        if self.needs == "all":
            return max(1, len(self.clauses))
        return 1 if self.needs == "any" else max(1, min(int(self.needs), len(self.clauses)))

    def to_json(self) -> dict[str, Any]:
        """As kept in ``RuleVersion.definition``; percents as text, so that nothing is rounded."""
        return {
            "needs": self.needs,
            "clauses": [
                {
                    "assessment": c.assessment,
                    "competency": c.competency,
                    "pass_mark": f"{c.pass_mark:f}",
                }
                for c in self.clauses
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RuleDefinition:
        """The inverse of ``to_json``."""
        clauses = tuple(
            Clause(item["assessment"], item["competency"], Decimal(item["pass_mark"]))
            for item in data.get("clauses", [])
        )
        return cls(data.get("needs", "all"), clauses)

    def check(self) -> None:
        """Raise Invalid unless this can be published: clauses, distinct, marks within 0..100."""
        if not self.clauses:
            raise Invalid(
                "rule-empty",
                say("The badge has no assessment yet."),
                fix=say("Choose a competency and a pass mark for at least one assessment."),
            )
        if len({(c.assessment, c.competency) for c in self.clauses}) < len(self.clauses):
            raise Invalid("rule-twice", say("The same assessment shows the same competency twice."))
        if any(not 0 <= c.pass_mark <= 100 for c in self.clauses):
            raise Invalid("rule-mark", say("A pass mark is a percentage from 0 to 100."))
        if isinstance(self.needs, int) and not 1 <= self.needs <= len(self.clauses):
            raise Invalid(
                "rule-needs",
                say(
                    "At least %(needs)s are needed, but there are %(there)s.",
                    needs=self.needs,
                    there=len(self.clauses),
                ),
            )


@dataclass(frozen=True)
class Score:
    """A learner's current result in one assessment, as far as the rule is concerned."""

    raw: Decimal | None
    maximum: Decimal | None
    posted: bool = True
    excused: bool = False
    version_id: int | None = None

    @property
    def percent(self) -> Decimal | None:
        """Share of the maximum in percent, for people; decisions compare raw values."""
        if self.raw is None or not self.maximum:
            return None
        return self.raw * 100 / self.maximum


@dataclass(frozen=True)
class Reason:
    """Why a clause is met or not. ``percent`` is None when there is nothing to compare."""

    assessment: str
    competency: str
    state: ReasonState
    percent: Decimal | None
    pass_mark: Decimal

    def to_json(self) -> dict[str, Any]:
        """As kept in ``Decision.reasons``; the percentage cut to two places for people."""
        percent = None if self.percent is None else f"{self.percent:.2f}"
        return {
            "assessment": self.assessment,
            "competency": self.competency,
            "state": self.state,
            "percent": percent,
            "pass_mark": f"{self.pass_mark:f}",
        }


@dataclass(frozen=True)
class Decision:
    """What the rule says now. ``missing``: clauses still to be met (0 when met)."""

    state: State
    missing: int
    reasons: tuple[Reason, ...]


def evaluate(rule: RuleDefinition, scores: Mapping[str, Score]) -> Decision:
    """Decide a rule for one learner. ``scores`` by assessment id; order never matters."""
    reasons = tuple(_judge(clause, scores.get(clause.assessment)) for clause in rule.clauses)
    met = sum(reason.state == "met" for reason in reasons)
    missing = max(0, rule.required - met)
    return Decision("not_yet" if missing else "met", missing, reasons)


def _judge(clause: Clause, score: Score | None) -> Reason:
    state: ReasonState
    percent = None if score is None or not score.posted else score.percent
    if score is None or (score.raw is None and not score.excused):
        state = "no_grade"
    elif not score.posted:
        state = "not_posted"
    elif score.excused:
        state = "excused"
    elif score.raw is None or not score.maximum or score.maximum < 0:
        state = "no_maximum"
    else:
        state = "met" if score.raw * 100 >= clause.pass_mark * score.maximum else "below"
    return Reason(clause.assessment, clause.competency, state, percent, clause.pass_mark)
