"""Long lists in pages: how many rows, which ones, and the address of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request, url_for

PER_PAGE = 50
LAST_PAGE = 1_000_000
DIGITS = 9
"""Of the longest number that is read."""


@dataclass(frozen=True)
class Page:
    """One page of a list of ``total`` rows; ``number`` counts from 1 and stays within the list."""

    number: int
    total: int
    per: int = PER_PAGE

    @property
    def pages(self) -> int:
        """How many pages there are; an empty list has one."""
        return max(1, -(-self.total // self.per))

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.number - 1) * self.per

    @property
    def first(self) -> int:
        """Number of the first row shown; 0 in an empty list."""
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return min(self.offset + self.per, self.total)

    def address(self, number: int) -> str:
        """The present address with another page number; the filters stay."""
        others: dict[str, Any] = {
            key: value for key, value in request.args.items() if key != "page"
        }
        return url_for(request.endpoint or "", **(request.view_args or {}), **others, page=number)


def asked_page() -> int:
    """The page number of this request: 1 when it is missing or no sensible number."""
    return min(number(request.args.get("page", "")) or 1, LAST_PAGE)


def number(text: str) -> int | None:
    """A whole number that every database takes; None for anything else."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else None


def page_of(total: int, per: int = PER_PAGE) -> Page:
    """The asked page of a list of ``total`` rows, or its last one when the list is shorter."""
    return Page(min(asked_page(), max(1, -(-total // per))), total, per)
