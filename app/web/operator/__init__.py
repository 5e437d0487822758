"""The operator's pages: what needs a person, and the means to mend it.

One module per section of the navigation, all on one blueprint. People come in by the single-use
link of ``tassel admin link`` (:func:`make_admin_link`); what each role may open stands in
``web.permissions``.
"""

from __future__ import annotations

from app.web.operator import (
    approvals,
    audit_log,
    awards,
    bulk,
    connections,
    deliveries,
    enter,
    grade_key,
    grade_token,
    health,
    hold,
    home,
    issuers,
    learners,
    platform,
    platforms,
    register,
    sign_in,
    tokens,
    tool_keys,
)
from app.web.operator.blueprint import bp
from app.web.operator.enter import make_admin_link

__all__ = [
    "approvals",
    "audit_log",
    "awards",
    "bp",
    "bulk",
    "connections",
    "deliveries",
    "enter",
    "grade_key",
    "grade_token",
    "health",
    "hold",
    "home",
    "issuers",
    "learners",
    "make_admin_link",
    "platform",
    "platforms",
    "register",
    "sign_in",
    "tokens",
    "tool_keys",
]
