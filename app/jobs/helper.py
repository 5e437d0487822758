"""More processes that sign while much waits; a worker alone uses one core."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import structlog
from sqlalchemy import select

from app.models import Award
from app.pipeline.campus import Campus

MANY = 1000
"""Awards that wait before anybody is called: a worker alone signs so many in seconds."""
LOOK_SECONDS = 2.0

log = structlog.get_logger()


class Helper:
    """Calls one process that signs beside this one, and sends it away with this one."""

    def __init__(self, campus: Campus, call: Callable[[], subprocess.Popen[bytes]]) -> None:
        """``call`` starts a process that ends by itself when nothing waits any more."""
        self._campus, self._call = campus, call
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Call it when much waits and it is not here."""
        if not self.busy and self._much_waits():
            self._process = self._call()
            log.info("signing-helped", process=self._process.pid)

    @property
    def busy(self) -> bool:
        """Whether it is here."""
        return self._process is not None and self._process.poll() is None

    def _much_waits(self) -> bool:
        waiting = select(Award.id).where(Award.state == "waiting", Award.lease_until.is_(None))
        with self._campus.db.reading() as session:
            return session.scalar(waiting.offset(MANY).limit(1)) is not None

    def dismiss(self) -> None:
        """Tell it to go when its batches are done; what it held if it is cut off is free with its end."""
        if self._process is not None and self.busy:
            self._process.terminate()
