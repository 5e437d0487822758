"""Commands for keys in files: a sealed backup, and bringing it back."""

from __future__ import annotations

import os
from pathlib import Path

import click

from app.main import create_campus
from app.pipeline import key_backup
from app.settings import load

_PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from this file instead of asking.",
)


def _passphrase(file: Path | None, *, twice: bool) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_PASSPHRASE
def backup(file: Path, passphrase_file: Path | None) -> None:
    """Write the issuers with their private keys to FILE, sealed with a passphrase (12 characters)."""
    campus = create_campus(load())
    passphrase = _passphrase(passphrase_file, twice=True)
    content = key_backup.backup(campus, passphrase, "operator:cli")
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    click.echo(f"{file}: keep it and the passphrase apart from each other and from the data.")
    campus.db.close()


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_PASSPHRASE
def restore(file: Path, passphrase_file: Path | None) -> None:
    """Bring the issuers and keys of a backup into this database; what is there stays as it is."""
    campus = create_campus(load())
    passphrase = _passphrase(passphrase_file, twice=False)
    made = key_backup.restore(campus, file.read_bytes(), passphrase, "operator:cli")
    click.echo(f"{made[0]} issuers and {made[1]} keys were added.")
    campus.db.close()
