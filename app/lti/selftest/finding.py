"""One run of the self-test and the lines that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from app.db import Database
from app.errors import AppError
from app.http import HttpClient, Response
from app.lti.platforms import Lms, lms_for
from app.lti.services import LtiServices
from app.models import Platform
from app.settings import Settings

State = Literal["good", "warn", "bad", "skip"]
OURS, THEIRS, BOTH = (
    "Operator of Tassel",
    "Administrator of the LMS",
    "Whoever looks after the servers",
)


@dataclass(frozen=True)
class Finding:
    """One line. ``key`` is stable; the texts are for people."""

    key: str
    state: State
    title: str
    message: str
    fix: str = ""
    who: str = ""


@dataclass
class Trial:
    """One run: what is asked, with what, and what came out so far."""

    db: Database
    http: HttpClient
    lti: LtiServices
    settings: Settings
    clock: Callable[[], datetime]
    platform: Platform
    started: datetime
    given: list[str] | None = None
    """Scopes of the token answer; None = no token."""
    skews: list[float] = field(default_factory=list)
    """Seconds by which the ``Date`` of an answer was ahead of us."""

    @property
    def lms(self) -> Lms:
        """The quirks of this LMS."""
        return lms_for(self.platform.installation.lms)

    @property
    def name(self) -> str:
        """The installation's name."""
        return self.platform.installation.name

    def note_time(self, answer: Response) -> None:
        """Remember how far the clock of whoever answered is off."""
        try:
            theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
            self.skews.append((theirs - self.clock()).total_seconds())
        except (ValueError, TypeError):
            return


def failed(key: str, title: str, error: AppError, more: str = "") -> Finding:
    """A line from an error, with more to do about it."""
    return Finding(key, "bad", title, error.message, f"{error.fix} {more}".strip(), THEIRS)
