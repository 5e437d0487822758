"""``python -m app.demo.sis``: serve one demo SIS on loopback until interrupted."""

from __future__ import annotations

from pathlib import Path

import click

from app.demo.sis.config import DEMO_KEY, SisConfig, read_people
from app.demo.sis.server import SisServer
from app.errors import Invalid


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8082, show_default=True, help="0 takes a free one.")
@click.option("--learners", default=30, show_default=True, help="Students to invent.")
@click.option(
    "--lms-people",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON list of people to adopt instead of inventing students.",
)
@click.option("--client-secret", default=DEMO_KEY, help="Secret of the client 'tassel'.")
def main(host: str, port: int, learners: int, lms_people: Path | None, client_secret: str) -> None:
    """A student information system that speaks OneRoster 1.2, for demonstrations and tests."""
    try:
        people = read_people(lms_people) if lms_people else ()
    except Invalid as error:
        raise click.ClickException(f"{error.message} {error.fix}") from error
    config = SisConfig(learners=learners, people=people, client_secret=client_secret)
    server = SisServer(config, host=host, port=port)
    click.echo(f"SIS {server.url}")
    server.serve_forever()


if __name__ == "__main__":
    main()
