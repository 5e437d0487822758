"""What a verification says: one line per thing that was looked at, and a verdict over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from app.words import Said, in_a_row


class Result(StrEnum):
    """How one check turned out."""

    PASS = "pass"  # noqa: S105 - a word, not a secret
    FAIL = "fail"
    UNKNOWN = "unknown"
    """It matters and could not be found out."""
    NOT_APPLICABLE = "not applicable"
    """The credential has no such part, or another check says why there was nothing to look at."""


class Cause(StrEnum):
    """What may make several checks fail at once, so that only one of them needs to."""

    NONE = ""
    TYPE = "type"
    """An object has another type than it must have; names inside it lose their meaning by that."""


class Finding(NamedTuple):
    """A result and why, which pages say in the reader's language."""

    result: Result
    why: Said
    cause: Cause = Cause.NONE


def passed(why: Said) -> Finding:
    """It is as it must be."""
    return Finding(Result.PASS, why)


def failed(why: Said, cause: Cause = Cause.NONE) -> Finding:
    """It is not as it must be."""
    return Finding(Result.FAIL, why, cause)


def unknown(why: Said) -> Finding:
    """Nobody can say from here."""
    return Finding(Result.UNKNOWN, why)


def absent(why: Said) -> Finding:
    """There is nothing to look at."""
    return Finding(Result.NOT_APPLICABLE, why)


def together(findings: Sequence[Finding]) -> Finding:
    """Several findings on one question as one: the worst result with the reasons that made it."""
    for result in (Result.FAIL, Result.UNKNOWN, Result.PASS):
        reasons = [finding.why for finding in findings if finding.result is result]
        if reasons:
            return Finding(result, in_a_row(dict.fromkeys(reasons)))
    return findings[0]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    """Stable. A part inside another has its place in front: ``endorsement[0].proof``."""
    result: Result
    why: Said


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was looked at in one document, in the order in which people ask."""

    checks: tuple[Check, ...]
    document: dict[str, Any] | None = field(default=None, repr=False)
    """The outermost credential as it was read, for showing; None when it could not be read."""

    @property
    def verdict(self) -> str:
        """``invalid`` if any check failed, else ``unknown`` if any is unknown, else ``valid``.

        Parts inside count like the whole: a record with one forged or revoked badge is not valid.
        """
        results = {check.result for check in self.checks}
        if Result.FAIL in results:
            return "invalid"
        return "unknown" if Result.UNKNOWN in results or not results else "valid"

    def as_json(self) -> dict[str, Any]:
        """The shape that ``tassel verify`` prints."""
        rows = [
            {"name": check.name, "result": check.result.value, "why": check.why}
            for check in self.checks
        ]
        return {"verdict": self.verdict, "checks": rows}
