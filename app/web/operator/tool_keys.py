"""The keys that LMSs know Tassel by: see them, rotate them, replace one that leaked."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.lti import keys
from app.models import ToolKey
from app.web import session
from app.web.operator.blueprint import actor, bp, done


@bp.get("/platforms/keys")
def tool_keys() -> ResponseReturnValue:
    """Every key with its state, and who read the key set last."""
    here = session.campus()
    with here.db.reading() as db:
        rows = list(db.scalars(select(ToolKey).order_by(ToolKey.created_at.desc())))
    return render_template(
        "operator/tool_keys.html",
        keys=rows,
        waiting=any(row.state == "next" for row in rows),
        fetched=keys.last_fetch(here.db),
        days=here.settings.lti_key_days,
        address=f"{here.settings.public_url}/lti/jwks",
        hours=int(keys.LISTED_BEFORE.total_seconds() // 3600),
    )


@bp.post("/platforms/keys/rotate")
def tool_keys_rotate() -> ResponseReturnValue:
    """Publish the next key."""
    here = session.campus()
    keys.rotate_key(here.db, here.box, actor(), here.clock())
    return done("operator.tool_keys", "key_published")


@bp.get("/platforms/keys/replace")
def tool_keys_replace() -> ResponseReturnValue:
    """What replacing at once means."""
    return render_template("operator/tool_keys_replace.html")


@bp.post("/platforms/keys/replace")
def tool_keys_replace_confirm() -> ResponseReturnValue:
    """Take every key out and sign with a new one at once."""
    here = session.campus()
    keys.replace_key(here.db, here.box, actor(), here.clock())
    return done("operator.tool_keys", "key_replaced")
