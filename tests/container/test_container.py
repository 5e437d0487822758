"""The image, started as a careful engine would: read-only root, no rights, one volume."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.container.running import ACCOUNT, Container, fetch, image_config, is_ready, wait_until

pytestmark = pytest.mark.container

Start = Callable[..., Container]
KEY = "A" * 43 + "="


def operator_link(container: Container) -> str:
    """Path of a sign-in link that the command line makes: a row in the database of the container."""
    answer = container.run("tassel", "admin", "link")
    assert answer.returncode == 0, answer.stderr
    found = re.search(r"https?://\S+", answer.stdout)
    assert found, answer.stdout
    return urlsplit(found[0]).path


def test_serves_without_rights_on_a_read_only_root(start: Start) -> None:
    """Ready, healthy by its own check, never root, and unable to change the image."""
    container = start()
    container.wait_ready()

    health = image_config()["Healthcheck"]["Test"]
    assert health[0] == "CMD"
    assert container.run(*health[1:]).returncode == 0
    assert container.run(*health[1:], TASSEL_BIND="127.0.0.1:1").returncode != 0

    status = container.run("cat", "/proc/1/status").stdout
    assert re.search(rf"^Uid:\t{ACCOUNT}\t", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert "Read-only file system" in container.run("touch", "/opt/tassel/x").stderr
    assert container.run("touch", "/data/x").returncode == 0


def test_is_small_when_idle(start: Start) -> None:
    """Web and worker together stay far below what the smallest virtual server has."""
    container = start()
    container.wait_ready()
    used = container.memory_bytes() / 1e6
    assert 10 < used < 250


def test_carries_the_browser_library(start: Start) -> None:
    """The library that npm brought at build time is served from our own origin."""
    container = start()
    container.wait_ready()
    status, body = fetch(container.port, "/static/vendor/htmx.min.js")
    assert status == 200
    assert b"htmx" in body


def test_image_keeps_nothing_of_the_machine_that_built_it() -> None:
    """Package settings are lent to the build and do not stay; the image declares one volume."""
    if "TASSEL_TEST_ROOTFS" not in os.environ:
        pytest.skip("needs the image: .ci/container builds it and runs these tests")
    root = Path(os.environ["TASSEL_TEST_ROOTFS"])
    for name in ("etc/pip.conf", "root/.npmrc", "src", "opt/build"):
        path = root / name
        assert not path.is_dir(), name
        assert not path.exists() or path.stat().st_size == 0, name
    assert list(image_config()["Volumes"]) == ["/data"]
    assert list(image_config()["ExposedPorts"]) == ["8080/tcp"]


def test_data_survive_a_restart(start: Start, tmp_path: Path) -> None:
    """What was written before SIGTERM is there in the next container, and only on that volume."""
    first = start()
    first.wait_ready()
    path = operator_link(first)
    assert first.stop() == 0, first.output.read_text()

    second = start()
    second.wait_ready()
    assert fetch(second.port, path)[0] == 200
    assert second.stop() == 0

    empty = tmp_path / "empty"
    empty.mkdir()
    os.chown(empty, ACCOUNT, ACCOUNT)
    stranger = start(on=empty)
    stranger.wait_ready()
    assert fetch(stranger.port, path)[0] != 200


def test_postgresql_keeps_the_data_instead(start: Start, database_url: str, tmp_path: Path) -> None:
    """With a database server the volume can be replaced, and the data are still there."""
    if not database_url.startswith("postgresql"):
        pytest.skip("needs a PostgreSQL server in TASSEL_TEST_DATABASE_URL")
    empty = tmp_path / "empty"
    empty.mkdir()
    os.chown(empty, ACCOUNT, ACCOUNT)
    first = start(TASSEL_DATABASE_URL=database_url, TASSEL_MASTER_KEY=KEY)
    first.wait_ready()
    path = operator_link(first)
    assert first.stop() == 0, first.output.read_text()
    second = start(on=empty, TASSEL_DATABASE_URL=database_url, TASSEL_MASTER_KEY=KEY)
    second.wait_ready()
    assert fetch(second.port, path)[0] == 200


def test_sigterm_lets_a_request_finish(start: Start) -> None:
    """A request that is half sent when SIGTERM comes is answered; new ones are not taken."""
    container = start()
    container.wait_ready()
    with socket.create_connection(("127.0.0.1", container.port), timeout=20) as client:
        body = b"iss=https%3A%2F%2Funknown.example"
        head = (
            "POST /lti/login HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
        )
        client.sendall(
            head.format(
                f"127.0.0.1:{container.port}", "application/x-www-form-urlencoded", len(body)
            ).encode()
        )
        client.sendall(body[:5])
        # A second request has its answer only when the server has taken up the first one.
        assert fetch(container.port, "/healthz")[0] == 200
        container.signal(signal.SIGTERM)
        wait_until(
            lambda: not is_ready(container.port),
            "closing the door",
            lambda: container.process.poll() is None,
        )
        client.sendall(body[5:])
        answer = client.recv(100)
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert container.process.wait(60) == 0, container.output.read_text()


def test_a_wrong_setting_stops_it_with_its_name(start: Start) -> None:
    """The container does not start half: it says which setting is wrong, and why."""
    container = start(TASSEL_PUBLIC_URL="http://badges.example.edu")
    assert container.process.wait(60) != 0
    assert "TASSEL_PUBLIC_URL" in container.output.read_text()
