"""The work that happens by itself, and which kinds of it there are.

The rows of the domain are the truth (outbox). A kind of work is five functions on them:

``claim(campus, limit)``    due rows become leased batches, committed before any work begins
``run(campus, ids)``        do the work of one batch; rows that are not leased any more are left alone
``reap(campus)``            rows whose lease has passed become due again
``leased(campus)``          the rows that somebody works on, or lost on the way to the engine
``release(campus, ids)``    rows that a dead worker held become due again at once

``kinds`` is the table of them; ``run_until_idle`` calls them inline, as tests and the story do.
``worker`` runs them durably and is the only module that knows the job engine.
"""

from __future__ import annotations

from app.jobs.helper import Helper
from app.jobs.kinds import KINDS, Kind, run_until_idle
from app.jobs.worker import Worker

__all__ = ["KINDS", "Helper", "Kind", "Worker", "run_until_idle"]
