"""Authorisations of grade sources: access tokens that renew themselves, and refresh tokens never lost.

One worker at a time renews a grant: it holds a lease in the row, asks the LMS outside any transaction,
and writes the answer at once. Others take the new token, or ask to be called again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, new_id
from app.errors import UpstreamError
from app.models import GradeAccess, GradeGrant
from app.secrets import SecretBox

LOST = "source-lost"
MARGIN = timedelta(seconds=60)
LEASE = timedelta(seconds=90)
"""Longer than any request may take, so that a living worker never loses it."""
WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Access:
    """An operator's entry to an LMS: ``secrets`` as the source named its fields."""

    id: str
    base_url: str
    client_id: str
    secrets: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Tokens:
    """What a token endpoint answered. ``refresh`` None = the one before stays good."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    seconds: int | None
    user_id: str
    user_name: str


class Refused(Exception):
    """The LMS does not take the authorisation (any more)."""


class Authoriser(Protocol):
    """What a source with authorisation by a person adds to ``GradeSource`` (OAuth 2 code flow)."""

    def authorise_url(self, access: Access, redirect_uri: str, state: str) -> str:
        """Where the person gives consent."""

    def exchange(self, access: Access, code: str, redirect_uri: str) -> Tokens:
        """The tokens for a code. Raises Refused or UpstreamError."""

    def refresh(self, access: Access, refresh_token: str) -> Tokens:
        """New tokens. Raises Refused or UpstreamError."""

    def revoke(self, access: Access, access_token: str) -> None:
        """Give the authorisation back. Raises UpstreamError."""


class Grants:
    """The rows of ``GradeGrant``. Every method is short transactions of its own."""

    def __init__(self, db: Database, box: SecretBox, clock: Callable[[], datetime]) -> None:
        """Opens nothing."""
        self._db, self._box, self._clock = db, box, clock

    def access(self, access_id: str) -> Access:
        """An operator's entry with its secrets opened."""
        with self._db.reading() as session:
            return self._opened(session.get_one(GradeAccess, access_id))

    def _opened(self, row: GradeAccess) -> Access:
        secrets = json.loads(self._box.open(row.sealed)) if row.sealed else {}
        return Access(row.id, row.base_url, row.client_id, secrets)

    def keep(
        self, session: Session, access_id: str, tokens: Tokens, person_id: str | None
    ) -> GradeGrant:
        """The grant of an account, new or renewed by connecting again."""
        grant = session.scalar(
            select(GradeGrant)
            .where(GradeGrant.access_id == access_id, GradeGrant.lms_user_id == tokens.user_id)
            .with_for_update()
        )
        if grant is None:
            grant = GradeGrant(
                id=new_id(),
                access_id=access_id,
                lms_user_id=tokens.user_id,
                created_at=self._clock(),
            )
            session.add(grant)
        grant.person_id = person_id or grant.person_id
        grant.name = tokens.user_name[:300]
        self._write(grant, tokens, None)
        session.flush()
        return grant

    def _write(self, grant: GradeGrant, tokens: Tokens, before: str | None) -> None:
        now = self._clock()
        pair = {"access": tokens.access, "refresh": tokens.refresh or before}
        grant.sealed = self._box.seal(json.dumps(pair).encode())
        grant.expires_at = now + timedelta(seconds=tokens.seconds) if tokens.seconds else None
        grant.state, grant.problem = "active", None
        grant.refreshed_at, grant.refreshing_until = now, None

    def token(self, grant_id: str, authoriser: Authoriser) -> str:
        """An access token that is good for a minute at least; renewed when it is not.

        Raises UpstreamError: ``source-lost`` when somebody must connect again, one with
        ``retry_after`` while another worker is renewing it.
        """
        with self._db.reading() as session:
            grant = _present(session.get(GradeGrant, grant_id))
            token, _ = self._pair(grant)
            if grant.state == "lost":
                raise lost(grant.name)
            fresh = grant.expires_at is None or grant.expires_at > self._clock() + MARGIN
        return token if fresh else self.renew(grant_id, authoriser, token)

    def renew(self, grant_id: str, authoriser: Authoriser, used: str) -> str:
        """A newer access token than ``used``. Raises as ``token``."""
        with self._db.transaction() as session:
            grant = _present(session.get(GradeGrant, grant_id, with_for_update=True))
            token, refresh_token = self._pair(grant)
            now = self._clock()
            if grant.state == "lost" or refresh_token is None:
                raise lost(grant.name)
            if token != used:
                return token
            if grant.refreshing_until is not None and grant.refreshing_until > now:
                raise _busy()
            grant.refreshing_until = now + LEASE
            name = grant.name
            access = self._opened(session.get_one(GradeAccess, grant.access_id))
        try:
            tokens = authoriser.refresh(access, refresh_token)
        except Refused as error:
            self.lose(grant_id)
            raise lost(name) from error
        except UpstreamError:
            self._release(grant_id)
            raise
        with self._db.transaction() as session:
            grant = _present(session.get(GradeGrant, grant_id, with_for_update=True))
            self._write(grant, tokens, refresh_token)
        return tokens.access

    def _pair(self, grant: GradeGrant) -> tuple[str, str | None]:
        found = json.loads(self._box.open(grant.sealed))
        return found["access"], found["refresh"]

    def _release(self, grant_id: str) -> None:
        with self._db.transaction() as session:
            grant = session.get(GradeGrant, grant_id, with_for_update=True)
            if grant is not None:
                grant.refreshing_until = None

    def lose(self, grant_id: str) -> str:
        """The authorisation is over; returns whose it was."""
        with self._db.transaction() as session:
            grant = _present(session.get(GradeGrant, grant_id, with_for_update=True))
            grant.state, grant.refreshing_until = "lost", None
            error = lost(grant.name)
            grant.problem = {"code": error.code, "message": error.message, "fix": error.fix}
            return grant.name

    def name(self, grant_id: str) -> str:
        """Whose authorisation it is, for messages."""
        with self._db.reading() as session:
            return _present(session.get(GradeGrant, grant_id)).name


def _present(grant: GradeGrant | None) -> GradeGrant:
    """Somebody may disconnect while a reading is under way: the same end as a lost authorisation."""
    if grant is None:
        raise lost("")
    return grant


def lost(name: str) -> UpstreamError:
    """The LMS does not take this authorisation any more."""
    who = name or "the person who connected it"
    return UpstreamError(
        LOST,
        f"The LMS does not accept the authorisation by {who} any more.",
        system="LMS",
        permanent=True,
        fix=f"{who[:1].upper()}{who[1:]}, or another teacher of the course, connects it again. What was read stays.",
    )


def _busy() -> UpstreamError:
    return UpstreamError(
        "grant-busy",
        "Another worker is renewing this authorisation.",
        system="LMS",
        permanent=False,
        retry_after=WAIT_SECONDS,
    )
