"""``python -m app.demo.lms``: one demo LMS in the foreground."""

from __future__ import annotations

import contextlib

import click

from app.demo.hosts import read_pairs
from app.demo.lms import LmsConfig, create_lms, serve
from app.demo.lms.vendors import VENDORS
from app.demo.lms.wall import wall_of


@click.command(help=__doc__)
@click.option("--port", default=8081, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--base-url", default="", help="Public address; default: http://127.0.0.1:PORT")
@click.option("--mode", default="moodle", show_default=True, type=click.Choice(sorted(VENDORS)))
@click.option("--learners", default=30, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--host-map", multiple=True, help="PUBLIC=LOOPBACK, like a line of a hosts file.")
@click.option(
    "--wall", default="", help="PUBLIC=LOOPBACK: the tool behind a wall that can stop cookies."
)
@click.option("--complete", is_flag=True, help="Everybody has an e-mail address and a SIS id.")
def main(
    port: int,
    host: str,
    base_url: str,
    mode: str,
    learners: int,
    seed: int,
    wall: str,
    complete: bool,
    host_map: tuple[str, ...],
) -> None:
    """Serve until interrupted."""
    config = LmsConfig(mode, learners, seed, complete, base_url, wall, read_pairs(host_map))
    with (
        contextlib.suppress(KeyboardInterrupt),
        serve(create_lms(config), port, host) as lms,
        wall_of(lms.app),
    ):
        click.echo(f"LMS {lms.url}")
        lms.wait()


if __name__ == "__main__":
    main()
