"""The blueprint of the operator's area and what every page of it shares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.web import session, wording
from app.web.permissions import allows

bp = Blueprint("operator", __name__, url_prefix="/operator")


def sections() -> list[tuple[str, str, str]]:
    """Navigation of the visitor: (key, label, address), only what the role may open."""
    lines = (
        ("home", "deliveries", gettext("Overview"), "operator.home"),
        ("deliveries", "deliveries", gettext("Deliveries"), "operator.deliveries"),
        ("connections", "deliveries", gettext("Connections"), "operator.connections"),
        ("awards", "operator", gettext("Awards"), "operator.awards"),
        ("platforms", "operator", gettext("Platforms"), "operator.platforms"),
        ("issuers", "operator", gettext("Issuers"), "operator.issuers"),
        ("tokens", "operator", gettext("API"), "operator.tokens"),
        ("audit", "operator", gettext("Audit"), "operator.audit_log"),
        ("health", "operator", gettext("Health"), "operator.health"),
    )
    return [
        (key, label, url_for(endpoint))
        for key, permission, label, endpoint in lines
        if may(permission)
    ]


_SAID: dict[str, Callable[[], str]] = {
    "retried": lambda: gettext("It is in the queue again. The worker takes it within seconds."),
    "retried_all": lambda: gettext("What had failed is in the queue again."),
    "dropped": lambda: gettext("The delivery was dropped. It will not be sent."),
    "connection_saved": lambda: gettext("The connection was saved."),
    "connection_paused": lambda: gettext("Paused. New awards wait until you resume it."),
    "connection_resumed": lambda: gettext("Resumed. What waited is sent now."),
    "revoked": lambda: gettext("The award was revoked. Verifiers see it within minutes."),
    "approved": lambda: gettext("Approved. People of this LMS can open Tassel now."),
    "disabled": lambda: gettext("Disabled. Nobody can open Tassel from there until you enable it."),
    "deployment_approved": lambda: gettext("The deployment was approved."),
    "registered": lambda: gettext("The platform was registered. Approve it when it is right."),
    "issuer_saved": lambda: gettext("The issuer was saved. Badges signed earlier keep their text."),
    "rotated": lambda: gettext("A new key signs from now on. The old one stays listed."),
    "token_revoked": lambda: gettext("The token was ended. It opens nothing any more."),
}
"""What pages say after a successful form; the address carries only the key."""


@bp.app_template_filter("choice_labels")
def choice_labels(choices: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """(value, label) pairs as a mapping."""
    return dict(choices)


@bp.context_processor
def _values() -> dict[str, object]:
    said = _SAID.get(request.args.get("said", ""))
    return {"sections": sections, "when": when, "may": may, "said": said() if said else ""}


def may(permission: str) -> bool:
    """Whether the visitor of this operator page has ``permission``."""
    return allows(permission, session.visitor(session.OPERATOR).role)


def actor() -> str:
    """Name of the visitor for the audit log."""
    return session.visitor(session.OPERATOR).actor


def when(moment: datetime | None) -> str:
    """A moment in the campus zone and the reader's language; a dash for none."""
    return wording.moment_in(moment, session.campus().settings.zone) if moment else "–"


def done(endpoint: str, said: str, **values: Any) -> ResponseReturnValue:
    """After a successful POST: go on (303) and let the next page say what happened."""
    return redirect(url_for(endpoint, **values, said=said), 303)
