"""Commands for campus IT: the database, the doctor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click
from sqlalchemy import select, text

from app import audit, schema
from app.db import Database
from app.errors import AppError, Conflict
from app.lti import selftest
from app.main import check_public_url, create_campus
from app.models import IssuerKey, Platform, ToolKey
from app.pipeline import compromised, erasure_journal
from app.pipeline.campus import Campus
from app.settings import load


@click.group()
def db() -> None:
    """The database schema."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema up to date (also done by every start of `tassel serve`)."""
    settings = load()
    schema.upgrade(settings.database, revision)
    click.echo(f"schema is at {schema.current_of(settings.database)}")


@db.command()
def check() -> None:
    """Exit with 1 when the schema is not the one this version needs."""
    settings = load()
    found = schema.current_of(settings.database)
    click.echo(f"schema is at {found}, needed is {schema.head()}")
    sys.exit(0 if found == schema.head() else 1)


@dataclass(frozen=True)
class _Finding:
    """One line of the doctor: good or not, and what to do."""

    good: bool
    text: str


@click.command()
def doctor() -> None:
    """Check configuration, database, keys and audit log; exit with 1 if something is wrong."""
    campus = create_campus(load())
    bad = 0
    for finding in _examine(campus):
        bad += not finding.good
        click.echo(f"{'ok ' if finding.good else 'BAD'}  {finding.text}")
    campus.db.close()
    sys.exit(1 if bad else 0)


def _examine(campus: Campus) -> Iterator[_Finding]:
    settings = campus.settings
    yield _Finding(True, f"settings read; public address {settings.public_url}")
    yield _trial("database answers", lambda: _ping(campus.db))
    found, needed = schema.current(campus.db), schema.head()
    yield _Finding(found == needed, f"schema {found}, needed {needed} (tassel db upgrade)")
    if found != needed:
        return
    yield _trial("public address is the one of issued badges", lambda: check_public_url(campus))
    yield _trial("master key opens the stored keys", lambda: check_keys(campus))
    with campus.db.reading() as session:
        broken = audit.broken_at(session)
        unfinished = compromised.unfinished(session)
    yield _Finding(
        broken is None,
        "audit log is unbroken" if broken is None else f"audit log is broken at entry {broken}",
    )
    yield _trial("journal of erasures agrees with the database", lambda: _same_erasures(campus))
    for fragment, left in unfinished.items():
        again = f"(tassel key compromised {fragment})"
        yield _Finding(False, f"{left} awards still show a compromised key's signature {again}")
    yield from _platforms(campus)
    yield _Finding(True, "mail is set up" if settings.smtp_url else "mail is off (TASSEL_SMTP_URL)")


def _platforms(campus: Campus) -> Iterator[_Finding]:
    """What the last self-test of each active registration found; nothing is asked anew."""
    with campus.db.reading() as session:
        active = session.scalars(select(Platform).where(Platform.state == "active")).all()
        names = {row.id: row.installation.name for row in active}
    for row in active:
        again = f"(tassel platform check {row.id})"
        if row.checked_at is None:
            yield _Finding(True, f"{names[row.id]} was never tested {again}")
            continue
        at = f"{row.checked_at:%Y-%m-%d %H:%M} UTC"
        wrong = [line.message for line in selftest.stored(row) if line.state == "bad"]
        said = " ".join(wrong) or "nothing is wrong"
        yield _Finding(not wrong, f"{names[row.id]}, tested {at}: {said} {again}")


def _same_erasures(campus: Campus) -> None:
    if erasure_journal.differs(campus):
        raise Conflict("journal-differs", "They differ.", fix="Starting Tassel makes them equal.")


def check_keys(campus: Campus) -> None:
    """Open every stored private key; ConfigurationError when the master key does not fit."""
    with campus.db.reading() as session:
        sealed = [
            *session.scalars(select(ToolKey.sealed).where(ToolKey.sealed != "")),
            *session.scalars(select(IssuerKey.sealed).where(IssuerKey.sealed != "")),
        ]
    for one in sealed:
        campus.box.open(one)


def _ping(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _trial(name: str, act: Callable[[], object]) -> _Finding:
    """A finding from something that raises when it is wrong."""
    try:
        act()
    except AppError as error:
        return _Finding(False, f"{name}: {error.message} {error.fix}".rstrip())
    except Exception as error:
        return _Finding(False, f"{name}: {type(error).__name__}")
    return _Finding(True, name)


COMMANDS = (db, doctor)
