"""Who was erased, recognised by keyed hashes of ids alone, so that no list brings the person back.

A mark is HMAC-SHA-256 over one id of the person. Its key is random and sealed under the master key:
whoever holds the database alone cannot try ids out, and the master key can change without making
the marks worthless, because nothing that they were made of is kept.

Only ids are marked that an LMS's lists and grades bring people in by. A mail address is none: nobody
is ever found by it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import new_id
from app.errors import LaunchRefused
from app.lti.launch import LaunchContext
from app.lti.platforms import lms_for
from app.models import Erasure, Installation, Tombstone, TombstoneKey
from app.secrets import SecretBox

T = TypeVar("T")
CHUNK: Final = 500
_LOCK: Final = 7_301_160
"""Of PostgreSQL's advisory locks: ours alone."""


class ErasedPerson(LaunchRefused):
    """Somebody who was erased opens Tassel again, through a registration. ``erasures``: ids, for the
    way back.
    """

    def __init__(self, erasures: Iterable[str], platform_id: str) -> None:
        super().__init__(
            "person-erased",
            "Everything that Tassel held about you was erased, so it does not know you any more.",
            fix="You can begin afresh, if you want to.",
        )
        self.erasures = tuple(sorted(erasures))
        self.platform_id = platform_id


@dataclass(frozen=True)
class Ids:
    """What one LMS calls somebody. ``campus_sis``: its student numbers hold for the whole campus."""

    installation_id: str
    sub: str | None = None
    lms: str | None = None
    sis: str | None = None
    lti11: str | None = None
    campus_sis: bool = False

    def words(self) -> list[str]:
        """The texts that are hashed. A kind and a place stand before each id."""
        own = {"sub": self.sub, "lms": self.lms, "sis": self.sis, "lti11": self.lti11}
        found = [_word(kind, self.installation_id, value) for kind, value in own.items() if value]
        if self.sis and self.campus_sis:
            found.append(_word("sis", "", self.sis))
        return found


def _word(kind: str, place: str, value: str) -> str:
    return "\0".join((kind, place, value))


def beside(session: Session) -> None:
    """To be called first by whatever brings people or their grades in: an erasure waits for it, and
    it for an erasure, so that neither sees half of the other. SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": _LOCK})


def alone(session: Session) -> None:
    """The other side: nobody brings anybody in until this transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


class Tombstones(Generic[T]):
    """The marks as one transaction sees them. ``T``: by what the caller names people."""

    def __init__(self, session: Session, box: SecretBox) -> None:
        """Opens the keys; there are none before the first erasure, and then nothing costs anything."""
        rows = session.execute(select(TombstoneKey.sealed).order_by(TombstoneKey.created_at))
        self._session = session
        self._keys = [bytes.fromhex(box.open(sealed).decode("ascii")) for (sealed,) in rows]

    def erasures(self, people: Mapping[T, Ids]) -> dict[T, set[str]]:
        """Those of ``people`` who were erased and have not come back, with the erasures' ids."""
        if not self._keys or not people:
            return {}
        who: dict[str, set[T]] = defaultdict(set)
        for name, ids in people.items():
            for mark in self.marks(ids):
                who[mark].add(name)
        found: dict[T, set[str]] = defaultdict(set)
        for part in _parts(sorted(who)):
            query = (
                select(Tombstone.mark, Tombstone.erasure_id)
                .join(Erasure, Erasure.id == Tombstone.erasure_id)
                .where(Tombstone.mark.in_(part), Erasure.lifted_at.is_(None))
            )
            for mark, erasure_id in self._session.execute(query):
                for name in who[mark]:
                    found[name].add(erasure_id)
        return dict(found)

    def marks(self, ids: Ids) -> set[str]:
        """Of every id, under every key that there is."""
        return {_mark(key, word) for key in self._keys for word in ids.words()}

    def widen(self, people: Mapping[T, Ids], erased: Mapping[T, Iterable[str]]) -> None:
        """Mark further ids of people who are known to be erased, as a list names them beside a
        marked one: another source may know the person by these alone.
        """
        for name, erasures in erased.items():
            for erasure_id in erasures:
                put_up(self._session, erasure_id, self.marks(people[name]))


def key_for(session: Session, box: SecretBox, now: datetime) -> None:
    """Make the key of all marks, unless there is one."""
    if session.scalar(select(TombstoneKey.id).limit(1)) is None:
        sealed = box.seal(secrets.token_bytes(32).hex().encode("ascii"))
        session.add(TombstoneKey(id=new_id(), sealed=sealed, created_at=now))
        session.flush()


def put_up(session: Session, erasure_id: str, marks: Iterable[str]) -> None:
    """Keep marks of an erasure; safe to repeat."""
    rows: list[dict[str, Any]] = [
        {"mark": mark, "erasure_id": erasure_id} for mark in sorted(set(marks))
    ]
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    if rows:
        session.execute(insert(Tombstone).on_conflict_do_nothing(), rows)


def refuse_erased(
    session: Session, box: SecretBox, installation: Installation, launch: LaunchContext
) -> None:
    """Raises ErasedPerson when the launch of somebody unknown is one of somebody erased."""
    ids = Ids(
        installation.id,
        launch.sub,
        lms_for(installation.lms).own_user_id(launch.custom),
        launch.person_sis_id,
        launch.lti11_user_id,
        campus_sis=installation.sis_authoritative,
    )
    erased = Tombstones[str](session, box).erasures({launch.sub: ids})
    if erased:
        raise ErasedPerson(erased[launch.sub], launch.platform_id)


def _mark(key: bytes, word: str) -> str:
    return hmac.new(key, word.encode(), hashlib.sha256).hexdigest()


def _parts(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + CHUNK] for start in range(0, len(values), CHUNK)]
