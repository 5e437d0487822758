"""Commands that let people and systems in: operators, platforms, API tokens."""

from __future__ import annotations

import json
import sys

import click
from sqlalchemy import select

from app.errors import NotFound
from app.lti import invitation, metadata, registered, selftest
from app.lti.platforms import LMS
from app.main import create_campus
from app.models import Installation, Platform
from app.pipeline import legacy
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
@click.option(
    "--role", type=click.Choice(["operator", "sis_administrator", "approver"]), default="operator"
)
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
    token = invitation.invite(campus.db, lms, campus.clock(), actor="operator:cli")
    click.echo(f"{campus.settings.public_url}/lti/register/{token}")
    campus.db.close()


@platform.command()
@click.argument("lms", type=click.Choice(list(LMS)))
def describe(lms: str) -> None:
    """Print what the administrator of an LMS enters to set Tassel up by hand, as JSON."""
    settings = load()
    found = {**metadata.addresses(settings), "Custom parameters": LMS[lms].custom_parameters()}
    click.echo(json.dumps(found, ensure_ascii=False))


@platform.command()
@click.option("--lms", required=True, type=click.Choice(list(LMS)), help="What kind of LMS it is.")
@click.option("--origin", required=True, metavar="ORIGIN", help="Where its pages are.")
@click.option("--issuer", required=True, help="Issuer, or platform id.")
@click.option("--client-id", required=True)
@click.option("--auth-url", required=True, help="Authentication request URL.")
@click.option("--token-url", required=True, help="Access token URL.")
@click.option("--jwks-url", required=True, help="Public keyset URL.")
@click.option("--deployment-id", default=None, help="Left out: the first launch brings it.")
@click.option("--token-audience", default=None, help="Where it is not the token URL.")
@click.option("--name", default="", help="How pages call it.")
def register(**given: str | None) -> None:
    """Enter a registration that was made by hand in the LMS; it waits for approval."""
    campus = _campus()
    texts = {key: value for key, value in given.items() if value is not None}
    made = registered.register_manual(
        campus.db, campus.box, **texts, actor="operator:cli", now=campus.clock()
    )
    click.echo(made)
    campus.db.close()


@platform.command("lti11")
@click.option("--lms", required=True, metavar="ORIGIN", help="Address of the LMS.")
@click.option("--key", default="", help="Consumer key of LTI 1.1; leave it out to forget.")
def lti11(lms: str, key: str) -> None:
    """Trust what an LMS says about LTI 1.1, signed with this key. The secret is asked for."""
    campus = _campus()
    secret = click.prompt("Secret", hide_input=True) if key else ""
    legacy.set_key(campus, lms, key, secret, "operator:cli")
    click.echo("Kept." if key else "Forgotten.")
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


@platform.command()
@click.argument("platform_id", required=False)
def check(platform_id: str | None) -> None:
    """Test one registration, or every active one; exit with 1 if something is wrong."""
    campus = _campus()
    with campus.db.reading() as session:
        known = session.execute(
            select(Platform.id, Installation.name)
            .join(Installation)
            .where(Platform.id == platform_id if platform_id else Platform.state == "active")
            .order_by(Platform.created_at)
        ).all()
    if platform_id and not known:
        raise NotFound("no-platform", "There is no such registration.", fix="tassel platform list")
    bad = 0
    for row_id, name in known:
        click.echo(f"{name}  {row_id}")
        parts = (campus.db, campus.http, campus.lti, campus.settings, campus.clock)
        for finding in selftest.run(*parts, row_id):
            bad += finding.state == "bad"
            click.echo(_line(finding))
    campus.db.close()
    sys.exit(1 if bad else 0)


def _line(finding: selftest.Finding) -> str:
    mark = {"good": "ok  ", "warn": "look", "bad": "BAD ", "skip": "--  "}[finding.state]
    fix = f"\n      {finding.fix} ({finding.who})" if finding.fix else ""
    return f"{mark}  {finding.title}: {finding.message}{fix}"


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
