"""SIS connections: choose an adapter, fill in its form, try it, see the exact payload, pause it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.delivery.port import Outcome, Planned, TestLine
from app.delivery.sis import ADAPTERS
from app.delivery.sis.connection import Adapter, Field
from app.errors import AppError, Invalid, NotFound
from app.models import Award, Connection, Delivery
from app.pipeline import connections as verbs
from app.web import session
from app.web.operator.blueprint import actor, bp, done


@dataclass(frozen=True)
class ConnectionForm:
    """A connection as typed; secrets stand here only between two lines of a POST."""

    values: dict[str, str]


def parse(form: MultiDict[str, str], adapter: Adapter) -> ConnectionForm:
    """Exactly the adapter's fields; whatever else was sent is left alone.

    A box that is not ticked sends nothing, so it is told apart from an empty field here.
    """
    return ConnectionForm({field.name: _typed(form, field) for field in adapter.fields})


def _typed(form: MultiDict[str, str], field: Field) -> str:
    if field.kind == "bool":
        return "true" if form.get(field.name) else "false"
    return form.get(field.name, "").strip()[:4000]


@bp.get("/connections")
def connections() -> ResponseReturnValue:
    """Every connection with its state and its queue."""
    with session.campus().db.reading() as db:
        counts: dict[str, dict[str, int]] = {}
        query = select(Delivery.connection_id, Delivery.state, func.count())
        grouped = query.group_by(Delivery.connection_id, Delivery.state)
        for connection_id, state, count in db.execute(grouped):
            counts.setdefault(connection_id, {})[state] = count
        return render_template(
            "operator/connections.html",
            connections=list(db.scalars(select(Connection).order_by(Connection.name))),
            counts=counts,
            adapters=ADAPTERS,
            mail_on=bool(session.campus().settings.smtp_url),
        )


@bp.get("/connections/new/<kind>")
def connection_new(kind: str) -> ResponseReturnValue:
    """The empty form of an adapter."""
    adapter = verbs.adapter_of(kind)
    values = {field.name: field.default for field in adapter.fields}
    return _form_page(kind, None, ConnectionForm(values), {})


@bp.post("/connections/new/<kind>")
def connection_make(kind: str) -> ResponseReturnValue:
    """Make it; what the adapter refuses comes back with its reason at each field."""
    form = parse(request.form, verbs.adapter_of(kind))
    try:
        made = verbs.create(session.campus(), kind, form.values, actor())
    except Invalid as error:
        return _form_page(kind, None, form, error.fields), 422
    return done("operator.connection", "connection_saved", connection_id=made)


def _form_page(
    kind: str, row: Connection | None, form: ConnectionForm, errors: dict[str, str]
) -> str:
    return render_template(
        "operator/connection_form.html",
        kind=kind,
        adapter=verbs.adapter_of(kind),
        connection=row,
        form=form,
        errors=errors,
        stored=verbs.stored_secrets(session.campus(), row) if row else frozenset(),
    )


def _row(db: Session, connection_id: str) -> Connection:
    row = db.get(Connection, connection_id)
    if row is None:
        raise NotFound("no-connection", "There is no such connection.")
    return row


@bp.get("/connections/<connection_id>")
def connection(connection_id: str) -> ResponseReturnValue:
    """State, problem, configuration without secrets, and what would be sent."""
    return _page(connection_id, None)


def _page(connection_id: str, lines: list[TestLine] | None) -> str:
    campus = session.campus()
    with campus.db.reading() as db:
        row = _row(db, connection_id)
        states = select(Delivery.state, func.count()).where(Delivery.connection_id == row.id)
        counts = dict(db.execute(states.group_by(Delivery.state)).all())
        real = db.scalar(select(Award.id).limit(1)) is not None
    adapter = ADAPTERS.get(row.kind)
    return render_template(
        "operator/connection.html",
        connection=row,
        adapter=adapter,
        counts=counts,
        stored=verbs.stored_secrets(campus, row) if adapter else frozenset(),
        lines=lines,
        shown=_preview(row) if adapter else None,
        real_award=real,
    )


@dataclass(frozen=True)
class Shown:
    """A preview for people: the request and its body, or what is missing."""

    planned: Planned | None
    body: str
    outcome: Outcome | None


def _preview(row: Connection) -> Shown:
    award_id = request.args.get("award") or None
    try:
        found = verbs.preview(session.campus(), row, award_id)
    except AppError as error:
        found = Outcome("held", error.code, error.message, fix=error.fix)
    if isinstance(found, Outcome):
        return Shown(None, "", found)
    return Shown(found, _body(found), None)


def _body(planned: Planned) -> str:
    """The payload as text; a file is named by its size."""
    if planned.payload is None:
        return ""
    if isinstance(planned.payload, bytes):
        try:
            return planned.payload.decode("utf-8")
        except UnicodeDecodeError:
            return gettext("A file of %(size)s bytes.", size=len(planned.payload))
    return json.dumps(planned.payload, indent=2, ensure_ascii=False)


@bp.post("/connections/<connection_id>/test")
def connection_test(connection_id: str) -> ResponseReturnValue:
    """Try it now. The answer is the page with the result: nothing is kept but the time."""
    with session.campus().db.reading() as db:
        row = _row(db, connection_id)
    return _page(connection_id, verbs.test(session.campus(), row))


@bp.get("/connections/<connection_id>/edit")
def connection_edit(connection_id: str) -> ResponseReturnValue:
    """The form with everything but the secrets."""
    with session.campus().db.reading() as db:
        row = _row(db, connection_id)
    values = {name: str(value) for name, value in row.config.items()}
    return _form_page(row.kind, row, ConnectionForm(values), {})


@bp.post("/connections/<connection_id>/edit")
def connection_save(connection_id: str) -> ResponseReturnValue:
    """Save it; an empty secret keeps the stored one."""
    with session.campus().db.reading() as db:
        row = _row(db, connection_id)
    form = parse(request.form, verbs.adapter_of(row.kind))
    try:
        verbs.save(session.campus(), connection_id, form.values, actor())
    except Invalid as error:
        return _form_page(row.kind, row, form, error.fields), 422
    return done("operator.connection", "connection_saved", connection_id=connection_id)


@bp.post("/connections/<connection_id>/pause")
def connection_pause(connection_id: str) -> ResponseReturnValue:
    """Stop sending; what is awarded meanwhile waits."""
    verbs.set_paused(session.campus(), connection_id, True, actor())
    return done("operator.connection", "connection_paused", connection_id=connection_id)


@bp.post("/connections/<connection_id>/resume")
def connection_resume(connection_id: str) -> ResponseReturnValue:
    """Send again."""
    verbs.set_paused(session.campus(), connection_id, False, actor())
    return done("operator.connection", "connection_resumed", connection_id=connection_id)
