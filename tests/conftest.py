"""Fixtures of every suite: a real database, a campus wired as in production, a web client."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import create_engine, make_url, text

from app.db import Base, Database
from app.settings import Settings, load

MATERIAL = os.environ.get("TASSEL_TEST_MATERIAL", "")
POSTGRES = os.environ.get("TASSEL_TEST_DATABASE_URL", "")


LONGEST = (
    "test_kill_story",
    "test_kill",
    "test_start",
    "test_two_campuses",
    "test_axe",
    "test_operator_axe",
    "test_pages_axe",
)
"""Files that keep one process busy for minutes: first, so that the other one does not wait for them."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files before the others, which stay in the order that was drawn."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def material() -> Path:
    """Recordings and standards that are no part of the project."""
    if not MATERIAL or not Path(MATERIAL).is_dir():
        pytest.skip("TASSEL_TEST_MATERIAL does not name the folder with recordings and standards")
    return Path(MATERIAL)


# Pages are compiled once for all the applications that tests make, as in a process that lasts.
_pages = tempfile.TemporaryDirectory(prefix="tassel-pages-")
Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(_pages.name)}


@contextmanager
def fresh_database(folder: Path, like: str = "") -> Iterator[str]:
    """A fresh database, SQLite or on the PostgreSQL server that is configured: empty, or a copy."""
    if not POSTGRES:
        file = folder / "tassel.db"
        if like:
            shutil.copyfile(make_url(like).database or "", file)
        yield f"sqlite:///{file}"
        return
    name = f"tassel_test_{uuid.uuid4().hex[:12]}"
    source = f' TEMPLATE "{make_url(like).database}"' if like else ""
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"{source}'))
    yield POSTGRES.rpartition("/")[0] + f"/{name}"
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with every table and no row, to be copied: making them takes ten times as long."""
    import app.models  # noqa: F401

    with fresh_database(tmp_path_factory.mktemp("empty")) as url:
        database = Database(url)
        Base.metadata.create_all(database.engine)
        database.close()
        yield url


@pytest.fixture
def database_url(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The database of one test; without tables unless it asks for ``db`` too."""
    filled = "db" in request.fixturenames
    like = request.getfixturevalue("empty_tables") if filled else ""
    with fresh_database(tmp_path, like) as url:
        yield url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """The empty tables."""
    database = Database(database_url, pool_size=5)
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
