"""The worker process: dispatcher, heartbeat, reaper and purge around the durable job engine (DBOS).

The only module that knows the engine. Its tables hold row ids and nothing else, and may be thrown
away at any time: what is due stands in our own rows. What the engine needs to be safe without its
vendor's control plane: a fixed application version (else a release strands running work), an executor
id of its own per process, and somebody who takes back what a dead process held (else it blocks).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

import structlog
from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import Engine, create_engine, delete, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.errors import Conflict
from app.jobs import helper
from app.jobs.helper import Helper
from app.jobs.kinds import KINDS, STALE_SECONDS, Kind
from app.jobs.rounds import ROUNDS, Round
from app.models import Heartbeat, Lease
from app.pipeline import deliver, erasure_journal, taking_away, uploads
from app.pipeline.campus import Batch, Campus
from app.pipeline.holders import gone, process_name

APPLICATION_VERSION = "1"
"""Raised only when the job function below changes its meaning."""
QUEUES: dict[str, tuple[int, int]] = {"read": (8, 2), "issue": (2, 1), "push": (16, 1)}
"""Queue to (jobs at a time in one worker, jobs at a time of one partition in all workers)."""
POLL_SECONDS = 0.25
DISPATCH_SECONDS = 0.5
SWEEP_SECONDS = 5.0
BEAT_SECONDS = 5.0
PURGE_SECONDS = 3600.0
KEEP_FINISHED = timedelta(days=1)
KEEP_FAILED = timedelta(minutes=30)
"""Longer than any lease: for so long the rows of a failed job are known to have failed."""

_log = structlog.get_logger(__name__)
_campus: Campus | None = None
_running: set[str] = set()
"""Jobs that this process is working on."""


@DBOS.workflow(name="tassel-job")
def _job(kind: str, ids: list[str]) -> None:
    """Run one batch. Arguments are row ids only: the engine stores them in clear."""
    if _campus is None:
        raise RuntimeError("a job was started outside a worker")
    name, failed = str(DBOS.workflow_id), ""
    _running.add(name)
    try:
        KINDS[kind].run(_campus, tuple(ids))
    except Exception as error:
        # The rows keep their lease and come back when it has passed; the trace must not get lost.
        _log.exception("job-failed", kind=kind, rows=len(ids))
        failed = type(error).__name__
    finally:
        _campus.http.close()
        _running.discard(name)
    if failed:
        # The engine keeps and logs what a job raises, with all its words: it gets one of ours.
        raise RuntimeError(f"{kind}: {failed}")


@contextmanager
def _guarded(kind: Kind) -> Iterator[None]:
    """A kind of work that fails is written down and does not keep the others waiting."""
    try:
        yield
    except Exception:
        _log.exception("kind-failed", kind=kind.name)


class Worker:
    """One worker process. ``start`` returns at once; ``stop`` waits for what is running."""

    def __init__(self, campus: Campus, helper: Helper | None = None) -> None:
        """Opens nothing yet. One started worker per process: the engine is a singleton."""
        self._campus, self._helper = campus, helper
        self.executor_id = process_name()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock: IO[str] | None = None
        self._engine: Engine | None = None
        self._doubtful: dict[str, set[str]] = {}

    def start(self) -> None:
        """Take the lock (SQLite), launch the engine, take back what the dead held, begin.

        Raises Conflict when another worker runs on the same SQLite database.
        """
        global _campus  # noqa: PLW0603 - the engine calls a plain function, which needs its campus
        self._lock = _exclusive(self._campus.db)
        _campus = self._campus
        with self._campus.db.transaction() as session:
            on = bool(self._campus.settings.smtp_url)
            deliver.ensure_mail(session, on, self._campus.clock())
        self._beat()
        self._launch()
        if self._is_alone():
            # Nothing can be on its way to the engine, so whatever it does not know is lost.
            self._doubtful = self._unknown()
        self._sweep()
        for name, seconds, work in (
            ("beat", BEAT_SECONDS, self._beat),
            ("dispatch", DISPATCH_SECONDS, self._dispatch),
            ("sweep", SWEEP_SECONDS, self._sweep),
            ("purge", PURGE_SECONDS, self._purge),
            *((one.name, one.seconds, partial(self._alone, one)) for one in ROUNDS),
            *([("help", helper.LOOK_SECONDS, self._helper.look)] if self._helper else []),
        ):
            thread = threading.Thread(target=self._repeat, args=(seconds, work), name=name)
            thread.start()
            self._threads.append(thread)
        _log.info("worker-started", executor=self.executor_id)

    def stop(self, drain_seconds: float) -> bool:
        """Begin nothing more, wait for running jobs; False when some were still running.

        Those stay leased and are taken back by the next worker; jobs that were handed to the
        engine and not begun are begun by it. Stopping again does nothing.
        """
        global _campus  # noqa: PLW0603 - see start
        if self._stopping.is_set():
            return True
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=BEAT_SECONDS)
        if self._helper is not None:
            self._helper.dismiss()
        DBOS.destroy(workflow_completion_timeout_sec=max(1, int(drain_seconds)))
        drained = not _running
        if self._engine is not None:
            self._engine.dispose()
        with self._campus.db.transaction() as session:
            session.execute(delete(Heartbeat).where(Heartbeat.executor_id == self.executor_id))
        if self._lock is not None:
            self._lock.close()
        _campus = None
        _log.info("worker-stopped", drained=drained)
        return drained

    def run_forever(self) -> None:
        """Work until SIGTERM or SIGINT, then drain for as long as the settings allow.

        What is still running after that is abandoned with the process: its rows are taken back by
        the next worker, and repeating it is safe at the peer.
        """
        asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: asked.set())
        self.start()
        while not asked.wait(1.0):
            pass
        if not self.stop(self._campus.settings.drain_seconds):
            os._exit(0)

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": "tassel",
            "application_version": APPLICATION_VERSION,
            "executor_id": self.executor_id,
            "enable_otlp": False,
            "log_level": "WARNING",
        }
        if self._campus.db.is_sqlite:
            self._engine = _sqlite_engine(self._campus.db)
            config["system_database_url"] = self._engine.url.render_as_string(False)
            config["system_database_engine"] = self._engine
        else:
            config["system_database_url"] = self._campus.db.url
            config["dbos_system_schema"] = "dbos"
        DBOS(config=config)
        DBOS.listen_queues(list(QUEUES))
        DBOS.launch()
        for name, (here, partition) in QUEUES.items():
            DBOS.register_queue(
                name,
                worker_concurrency=here,
                partition_concurrency=partition,
                polling_interval_sec=POLL_SECONDS,
                on_conflict="always_update",
            )

    def _repeat(self, seconds: float, work: Callable[[], None]) -> None:
        """Do ``work`` every so often until the worker stops; an error costs one round only."""
        while not self._stopping.wait(seconds):
            try:
                work()
            except Exception:
                _log.exception("worker-round-failed", work=threading.current_thread().name)

    def _beat(self) -> None:
        now = self._campus.clock()
        with self._campus.db.transaction() as session:
            row = session.get(Heartbeat, self.executor_id)
            if row is None:
                session.add(Heartbeat(executor_id=self.executor_id, started_at=now, at=now))
            else:
                row.at = now

    def _dispatch(self) -> None:
        """Claim what is due and hand it to the engine."""
        for kind in KINDS.values():
            with _guarded(kind):
                for batch in kind.claim(self._campus, kind.limit):
                    _enqueue(kind, batch)

    def _sweep(self) -> None:
        """Take back passed leases and, one worker at a time, the work of the dead."""
        for kind in KINDS.values():
            with _guarded(kind):
                kind.reap(self._campus)
        if self._holds("reaper"):
            self._bury()
            self._find_lost()

    def _bury(self) -> None:
        """Cancel the jobs of dead executors, which frees their partitions, and free their rows."""
        running = DBOS.list_workflows(status="PENDING", queue_name=list(QUEUES))
        owners = {str(job.executor_id) for job in running}
        dead = owners - self._alive(owners)
        for job in running:
            if str(job.executor_id) not in dead or job.input is None:
                continue
            DBOS.cancel_workflow(job.workflow_id)
            kind, ids = job.input["args"]
            freed = KINDS[kind].release(self._campus, tuple(ids))
            _log.warning("dead-worker-job", kind=kind, rows=freed, executor=job.executor_id)
        self._forget_dead()

    def _find_lost(self) -> None:
        """Free rows that somebody leased and never handed to the engine: he died in between.

        Handing over takes milliseconds, so what two sweeps in a row do not find there is lost.
        """
        unknown = self._unknown()
        for name, ids in unknown.items():
            lost = ids & self._doubtful.get(name, set())
            if lost:
                freed = KINDS[name].release(self._campus, sorted(lost))
                _log.warning("lost-rows", kind=name, rows=freed)
        self._doubtful = unknown

    def _unknown(self) -> dict[str, set[str]]:
        """Kind to the leased rows that no job of the engine is about.

        The rows of a job that failed are known: they rest until their lease has passed.
        """
        leased = {name: set(kind.leased(self._campus)) for name, kind in KINDS.items()}
        if not any(leased.values()):
            return leased
        failed_since = (datetime.now(UTC) - KEEP_FAILED).isoformat()
        for job in (
            *DBOS.list_workflows(status=["ENQUEUED", "PENDING"], queue_name=list(QUEUES)),
            *DBOS.list_workflows(status="ERROR", completed_after=failed_since),
        ):
            if job.input is not None:
                kind, ids = job.input["args"]
                leased[kind] -= set(ids)
        return leased

    def _is_alone(self) -> bool:
        with self._campus.db.reading() as session:
            known = set(session.scalars(select(Heartbeat.executor_id)))
        return self._alive(known) <= {self.executor_id}

    def _alive(self, executors: set[str]) -> set[str]:
        """Those that still run. On SQLite the exclusive lock says that it is only this one."""
        if self._campus.db.is_sqlite:
            return executors & {self.executor_id}
        fresh = self._campus.clock() - timedelta(seconds=STALE_SECONDS)
        with self._campus.db.reading() as session:
            beating = set(
                session.scalars(
                    select(Heartbeat.executor_id).where(
                        Heartbeat.executor_id.in_(executors), Heartbeat.at >= fresh
                    )
                )
            )
        living = {name for name in beating if not gone(name)} | {self.executor_id}
        return executors & living

    def _forget_dead(self) -> None:
        old = self._campus.clock() - timedelta(seconds=10 * STALE_SECONDS)
        with self._campus.db.transaction() as session:
            session.execute(delete(Heartbeat).where(Heartbeat.at < old))

    def _holds(self, name: str) -> bool:
        """Take or renew a lease; False while another living worker holds it."""
        now = self._campus.clock()
        with suppress(IntegrityError), self._campus.db.transaction() as session:
            if session.get(Lease, name) is None:
                session.add(Lease(name=name, holder="", until=now))
        with self._campus.db.transaction() as session:
            row = session.scalars(select(Lease).where(Lease.name == name).with_for_update()).one()
            if row.holder != self.executor_id and row.until > now and self._alive({row.holder}):
                return False
            row.holder = self.executor_id
            row.until = now + timedelta(seconds=STALE_SECONDS)
        return True

    def _alone(self, one: Round) -> None:
        if self._holds(one.name):
            one.work(self._campus)

    def _purge(self) -> None:
        """Forget finished jobs of more than a day ago and files that nobody took; level journals."""
        uploads.purge(self._campus)
        erasure_journal.note(self._campus)
        taking_away.settle_file(self._campus.db)
        while self._holds("purge") and not self._stopping.is_set():
            old = DBOS.list_workflows(
                status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
                completed_before=(datetime.now(UTC) - KEEP_FINISHED).isoformat(),
                limit=1000,
                load_input=False,
                load_output=False,
            )
            if not old:
                return
            DBOS.delete_workflows([job.workflow_id for job in old])


def _enqueue(kind: Kind, batch: Batch) -> None:
    """Hand one batch to the engine; the same batch and attempt twice is one job."""
    digest = hashlib.sha256("\n".join(batch.ids).encode("ascii")).hexdigest()[:32]
    name = f"{batch.kind}:{digest}:{batch.attempt}"
    with SetWorkflowID(name), SetEnqueueOptions(queue_partition_key=batch.key):
        DBOS.enqueue_workflow(kind.queue, _job, batch.kind, list(batch.ids))


def _exclusive(db: Database) -> IO[str] | None:
    """The lock file of a SQLite database, held for the life of the worker; None on PostgreSQL."""
    if not db.is_sqlite:
        return None
    path = Path(f"{make_url(db.url).database}.worker")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Conflict(
            "worker-running",
            "Another worker already runs on this SQLite database.",
            fix="Stop it first, or use PostgreSQL (TASSEL_DATABASE_URL) to run several workers.",
        ) from error
    return lock


def _sqlite_engine(db: Database) -> Engine:
    """The engine's own file beside ours, as safe as ours: WAL, FULL, IMMEDIATE, patient."""
    engine = create_engine(f"sqlite:///{make_url(db.url).database}.jobs")

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine
