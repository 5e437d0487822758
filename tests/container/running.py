"""A running container of the image, and how a test talks to a server.

``.ci/container`` builds the image and says in two variables what came of it:
``TASSEL_TEST_ROOTFS`` is its unpacked root, ``TASSEL_TEST_IMAGE`` its description as JSON.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ACCOUNT = 10001
GRACE_SECONDS = 40


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int, path: str, patience: float = 20) -> tuple[int, bytes]:
    """Status and body of one GET on 127.0.0.1; OSError when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until(ready: Callable[[], bool], what: str, alive: Callable[[], bool]) -> None:
    """Poll ``ready``; fail the test when the process dies or a minute is over."""
    for _ in range(300):
        if ready():
            return
        if not alive():
            break
        time.sleep(0.2)
    pytest.fail(f"{what} did not happen")


def is_ready(port: int) -> bool:
    """Whether /readyz answers 200, and soon."""
    try:
        return fetch(port, "/readyz", patience=2)[0] == 200
    except OSError:
        return False


class Container:
    """One container of the image: read-only root, no capabilities, the network of this machine."""

    def __init__(self, folder: Path, volume: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.name = f"tassel-{os.getpid()}-{self.port}"
        self.state = folder / "state"
        self.output = folder / "output.txt"
        folder.mkdir()
        bundle = bundle_config(
            volume, {"TASSEL_BIND": f"127.0.0.1:{self.port}", **environment}, image_config()
        )
        (folder / "config.json").write_text(json.dumps(bundle))
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["runc", "--root", self.state, "run", "--bundle", folder, self.name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        """Return when /readyz answers 200; fail with the container's output otherwise."""
        try:
            wait_until(
                lambda: is_ready(self.port), "readiness", lambda: self.process.poll() is None
            )
        except pytest.fail.Exception as failure:
            raise AssertionError(self.output.read_text()) from failure

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the image's user."""
        settings = [f"--env={name}={value}" for name, value in environment.items()]
        return subprocess.run(
            ["runc", "--root", self.state, "exec", *settings, self.name, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def memory_bytes(self) -> int:
        """Memory of all processes inside, what they share counted once (proportional set size)."""
        listed = subprocess.run(
            ["runc", "--root", self.state, "ps", "--format", "json", self.name],
            capture_output=True,
            check=True,
        )
        rollups = (
            Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in json.loads(listed.stdout)
        )
        return sum(
            int(line.split()[1]) * 1024
            for rollup in rollups
            for line in rollup.splitlines()
            if line.startswith("Pss:")
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the first process inside, as an engine does to stop a container."""
        subprocess.run(["runc", "--root", self.state, "kill", self.name, number.name], check=True)

    def stop(self) -> int:
        """SIGTERM, then the exit code; TimeoutExpired when the grace time does not suffice."""
        self.signal(signal.SIGTERM)
        return self.process.wait(GRACE_SECONDS)

    def remove(self) -> None:
        """Leave nothing behind, whatever state the test left it in."""
        subprocess.run(
            ["runc", "--root", self.state, "delete", "--force", self.name],
            capture_output=True,
            check=False,
        )
        self.process.wait(GRACE_SECONDS)


def image_config() -> dict[str, Any]:
    """What the image says of itself, in Docker's words."""
    described = json.loads(Path(os.environ["TASSEL_TEST_IMAGE"]).read_text())
    config: dict[str, Any] = described["Docker"]["config"]
    return config


def bundle_config(
    volume: Path, environment: dict[str, str], image: dict[str, Any]
) -> dict[str, Any]:
    """The runtime's view of the image: what a careful engine would start (OCI runtime spec 1.0)."""
    assert image["User"] == "tassel"
    variables = [*image["Env"], *(f"{name}={value}" for name, value in environment.items())]
    return {
        "ociVersion": "1.0.0",
        "root": {"path": os.environ["TASSEL_TEST_ROOTFS"], "readonly": True},
        "process": {
            "user": {"uid": ACCOUNT, "gid": ACCOUNT},
            "args": [*image["Entrypoint"], *image["Cmd"]],
            "env": variables,
            "cwd": image["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": {"bounding": [], "effective": [], "permitted": []},
        },
        "mounts": [
            mount("/proc", "proc"),
            mount("/dev", "tmpfs", "nosuid", "mode=755"),
            mount("/tmp", "tmpfs", "nosuid", "nodev", "mode=1777"),
            {"destination": "/data", "type": "bind", "source": str(volume), "options": ["bind"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
    }


def mount(destination: str, kind: str, *options: str) -> dict[str, Any]:
    """One file system that the kernel provides."""
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}
