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


def _still_whole(ctx, **_kw):
    """Within the transaction of a migration, which is taken back when a row lost what it points to."""
    if ctx.dialect.name == "sqlite":
        torn = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5)
        if torn:
            raise RuntimeError(f"A migration left rows that point to nothing: {torn}")


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    db = Database(url)
    with db.engine.connect() as connection:
        if not db.is_sqlite:
            # One starter migrates, the others wait (several containers may start at once).
            connection.exec_driver_sql("SELECT pg_advisory_lock(7461737)")
            connection.commit()
        else:
            # SQLite changes a column by making its table anew, and will not drop one that rows point
            # to. It has to be told before the transaction; each migration is checked at its end.
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=db.is_sqlite,
            compare_type=True,
            render_item=render_item,
            on_version_apply=_still_whole,
        )
        with context.begin_transaction():
            context.run_migrations()
        if not db.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_unlock(7461737)")
            connection.commit()
    db.close()


run()
