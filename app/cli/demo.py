"""``tassel demo``: the campus to click through, and the story that plays by itself."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import click
from sqlalchemy import MetaData, inspect, text

from app.db import Database
from app.demo.running import open_campus, stay
from app.demo.stage import Plan, Stage
from app.demo.story import PUBLIC_URL, Story
from app.errors import Conflict

LMSS = ("moodle", "canvas", "blackboard", "brightspace", "openedx", "sakai")
MARK = "tassel_demo"
"""A table that only the demo makes: where it is missing, the database is somebody's."""


@click.command()
@click.option(
    "--story",
    type=click.Path(path_type=Path),
    help="Play the whole trip unattended and write what came of it to this folder.",
)
@click.option("--learners", default=30, show_default=True, type=click.IntRange(5, 20_000))
@click.option("--lms", default="moodle", show_default=True, type=click.Choice(LMSS))
@click.option("--database", default="", help="Empty: SQLite in a scratch folder.")
def demo(story: Path | None, learners: int, lms: str, database: str) -> None:
    """Run a demo campus: a learning platform, a student system and Tassel."""
    signal.signal(signal.SIGTERM, _interrupt)
    if database:
        claim_database(database)
    scratch = Path(tempfile.mkdtemp(prefix="tassel-demo-"))
    try:
        if story is not None:
            sys.exit(_story(story, Plan(scratch, lms, learners, True, database, PUBLIC_URL)))
        _campus(Plan(scratch, lms, learners, False, database, "", 8081, 8082, 8080))
    except KeyboardInterrupt:
        click.echo("The demo campus is closed.")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _campus(plan: Plan) -> None:
    with Stage(plan) as stage:
        click.echo("Starting the demo campus ...")
        link = open_campus(stage)
        click.echo(f"LMS {stage.lms}")
        click.echo(f"Tassel {stage.tassel}")
        click.echo(f"SIS {stage.sis}")
        click.echo("Begin at the LMS: become the instructor, open STAT 101, then Tassel.")
        click.echo(f"The operator's pages (this link works once): {link}")
        click.echo("Ctrl-C ends it; nothing is kept.")
        stay(stage)


def _story(folder: Path, plan: Plan) -> int:
    """Exit code of the story: 0 only when every expected award arrived everywhere."""
    for name in ("credentials", "lms", "sis", "www"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "summary.json").unlink(missing_ok=True)
    with Stage(plan) as stage:
        played = Story(stage, folder)
        good = played.run()
    for problem in played.problems:
        click.echo(problem, err=True)
    click.echo(f"{'all arrived' if good else 'NOT everything arrived'}: {folder}/summary.json")
    return 0 if good else 1


def claim_database(url: str) -> None:
    """Empty a database that the demo made, or mark an empty one.

    Raises Conflict for a database that holds anything else: the demo never touches real data.
    """
    db = Database(url)
    try:
        tables = set(inspect(db.engine).get_table_names())
        if tables and MARK not in tables:
            raise Conflict(
                "demo-foreign-database",
                "This database was not made by the demo, so the demo does not touch it.",
                fix="Give an empty database, or none for a scratch one.",
            )
        with db.engine.begin() as connection:
            if not db.is_sqlite:
                connection.execute(text("DROP SCHEMA IF EXISTS dbos CASCADE"))
            found = MetaData()
            found.reflect(connection)
            found.drop_all(connection)
            connection.execute(text(f"CREATE TABLE {MARK} (id integer)"))
    finally:
        db.close()


COMMANDS = (demo,)
