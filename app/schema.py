"""The database schema: upgrade, and the question whether it is the one this code needs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

import migrations
from app.db import Database
from app.errors import ConfigurationError


def config(url: str) -> Config:
    """Alembic's configuration for a database address."""
    made = Config()
    made.set_main_option("script_location", str(Path(migrations.__file__).parent))
    made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to ``revision``. Raises ConfigurationError for an unusable database."""
    try:
        db = Database(url)
        try:
            db.engine.connect().close()
        finally:
            db.close()
    except (OSError, SQLAlchemyError) as error:
        raise ConfigurationError(
            [f"TASSEL_DATABASE_URL: the database cannot be opened ({type(error).__name__})"]
        ) from error
    command.upgrade(config(url), revision)


@lru_cache(maxsize=1)
def head() -> str:
    """The revision that this code needs."""
    found = ScriptDirectory.from_config(config("sqlite://")).get_current_head()
    assert found is not None
    return found


def current_of(url: str) -> str | None:
    """The same for an address."""
    db = Database(url)
    try:
        return current(db)
    finally:
        db.close()


def current(db: Database) -> str | None:
    """The revision that the database has."""
    with db.engine.connect() as connection:
        return current_in(connection)


def current_in(connection: Connection) -> str | None:
    """The same through an open connection."""
    return MigrationContext.configure(connection).get_current_revision()
