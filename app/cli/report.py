"""How a command ends on an expected error."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from app.errors import AppError


def report(error: AppError) -> NoReturn:
    """Say what is wrong and how to mend it, and exit with code 2."""
    click.echo(error.message, err=True)
    if error.fix:
        click.echo(error.fix, err=True)
    sys.exit(2)
