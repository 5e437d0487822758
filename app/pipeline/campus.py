"""Everything a verb of the trip needs, wired once in ``app.main``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from app.credentials.keyring import Keyring
from app.credentials.vault import keyring_of
from app.db import Database
from app.gradebook.grants import Grants
from app.gradebook.port import GradeSource
from app.http import HttpClient
from app.lti.services import LtiServices
from app.secrets import SecretBox
from app.settings import Settings


@dataclass(frozen=True)
class Campus:
    """One running Tassel. ``clock`` returns aware UTC; nothing else reads the time."""

    settings: Settings
    db: Database
    box: SecretBox
    http: HttpClient
    clock: Callable[[], datetime]
    lti: LtiServices
    sources: Mapping[str, GradeSource]
    grants: Grants

    @cached_property
    def keyring(self) -> Keyring:
        """The signing keys of the issuers, wherever they are kept."""
        return keyring_of(self.settings, self.box, self.http)


@dataclass(frozen=True)
class Batch:
    """Rows that one job works on together; claimed and leased in one transaction.

    ``key`` is the partition (an LMS, a SIS, an issuer); ``attempt`` makes the job's id new after a
    failure, so that the engine refuses doubles but not retries.
    """

    kind: str
    key: str
    ids: tuple[str, ...]
    attempt: int
