"""Engine, session, declarative base and the one date-time type.

SQLite is opened the way a server needs it (WAL, foreign keys, FULL sync, IMMEDIATE transactions);
PostgreSQL through psycopg 3. All writes go through ``Database.transaction``.
"""

from __future__ import annotations

import threading
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
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
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


def table_of(model: type[Base]) -> Table:
    """The Core table of a model, for statements on a hot path that have no use for objects."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


class Database:
    """One engine with its session factory."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        """Open lazily; creates the folder of a SQLite file."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _engine(url, pool_size)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        # SQLite's connections are begun by us (``_sqlite_begin``).
        single = {"tassel_look": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._lookers = self.engine.execution_options(**single)
        self._around = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when an error leaves the block.

        Inside ``together`` it is the session of that, which commits once at its own end. Never call
        the network inside: collect before, send after.
        """
        around = self._outer()
        if around is not None:
            yield around
            return
        with self._sessions.begin() as session:
            yield session

    def together(self, work: Callable[[], T]) -> T:
        """Everything that ``work`` does with this database in one transaction: all of it or nothing.

        For a step that crosses rooms, each with transactions of its own. ``work`` runs again from
        its start when somebody else was first with the same row, as in ``settle``.
        """
        return self.settle(lambda session: self._surround(session, work))

    def _surround(self, session: Session, work: Callable[[], T]) -> T:
        before, self._around.session = self._outer(), session
        try:
            return work()
        finally:
            self._around.session = before

    def _outer(self) -> Session | None:
        """The session of the ``together`` that this thread is in."""
        found: Session | None = getattr(self._around, "session", None)
        return found

    def settle(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in a transaction, and again when somebody else was first with the same row.

        For work that looks before it inserts: the second look finds the other's row. IntegrityError
        when it still does not fit after ATTEMPTS. Inside ``together`` all of that is tried again.
        """
        around = self._outer()
        if around is not None:
            return work(around)
        for _ in range(1, ATTEMPTS):
            with suppress(IntegrityError), self.transaction() as session:
                return work(session)
        with self.transaction() as session:
            return work(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reads: whatever it holds is rolled back at the end."""
        around = self._outer()
        if around is not None:
            yield around
            return
        with self._sessions() as session:
            session.connection(execution_options={"tassel_read": True})
            yield session

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection for one look without mapped objects, on paths that everybody walks."""
        around = self._outer()
        if around is not None:
            yield around.connection()
            return
        with self._lookers.connect() as connection:
            yield connection

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


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    "secure_delete=ON",
)


def _sqlite_connect(connection: Any, _record: ConnectionPoolEntry) -> None:
    """WAL and FULL: a power cut loses nothing that was committed. Transactions are begun by us.

    What is deleted is overwritten in the file: somebody may have asked to be erased.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    """Readers begin plainly; writers take the write lock at once, so that none fails half-way.

    A single look is a transaction of its own.
    """
    options = connection.get_execution_options()
    if "tassel_look" not in options:
        begin = "BEGIN" if options.get("tassel_read") else "BEGIN IMMEDIATE"
        connection.connection.cursor().execute(begin)
