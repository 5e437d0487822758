"""Deliveries: read the ledger, retry what failed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import Connection, Delivery
from app.pipeline import outbox
from app.web import ledger, session, tokens
from app.web.api.blueprint import bp
from app.web.api.cursors import read_page
from app.web.api.idempotency import once
from app.web.api.schemas import (
    AttemptOut,
    ConnectionRef,
    DeliveryDetail,
    DeliveryList,
    DeliveryOut,
    DeliveryQuery,
    IdempotencyHeaders,
)


def _query() -> Select[*tuple[Any, ...]]:
    return select(Delivery, Connection).join(Connection, Connection.id == Delivery.connection_id)


def _out(row: Delivery, target: Connection) -> dict[str, Any]:
    return {
        "id": row.id,
        "award_id": row.award_id,
        "connection": ConnectionRef(id=target.id, name=target.name, kind=target.kind),
        "operation": row.operation,
        "state": row.state,
        "code": row.code,
        "message": row.message,
        "fix": row.fix,
        "who": row.who,
        "attempts": row.attempts,
        "next_at": row.next_at,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
    }


def _filtered(wanted: DeliveryQuery) -> Select[*tuple[Any, ...]]:
    query = _query()
    if wanted.state:
        query = query.where(Delivery.state == wanted.state)
    if wanted.connection_id:
        query = query.where(Delivery.connection_id == wanted.connection_id)
    if wanted.award_id:
        query = query.where(Delivery.award_id == wanted.award_id)
    return query


@bp.get("/deliveries")
@bp.input(DeliveryQuery, location="query")
@bp.output(DeliveryList)
def deliveries(query_data: DeliveryQuery) -> DeliveryList:
    """List deliveries, oldest first."""
    with session.campus().db.reading() as db:
        rows, following = read_page(
            db,
            _filtered(query_data),
            Delivery.created_at,
            Delivery.id,
            after=query_data.cursor,
            limit=query_data.limit,
            key=lambda row: (row[0].created_at, row[0].id),
        )
    return DeliveryList(data=[DeliveryOut(**_out(*row)) for row in rows], next=following)


@bp.get("/deliveries/<delivery_id>")
@bp.output(DeliveryDetail)
def delivery(delivery_id: str) -> DeliveryDetail:
    """Read one delivery with every try."""
    with session.campus().db.reading() as db:
        return _detail(db, delivery_id)


def _detail(db: Session, delivery_id: str) -> DeliveryDetail:
    row = db.execute(_query().where(Delivery.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFound("no-such-delivery", "There is no such delivery.")
    tries = [
        AttemptOut.model_validate(
            {name: getattr(attempt, name) for name in AttemptOut.model_fields}
        )
        for attempt in ledger.attempts(db, delivery_id)
    ]
    return DeliveryDetail(**_out(*row), tries=tries)


@bp.post("/deliveries/<delivery_id>/retry")
@bp.input(IdempotencyHeaders, location="headers")
@bp.output(DeliveryDetail, status_code=202, description="It is in the queue again.")
@once
def delivery_retry(delivery_id: str, headers_data: IdempotencyHeaders) -> DeliveryDetail:
    """Put a delivery that waits, is held or has failed into the queue again."""
    del headers_data  # read by ``once``
    campus = session.campus()
    token = tokens.presented()
    assert token is not None
    outbox.retry(campus, delivery_id, f"token:{token.id}")
    with campus.db.reading() as db:
        return _detail(db, delivery_id)
