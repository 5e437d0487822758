"""Commands for keys: the one that LMSs know us by, and the master key."""

from __future__ import annotations

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.lti.keys import rotate_key
from app.main import create_campus
from app.models import AccessToken, Connection, IssuerKey, ToolKey
from app.settings import load


def _sealed(session: Session) -> list[ToolKey | IssuerKey | AccessToken | Connection]:
    """Every row that holds something under the master key."""
    return [
        *session.scalars(select(ToolKey)),
        *session.scalars(select(IssuerKey)),
        *session.scalars(select(AccessToken)),
        *session.scalars(select(Connection)),
    ]


@click.group()
def key() -> None:
    """Keys of this server (those that sign badges rotate under Issuers and keys)."""


@key.command()
def rotate() -> None:
    """Make a new key for talking to LMSs; the old one stays published."""
    campus = create_campus(load())
    now = campus.clock()
    kid = rotate_key(campus.db, campus.box, now)
    with campus.db.transaction() as session:
        audit.record(session, "operator:cli", "tool-key.rotated", f"tool-key:{kid}", {}, now)
    click.echo(kid)
    campus.db.close()


@key.command()
def reseal() -> None:
    """Encrypt everything under the first master key, so that the others can be taken away."""
    campus = create_campus(load())
    count = 0
    with campus.db.transaction() as session:
        for row in _sealed(session):
            if row.sealed:
                row.sealed = campus.box.rotate(row.sealed)
                count += 1
        detail = {"rows": count}
        audit.record(
            session, "operator:cli", "secrets.resealed", "master-key", detail, campus.clock()
        )
    click.echo(f"{count} secrets are under the first master key")
    campus.db.close()


COMMANDS = (key,)
