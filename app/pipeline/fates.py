"""What becomes of every row that knows a learner when the learner is erased.

A table that is tied to a learner has one line here. The test of all tables (``test_erase_tables``)
fails for a column that is tied to somebody and has none, and for any new column that nobody judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, false, or_, select

from app.db import Base

ROOT: Final = "learner"

GONE: Final[dict[str, tuple[str, ...]]] = {
    ROOT: (),
    "person": ("learner_id",),
    "opt_out": ("learner_id",),
    "enrolment": ("person_id",),
    "enrolment_change": ("enrolment_id",),
    "result": ("person_id",),
    "result_version": ("result_id",),
    "grade_upload_change": ("result_id",),
    "decision": ("person_id",),
    "award": ("learner_id", "person_id"),
    "attainment": ("learner_id", "award_id"),
    "attainment_evidence": ("attainment_id", "result_version_id"),
    "credential": ("award_id",),
    "wallet_offer": ("award_id", "credential_id"),
    "share": ("award_id",),
    "disclosure": ("award_id",),
    "delivery": ("award_id",),
    "attempt": ("delivery_id",),
    "bulk_revocation_award": ("award_id",),
    "course_score": ("person_id",),
    "content_selection": ("person_id",),
    "grant": ("person_id",),
    "permission": ("person_id",),
    "app_consent": ("person_id",),
    "app_token": ("consent_id",),
    "grade_grant": ("person_id",),
    "grade_consent": ("person_id",),
}
"""Tables whose rows are deleted with the row that one of these columns points to."""

LOOSENED: Final[frozenset[tuple[str, str]]] = frozenset(
    {
        ("spent_entry", "credential_id"),
        ("rule_version", "created_by"),
        ("grade_upload", "person_id"),
        ("course_source", "connected_by"),
        ("course_source", "grant_id"),
    }
)
"""Columns of rows that stay, because they are about a course or a status list: emptied."""


def doomed(name: str, learner_ids: Collection[str]) -> ColumnElement[bool]:
    """Which rows of a table of ``GONE`` hang on these learners, as a condition."""
    table = Base.metadata.tables[name]
    if name == ROOT:
        return table.c.id.in_(sorted(learner_ids))
    ways = [points_to_doomed(table.c[column], learner_ids) for column in GONE[name]]
    return or_(false(), *ways)


def points_to_doomed(column: Column[Any], learner_ids: Collection[str]) -> ColumnElement[bool]:
    """Whether a foreign key points to a row that goes."""
    parent = next(iter(column.foreign_keys)).column
    within = doomed(parent.table.name, learner_ids)
    return column.in_(select(parent).where(within))


def children_first() -> Iterator[Table]:
    """The tables of ``GONE`` in an order in which no row is deleted while another points to it."""
    for table in reversed(Base.metadata.sorted_tables):
        if table.name in GONE:
            yield table
