"""What one worker at a time looks after every few minutes, beside the work that rows ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.lti.keys import advance_keys
from app.pipeline import reminders
from app.pipeline.campus import Campus


@dataclass(frozen=True)
class Round:
    """``name`` is also the lease by which workers agree who does it; ``work`` is safe to repeat."""

    name: str
    seconds: float
    work: Callable[[Campus], object]


def _advance_keys(campus: Campus) -> None:
    """Let the next LTI key take over and the old one leave when their time has come."""
    advance_keys(campus.db, campus.box, campus.settings.lti_key_days, campus.clock())


ROUNDS = (
    Round("keys", 300.0, _advance_keys),
    Round("reminders", 900.0, reminders.queue_due),
)
