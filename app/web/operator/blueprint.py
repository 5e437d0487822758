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
        ("learners", "operator", gettext("Learners"), "operator.learners"),
        ("approvals", "approvals", gettext("Approvals"), "operator.approvals"),
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
    "held": lambda: gettext("On hold. Our pages say so from now on."),
    "released": lambda: gettext("Released. The badge is handed out as before."),
    "bulk_asked": lambda: gettext("Noted. Nothing is revoked before the time below."),
    "bulk_undone": lambda: gettext("Undone. Nothing was revoked."),
    "approved": lambda: gettext("Approved. People of this LMS can open Tassel now."),
    "disabled": lambda: gettext("Disabled. Nobody can open Tassel from there until you enable it."),
    "grade_key": lambda: gettext("The key was saved. Test it, then teachers can connect courses."),
    "checked": lambda: gettext("The test is done. This is what it found."),
    "continues": lambda: gettext("It takes the place of the older one, which is switched off."),
    "trusted": lambda: gettext(
        "Administrators of this LMS come in here from their next launch on."
    ),
    "untrusted": lambda: gettext("Administrators of this LMS are not let in here any more."),
    "joins": lambda: gettext("Equal student numbers make one learner from now on."),
    "joins_not": lambda: gettext("Student numbers of this LMS join nobody any more."),
    "site_token": lambda: gettext("Connected. Every course of this LMS is read from now on."),
    "site_token_paused": lambda: gettext("Switched off. What was read stays."),
    "key_published": lambda: gettext("The new key is published. It signs when every LMS has it."),
    "key_replaced": lambda: gettext("Every key was replaced. The new one signs now."),
    "deployment_approved": lambda: gettext("The deployment was approved."),
    "registered": lambda: gettext("The platform was registered. Approve it when it is right."),
    "badge_approved": lambda: gettext("Approved. The badge is published; grades are read now."),
    "badge_declined": lambda: gettext(
        "Declined. The teacher reads your words on the badge's page."
    ),
    "issuer_saved": lambda: gettext("The issuer was saved. Badges signed earlier keep their text."),
    "endorsement_withdrawn": lambda: gettext(
        "Withdrawn. Badges that are signed from now on do not carry the endorsement."
    ),
    "rotated": lambda: gettext(
        "A new key is listed and signs in an hour. The old one stays listed."
    ),
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
