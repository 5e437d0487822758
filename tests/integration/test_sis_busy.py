"""A SIS that asks for patience: rows that were never tried keep all their tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from app.db import Database
from app.models import Achievement, Delivery
from app.settings import Settings
from tests.integration.send_stage import Stage


@pytest.fixture
def stage(settings: Settings, db: Database) -> Iterator[Stage]:
    made = Stage(settings, db)
    with db.transaction() as session:
        session.execute(update(Achievement).values(course_column=False))
    made.sis_id = made.add_sis()
    yield made
    made.close()


def test_rows_that_were_not_tried_keep_their_tries(stage: Stage) -> None:
    """One 429 stops the batch: one row has used a try, the others have not."""
    assert stage.sis is not None
    rule = {"path": "/assessmentResults/", "kind": "status", "status": 429, "retry_after": 60}
    stage.sis.faults.add(rule)
    stage.queue()
    stage.send()
    with stage.db.reading() as session:
        rows = session.scalars(select(Delivery)).all()
        assert {(row.state, row.code) for row in rows} == {("waiting", "sis-busy")}
        assert sorted(row.attempts for row in rows) == [0] * (len(rows) - 1) + [1]
        assert all(row.next_at is not None for row in rows)
