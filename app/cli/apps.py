"""Commands about the apps that registered themselves to read badges."""

from __future__ import annotations

import click

from app.main import create_campus
from app.pipeline import apps
from app.settings import load

BY = "operator:cli"


@click.group()
def app() -> None:
    """Apps that learners let read their badges over the Open Badges API."""


@app.command("list")
def list_apps() -> None:
    """Every app that is registered: its id, how many learners let it read, what it calls itself."""
    campus = create_campus(load())
    try:
        with campus.db.reading() as session:
            for client, living in apps.registered(session):
                places = " ".join(client.redirect_uris)
                click.echo(f"{client.id} {living:6} {client.name!a} {places}")
    finally:
        campus.db.close()


@app.command("end")
@click.argument("client", metavar="ID")
def end_app(client: str) -> None:
    """End a registration for good: the app reads nothing any more and can ask nobody."""
    campus = create_campus(load())
    try:
        ended = apps.close(campus, client, BY)
    finally:
        campus.db.close()
    click.echo(f"Ended, with the consents of {ended} accounts.")


COMMANDS = (app,)
