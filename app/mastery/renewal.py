"""When a badge that ends is earned again: by new results, never by those it was earned with. Pure.

An award that ends is not made longer. Whoever meets the rule once more, with results that are newer
than the award, earns another one with an end of its own; the earlier one runs out by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Protocol, cast, get_args
from zoneinfo import ZoneInfo

from app.errors import Invalid
from app.mastery.rules import Decision, Reason, RuleDefinition, Score, evaluate
from app.mastery.validity import Kind, Validity

Policy = Literal["none", "window", "result"]
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
MOST_DAYS: Final = 730
_PAUSE: Final = timedelta(days=1)
"""What is graded on the heels of an award belongs to it and would not end later."""
_AFTER: Final = "after "


@dataclass(frozen=True)
class Renewal:
    """``none``; by results from ``days`` before the end on (window); or by any result that comes more
    than a day after the award."""

    policy: Policy = "none"
    days: int | None = None

    def check(self) -> None:
        """Raise Invalid for a window without a length."""
        if self.policy == "window" and not 1 <= (self.days or 0) <= MOST_DAYS:
            raise Invalid(
                "renewal-days",
                "Say how many days before its end the badge can be renewed.",
                fields={"renewal_days": f"1 to {MOST_DAYS}"},
            )

    def opens(self, awarded_at: datetime, ends: datetime | None) -> datetime | None:
        """From when on results count for the next award; None when it cannot be renewed."""
        if self.policy == "none" or ends is None:
            return None
        if self.policy == "result":
            return awarded_at + _PAUSE
        return max(awarded_at, ends - timedelta(days=self.days or 0))


class TermsRow(Protocol):
    """Where terms are kept: ``models.AchievementVersion`` or a row of its columns."""

    @property
    def valid_kind(self) -> str:
        """``Validity.kind``."""

    @property
    def valid_count(self) -> int | None:
        """``Validity.count``."""

    @property
    def valid_until(self) -> date | None:
        """``Validity.until``."""

    @property
    def renewal(self) -> str:
        """``Renewal.policy``."""

    @property
    def renewal_days(self) -> int | None:
        """``Renewal.days``."""


TERMS: Final = ("valid_kind", "valid_count", "valid_until", "renewal", "renewal_days")
"""The columns of a ``TermsRow``."""


@dataclass(frozen=True)
class Terms:
    """How long a wording of a badge is valid and how it is renewed."""

    validity: Validity = field(default_factory=Validity)
    renewal: Renewal = field(default_factory=Renewal)

    @classmethod
    def of(cls, row: TermsRow) -> Terms:
        """As kept in ``row``."""
        validity = Validity(cast("Kind", row.valid_kind), row.valid_count, row.valid_until)
        return cls(validity, Renewal(cast("Policy", row.renewal), row.renewal_days))

    def columns(self) -> dict[str, Any]:
        """The inverse of ``of``: what does not belong to the choice is left out."""
        counted = self.validity.kind in ("months", "years")
        ends = self.validity.kind != "never"
        window = ends and self.renewal.policy == "window"
        return {
            "valid_kind": self.validity.kind,
            "valid_count": self.validity.count if counted else None,
            "valid_until": self.validity.until if self.validity.kind == "date" else None,
            "renewal": self.renewal.policy if ends else "none",
            "renewal_days": self.renewal.days if window else None,
        }

    def check(self, today: date) -> None:
        """Raise Invalid unless a badge can be published with them ``today``."""
        self.validity.check(today)
        if self.validity.kind != "never":
            self.renewal.check()

    @property
    def renews(self) -> bool:
        """Whether a new result can ever lead to another award."""
        return self.validity.kind != "never" and self.renewal.policy != "none"


@dataclass(frozen=True)
class Seen:
    """One state of a result, as it was read at ``seen_at``. Times are aware."""

    raw: Decimal | None
    maximum: Decimal | None
    attempt: int | None
    graded_at: datetime | None
    seen_at: datetime

    @property
    def moment(self) -> datetime:
        """When it was graded, as far as anybody told; else when it was seen first."""
        return self.graded_at or self.seen_at


def is_new(history: Sequence[Seen], since: datetime) -> bool:
    """Whether the latest state of a result is of an assessment after ``since``.

    ``history`` is in the order of reading. A correction of an old attempt is no new assessment where
    the source counts attempts; where it tells neither attempt nor time, a state counts from the
    reading that brought another value, so that hiding and showing a grade makes nothing new.
    """
    given = [state for state in history if state.raw is not None]
    if not given:
        return False
    latest = given[-1]
    old = [state for state in given if state.moment <= since]
    if latest.attempt is not None and any(state.attempt == latest.attempt for state in old):
        return False
    return _moment(given) > since


def _moment(given: Sequence[Seen]) -> datetime:
    """Of the latest state; unchanged values without a time of their own keep their first reading."""
    latest = given[-1]
    if latest.graded_at is not None:
        return latest.graded_at
    found = latest.seen_at
    for state in reversed(given):
        if (state.raw, state.maximum, state.attempt) != (
            latest.raw,
            latest.maximum,
            latest.attempt,
        ):
            break
        found = state.moment
    return found


@dataclass(frozen=True)
class Last:
    """The newest award of a learner for a badge. ``standing``: neither revoked nor on hold."""

    awarded_at: datetime
    ends: datetime | None
    standing: bool = True


Answer = Literal["open", "not_yet", "endless", "closed", "barred", "no_later", "met"]


@dataclass(frozen=True)
class Prospect:
    """Whether and how an award is followed by another one.

    ``state``: endless (it never ends), closed (the badge is not renewed), barred (revoked or on
    hold), no_later (a new one would not end later), not_yet (results count from ``since`` on, which
    lies ahead), open (they count now), met (the rule is met by new results). ``decision`` is the rule
    over new results alone; a reason "not_new" says that the result there is an old one.
    """

    state: Answer
    since: datetime | None = None
    decision: Decision | None = None

    @property
    def possible(self) -> bool:
        """Whether the learner can bring it about."""
        return self.state in ("open", "not_yet")


def prospect(
    rule: RuleDefinition,
    scores: Mapping[str, Score],
    histories: Mapping[str, Sequence[Seen]],
    last: Last,
    terms: Terms,
    now: datetime,
    zone: ZoneInfo,
) -> Prospect:
    """What follows ``last``. ``scores`` and ``histories`` by assessment id, of one learner.

    The whole rule has to be met by new results: half of it done again proves half of it.
    """
    if last.ends is None:
        return Prospect("endless")
    since = terms.renewal.opens(last.awarded_at, last.ends)
    if since is None or not terms.renews:
        return Prospect("closed")
    if not last.standing:
        return Prospect("barred", since)
    following = terms.validity.ends(now, zone)
    if following is not None and following <= max(last.ends, now):
        return Prospect("no_later", since)
    new = {key for key, history in histories.items() if is_new(history, since)}
    decision = evaluate(rule, {key: score for key, score in scores.items() if key in new})
    if decision.state == "met":
        return Prospect("met", since, decision)
    shown = replace(
        decision, reasons=tuple(_explained(reason, scores, new) for reason in decision.reasons)
    )
    return Prospect("not_yet" if since > now else "open", since, shown)


def is_tried(last: Last, terms: Terms, histories: Mapping[str, Sequence[Seen]]) -> bool:
    """Whether somebody began to renew ``last``: there are results that would count for the next."""
    since = terms.renewal.opens(last.awarded_at, last.ends)
    return since is not None and any(is_new(history, since) for history in histories.values())


def _explained(reason: Reason, scores: Mapping[str, Score], new: set[str]) -> Reason:
    """A missing result that is there, but old, says so."""
    score = scores.get(reason.assessment)
    if score is None or reason.assessment in new or not score.posted or score.percent is None:
        return reason
    return replace(reason, state="not_new", percent=score.percent)


def occurrence(base: str, ends: datetime, zone: ZoneInfo) -> str:
    """The key of the award that follows one with this end: each end is followed once."""
    day = f"{_AFTER}{ends.astimezone(zone).date().isoformat()}"
    return f"{base} {day}" if base else day


def is_renewal(found: str) -> bool:
    """Whether an award with this occurrence follows another one."""
    return found.startswith(_AFTER) or f" {_AFTER}" in found


def belongs(found: str, base: str) -> bool:
    """Whether an award's occurrence is ``base`` itself or follows it."""
    return found == base or found.startswith(f"{base} {_AFTER}" if base else _AFTER)
