"""More processes that sign while much waits; a worker alone uses one core."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import structlog
from sqlalchemy import select

from app.models import Award
from app.pipeline.campus import Campus

MANY = 1000
"""Awards that wait before anybody is called: a worker alone signs so many in seconds."""
LOOK_SECONDS = 2.0
REST_SECONDS = 60.0
"""Between two calls when help ended with a failure: what stopped it will seldom be gone at once."""

log = structlog.get_logger()


class Helper:
    """Calls one process that signs beside this one, and sends it away with this one."""

    def __init__(self, campus: Campus, call: Callable[[], subprocess.Popen[bytes]]) -> None:
        """``call`` starts a process that ends by itself when nothing waits any more."""
        self._campus, self._call = campus, call
        self._process: subprocess.Popen[bytes] | None = None
        self._called = 0.0

    def look(self) -> None:
        """Call it when much waits and it is not here."""
        if not self.busy and not self._rests() and self._much_waits():
            self._process, self._called = self._call(), time.monotonic()
            log.info("signing-helped", process=self._process.pid)

    @property
    def busy(self) -> bool:
        """Whether it is here."""
        return self._process is not None and self._process.poll() is None

    def _rests(self) -> bool:
        """Whether the last call failed, and not long ago."""
        failed = self._process is not None and self._process.returncode != 0
        return failed and time.monotonic() < self._called + REST_SECONDS

    def _much_waits(self) -> bool:
        waiting = select(Award.id).where(Award.state == "waiting", Award.lease_until.is_(None))
        with self._campus.db.reading() as session:
            return session.scalar(waiting.offset(MANY).limit(1)) is not None

    def dismiss(self) -> None:
        """Tell it to go when its batches are done; what it held if it is cut off is free with its end."""
        if self._process is not None and self.busy:
            self._process.terminate()
