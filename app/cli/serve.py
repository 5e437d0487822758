"""``tassel serve``: migrations, then web and worker side by side under one small supervisor."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import click
import structlog
from gunicorn.app.base import BaseApplication
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from app import logs, schema
from app.cli.operate import check_keys
from app.cli.report import report
from app.errors import AppError, ConfigurationError, UpstreamError
from app.jobs import Helper, Worker
from app.main import check_public_url, create_app, create_campus
from app.pipeline import erasure_journal, issuer_keys
from app.pipeline.campus import Campus
from app.pipeline.outbox import ensure_mail
from app.settings import Settings, load

log = structlog.get_logger()
RESTART_SECONDS = 2.0
GRACE_SECONDS = 5.0
_fork = multiprocessing.get_context("fork")


class _Web(BaseApplication):
    """Gunicorn with threads, configured from our settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        settings = self._settings
        values = {
            "bind": settings.bind,
            "workers": settings.web_workers,
            "threads": settings.web_threads,
            "worker_class": "gthread",
            "graceful_timeout": settings.drain_seconds,
            "timeout": 60,
            "max_requests": 20_000,
            "max_requests_jitter": 2000,
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "warning",
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "control_socket_disable": True,
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Callable[..., Iterable[bytes]]:
        """The application, made after the fork."""
        return create_app(self._settings).wsgi_app


def run_web(settings: Settings) -> None:
    """Serve pages until SIGTERM."""
    logs.configure(settings.log_level)
    _Web(settings).run()


def run_worker(settings: Settings) -> None:
    """Carry out jobs until SIGTERM."""
    logs.configure(settings.log_level)
    campus = create_campus(settings)
    Worker(campus, _helper(campus, settings.signing_processes - 1)).run_forever()


def _helper(campus: Campus, processes: int) -> Helper | None:
    """``tassel sign`` beside this worker."""
    if processes == 0:
        return None
    sign = [sys.executable, "-m", "app.cli", "sign", "--processes", str(processes)]
    return Helper(campus, lambda: subprocess.Popen([*sign, "--beside", str(os.getpid())]))


@dataclass
class _Supervisor:
    """Keeps its children alive and takes them down together."""

    children: dict[str, Callable[[], None]]
    drain_seconds: float
    running: dict[str, Any] = field(default_factory=dict)
    stopping: bool = False

    def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self.stopping:
            for name, target in self.children.items():
                self._keep(name, target)
            time.sleep(0.2)
        return self._drain()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _keep(self, name: str, target: Callable[[], None]) -> None:
        process = self.running.get(name)
        if process is not None and process.is_alive():
            return
        if process is not None:
            log.error("process-died", process=name, exit_code=process.exitcode)
            time.sleep(RESTART_SECONDS)
        self.running[name] = _fork.Process(target=_child, args=(target,), name=name)
        self.running[name].start()

    def _drain(self) -> int:
        """SIGTERM to all, wait, kill what does not end."""
        for process in self.running.values():
            process.terminate()
        deadline = time.monotonic() + self.drain_seconds + GRACE_SECONDS
        code = 0
        for name, process in self.running.items():
            process.join(max(0.1, deadline - time.monotonic()))
            if process.is_alive():
                log.error("process-killed", process=name)
                process.kill()
                code = 1
        return code


def _apart(target: Callable[[], None]) -> None:
    """Run ``target`` in a process that then ends, so that web and worker do not carry for ever what
    only the preparations needed. Ends this process too where ``target`` fails.
    """
    process = _fork.Process(target=_told, args=(target,), daemon=True)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def _told(target: Callable[[], None]) -> None:
    """Say an expected error as the command itself would."""
    try:
        target()
    except AppError as error:
        report(error)


def _child(target: Callable[[], None]) -> None:
    """Children begin with the default signal actions; an error ends the process, not silently."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    target()


def prepare(settings: Settings) -> None:
    """What must be right before anything starts: schema, master key, public address.

    Raises ConfigurationError with what is wrong and how to mend it.
    """
    schema.upgrade(settings.database)
    check(settings)
    campus = create_campus(settings)
    with campus.db.transaction() as session:
        ensure_mail(session, bool(settings.smtp_url), campus.clock())
    try:
        issuer_keys.complete(campus)
    except UpstreamError as error:
        log.warning("keys-not-made", code=error.code, fix=error.fix)
    campus.db.close()


def check(settings: Settings) -> None:
    """Refuse what would break issued badges: another master key or public address. A database that
    came back from a backup forgets again whom it had forgotten.

    Raises ConfigurationError, also for a database without our tables.
    """
    campus = create_campus(settings)
    try:
        check_public_url(campus)
        check_keys(campus)
        erasure_journal.level(campus)
    except SQLAlchemyError as error:
        raise ConfigurationError(
            [
                f"TASSEL_DATABASE_URL: Tassel's tables cannot be read ({type(error).__name__}). If they are missing, run: tassel db upgrade"
            ]
        ) from error
    finally:
        campus.db.close()


@click.command()
def serve() -> None:
    """Migrate, then run web and worker until SIGTERM.

    The garbage collector leaves alone what was loaded before the fork: it would write into every
    page of it, and what is written is no longer shared.
    """
    settings = load()
    logs.configure(settings.log_level)
    _apart(lambda: prepare(settings))
    log.info("serving", bind=settings.bind, public_url=settings.public_url, pid=os.getpid())
    configure_mappers()
    gc.collect()
    gc.freeze()
    supervisor = _Supervisor(
        {"web": lambda: run_web(settings), "worker": lambda: run_worker(settings)},
        settings.drain_seconds,
    )
    sys.exit(supervisor.run())


@click.command()
def web() -> None:
    """Run the web server alone (a larger campus runs several)."""
    settings = load()
    check(settings)
    run_web(settings)


@click.command()
def worker() -> None:
    """Run one worker alone. On SQLite only one worker can run."""
    settings = load()
    check(settings)
    run_worker(settings)


COMMANDS = (serve, web, worker)
