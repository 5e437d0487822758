"""Killing workers by plan: when, and whether while a peer has committed and does not answer."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True)
class Kill:
    """SIGKILL once ``at`` of the work (0 to 1) is done.

    ``doors`` are request paths (regular expressions) of the peers. If any are named, the peers are
    told to commit the next request there and never to answer; the worker dies while it waits.
    """

    at: float
    doors: tuple[str, ...] = ()


def kill_plan(
    seed: int,
    kills: int = 20,
    hanging: int = 5,
    doors: Sequence[str] = (),
    last: float = 0.95,
) -> list[Kill]:
    """``kills`` moments spread by ``seed`` over the whole run, ``hanging`` of them at ``doors``.

    The latter come in the first four fifths, so that there still is somebody to come through.
    """
    draw = random.Random(seed)
    plan = [Kill(draw.uniform(0, 0.8 * last), tuple(doors)) for _ in range(hanging)]
    plan += [Kill(draw.uniform(0, last)) for _ in range(kills - hanging)]
    return sorted(plan, key=lambda kill: kill.at)


class Worker(Protocol):
    """A worker process that can be started again and killed."""

    @property
    def alive(self) -> bool: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...


class WorkerProcess:
    """``tassel worker`` as a process of its own, in a session of its own."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self._log: IO[bytes] = log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"],
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started += 1

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """No goodbye: SIGKILL to the process and whatever it started."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code after it drained."""
        assert self._process is not None
        if self.alive:
            self._process.terminate()
        return self._process.wait(timeout=60)

    def close(self) -> None:
        if self.alive:
            self.kill()
        self._log.close()


@dataclass
class Story:
    """What the killer needs to know of the run that it disturbs.

    ``progress`` is the share of the work done as the peers count it. ``arm(doors)`` makes the peers
    commit and hang at these doors; ``caught`` names the door at which somebody hangs, if any, and
    ``heal`` ends it.
    """

    progress: Callable[[], float]
    arm: Callable[[Sequence[str]], None]
    caught: Callable[[], str]
    heal: Callable[[], None]


def carry_out(plan: Sequence[Kill], worker: Worker, story: Story) -> list[tuple[float, str]]:
    """Start the worker and kill it by ``plan``, restarting it each time; it runs at the end.

    Returns (progress, door or nothing) of each kill. Fails when the worker ends by itself.
    """
    done: list[tuple[float, str]] = []
    worker.start()
    for kill in plan:
        _wait(partial(_reached, story, kill.at), worker)
        if kill.doors:
            story.arm(kill.doors)
            _wait(lambda: bool(story.caught()), worker)
        done.append((story.progress(), story.caught() if kill.doors else ""))
        worker.kill()
        story.heal()
        worker.start()
    return done


def _reached(story: Story, share: float) -> bool:
    return story.progress() >= share


def _wait(reached: Callable[[], bool], worker: Worker) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + 240
    while not reached():
        assert worker.alive, "the worker ended by itself"
        assert time.monotonic() < deadline, "the run does not move on"
        pause.wait(0.005)
