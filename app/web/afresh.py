"""Somebody who was erased opens Tassel again: it says so, and begins afresh only when asked to."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import ConfigurationError, Invalid
from app.pipeline import erase
from app.pipeline.campus import Campus
from app.pipeline.tombstones import ErasedPerson
from app.web.launch import bp
from app.web.session import campus

__all__ = ["bp"]

LIVES: Final = timedelta(minutes=30)
_FOR: Final = "afresh"
LONGEST: Final = 4000
"""Characters of a ticket."""


@bp.errorhandler(ErasedPerson)
def erased(error: ErasedPerson) -> ResponseReturnValue:
    """After a launch that proved who it is: the ticket carries which erasure it was, sealed."""
    g.launching = error.platform_id
    ticket = _ticket(campus(), error.erasures)
    return render_template("lti/erased.html", ticket=ticket), 403


@bp.post("/afresh")
def afresh() -> ResponseReturnValue:
    """The marks count no more. Nothing is brought back; the next launch is one of somebody new."""
    erase.lift(campus(), _erasures(campus(), request.form.get("ticket", "")))
    return render_template("lti/afresh.html")


def _ticket(here: Campus, erasures: tuple[str, ...]) -> str:
    until = (here.clock() + LIVES).isoformat()
    return here.box.seal(json.dumps({_FOR: erasures, "until": until}).encode())


def _erasures(here: Campus, ticket: str) -> list[str]:
    """Which erasures a ticket of ours names. Raises Invalid for any other text and for an old one."""
    try:
        found = json.loads(here.box.open(ticket if len(ticket) <= LONGEST else ""))
        named, until = list(found[_FOR]), datetime.fromisoformat(found["until"])
    except (ConfigurationError, ValueError, KeyError, TypeError):
        named, until = [], here.clock()
    if until <= here.clock():
        raise Invalid(
            "ticket-over",
            "This page was open for too long.",
            fix="Open Tassel again from your course.",
        )
    return named
