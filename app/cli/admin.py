"""Commands that let people and systems in: operators, platforms, API tokens."""

from __future__ import annotations

import click
from sqlalchemy import select

from app.lti import invitation, registered
from app.main import create_campus
from app.models import Installation, Platform
from app.pipeline.campus import Campus
from app.settings import load
from app.web.operator import make_admin_link
from app.web.tokens import SCOPES, mint


def _campus() -> Campus:
    return create_campus(load())


@click.group()
def admin() -> None:
    """People who run Tassel."""


@admin.command()
@click.option("--name", default="operator", help="Stands in the audit log.")
@click.option("--role", type=click.Choice(["operator", "sis_administrator"]), default="operator")
def link(name: str, role: str) -> None:
    """Print a link that lets one browser in as operator: single use, 15 minutes."""
    campus = _campus()
    click.echo(make_admin_link(campus, name, role))
    campus.db.close()


@click.group()
def platform() -> None:
    """Learning platforms that may launch Tassel."""


@platform.command()
@click.option(
    "--lms", required=True, metavar="ORIGIN", help="For example https://moodle.example.edu"
)
def invite(lms: str) -> None:
    """Print a single-use registration link for the administrator of one LMS."""
    campus = _campus()
    token = invitation.invite(campus.db, lms, campus.clock())
    click.echo(f"{campus.settings.public_url}/lti/register/{token}")
    campus.db.close()


@platform.command("list")
def list_platforms() -> None:
    """Show every registration and its state."""
    campus = _campus()
    with campus.db.reading() as session:
        query = select(Platform, Installation).join(Installation).order_by(Platform.created_at)
        for row, installation in session.execute(query):
            click.echo(
                f"{row.id}  {row.state:8}  {installation.name}  {row.issuer}  {row.client_id}"
            )
    campus.db.close()


@platform.command()
@click.argument("platform_id")
def approve(platform_id: str) -> None:
    """Let a pending registration launch."""
    campus = _campus()
    registered.approve(campus.db, platform_id, actor="operator:cli", now=campus.clock())
    click.echo("approved")
    campus.db.close()


@click.group()
def token() -> None:
    """API tokens."""


@token.command()
@click.option("--name", required=True)
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(list(SCOPES)))
def create(name: str, scopes: tuple[str, ...]) -> None:
    """Print a new token; it is not shown again."""
    campus = _campus()
    with campus.db.transaction() as session:
        made = mint(session, name, list(scopes), None, "operator:cli", campus.clock())
    click.echo(made)
    campus.db.close()


COMMANDS = (admin, platform, token)
