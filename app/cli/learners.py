"""Commands about one learner's data: hand it out, erase it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app.main import create_campus
from app.pipeline import erase, erasure_journal, export, taking_away
from app.pipeline.campus import Campus
from app.settings import load

BY = "operator:cli"


@contextmanager
def _campus() -> Iterator[Campus]:
    campus = create_campus(load())
    try:
        yield campus
    finally:
        campus.db.close()


@click.group()
def learner() -> None:
    """One learner's data. ID is the id of the learner or of one of the accounts."""


@learner.command("export")
@click.argument("name", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_learner(name: str, file: Path) -> None:
    """Write everything that is held about a learner to FILE, a zip that only its owner can read."""
    if file.exists():
        raise click.UsageError(f"{file} is there already.")
    with _campus() as campus:
        pieces = export.begin(campus, erase.learner_of(campus, name), BY)
        file.touch(mode=0o600, exist_ok=False)
        with file.open("wb") as target:
            for piece in pieces:
                target.write(piece)
    click.echo(f"{file}: {file.stat().st_size} bytes")


@learner.command("erase")
@click.argument("name", metavar="ID")
@click.option("--revoke", is_flag=True, help="Badges that others hold become invalid too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase_learner(name: str, revoke: bool, yes: bool) -> None:
    """Erase a learner with all accounts for good. What was sent elsewhere stays there.

    Where badges should be taken back from the gradebook and the SIS, revoke them first and wait
    until that is delivered.
    """
    with _campus() as campus:
        erasure_journal.level(campus)
        found = erase.learner_of(campus, name)
        with campus.db.reading() as session:
            counted = taking_away.count(session, found)
        for table, rows in sorted(counted.items()):
            click.echo(f"{rows:7} {table.replace('_', ' ')}")
        if not yes:
            click.confirm("Erase all of this? It cannot be undone", abort=True)
        done = erase.erase(campus, found, BY, "revoked" if revoke else "kept")
    click.echo(f"Erased: {done.accounts} accounts, {done.awards} awards.")


COMMANDS = (learner,)
