"""Grades through LTI Assignment and Grade Services (AGS 2.0).

By design of every LMS this shows only the columns linked to Tassel or created by it; other
columns need the LMS's own API. Columns of our own making are filtered out by ``gradebook.store``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from app.gradebook.port import CourseRef, SourceColumn, SourceScore

READ_ITEMS = (
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly",
)
READ_RESULTS = "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly"


class Item(Protocol):
    """A line item as the client gives it."""

    @property
    def url(self) -> str:
        """Address of the line item."""
        ...

    @property
    def label(self) -> str:
        """Name of the column."""
        ...

    @property
    def maximum(self) -> Decimal | None:
        """Points."""
        ...

    @property
    def tag(self) -> str | None:
        """The maker's mark."""
        ...


class ItemResult(Protocol):
    """A result as the client gives it."""

    @property
    def user_id(self) -> str:
        """LTI ``sub``."""
        ...

    @property
    def score(self) -> Decimal | None:
        """Points given; None = no grade."""
        ...

    @property
    def maximum(self) -> Decimal | None:
        """Points."""
        ...

    @property
    def timestamp(self) -> datetime | None:
        """When it was graded, where the platform says so."""
        ...


class AgsClient(Protocol):
    """What this source needs of the service client; the wiring hands one over."""

    def line_items(self, platform_id: str, url: str) -> Iterable[Item]:
        """Every line item that the platform lists to us."""

    def results(self, platform_id: str, lineitem_url: str) -> Iterable[ItemResult]:
        """Every result of one line item."""


class AgsSource:
    """Grade source "ags"."""

    key = "ags"
    label = "LTI"

    def __init__(self, services: AgsClient) -> None:
        """``services``: the client that holds the tokens."""
        self._services = services

    def serves(self, course: CourseRef) -> bool:
        """True when the launch named a line item collection and granted reading."""
        scopes = course.services.get("ags_scopes", [])
        return (
            bool(course.services.get("lineitems"))
            and READ_RESULTS in scopes
            and any(scope in scopes for scope in READ_ITEMS)
        )

    def columns(self, course: CourseRef) -> Sequence[SourceColumn]:
        """The line items in the order that the platform lists them."""
        items = self._services.line_items(course.platform_id, course.services["lineitems"])
        return [
            SourceColumn(item.url, item.label, item.maximum, place, item.tag)
            for place, item in enumerate(items, 1)
        ]

    def scores(self, course: CourseRef, column: SourceColumn) -> Iterator[SourceScore]:
        """Results of one line item; people without a grade are simply absent."""
        for result in self._services.results(course.platform_id, column.external_id):
            yield SourceScore(
                column.external_id,
                result.user_id,
                result.score,
                result.maximum if result.maximum is not None else column.maximum,
                graded_at=result.timestamp,
            )
