"""Every table and column is judged: about no learner, erased with one, or kept for a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, ForeignKey, MetaData, String, Table

import app.models  # noqa: F401
from app.db import Base
from app.pipeline import fates
from tests.integration.erase_columns import APART, BY_IDS, KEPT


def judged(metadata: MetaData) -> set[str]:
    """Columns of rows that stay, as ``table.column``, that nobody has judged."""
    return {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        if table.name not in fates.GONE
        for column in table.columns
        if not _known(table.name, column.name)
    }


def _known(table: str, column: str) -> bool:
    by_ids = BY_IDS.get(table, "").split()
    return (
        column in APART.get(table, "").split()
        or f"{table}.{column}" in KEPT
        or (table, column) in fates.LOOSENED
        or column in by_ids
        or "*" in by_ids
    )


def loose_ends(metadata: MetaData) -> set[str]:
    """Foreign keys to a row that goes, for which nobody has said what becomes of their own row."""
    return {
        f"{column.table.name}.{column.name}"
        for column, parent in _keys(metadata)
        if parent in fates.GONE
        and column.name not in fates.GONE.get(column.table.name, ())
        and (column.table.name, column.name) not in fates.LOOSENED
    } - {"learner.joined_into_id"}


def _keys(metadata: MetaData) -> Iterator[tuple[Column[object], str]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                yield column, key.column.table.name


def test_every_column_is_judged() -> None:
    assert judged(Base.metadata) == set(), (
        "new columns: say in app/pipeline/fates.py or tests/integration/erase_columns.py what becomes "
        "of them when a learner is erased"
    )


def test_every_way_to_a_learner_is_followed() -> None:
    assert loose_ends(Base.metadata) == set(), (
        "these rows point to a learner's: say in app/pipeline/fates.py whether they go"
    )


def test_what_is_emptied_can_be_empty() -> None:
    for name, column in fates.LOOSENED:
        assert Base.metadata.tables[name].c[column].nullable, (name, column)


def test_nothing_is_judged_that_is_not_there() -> None:
    """No leftovers: a name that is misspelt would hide a new column."""
    there = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
    }
    named = {f"{table}.{one}" for table, text in APART.items() for one in text.split()}
    named |= set(KEPT) | {f"{table}.{column}" for table, column in fates.LOOSENED}
    named |= {f"{table}.{one}" for table, ways in fates.GONE.items() for one in ways}
    assert named - there == set()
    assert {f"{table}.{one}" for table, text in APART.items() for one in text.split()} & set(
        KEPT
    ) == set()


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (Column("award_id", String(36), ForeignKey("award.id")), {"note.award_id"}),
        (Column("about", String(36)), set()),
    ],
)
def test_a_new_table_is_noticed(column: Column[str], found: set[str]) -> None:
    """The control: the walk fails for whoever adds a table and says nothing."""
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        table.to_metadata(metadata)
    Table("note", metadata, column)
    assert judged(metadata) == {f"note.{column.name}"}
    assert loose_ends(metadata) == found
