"""Engine, session, declarative base and the one date-time type.

SQLite is opened the way a server needs it (WAL, foreign keys, FULL sync, IMMEDIATE transactions);
PostgreSQL through psycopg 3. All writes go through ``Database.transaction``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")
ATTEMPTS = 3
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python; naive UTC in SQLite, timestamptz in PostgreSQL. Naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite has no zones, so it gets the naive UTC value."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive date-time: every stored time is aware")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return aware UTC whatever the database gave."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A Decimal kept as text, so that 69.50 stays 69.50 on both databases (scores are compared raw)."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Plain notation without exponent."""
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """The same digits back."""
        return None if value is None else Decimal(value)


BigId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """Base of every table; ids of domain rows are random UUID strings (safe in URLs)."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        Decimal: Exact(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        list[dict[str, Any]]: JSON(),
    }


def new_id() -> str:
    """A random UUID as text."""
    return str(uuid4())


def insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> set[str]:
    """Insert ``rows`` unless a unique constraint refuses; return the ids that went in.

    Only returned ids may go on: a conflicting row belongs to whoever was first. (``rowcount``
    cannot be trusted for this with psycopg.)
    """
    if not rows:
        return set()
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing().returning(table.__table__.c.id)
    return {str(row[0]) for row in session.execute(statement, rows)}


class Database:
    """One engine with its session factory."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        """Open lazily; creates the folder of a SQLite file."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _engine(url, pool_size)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when an error leaves the block.

        Never call the network inside: collect before, send after.
        """
        with self._sessions.begin() as session:
            yield session

    def settle(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in a transaction, and again when somebody else was first with the same row.

        For work that looks before it inserts: the second look finds the other's row. IntegrityError
        when it still does not fit after ATTEMPTS.
        """
        for _ in range(1, ATTEMPTS):
            with suppress(IntegrityError), self.transaction() as session:
                return work(session)
        with self.transaction() as session:
            return work(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reads: whatever it holds is rolled back at the end."""
        with self._sessions() as session:
            session.connection(execution_options={"tassel_read": True})
            yield session

    def close(self) -> None:
        """Return every connection."""
        self.engine.dispose()


def _engine(url: str, pool_size: int) -> Engine:
    """Errors of the engine end in the log, so they never show values: those are names and grades."""
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=pool_size, max_overflow=10, pool_pre_ping=True, hide_parameters=True
        )
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, pool_size=pool_size, connect_args={"timeout": 30}, hide_parameters=True
    )
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(connection: Any, _record: ConnectionPoolEntry) -> None:
    """WAL and FULL: a power cut loses nothing that was committed. Transactions are begun by us."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    """Readers begin plainly; writers take the write lock at once, so that none fails half-way."""
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("tassel_read") else "BEGIN IMMEDIATE")
