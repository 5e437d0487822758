"""Commands for keys: the one that LMSs know us by, and the master key."""

from __future__ import annotations

import click

from app.cli import key_files
from app.lti.keys import replace_key, rotate_key
from app.main import create_campus
from app.pipeline import compromised, resealing
from app.settings import load


@click.group()
def key() -> None:
    """Keys of this server (those that sign badges rotate under Issuers and keys)."""


@key.command()
@click.option("--now", "leaked", is_flag=True, help="The present key leaked: take it out at once.")
def rotate(leaked: bool) -> None:
    """Publish a new key for talking to LMSs; it signs two hours later, when all have fetched it."""
    campus = create_campus(load())
    change = replace_key if leaked else rotate_key
    made = change(campus.db, campus.box, "operator:cli", campus.clock())
    click.echo(made.kid)
    click.echo(f"signs from {made.signs_from:%Y-%m-%d %H:%M} UTC", err=True)
    campus.db.close()


@key.command()
def reseal() -> None:
    """Encrypt everything under the first master key, so that the others can be taken away."""
    campus = create_campus(load())
    count = resealing.reseal(campus, "operator:cli")
    click.echo(f"{count} secrets are under the first master key")
    campus.db.close()


@key.command("compromised")
@click.argument("fragment", metavar="KEY")
@click.option("--dry-run", is_flag=True, help="Count only; nothing is changed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def compromised_key(fragment: str, dry_run: bool, yes: bool) -> None:
    """A key that signs badges leaked: take it out, revoke what it signed, sign it anew, tell people.

    KEY is its name, as Issuers and keys shows it. Killed half-way, give the same command again.
    """
    campus = create_campus(load())
    key_row, issuer = compromised.find(campus, fragment)
    click.echo(f"{key_row.kind} key {key_row.fragment} of {issuer.name}, {key_row.state}")
    counted = compromised.count(campus, fragment)
    click.echo("\n".join(compromised.as_lines(counted)))
    if not campus.settings.smtp_url:
        click.echo("No mail server is set up (TASSEL_SMTP_URL): tell the learners yourself.")
    if not dry_run:
        if not yes:
            click.confirm("Take the key out for good and replace all of this?", abort=True)
        left = compromised.run(campus, fragment, "operator:cli")
        click.echo(f"Done. The key is out, {counted.replace + counted.waiting} awards were due.")
        if left.replace or left.waiting:
            click.echo(f"{left.waiting + left.replace} awards still wait to be signed.", err=True)
    campus.db.close()


key.add_command(key_files.backup)
key.add_command(key_files.restore)
COMMANDS = (key,)
