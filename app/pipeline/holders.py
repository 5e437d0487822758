"""Who holds a lease: a name for each process, and whether that process has certainly ended."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

from app.secrets import new_token


def process_name() -> str:
    """A name for this process that no other ever had: machine, process id, something random."""
    return f"{machine()}:{os.getpid()}:{new_token(6)}"


def machine() -> str:
    """A name for "processes that can see each other": one boot and one process namespace.

    Two containers may share a host name and even process ids; they never share both of these.
    Where the system does not tell, the name is random and death shows by the heartbeat alone.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return new_token(8)
    return hashlib.sha256(f"{boot} {space} {socket.gethostname()}".encode()).hexdigest()[:12]


def gone(name: str) -> bool:
    """Whether the process of this name has certainly ended: same machine, no such process."""
    place, _, rest = name.partition(":")
    number = rest.partition(":")[0]
    if place != machine() or not number.isdigit():
        return False
    return not Path("/proc", number).exists()
