"""The endorsements of a badge: which stand, which its credentials carry, which came or went since."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from app.credentials import endorsement
from app.credentials.endorsement import Statement
from app.errors import NotFound
from app.models import (
    Achievement,
    AchievementVersion,
    Award,
    Credential,
    Endorsement,
    Rule,
)

Wording = tuple[str, int]
"""Id of an achievement and number of a version of it."""


@dataclass(frozen=True)
class Standing:
    """An accepted endorsement of one wording."""

    id: str
    """Of our row; the public address of the file."""
    says: Statement
    received_at: datetime
    """When its signature was checked."""
    carried: bool
    """Whether badges that are signed from now on carry it."""
    withdrawn_at: datetime | None = None


def standing(session: Session, achievement_id: str, version: int) -> Sequence[Standing]:
    """The accepted endorsements of a wording, oldest first."""
    wording = (achievement_id, version)
    query = _of({wording}).where(Endorsement.state == "accepted")
    inside = {one["id"] for one in carried(session, {wording}).get(wording, ())}
    return [_shown(row, inside) for row in session.scalars(query)]


def carried(
    session: Session, wordings: Collection[Wording]
) -> Mapping[Wording, tuple[dict[str, Any], ...]]:
    """What stands inside badges of each wording that are signed now: the first ones accepted."""
    found: dict[Wording, tuple[dict[str, Any], ...]] = {}
    for row in session.scalars(_of(wordings).where(Endorsement.state == "accepted")):
        inside = endorsement.carried(row.document or b"")
        key = (row.achievement_id, row.version or 0)
        if inside is not None and len(found.get(key, ())) < endorsement.MOST:
            found[key] = (*found.get(key, ()), inside)
    return found


def waiting(session: Session, course_id: str) -> Counter[str]:
    """How many endorsements of each badge of a course wait to be accepted."""
    query = (
        select(Endorsement.achievement_id)
        .join(Rule, Rule.achievement_id == Endorsement.achievement_id)
        .where(Rule.course_id == course_id, Endorsement.state == "received")
    )
    return Counter(session.scalars(query))


def of_issuer(session: Session, issuer_id: str) -> Sequence[tuple[str, str, Standing]]:
    """Every endorsement that stands for a badge of an issuer, newest first: wording, badge, itself."""
    query = (
        select(AchievementVersion.name, Endorsement)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Endorsement.achievement_id)
            & (AchievementVersion.number == Endorsement.version),
        )
        .join(Achievement, Achievement.id == Endorsement.achievement_id)
        .where(Achievement.issuer_id == issuer_id, Endorsement.state == "accepted")
        .order_by(Endorsement.decided_at.desc(), Endorsement.id)
    )
    return [(name, row.achievement_id, _shown(row, ())) for name, row in session.execute(query)]


def file(session: Session, endorsement_id: str) -> bytes:
    """The signed bytes of an accepted endorsement; raises NotFound for any other."""
    row = session.get(Endorsement, endorsement_id)
    if row is None or row.state != "accepted" or row.document is None:
        raise NotFound("no-endorsement", "There is no such endorsement (any more).")
    return row.document


def _of(wordings: Collection[Wording]) -> Select[Endorsement]:
    return (
        select(Endorsement)
        .where(tuple_(Endorsement.achievement_id, Endorsement.version).in_(sorted(wordings)))
        .order_by(Endorsement.decided_at, Endorsement.id)
    )


def _shown(row: Endorsement, inside: Collection[str]) -> Standing:
    assert row.document is not None
    assert row.received_at is not None
    says = endorsement.read(row.document)
    return Standing(row.id, says, row.received_at, says.id in inside, row.withdrawn_at)


@dataclass(frozen=True)
class Difference:
    """What a badge as it was signed says of endorsements, held against today."""

    inside: Sequence[Standing]
    """It carries them, and they stand."""
    beside: Sequence[Standing]
    """They stand, but it does not carry them."""
    withdrawn: Sequence[Standing]
    """It carries them, and they were taken back since."""

    @property
    def gains(self) -> bool:
        """Whether the badge signed anew would say something else."""
        return bool(self.withdrawn) or any(one.carried for one in self.beside)


def difference(session: Session, award: Award, credential: Credential) -> Difference:
    """The endorsements of the award's wording against those in the bytes of ``credential``."""
    achievement = json.loads(credential.document)["credentialSubject"]["achievement"]
    inside = {one["id"] for one in achievement.get("endorsement", ())}
    stand = standing(session, award.achievement_id, award.achievement_version)
    query = _of({(award.achievement_id, award.achievement_version)})
    gone = session.scalars(query.where(Endorsement.state == "withdrawn")) if inside else ()
    return Difference(
        inside=[one for one in stand if one.says.id in inside],
        beside=[one for one in stand if one.says.id not in inside],
        withdrawn=[one for one in (_shown(row, ()) for row in gone) if one.says.id in inside],
    )
