"""The tokens behind ``GradeGrant`` rows, and what a source that is opened by a token can be asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from app.db import Database
from app.errors import UpstreamError
from app.models import GradeGrant
from app.secrets import SecretBox


def seal(box: SecretBox, token: str) -> str:
    """A token as ``GradeGrant.sealed`` keeps it."""
    return box.seal(json.dumps({"access": token}).encode())


class GrantTokens:
    """Opens the token of a grant at the moment it is used; nothing is kept in memory."""

    def __init__(self, db: Database, box: SecretBox) -> None:
        """``box``: the master key."""
        self._db = db
        self._box = box

    def token(self, grant_id: str) -> str:
        """The token; ``UpstreamError`` (``source-lost``) when the grant is gone."""
        with self._db.reading() as session:
            grant = session.get(GradeGrant, grant_id)
            sealed = grant.sealed if grant else ""
        if not sealed:
            raise UpstreamError(
                "source-lost",
                "The authorisation to read these grades is gone.",
                system="LMS",
                permanent=True,
                fix="A teacher of the course connects it again.",
            )
        return str(json.loads(self._box.open(sealed))["access"])


@dataclass(frozen=True)
class Checked:
    """What a token opens: whose it is, what the service lacks, how many learners it shows."""

    account_id: str
    account: str
    release: str
    url: str
    missing: tuple[str, ...]
    learners: int | None
    """In the course that was asked about; None when none was."""
    columns: int | None


@runtime_checkable
class TokenSource(Protocol):
    """A grade source that is opened by a token which a person makes in the LMS."""

    key: str
    label: str
    lms: str
    """Key of the LMS in ``lti.platforms`` that has this interface."""
    functions: tuple[str, ...]
    """What the token's service must hold."""
    capabilities: tuple[str, ...]
    """What its account must be allowed to do there."""

    def check(self, base_url: str, token: str, course_key: str | None) -> Checked:
        """Try a token, in a course when one is given. Raises ``UpstreamError``."""
        ...
