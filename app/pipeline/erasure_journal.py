"""The journal of erasures: a file beside the data, so that a restored backup forgets them not.

A backup of the database brings back people who were erased after it was made. The file holds what
is needed to find them again, keyed hashes and the sealed key and nothing else, and outlives the
database that is replaced. Whenever Tassel starts, the two are made equal: what the file alone knows
is carried out again in the database, what the database alone knows goes into the file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import audit
from app.db import insert_new
from app.errors import AppError, ConfigurationError
from app.models import Erasure, Person, Tombstone, TombstoneKey
from app.pipeline import taking_away, tombstones
from app.pipeline.campus import Campus
from app.pipeline.taking_away import Badges
from app.pipeline.tombstones import Ids, Tombstones

FORMAT: Final = 1
NAME: Final = "erasures.json"
SLICE: Final = 2000
log = structlog.get_logger()


@dataclass(frozen=True)
class Entry:
    """One erasure as the file keeps it."""

    at: str
    badges: Badges
    marks: frozenset[str]
    lifted_at: str | None = None

    def joined(self, other: Entry) -> Entry:
        """Both: marks are only ever added, and what was lifted stays lifted."""
        lifted = self.lifted_at or other.lifted_at
        return Entry(self.at, self.badges, self.marks | other.marks, lifted)


@dataclass
class Content:
    """Keys by id as ``(sealed, made at)``, erasures by id."""

    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    erasures: dict[str, Entry] = field(default_factory=dict)


def path_of(campus: Campus) -> Path:
    """Where the file stands."""
    return campus.settings.data_dir / NAME


def level(campus: Campus) -> int:
    """Make file and database equal; returns how many erasures were carried out again.

    Raises ConfigurationError when the file was written under another master key or is no journal.
    Safe to repeat and to be killed at any line. Where nobody was ever erased, nothing is written.
    """
    if not path_of(campus).exists() and _knows_none(campus):
        return 0
    with _locked(path_of(campus)):
        written = _read(path_of(campus))
        replayed = 0
        if written.erasures or written.keys:
            replayed = taking_away.patiently(
                campus.db, lambda session: _take_in(campus, session, written)
            )
        with campus.db.reading() as session:
            stored = _stored(session)
        if stored != written and (stored.erasures or stored.keys):
            _write(path_of(campus), stored)
    if replayed:
        taking_away.settle_file(campus.db)
        log.warning("erasures-replayed", erasures=replayed)
    return replayed


def _knows_none(campus: Campus) -> bool:
    """Whether the database has no erasure and no key for one."""
    with campus.db.reading() as session:
        return _stored(session) == Content()


def differs(campus: Campus) -> bool:
    """Whether file and database know different erasures; ConfigurationError as ``level``."""
    written = _read(path_of(campus))
    with campus.db.reading() as session:
        return _stored(session).erasures != written.erasures


def note(campus: Campus) -> None:
    """After an erasure: the file follows. The erasure stands also where the file cannot be written;
    every start and every worker try again.
    """
    try:
        level(campus)
    except (OSError, AppError) as error:
        log.warning("erasure-journal-behind", error=type(error).__name__)


# --- the file ------------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process of this machine at a time. Raises ConfigurationError where nothing can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_suffix(".lock").open("w", encoding="ascii")
    except OSError as error:
        raise ConfigurationError(
            [
                f"TASSEL_DATA_DIR: {path}, the journal of erasures, cannot be written ({error.strerror}). Give Tassel a folder that it may write to and that outlives the container."
            ]
        ) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Content:
    if not path.exists():
        return Content()
    try:
        return _content(json.loads(path.read_text(encoding="ascii")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            [f"{path} is no journal of erasures: bring its last good copy back"]
        ) from error


def _content(found: Mapping[str, Any]) -> Content:
    if found["format"] != FORMAT:
        raise ValueError("another format")
    return Content(
        {name: (key["sealed"], key["at"]) for name, key in found["keys"].items()},
        {name: _entry(one) for name, one in found["erasures"].items()},
    )


def _entry(found: Mapping[str, Any]) -> Entry:
    return Entry(
        found["at"], cast(Badges, found["badges"]), frozenset(found["marks"]), found["lifted_at"]
    )


def _write(path: Path, content: Content) -> None:
    """Whole, or not at all: what was there stays until the new one is on the disk."""
    text = json.dumps(
        {
            "format": FORMAT,
            "keys": {
                name: {"sealed": sealed, "at": at} for name, (sealed, at) in content.keys.items()
            },
            "erasures": {
                name: {
                    "at": one.at,
                    "badges": one.badges,
                    "marks": sorted(one.marks),
                    "lifted_at": one.lifted_at,
                }
                for name, one in content.erasures.items()
            },
        },
        indent=1,
    )
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with part.open("w", encoding="ascii") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


# --- the database --------------------------------------------------------------------------------


def _stored(session: Session) -> Content:
    marks: dict[str, set[str]] = {}
    for mark, erasure_id in session.execute(select(Tombstone.mark, Tombstone.erasure_id)):
        marks.setdefault(erasure_id, set()).add(mark)
    return Content(
        {
            row.id: (row.sealed, row.created_at.isoformat())
            for row in session.scalars(select(TombstoneKey))
        },
        {
            row.id: Entry(
                row.at.isoformat(),
                cast(Badges, row.badges),
                frozenset(marks.get(row.id, ())),
                row.lifted_at.isoformat() if row.lifted_at else None,
            )
            for row in session.scalars(select(Erasure).order_by(Erasure.at, Erasure.id))
        },
    )


def _take_in(campus: Campus, session: Session, written: Content) -> int:
    """What the file alone knows; returns how many erasures were new to the database."""
    stored = _stored(session)
    keys = {name: key for name, key in written.keys.items() if name not in stored.keys}
    unknown = {name: one for name, one in written.erasures.items() if name not in stored.erasures}
    grown = {
        name: one.joined(stored.erasures[name])
        for name, one in written.erasures.items()
        if name in stored.erasures and one.joined(stored.erasures[name]) != stored.erasures[name]
    }
    if not (keys or unknown or grown):
        return 0
    tombstones.alone(session)
    _add_keys(campus, session, keys)
    _add_erasures(session, unknown)
    for name, one in {**unknown, **grown}.items():
        tombstones.put_up(session, name, one.marks)
    _replay(campus, session, unknown)
    for name, one in {**unknown, **grown}.items():
        if one.lifted_at is not None:
            lifted = datetime.fromisoformat(one.lifted_at)
            session.execute(update(Erasure).where(Erasure.id == name).values(lifted_at=lifted))
    return len(unknown)


def _add_keys(campus: Campus, session: Session, keys: Mapping[str, tuple[str, str]]) -> None:
    for name, (sealed, at) in keys.items():
        try:
            again = campus.box.rotate(sealed)
        except ConfigurationError as error:
            raise ConfigurationError(
                [
                    f"TASSEL_MASTER_KEY does not open {path_of(campus)}, the journal of erasures: add the master key that it was written under as a further one, then run: tassel key reseal"
                ]
            ) from error
        row = {"id": name, "sealed": again, "created_at": datetime.fromisoformat(at)}
        insert_new(session, TombstoneKey, [row])


def _add_erasures(session: Session, unknown: Mapping[str, Entry]) -> None:
    rows = [
        {"id": name, "at": datetime.fromisoformat(one.at), "badges": one.badges}
        for name, one in unknown.items()
    ]
    insert_new(session, Erasure, rows)


def _replay(campus: Campus, session: Session, unknown: Mapping[str, Entry]) -> None:
    """Erase again whoever bears a mark of these erasures: exactly the accounts that were erased."""
    wanted = {mark: name for name, one in unknown.items() for mark in one.marks}
    found: dict[str, str] = {}
    graves = Tombstones[str](session, campus.box)
    query = select(Person.learner_id, Person.installation_id, Person.sub)
    for learner_id, installation_id, sub in session.execute(query).yield_per(SLICE):
        for mark in graves.marks(Ids(installation_id, sub)) & wanted.keys():
            found.setdefault(learner_id, wanted[mark])
    for learner_id, name in found.items():
        _again(campus, session, learner_id, unknown[name].badges)


def _again(campus: Campus, session: Session, learner_id: str, badges: Badges) -> None:
    now = campus.clock()
    family = taking_away.family_of(session, learner_id)
    if not family:
        return
    known = taking_away.ids_of(session, family)
    awards = taking_away.take_away(campus, session, family, known, badges, now)
    detail = {"awards": awards, "badges": badges}
    audit.record(session, "system", "learner.erased-again", f"learner:{learner_id}", detail, now)
