"""Fixtures of the container tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.running import ACCOUNT, Container


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An empty volume, owned as an engine hands over a new one of this image."""
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o700)
    os.chown(folder, ACCOUNT, ACCOUNT)
    return folder


@pytest.fixture
def start(tmp_path: Path, volume: Path) -> Iterator[Callable[..., Container]]:
    """Start containers of the image, by default on one and the same volume."""
    if "TASSEL_TEST_ROOTFS" not in os.environ:
        pytest.skip("needs the image: .ci/container builds it and runs these tests")
    started: list[Container] = []

    def begin(on: Path = volume, **environment: str) -> Container:
        container = Container(tmp_path / f"container-{len(started)}", on, environment)
        started.append(container)
        return container

    yield begin
    for container in started:
        container.remove()
