"""Connections to student information systems as an operator sets them up, tries and pauses them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from app import audit
from app.db import new_id
from app.delivery.port import AwardFacts, CompetencyFact, Outcome, Planned, TestLine
from app.delivery.sis import ADAPTERS
from app.delivery.sis.connection import Adapter
from app.errors import AppError, Conflict, NotFound
from app.http import origin_of
from app.models import Award, Connection
from app.pipeline import facts
from app.pipeline.campus import Campus
from app.pipeline.deliver import target_of


def adapter_of(kind: str) -> Adapter:
    """The adapter behind a kind; raises NotFound."""
    if kind not in ADAPTERS:
        raise NotFound("no-such-adapter", "There is no such kind of SIS connection.")
    return ADAPTERS[kind]


def create(campus: Campus, kind: str, values: Mapping[str, str], actor: str) -> str:
    """A new connection from the form's ``values``, paused until somebody starts it; returns its id.

    Raises Invalid with a message per field.
    """
    now = campus.clock()
    row = Connection(id=new_id(), kind=kind, state="paused", created_at=now)
    _fill(campus, row, values)
    with campus.db.transaction() as session:
        session.add(row)
        session.flush()
        subject = f"connection:{row.id}"
        audit.record(session, actor, "connection.made", subject, {"kind": kind}, now)
    return row.id


def save(campus: Campus, connection_id: str, values: Mapping[str, str], actor: str) -> None:
    """Change a connection. An empty secret keeps the stored one. Raises NotFound, Invalid."""
    now = campus.clock()
    with campus.db.transaction() as session:
        row = session.get(Connection, connection_id, with_for_update=True)
        if row is None:
            raise NotFound("no-connection", "There is no such connection.")
        _fill(campus, row, values)
        row.tested_at = None
        subject = f"connection:{row.id}"
        audit.record(session, actor, "connection.changed", subject, {"kind": row.kind}, now)


def _fill(campus: Campus, row: Connection, values: Mapping[str, str]) -> None:
    """Put the form into ``row`` if its adapter accepts it; the field ``name`` names the row."""
    adapter = adapter_of(row.kind)
    config, secrets = {}, _secrets(campus, row) if _same_hosts(row, values) else {}
    for field in adapter.fields:
        value = values.get(field.name, "").strip()
        if field.kind != "secret":
            config[field.name] = value
        elif value:
            secrets[field.name] = value
    row.name, row.config = values.get("name", "").strip()[:200], dict(config)
    row.sealed = campus.box.seal(json.dumps(secrets).encode())
    target_of(campus, row)


def _same_hosts(row: Connection, values: Mapping[str, str]) -> bool:
    """Whether every address still leads to the same system.

    A stored secret never goes to another one: whoever changes an address has to know the secret.
    """
    addresses = [field.name for field in adapter_of(row.kind).fields if field.kind == "url"]
    return all(
        origin_of(str((row.config or {}).get(name, ""))) == origin_of(values.get(name, "").strip())
        for name in addresses
    )


def _secrets(campus: Campus, row: Connection) -> dict[str, str]:
    """What is stored of the secret fields."""
    if not row.sealed:
        return {}
    found: dict[str, str] = json.loads(campus.box.open(row.sealed))
    return found


def stored_secrets(campus: Campus, row: Connection) -> frozenset[str]:
    """Names of the secret fields that hold something; never what they hold."""
    return frozenset(name for name, value in _secrets(campus, row).items() if value)


def set_paused(campus: Campus, connection_id: str, paused: bool, actor: str) -> None:
    """Pause or resume. What waits while paused is sent afterwards. Raises NotFound, Conflict."""
    now = campus.clock()
    with campus.db.transaction() as session:
        row = session.get(Connection, connection_id, with_for_update=True)
        if row is None:
            raise NotFound("no-connection", "There is no such connection.")
        if (row.state == "paused") == paused:
            raise Conflict("already-so", "The connection is in this state already.")
        row.state = "paused" if paused else "attention" if row.problem else "active"
        action = "connection.paused" if paused else "connection.resumed"
        audit.record(session, actor, action, f"connection:{row.id}", {}, now)


def test(campus: Campus, row: Connection) -> list[TestLine]:
    """Try every permission now, as the target itself does; a bad configuration is one red line."""
    try:
        lines = target_of(campus, row).test()
    except AppError as error:
        lines = [TestLine("Configuration", "red", error.message, fix=error.fix)]
    with campus.db.transaction() as session:
        kept = session.get(Connection, row.id)
        if kept is not None:
            kept.tested_at = campus.clock()
    return lines


def preview(campus: Campus, row: Connection, award_id: str | None) -> Planned | Outcome:
    """What would be sent for an award (the newest signed one, else a sample), by the code that sends it."""
    found = _facts(campus, award_id)
    return target_of(campus, row).preview(found, "create")


def _facts(campus: Campus, award_id: str | None) -> AwardFacts:
    with campus.db.reading() as session:
        wanted = Award.id == award_id if award_id else Award.state == "issued"
        newest = select(Award.id).where(wanted).order_by(Award.awarded_at.desc(), Award.id).limit(1)
        chosen = session.scalar(newest)
        if chosen is None:
            return _sample(campus)
        return facts.load(session, [chosen], campus.settings.public_url, campus.clock())[chosen]


def _sample(campus: Campus) -> AwardFacts:
    """Made-up facts for a campus without awards; nobody's data."""
    return AwardFacts(
        award_id="00000000-0000-4000-8000-000000000001",
        achievement_id="00000000-0000-4000-8000-000000000002",
        achievement_name="Sample badge",
        achievement_description="What a learner can do who earned it.",
        awarded_at=campus.clock() - timedelta(hours=1),
        course_title="Sample course",
        course_label="SAMPLE 101",
        learner_sis_id="S-12345",
        lms_user_id="sample-user",
        class_sis_id="SAMPLE-101-A",
        competencies=(CompetencyFact("C1", "A sample competency", "https://example.edu/c1"),),
    )
