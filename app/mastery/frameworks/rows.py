"""What every importer yields."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CompetencyRow:
    """One competency as read: code and statement are never empty; ``uri`` is http(s) or urn."""

    code: str
    statement: str
    uri: str | None


@dataclass(frozen=True)
class Problem:
    """A row that was left out: its line in the file and why."""

    line: int
    message: str
