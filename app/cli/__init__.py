"""The command ``tassel``: one module per group of commands."""

from __future__ import annotations

import click

from app.cli import admin, apps, demo, issuers, keys, learners, operate, serve, sign, verify
from app.cli.report import report
from app.errors import AppError

__all__ = ["main"]


class _Tassel(click.Group):
    """Turns expected errors into a message and exit code 2, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AppError as error:
            report(error)


@click.group(cls=_Tassel)
@click.version_option(package_name="tassel")
def main() -> None:
    """Tassel: course grades in, Open Badges 3.0 out."""


for command in (
    *serve.COMMANDS,
    *sign.COMMANDS,
    *operate.COMMANDS,
    *admin.COMMANDS,
    *learners.COMMANDS,
    *apps.COMMANDS,
    *keys.COMMANDS,
    *issuers.COMMANDS,
    *verify.COMMANDS,
    *demo.COMMANDS,
):
    main.add_command(command)
