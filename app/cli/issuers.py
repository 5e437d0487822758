"""Commands for issuers: make a department, list them, write an archive."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import select

from app.main import create_campus
from app.models import Issuer
from app.pipeline import archive as archives
from app.pipeline import issuer_keys
from app.settings import load


@click.group()
def issuer() -> None:
    """Departments that stand behind badges."""


@issuer.command("list")
def list_issuers() -> None:
    """Show every issuer with its DID."""
    campus = create_campus(load())
    with campus.db.reading() as session:
        for row in session.scalars(select(Issuer).order_by(Issuer.created_at)):
            click.echo(f"{row.slug}  {row.did}  {row.name}")
    campus.db.close()


@issuer.command()
@click.argument("slug")
@click.option("--name", required=True, help="Stands on its badges.")
def make(slug: str, name: str) -> None:
    """Make one more issuer with keys of its own. SLUG ends its DID and never changes."""
    campus = create_campus(load())
    click.echo(issuer_keys.found_department(campus, slug, name, "operator:cli"))
    campus.db.close()


@issuer.command()
@click.argument("slug")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def archive(slug: str, file: Path) -> None:
    """Write all that verifiers look up of an issuer to FILE (zip); nothing of any learner."""
    campus = create_campus(load())
    file.write_bytes(archives.make(campus, slug, "operator:cli"))
    click.echo(f"{file}: deposit it where it outlives this server, and publish its hash.")
    campus.db.close()


COMMANDS = (issuer,)
