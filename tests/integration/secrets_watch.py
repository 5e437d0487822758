"""Everything secret that a flow makes, and everything that it writes to its logs."""

from __future__ import annotations

import io
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select

from app import logs
from app.db import Base
from app.pipeline.campus import Campus
from app.secrets import SecretBox

NO_SECRETS = {
    "app.credentials.shares": "the link is there to be shown again to its owner",
    "app.pipeline.earned": "the salt stands in the badge",
    "app.pipeline.supersede": "the salt stands in the badge",
    "app.lti.keys": "the id of a public key",
    "app.demo.lms.keys": "the id of a public key",
    "app.demo.lms.registration": "ids of clients",
    "app.demo.lms.sessions": "cookies between the LMS and its own visitors",
    "app.demo.lms.vendors.canvas": "ids of deployments",
    "app.secrets": "the name of a file",
}
"""Who makes random values that are no secrets of ours, and why."""

MARKS = ("PRIVATE KEY", '"refresh"', '"client_secret"')
"""What stands around secrets that nobody sealed."""

TOKEN_MARK = "eyJ"
"""Every JSON Web Token begins with it: launches, client assertions, answers to the LMS."""

TOKENS_KEPT = {"credential.jwt", "credential.document", "status_list.signed"}
"""Columns of signed things that are there for everybody."""


CHOSEN_BY_LMS = r"registration_token=\S+"
"""The LMS puts it into the address of its own configuration, once; only a library's debug line says it."""


@dataclass
class Watch:
    """Secrets to where they were made, and both logs: ours, and what libraries would say."""

    found: dict[str, str] = field(default_factory=dict)
    ours: io.StringIO = field(default_factory=io.StringIO)
    libraries: io.StringIO = field(default_factory=io.StringIO)

    def note(self, secret: str, where: str) -> None:
        if len(secret) >= 16 and where not in NO_SECRETS:
            self.found.setdefault(secret, where)

    def in_database(self, campus: Campus, folder: Path) -> set[str]:
        """Where a secret can be read, as ``table.column`` or the name of a file, with its maker."""
        wanted = {**self.found, **dict.fromkeys(MARKS, "a mark")}
        seen = set()
        for place, text in stored(campus):
            seen |= {f"{place}: {made}" for secret, made in wanted.items() if secret in text}
            if TOKEN_MARK in text and place not in TOKENS_KEPT:
                seen.add(f"{place}: a token")
        for path in folder.glob("*.db*"):
            raw = path.read_bytes()
            seen |= {f"{path.name}: {made}" for one, made in wanted.items() if one.encode() in raw}
        return seen

    def in_logs(self) -> set[str]:
        """Secrets that either log tells, with the line."""
        lines = [*self.ours.getvalue().splitlines(), *self.libraries.getvalue().splitlines()]
        wanted = {**self.found, TOKEN_MARK: "a token"}
        return {
            f"{made}: {line[:300]}"
            for line in lines
            for one, made in wanted.items()
            if one in re.sub(CHOSEN_BY_LMS, "", line)
        }


def stored(campus: Campus) -> Iterator[tuple[str, str]]:
    """Every value of every column, as text."""
    with campus.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                for value in session.scalars(select(column)):
                    raw = isinstance(column.type, LargeBinary) and value is not None
                    text = bytes(value).decode("latin-1") if raw else str(value)
                    yield f"{table.name}.{column.name}", text


@contextmanager
def watching(patch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """From now on every random value and everything that is sealed is known; logs say all they can."""
    watch = Watch()
    _spy_on_chance(patch, watch)
    _spy_on_seals(patch, watch)
    root, before = logging.getLogger(), logging.getLogger().level
    patch.setattr(sys, "stdout", watch.ours)
    logs.configure("debug")
    assert not logging.getLogger("urllib3").isEnabledFor(logging.DEBUG), "libraries say too much"
    everything = logging.StreamHandler(watch.libraries)
    everything.addFilter(_not_of_the_stage)
    for handler in root.handlers:
        handler.addFilter(lambda record: record.levelno >= logging.WARNING)
    root.addHandler(everything)
    root.setLevel(logging.DEBUG)
    yield watch
    root.removeHandler(everything)
    root.setLevel(before)
    patch.undo()
    logs.configure("info")


def _not_of_the_stage(record: logging.LogRecord) -> bool:
    """Not what plays browser, LMS and SIS here, nor the database's driver, which shows rows.

    No setting of ours lets the driver speak: see the assertion above.
    """
    if record.name.startswith("urllib3"):
        return any(frame.f_globals["__name__"] == "app.http" for frame in _frames())
    return not record.name.startswith(("werkzeug", "sqlalchemy"))


def _frames() -> Iterator[FrameType]:
    """Who called, from here outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _spy_on_chance(patch: pytest.MonkeyPatch, watch: Watch) -> None:
    for name in ("token_urlsafe", "token_hex"):
        real = getattr(secrets, name)

        def spy(size: int | None = None, real: Any = real) -> str:
            made = str(real(size))
            frame = sys._getframe(1)
            if frame.f_code.co_name == "new_token" and frame.f_back is not None:
                frame = frame.f_back
            watch.note(made, frame.f_globals["__name__"])
            return made

        patch.setattr(secrets, name, spy)


def _spy_on_seals(patch: pytest.MonkeyPatch, watch: Watch) -> None:
    real = SecretBox.seal

    def spy(self: SecretBox, plain: bytes) -> str:
        text = plain.decode("latin-1")
        watch.note(text, "sealed")
        for line in text.splitlines():
            if len(line) > 40 and "-----" not in line:
                watch.note(line, "sealed")
        return real(self, plain)

    patch.setattr(SecretBox, "seal", spy)
