"""Alembic environment. The address comes from Tassel's settings, or from the caller."""

from __future__ import annotations

from alembic import context

import app.models  # noqa: F401 - registers every table
from app.db import Base, Database, Exact, UtcDateTime


def render_item(kind, item, autogen_context):
    """Write our own column types by name."""
    if kind == "type" and isinstance(item, UtcDateTime | Exact):
        autogen_context.imports.add(f"from app.db import {type(item).__name__}")
        return f"{type(item).__name__}()"
    return False


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    db = Database(url)
    with db.engine.connect() as connection:
        if not db.is_sqlite:
            # One starter migrates, the others wait (several containers may start at once).
            connection.exec_driver_sql("SELECT pg_advisory_lock(7461737)")
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=db.is_sqlite,
            compare_type=True,
            render_item=render_item,
        )
        with context.begin_transaction():
            context.run_migrations()
        if not db.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_unlock(7461737)")
            connection.commit()
    db.close()


run()
