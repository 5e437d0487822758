"""Reads strangers' files in a process of its own that has nothing to lose.

As a module it starts that process; as the program of that process it sets the bounds and hands over to
the reader. So it imports nothing of Tassel. The process has no environment, since that holds secrets,
and no right to write, and is ended when it takes more memory or time than was granted: a file that was
made to break a decoder breaks only this.
"""

from __future__ import annotations

import os
import resource
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a reader may take."""

    memory: int
    """Bytes of address space, of which the libraries themselves take a third."""
    seconds: int
    """Of the processor."""
    patience: float
    """Seconds by the clock, on a machine that is busy."""


def read(reader: Path, raw: bytes, bounds: Bounds, *words: str) -> bytes:
    """What the program ``reader`` writes when it is given ``raw``; less when it was ended.

    :raises TimeoutError: it took longer than ``bounds.patience``.
    """
    limits = (str(bounds.memory), str(bounds.seconds))
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-B", __file__, str(reader), *limits, *words],
            input=raw,
            capture_output=True,
            timeout=bounds.patience,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(reader.name) from None
    return done.stdout


def _confine(memory: int, seconds: int) -> None:
    os.nice(10)  # whoever has a page open goes first
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """``apart.py READER MEMORY SECONDS [WORDS]``: confine this process, then be the reader."""
    reader, memory, seconds, *words = sys.argv[1:]
    _confine(int(memory), int(seconds))
    sys.argv = [reader, *words]
    runpy.run_path(reader, run_name="__main__")


if __name__ == "__main__":
    main()
