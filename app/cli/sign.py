"""``tassel sign``: what waits for its signature, in several processes, with progress."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from types import FrameType

import click
import structlog

from app import logs
from app.cli.serve import check
from app.main import create_campus
from app.pipeline import sign_all
from app.pipeline.campus import Campus
from app.pipeline.sign_all import Progress
from app.settings import Settings, load

log = structlog.get_logger()
KEY_FAILED = 3
"""Exit code of a process some of whose keys did not sign."""
DEATHS = 3
"""So many processes in a row may die without a signature in between."""
LOOK_SECONDS = 0.5
LINE_SECONDS = 5.0
"""Between two lines of progress where lines cannot be overwritten."""
_fork = multiprocessing.get_context("fork")


@click.command()
@click.option("--processes", type=click.IntRange(1, 64), help="Default: one for each core.")
@click.option("--beside", type=int, hidden=True, help="The worker that started this: end with it.")
def sign(processes: int | None, beside: int | None) -> None:
    """Sign every badge that waits, in several processes, and show how far it is.

    Meant for the end of a term, beside a running Tassel or without. Stopping or killing it loses
    nothing: give the command again. Exit code 1 when some are left.
    """
    settings = load()
    logs.configure(settings.log_level)
    check(settings)
    team = _Team(settings, processes or os.cpu_count() or 1, beside)
    sys.exit(0 if team.run(_Silent() if beside else _Display()) else 1)


class _Silent:
    """For nobody who looks: one line in the log at the end."""

    def show(self, done: Progress, rate: float) -> None:
        """Nothing."""

    def end(self, done: Progress, seconds: float) -> None:
        """What was done."""
        log.info("signed-beside", signed=done.signed, left=done.waiting, seconds=round(seconds, 1))


class _Display:
    """One line that is overwritten, or a line every few seconds where that cannot be."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._next = 0.0

    def show(self, done: Progress, rate: float) -> None:
        """How far it is; ``rate`` in badges a second."""
        now = time.monotonic()
        if not self._live and now < self._next:
            return
        self._next = now + LINE_SECONDS
        left = f", about {_span(done.waiting / rate)} left" if rate and done.waiting else ""
        line = f"{done.signed:,} of {done.total:,} signed, {rate:,.0f}/s{left}"
        click.echo(f"\r{line:<70}" if self._live else line, nl=not self._live)

    def end(self, done: Progress, seconds: float) -> None:
        """The sum."""
        rate = done.signed / seconds if seconds else 0
        text = f"{done.signed:,} signed in {_span(seconds)} ({rate:,.0f}/s), {done.waiting:,} left"
        click.echo(f"\r{text:<70}" if self._live else text)


def _span(seconds: float) -> str:
    """A time in the unit that people would use."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@dataclass
class _Team:
    """The processes that sign; whoever dies is replaced."""

    settings: Settings
    size: int
    beside: int | None
    members: list[BaseProcess] = field(default_factory=list)
    stopping: bool = False
    deaths: int = 0

    def run(self, display: _Silent | _Display) -> bool:
        """Until nothing waits or somebody stops it; False when something is left."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        campus = create_campus(self.settings)
        began, before = time.monotonic(), _look(campus)
        self.members = [self._begin(campus) for _ in range(self.size)]
        done = Progress(0, before.waiting)
        while self._tend(campus):
            time.sleep(LOOK_SECONDS)
            signed, done = done.signed, _look(campus) - before
            self.deaths = 0 if done.signed > signed else self.deaths
            display.show(done, done.signed / (time.monotonic() - began))
        done = _look(campus) - before
        display.end(done, time.monotonic() - began)
        campus.db.close()
        return not done.waiting

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _begin(self, campus: Campus) -> BaseProcess:
        """A new member. No connection of ours goes over into it."""
        campus.db.close()
        member = _fork.Process(target=_member, args=(self.settings, os.getpid()))
        member.start()
        return member

    def _tend(self, campus: Campus) -> bool:
        """Replace who died, or tell all to come to an end; whether anybody is still at it."""
        if self.beside and os.getppid() != self.beside:
            self.stopping = True
        for member in list(self.members):
            if self.stopping and member.is_alive():
                member.terminate()
            elif member.exitcode is not None:
                self.members.remove(member)
                if member.exitcode not in (0, KEY_FAILED):
                    self._replace(campus, member.exitcode)
        return bool(self.members)

    def _replace(self, campus: Campus, exit_code: int) -> None:
        self.deaths += 1
        log.warning("signer-died", exit_code=exit_code)
        if not self.stopping and self.deaths <= DEATHS:
            self.members.append(self._begin(campus))


def _look(campus: Campus) -> Progress:
    with campus.db.reading() as session:
        return sign_all.progress(session)


def _member(settings: Settings, parent: int) -> None:
    """One of the processes: until nothing waits, its parent is gone, or SIGTERM after a batch."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    campus = create_campus(settings)

    def go_on() -> bool:
        return not ended.is_set() and os.getppid() == parent

    failures = sign_all.run(campus, go_on, ended.wait)
    for message in sorted({f"{error.message} {error.fix}".strip() for error in failures}):
        click.echo(message, err=True)
    campus.db.close()
    sys.exit(KEY_FAILED if failures else 0)


COMMANDS = (sign,)
