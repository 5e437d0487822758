"""The command ``tassel verify``: what can be said about a credential, as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import BinaryIO, Final

import click

from app.credentials.verify import MAX_FILE_BYTES, guarded
from app.credentials.verify import verify as look_at
from app.errors import Invalid
from app.http import HttpClient

EXIT_CODES: Final = {"valid": 0, "invalid": 1, "unknown": 2}


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    """ORIGIN=URL as a table."""
    table = {}
    for value in values:
        origin, equals, url = value.partition("=")
        if not equals:
            raise Invalid("bad-resolve", f"--resolve wants ORIGIN=URL, not {value!r}.")
        table[origin] = url
    return table


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--resolve",
    "resolve",
    multiple=True,
    metavar="ORIGIN=URL",
    help="Look up names of ORIGIN at URL instead, which may be http on this machine.",
)
@click.option("--recipient", help="An e-mail address; also check that it is the recipient's.")
def verify(file: BinaryIO, resolve: tuple[str, ...], recipient: str | None) -> None:
    """Check the credential in FILE (JSON, JWT, PNG, SVG, or a PDF or photo; - is standard input).

    Prints the verdict and every check as JSON. Exit code 0: valid, 1: invalid, 2: cannot be said.
    """
    http = HttpClient()
    lookup = guarded(http, _pairs(resolve))
    document = file.read(MAX_FILE_BYTES + 1)
    report = look_at(document, lookup, datetime.now(UTC), recipient=recipient)
    http.close()
    click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    sys.exit(EXIT_CODES[report.verdict])


COMMANDS = (verify,)
