"""Migrations: one head, up, no drift from the models, down and up again."""

from __future__ import annotations

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from app import schema
from app.db import Base, Database


def test_one_head() -> None:
    script = ScriptDirectory.from_config(schema.config("sqlite://"))
    assert len(script.get_heads()) == 1


def test_up_matches_the_models_and_comes_down_again(database_url: str) -> None:
    schema.upgrade(database_url)
    config = schema.config(database_url)
    command.check(config)
    command.downgrade(config, "-1")
    command.upgrade(config, "head")
    command.check(config)
    db = Database(database_url)
    present = set(inspect(db.engine).get_table_names())
    assert set(Base.metadata.tables) <= present
    assert schema.current(db) == schema.head()
    db.close()
