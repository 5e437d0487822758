"""The audit log, newest first, with its chain of hashes checked."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from app import audit
from app.models import AuditEntry
from app.web import paging, session
from app.web.operator.blueprint import bp


@bp.get("/audit")
def audit_log() -> ResponseReturnValue:
    """One page of entries; ``?check=1`` walks the whole chain first (a minute for millions)."""
    subject = request.args.get("subject", "").strip()[:100]
    action = request.args.get("action", "").strip()[:60]
    query = select(AuditEntry)
    if subject:
        query = query.where(AuditEntry.subject == subject)
    if action:
        query = query.where(AuditEntry.action == action)
    checked = "check" in request.args
    with session.campus().db.reading() as db:
        page = paging.page_of(db.scalar(select(func.count()).select_from(query.subquery())) or 0)
        newest = query.order_by(AuditEntry.id.desc()).limit(page.per).offset(page.offset)
        return render_template(
            "operator/audit_log.html",
            page=page,
            entries=list(db.scalars(newest)),
            actions=list(db.scalars(select(AuditEntry.action).distinct().order_by("action"))),
            subject=subject,
            action=action,
            checked=checked,
            broken=audit.broken_at(db) if checked else None,
        )
