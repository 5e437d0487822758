"""The self-test of a registration: every link of the chain tried once, said in plain words.

Nothing is created or changed at the LMS. Each finding says what was seen, what to do and who can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime

from app.db import Database
from app.errors import NotFound
from app.http import HttpClient
from app.lti.selftest import trust, use
from app.lti.selftest.finding import Finding, State, Trial
from app.lti.services import LtiServices
from app.models import Platform
from app.settings import Settings

__all__ = ["Finding", "run", "stored", "worst"]


_CHECKS: tuple[Callable[[Trial], Iterator[Finding]], ...] = (
    trust.approval,
    trust.our_keys,
    trust.their_keys,
    trust.token,
    trust.readers,
    trust.scopes,
    use.clock,
    use.launches,
    use.deployments,
    use.course,
    trust.making,
)
"""In this order: what later ones need is found by earlier ones."""


def run(
    db: Database,
    http: HttpClient,
    lti: LtiServices,
    settings: Settings,
    clock: Callable[[], datetime],
    platform_id: str,
) -> list[Finding]:
    """Try everything and keep the result on the registration's row. NotFound when there is none."""
    with db.reading() as session:
        platform = session.get(Platform, platform_id)
        if platform is None:
            raise NotFound("no-platform", "There is no such registration.")
        _ = platform.installation
    trial = Trial(db, http, lti, settings, clock, platform, clock())
    found = [finding for check in _CHECKS for finding in check(trial)]
    with db.transaction() as session:
        row = session.get_one(Platform, platform_id)
        row.findings = [asdict(finding) for finding in found]
        row.scopes_given, row.checked_at = trial.given, trial.started
    return found


def worst(findings: list[Finding]) -> State:
    """The state of the whole: bad before warn before good."""
    states = {finding.state for finding in findings}
    order: tuple[State, ...] = ("bad", "warn", "good")
    return next((state for state in order if state in states), "skip")


def stored(platform: Platform) -> list[Finding]:
    """The lines of the last run."""
    return [Finding(**line) for line in platform.findings or []]
