"""The ledger of deliveries: what went where, what is stuck and why, and the means to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta, gettext
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from app.errors import NotFound
from app.models import Connection
from app.pipeline import outbox
from app.web import ledger, paging, session
from app.web.ledger import Line, Wanted
from app.web.operator.blueprint import actor, bp, done
from app.web.spreadsheet import csv_row

DAYS: Final = 14
CSV_COLUMNS: Final = (
    "delivery",
    "award",
    "badge",
    "student_number",
    "connection",
    "operation",
    "state",
    "code",
    "message",
    "fix",
    "who",
    "attempts",
    "created_at",
    "sent_at",
)


@dataclass(frozen=True)
class DayBar:
    """One day of the chart."""

    day: datetime
    sent: int
    refused: int


def parse_wanted(args: MultiDict[str, str]) -> Wanted:
    """The filters of an address; an unknown state means no filter."""
    state = args.get("state", "")
    return Wanted(
        state=state if state in ledger.STATES else "",
        connection_id=args.get("connection", "")[:36],
        find=args.get("find", "").strip()[:100],
    )


@bp.get("/deliveries")
def deliveries() -> ResponseReturnValue:
    """The ledger, what needs somebody first."""
    campus, wanted = session.campus(), parse_wanted(request.args)
    with campus.db.reading() as db:
        page = paging.page_of(ledger.count(db, wanted))
        return render_template(
            "operator/deliveries.html",
            wanted=wanted,
            page=page,
            lines=ledger.lines(db, wanted, limit=page.per, offset=page.offset),
            numbers=ledger.numbers(db, campus.clock()),
            connections=list(db.scalars(select(Connection).order_by(Connection.name))),
            bars=_bars(ledger.by_day(db, _midnights(campus.clock()))),
            next_try=next_try,
        )


def _midnights(now: datetime) -> list[datetime]:
    """Beginnings of the last fourteen days in the campus zone, and of tomorrow."""
    local = now.astimezone(session.campus().settings.zone)
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return [today + timedelta(days=number) for number in range(1 - DAYS, 2)]


def _bars(counts: list[tuple[int, int]]) -> list[DayBar]:
    days = _midnights(session.campus().clock())
    return [DayBar(day, *pair) for day, pair in zip(days, counts, strict=False)]


def next_try(line: Line) -> str:
    """When a waiting delivery is tried again, in words; empty when nothing is planned."""
    due, now = line.delivery.next_at, session.campus().clock()
    if line.delivery.state != "waiting" or due is None or not line.delivery.attempts:
        return ""
    if due <= now:
        return gettext("Next try within seconds.")
    return gettext("Next try in %(time)s.", time=format_timedelta(due - now))


@bp.get("/deliveries/<delivery_id>")
def delivery(delivery_id: str) -> ResponseReturnValue:
    """One delivery with every attempt."""
    with session.campus().db.reading() as db:
        return render_template(
            "operator/delivery.html",
            line=_line(delivery_id),
            attempts=ledger.attempts(db, delivery_id),
            next_try=next_try,
        )


def _line(delivery_id: str) -> Line:
    with session.campus().db.reading() as db:
        found = ledger.one(db, delivery_id)
    if found is None:
        raise NotFound("no-such-delivery", "There is no such delivery.")
    return found


@bp.post("/deliveries/<delivery_id>/retry")
def delivery_retry(delivery_id: str) -> ResponseReturnValue:
    """Put one delivery into the queue again."""
    outbox.retry(session.campus(), delivery_id, actor())
    return done("operator.delivery", "retried", delivery_id=delivery_id)


@bp.post("/deliveries/retry")
def deliveries_retry() -> ResponseReturnValue:
    """Put everything that failed into the queue again; of one connection when it is named."""
    campus, named = session.campus(), request.form.get("connection", "")
    with campus.db.reading() as db:
        stuck = [named] if named else ledger.stuck_connections(db)
    for connection_id in stuck:
        outbox.retry_all(campus, connection_id, actor())
    return done("operator.deliveries", "retried_all")


@bp.get("/deliveries/<delivery_id>/drop")
def delivery_drop(delivery_id: str) -> ResponseReturnValue:
    """Ask before a delivery is given up."""
    return render_template("operator/delivery_drop.html", line=_line(delivery_id))


@bp.post("/deliveries/<delivery_id>/drop")
def delivery_drop_confirm(delivery_id: str) -> ResponseReturnValue:
    """Give a delivery up: it will not be sent."""
    outbox.drop(session.campus(), delivery_id, actor())
    return done("operator.delivery", "dropped", delivery_id=delivery_id)


@bp.get("/deliveries.csv")
def deliveries_csv() -> ResponseReturnValue:
    """The filtered ledger as CSV, streamed. Cells that a spreadsheet would run are defused."""
    campus, wanted = session.campus(), parse_wanted(request.args)

    def rows() -> Iterator[str]:
        yield csv_row(CSV_COLUMNS)
        with campus.db.reading() as db:
            for line in ledger.every(db, wanted):
                yield csv_row(_cells(line))

    answer = Response(rows(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = 'attachment; filename="deliveries.csv"'
    return answer


def _cells(line: Line) -> tuple[object, ...]:
    """In the order of CSV_COLUMNS; times in ISO 8601, UTC."""
    row = line.delivery
    return (
        row.id,
        row.award_id,
        line.badge,
        line.student,
        line.connection.name,
        row.operation,
        row.state,
        row.code,
        row.message,
        row.fix,
        row.who,
        row.attempts,
        row.created_at.isoformat(),
        row.sent_at.isoformat() if row.sent_at else "",
    )
