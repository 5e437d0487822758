"""The processes of one demo campus: LMS, SIS and Tassel, each a program of its own.

Everything is told to Tassel the way an administrator would: by environment, command and browser.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import requests

from app.errors import UpstreamError

START_SECONDS = 60.0
STOP_SECONDS = 40.0


@dataclass(frozen=True)
class Plan:
    """What to start. ``public_url`` is Tassel's address in credentials, where it differs from
    the one on loopback; ports 0 take free ones. ``lms_host`` "localhost" makes the LMS another
    site than Tassel; ``wall`` puts a wall with TLS before Tassel that can stop its cookies, as the
    controls below the LMS's frame say (see ``app.demo.lms.wall``).
    """

    folder: Path
    lms: str = "moodle"
    learners: int = 30
    complete: bool = False
    database: str = ""
    public_url: str = ""
    lms_port: int = 0
    sis_port: int = 0
    tassel_port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    lms_host: str = "127.0.0.1"
    wall: bool = False


class Stage:
    """Starts, finds and stops the processes of a plan; a context manager."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._ports = {
            "lms": plan.lms_port or free_port(),
            "sis": plan.sis_port or free_port(),
            "tassel": plan.tassel_port or free_port(),
            "wall": free_port() if plan.wall else 0,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []

    # --- addresses ---------------------------------------------------------------------------

    @property
    def lms(self) -> str:
        """Address of the LMS."""
        return f"http://{self.plan.lms_host}:{self._ports['lms']}"

    @property
    def sis(self) -> str:
        """Address of the SIS."""
        return f"http://127.0.0.1:{self._ports['sis']}"

    @property
    def tassel(self) -> str:
        """Address of Tassel on loopback."""
        return f"http://127.0.0.1:{self._ports['tassel']}"

    @property
    def public(self) -> str:
        """Address of Tassel as the world knows it."""
        if self.plan.wall:
            return f"https://127.0.0.1:{self._ports['wall']}"
        return self.plan.public_url or self.tassel

    @property
    def hosts(self) -> dict[str, str]:
        """Which public address stands for which loopback one (like a hosts file)."""
        return {self.public: self.tassel} if self.public != self.tassel else {}

    # --- starting and stopping ---------------------------------------------------------------

    def __enter__(self) -> Stage:
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._running):
            self.stop(name)
        for log in self._logs:
            log.close()

    def start_lms(self) -> None:
        """The learning platform, with its people and grades."""
        plan = self.plan
        command = ["app.demo.lms", "--port", str(self._ports["lms"]), "--mode", plan.lms]
        command += ["--learners", str(plan.learners)] + (["--complete"] if plan.complete else [])
        command += ["--host", plan.lms_host]
        for name, address in self.hosts.items():
            command += ["--host-map", f"{name}={address}"]
            command += ["--wall", f"{name}={address}"] if plan.wall else []
        self._start("lms", command, {}, self.lms)

    def start_sis(self) -> None:
        """The student system, which knows the LMS's people."""
        people = self.plan.folder / "people.json"
        people.write_text(json.dumps(self._people()), encoding="utf-8")
        command = ["app.demo.sis", "--port", str(self._ports["sis"]), "--lms-people", str(people)]
        self._start("sis", command, {}, self.sis)

    def start_tassel(self) -> None:
        """Tassel itself, web and worker."""
        self._start("tassel", ["app.cli", "serve"], self.environment(), self.tassel + "/readyz")

    def start_part(self, name: str, command: str) -> None:
        """One process of Tassel alone: ``web`` or ``worker``."""
        wait = self.tassel + "/healthz" if command == "web" else ""
        self._start(name, ["app.cli", command], self.environment(), wait)

    def _people(self) -> list[dict[str, Any]]:
        state = self.control(self.lms, "state", parts="people,courses")
        classes: dict[int, list[str]] = {}
        learners: set[int] = set()
        for course in state["courses"]:
            named = {section["id"]: section["sis_id"] for section in course["sections"]}
            for entry in course["enrolments"]:
                own = classes.setdefault(entry["person"], [])
                own += [named[number] for number in entry["sections"] if named.get(number)]
                learners |= {entry["person"]} if entry["role"] == "learner" else set()
        return [
            {
                "sis_id": person["sis_id"],
                "given": person["given_name"],
                "family": person["family_name"],
                "email": person["email"],
                "classes": classes.get(person["id"], []),
                "role": "student" if person["id"] in learners else "teacher",
            }
            for person in state["people"]
        ]

    def environment(self) -> dict[str, str]:
        """Tassel's settings; only the demo's own two addresses are exempt from the guards."""
        folder = self.plan.folder
        return {
            "TASSEL_PUBLIC_URL": self.public,
            "TASSEL_BIND": f"127.0.0.1:{self._ports['tassel']}",
            "TASSEL_DATA_DIR": str(folder / "tassel"),
            "TASSEL_DATABASE_URL": self.plan.database,
            "TASSEL_ALLOWED_ORIGINS": f"{self.lms},{self.sis}",
            "TASSEL_CAMPUS_NAME": "Demo University",
            "TASSEL_LOG_LEVEL": "info",
            **self.plan.environment,
        }

    def _start(self, name: str, module: list[str], extra: Mapping[str, str], ready: str) -> None:
        log = (self.plan.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", *module],
            env={**_inherited(), **extra},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if ready:
            self._wait(name, ready)

    def _wait(self, name: str, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._running[name].poll() is not None:
                break
            try:
                if requests.get(url, timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
            else:
                time.sleep(0.2)
        log = self.plan.folder / f"{name}.log"
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise UpstreamError(
            "demo-not-started", f"{name} did not start:\n{tail}", system=name, permanent=True
        )

    def stop(self, name: str) -> int:
        """End a process politely; returns its exit code."""
        process = self._running.pop(name, None)
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill_group(process)
            return process.wait()

    def kill(self, name: str) -> None:
        """SIGKILL to a process and everything that it started."""
        process = self._running.pop(name)
        self._kill_group(process)
        process.wait()

    def alive(self, name: str) -> bool:
        """Whether a process still runs."""
        return name in self._running and self._running[name].poll() is None

    def pid(self, name: str) -> int:
        """The process id of a part that was started."""
        return self._running[name].pid

    @staticmethod
    def _kill_group(process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGKILL)

    # --- asking ------------------------------------------------------------------------------

    def command(self, *words: str) -> str:
        """Run ``tassel WORDS`` as the administrator at the server; returns what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *words],
            env={**_inherited(), **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            text = f"tassel {' '.join(words)} failed: {done.stderr[-1000:]}"
            raise UpstreamError("demo-command", text, system="tassel", permanent=True)
        return done.stdout.strip().splitlines()[-1]

    def control(self, system: str, what: str, **arguments: str) -> Any:
        """The JSON of ``/_control/<what>`` of the LMS or the SIS."""
        answer = requests.get(f"{system}/_control/{what}", params=arguments, timeout=120)
        answer.raise_for_status()
        return answer.json()


def _inherited() -> dict[str, str]:
    """The environment without settings of another Tassel."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TASSEL_")}


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def scratch() -> Path:
    """A new folder for one run."""
    return Path(tempfile.mkdtemp(prefix="tassel-demo-"))
