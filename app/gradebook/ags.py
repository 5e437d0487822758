"""Grades through LTI Assignment and Grade Services (AGS 2.0).

By design of every LMS this shows only the columns linked to Tassel or created by it; other
columns need the LMS's own API. Columns of our own making are filtered out by ``gradebook.store``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from app.errors import UpstreamError
from app.gradebook.port import (
    Asked,
    CourseRef,
    Listing,
    Page,
    SourceColumn,
    SourceScore,
    Unit,
)

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

    @property
    def resource_id(self) -> str | None:
        """The maker's own id of the column."""
        ...

    @property
    def resource_link_id(self) -> str | None:
        """The activity that the column belongs to."""
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
    rank = 10
    unit: Unit = "columns"

    def __init__(self, services: AgsClient) -> None:
        """``services``: the client that holds the tokens."""
        self._services = services

    def serves(self, course: CourseRef) -> bool:
        """True when the launch named a line item collection and granted reading."""
        scopes = course.services.get("ags_scopes", [])
        return (
            bool(_collections(course))
            and READ_RESULTS in scopes
            and any(scope in scopes for scope in READ_ITEMS)
        )

    def columns(self, course: CourseRef, asked: Asked) -> Listing:
        """The line items in the order that the platform lists them."""
        collections = _collections(course)
        items: list[Item] = []
        for url in collections:
            try:
                items += self._services.line_items(course.platform_id, url)
            except UpstreamError as error:
                if error.status != 404 or len(collections) == 1:
                    raise
        return Listing([_column(item, place) for place, item in enumerate(items, 1)])

    def read(
        self, course: CourseRef, columns: Sequence[SourceColumn], asked: Asked
    ) -> Iterator[Page]:
        """A page per line item, each complete: AGS cannot ask for changes only (3.3.4)."""
        for done, column in enumerate(columns, 1):
            yield Page(
                scores=list(self._scores(course, column)),
                complete_columns=frozenset({column.external_id}),
                done=done,
                total=len(columns),
            )

    def _scores(self, course: CourseRef, column: SourceColumn) -> Iterator[SourceScore]:
        """Results of one line item; people without a grade are simply absent."""
        for result in self._services.results(course.platform_id, column.external_id):
            yield SourceScore(
                column.external_id,
                result.user_id,
                result.score,
                result.maximum if result.maximum is not None else column.maximum,
                graded_at=result.timestamp,
            )


def _collections(course: CourseRef) -> list[str]:
    """Addresses of line items: one for the course, or one for each link that was opened.

    A link may be deleted; then its collection is gone (404) and the others still count.
    """
    several = course.services.get("collections")
    one = course.services.get("lineitems")
    return list(several.values()) if several else [one] if one else []


def _column(item: Item, place: int) -> SourceColumn:
    links = {f"link:{item.resource_link_id}"} if item.resource_link_id else set()
    return SourceColumn(
        item.url,
        item.label,
        item.maximum,
        place,
        item.tag,
        item.resource_id,
        kind="lti",
        identities=frozenset(links),
    )
