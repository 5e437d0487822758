"""What the credential of an award says, read in one look, and its sealed form.

Everything stands on rows before (id, date, status entry), so a repetition says the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from app.credentials import endorsed, issuing
from app.credentials.proofs import data_integrity
from app.models import (
    Achievement,
    AchievementVersion,
    Award,
    Credential,
    Issuer,
    Person,
    StatusList,
)
from app.pipeline import shown
from app.pipeline.campus import Campus


@dataclass(frozen=True)
class Work:
    """One award with everything that its credential says."""

    award: Award
    version: AchievementVersion
    issuer: Issuer
    list_number: int
    email: str
    number: int
    """Of the credential: 1, or one more than the last when that one has to be replaced."""
    shown: issuing.Shown | None
    endorsements: tuple[dict[str, Any], ...]
    """Of its wording, to stand inside."""

    @property
    def keys(self) -> tuple[str, bool]:
        """Which keys seal it: whose, and whether it is for a wallet."""
        return self.issuer.id, self.award.in_wallet


def load(session: Session, ids: Sequence[str], public_url: str) -> list[Work]:
    """Those of the awards ``ids`` that wait for their signature and have a recipient."""
    last = (
        select(func.coalesce(func.max(Credential.number), 0))
        .where(Credential.award_id == Award.id)
        .scalar_subquery()
    )
    query = (
        select(Award, AchievementVersion, Issuer, StatusList.number, Person.email, last)
        .join(
            AchievementVersion,
            and_(
                AchievementVersion.achievement_id == Award.achievement_id,
                AchievementVersion.number == Award.achievement_version,
            ),
        )
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Issuer, Issuer.id == Achievement.issuer_id)
        .join(StatusList, StatusList.id == Award.status_list_id)
        .join(Person, Person.id == Award.person_id)
        .where(
            Award.id.in_(ids),
            Award.state == "waiting",
            or_(Person.email.is_not(None), Award.subject_id.like("did:%")),
        )
    )
    rows = session.execute(query).all()
    told = shown.of(session, [(row[0], row[1]) for row in rows], public_url)
    inside = endorsed.carried(session, {_wording(row[1]) for row in rows})
    return [
        Work(
            award,
            version,
            issuer,
            list_number,
            email or "",
            before + 1,
            told.get(award.id),
            inside.get(_wording(version), ()),
        )
        for award, version, issuer, list_number, email, before in rows
    ]


def _wording(version: AchievementVersion) -> endorsed.Wording:
    return version.achievement_id, version.number


def credential_id(award_id: str, number: int) -> str:
    """The uuid of an award's credential: it follows from the award, so a repetition names the same."""
    return str(uuid.uuid5(uuid.UUID(award_id), f"credential-{number}"))


def _fast(item: Work, facts: dict[str, Any], alike: dict[str, bool]) -> bool:
    """Whether the fast way signs it as the reference does.

    Publication asked that of the wording; what strangers signed came later, so it is asked again,
    once for a wording and run.
    """
    if not item.endorsements or not item.version.fast:
        return item.version.fast
    if item.version.id not in alike:
        alike[item.version.id] = data_integrity.check_trim(facts)
    return alike[item.version.id]


def seal(
    campus: Campus,
    item: Work,
    keys: issuing.Signers,
    now: datetime,
    alike: dict[str, bool],
) -> dict[str, object]:
    """The row of the signed credential. Raises Invalid, and AppError of a key's keeper.

    :param alike: what this run knows already of endorsed wordings; begin with an empty one.
    """
    made = credential_id(item.award.id, item.number)
    facts = issuing.compose(
        credential_id=made,
        award=item.award,
        version=item.version,
        issuer=item.issuer,
        list_number=item.list_number,
        email=item.email,
        public_url=campus.settings.public_url,
        shown=item.shown,
        endorsements=item.endorsements,
    )
    sealed = issuing.seal(facts, keys, now, fast=_fast(item, facts, alike))
    return {
        "id": made,
        "award_id": item.award.id,
        "number": item.number,
        "document": sealed.document,
        "sha256": sealed.sha256,
        "jwt": sealed.jwt,
        "contexts": sealed.contexts,
        "embedded_key": sealed.embedded_key,
        "token_key": sealed.token_key,
        "issued_at": now,
    }
