"""Fixtures of every suite: a real database, a campus wired as in production, a web client."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text

from app.db import Base, Database
from app.settings import Settings, load

MATERIAL = os.environ.get("TASSEL_TEST_MATERIAL", "")
POSTGRES = os.environ.get("TASSEL_TEST_DATABASE_URL", "")


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def material() -> Path:
    """Recordings and standards that are no part of the project."""
    if not MATERIAL or not Path(MATERIAL).is_dir():
        pytest.skip("TASSEL_TEST_MATERIAL does not name the folder with recordings and standards")
    return Path(MATERIAL)


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """A fresh database: SQLite, or a schema-less PostgreSQL database when one is configured."""
    if not POSTGRES:
        yield f"sqlite:///{tmp_path / 'tassel.db'}"
        return
    name = f"tassel_test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield POSTGRES.rpartition("/")[0] + f"/{name}"
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """The empty tables."""
    import app.models  # noqa: F401

    database = Database(database_url, pool_size=5)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return load(
        {
            "TASSEL_DATABASE_URL": database_url,
            "TASSEL_DATA_DIR": str(tmp_path / "data"),
            "TASSEL_PUBLIC_URL": "http://127.0.0.1:8080",
            "TASSEL_MASTER_KEY": "A" * 43 + "=",
        }
    )


@pytest.fixture
def campus(settings: Settings, db: Database) -> Iterator[object]:
    """Wired like production, on the test's database."""
    from app.main import create_campus

    built = create_campus(settings)
    yield built
    built.http.close()
    built.db.close()


@pytest.fixture
def app(settings: Settings, campus: object) -> Flask:
    from app.main import create_app

    return create_app(settings, campus)  # type: ignore[arg-type]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client whose unsafe requests look like those of our own pages."""
    made = app.test_client()
    made.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return made
