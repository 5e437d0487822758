"""What the LMS's own REST interface keeps (Canvas): developer keys, codes, tokens, and its faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeveloperKey:
    """An API key as an administrator made it; only listed redirect addresses are served."""

    client_id: str
    secret: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bearer:
    """An access token: whose rights it has, until when, and the refresh token it came with."""

    person_id: int
    client_id: str
    expires: datetime
    refresh: str


@dataclass(slots=True)
class RestApi:
    """Codes are single use. ``rotate``: each refresh gives a new refresh token and ends the old one."""

    keys: dict[str, DeveloperKey] = field(default_factory=dict)
    codes: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    bearers: dict[str, Bearer] = field(default_factory=dict)
    refreshers: dict[str, tuple[str, int]] = field(default_factory=dict)
    lifetime: int = 3600
    rotate: bool = False
    concluded: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    barred: set[int] = field(default_factory=set)
    """People who may not see grades any more."""
    pending: set[tuple[int, int]] = field(default_factory=set)
    """(column, person) whose quiz waits for a person."""
    unpublished: set[int] = field(default_factory=set)
    fail_after: int | None = None
    """Requests that are still answered before one fails with 500."""
    calls: Counter[str] = field(default_factory=Counter)
    running: int = 0
    busiest: int = 0
    """Most requests that were answered at the same time."""
