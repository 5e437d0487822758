"""Health: workers, queues, database, version, and whether mail goes out."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from app import schema
from app.models import Connection, Delivery
from app.pipeline import sign_all
from app.web import session, vitals
from app.web.operator.blueprint import bp


@bp.get("/health")
def health() -> ResponseReturnValue:
    """Every part with its state in words."""
    campus = session.campus()
    with campus.db.reading() as db:
        mail = db.scalar(select(Connection).where(Connection.kind == "mail"))
        mails = select(Delivery.state, func.count()).group_by(Delivery.state)
        return render_template(
            "operator/health.html",
            workers=vitals.workers(db, campus.clock()),
            queues=vitals.queues(db),
            signing=sign_all.by_badge(db),
            schema=schema.current_in(db.connection()),
            head=schema.head(),
            dialect="SQLite" if campus.db.is_sqlite else "PostgreSQL",
            release=vitals.release(),
            settings=campus.settings,
            mail_on=bool(campus.settings.smtp_url and campus.settings.mail_from),
            mails=dict(db.execute(mails.where(Delivery.connection_id == mail.id)).all())
            if mail
            else {},
        )
