"""The learner's whole record: which badges go in, which cannot and why, and the signed document.

Nothing of a record is kept: each is made fresh from the badges as they stand, so it never tells an
old state. What is kept is that it was handed out, for each badge in it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers, ler_rs, record, wording
from app.credentials.document import RecipientFacts
from app.credentials.keys import KeyKind
from app.credentials.ler_rs import HolderFacts, SignedBadge
from app.credentials.proofs import FORMATS
from app.errors import AppError, Invalid
from app.models import (
    Achievement,
    AchievementVersion,
    Award,
    Course,
    Credential,
    Disclosure,
    Issuer,
    IssuerKey,
    Person,
)
from app.pipeline import keepers
from app.pipeline.campus import Campus

DISCLOSED = "record"
"""Kind of the disclosure of each badge in a record that was handed out."""
KINDS = {"json": ("eddsa-rdfc-2022", KeyKind.ED25519), "jwt": ("vc-jwt-rs256", KeyKind.RSA_2048)}
"""Form of a record -> proof format and the kind of key that it needs."""
LER_RS = "ler-rs"


@dataclass(frozen=True)
class Entry:
    """One award of the learner, anywhere on this campus."""

    award: Award
    version: AchievementVersion
    issuer: str
    course: str
    badge: SignedBadge | None
    """The signed credential that stands for it now."""
    why_not: str
    """Empty, or why it cannot go into a record: unsigned | no-address | revoked | held | expired."""

    @property
    def id(self) -> str:
        """The award's id."""
        return self.award.id


@dataclass(frozen=True)
class Draft:
    """A record that is not signed yet, with whoever will sign it."""

    document: dict[str, Any]
    issuer: Issuer
    award_ids: tuple[str, ...]
    badges: tuple[SignedBadge, ...]
    """What is in it, the earliest first."""


def entries(session: Session, learner_id: str, now: datetime) -> list[Entry]:
    """Everything that the learner earned on this campus, latest first; replaced awards left out."""
    query = (
        select(Award, AchievementVersion, Issuer.name, Course.label, Course.title)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Issuer, Issuer.id == Achievement.issuer_id)
        .join(Course, Course.id == Award.course_id)
        .where(Award.learner_id == learner_id, Award.state != "superseded")
        .order_by(Award.awarded_at.desc(), Award.id)
    )
    rows = session.execute(query).all()
    signed = _signed(session, learner_id)
    return [
        _entry(award, version, issuer, label or title, signed.get(award.id), now)
        for award, version, issuer, label, title in rows
    ]


def _signed(session: Session, learner_id: str) -> dict[str, SignedBadge]:
    """Award id -> the newest credential of it."""
    query = (
        select(Credential.award_id, Credential.document)
        .join(Award, Award.id == Credential.award_id)
        .where(Award.learner_id == learner_id)
        .order_by(Credential.number)
    )
    return {
        award_id: SignedBadge(json.loads(document), document)
        for award_id, document in session.execute(query)
    }


def _entry(
    award: Award,
    version: AchievementVersion,
    issuer: str,
    course: str,
    badge: SignedBadge | None,
    now: datetime,
) -> Entry:
    why_not = ""
    if award.revoked_at is not None or award.state == "revoked":
        why_not = "revoked"
    elif award.held_at is not None:
        why_not = "held"
    elif award.state == "needs_recipient":
        why_not = "no-address"
    elif award.state != "issued" or badge is None:
        why_not = "unsigned"
    elif _ended(badge, now):
        why_not = "expired"
    return Entry(award, version, issuer, course, badge, why_not)


def _ended(badge: SignedBadge, now: datetime) -> bool:
    end = badge.content.get("validUntil")
    return end is not None and datetime.fromisoformat(end) <= now


def signing_issuer(session: Session) -> Issuer:
    """Who signs records: the issuer that the campus began with, whoever issued the badges."""
    first = select(Issuer).order_by(
        Issuer.slug != issuers.DEFAULT_SLUG, Issuer.created_at, Issuer.id
    )
    return session.scalars(first.limit(1)).one()


def draft(
    session: Session, person: Person, chosen: Collection[str], *, named: bool, now: datetime
) -> Draft:
    """The record of ``chosen`` awards, unsigned: what it would say.

    ``partial`` also says so when a badge is left out because it is on hold or not signed yet.

    :param named: whether the learner wants the name in it.
    :raises Invalid: nothing chosen, too much, or something that cannot go in.
    """
    found = entries(session, person.learner_id, now)
    going = _going(found, chosen)
    badges = _badges(going)
    standing = [entry for entry in found if entry.why_not not in ("revoked", "expired")]
    issuer = signing_issuer(session)
    document = record.build(
        record_id=f"urn:uuid:{uuid4()}",
        name=f"Learner record, {issuer.name}",
        issuer=issuers.profile(issuer),
        recipient=RecipientFacts(
            f"urn:uuid:{uuid4()}",
            email=_address(person),
            salt=secrets.token_hex(16),
            name=(person.name or None) if named else None,
        ),
        badges=[badge.content for badge in badges],
        partial=len(going) < len(standing),
        valid_from=now,
    )
    return Draft(document, issuer, tuple(entry.id for entry in going), tuple(badges))


def _going(found: Sequence[Entry], chosen: Collection[str]) -> list[Entry]:
    """The chosen ones among ``found``. Raises Invalid when one of them cannot go in."""
    going = [entry for entry in found if entry.id in set(chosen)]
    if len(going) < len(set(chosen)) or any(entry.why_not for entry in going):
        raise Invalid(
            "record-choice",
            "One of the chosen badges cannot go into the record.",
            fix="Open the page of your record again and choose from the list there.",
        )
    return going


def _badges(going: Sequence[Entry]) -> list[SignedBadge]:
    """The earliest first."""
    return [entry.badge for entry in reversed(going) if entry.badge is not None]


def _address(person: Person) -> str | None:
    """The learner's e-mail address, where the LMS sent one that can be signed."""
    try:
        return wording.email(person.email, "learner e-mail") if person.email else None
    except Invalid:
        return None


def make(
    campus: Campus, person_id: str, chosen: Collection[str], *, named: bool, form: str
) -> bytes:
    """The signed record in a form of :data:`KINDS`, checked by its own verifier and noted.

    :raises Invalid: see :func:`draft`.
    :raises UpstreamError: whoever keeps the issuer's key does not sign.
    """
    now = campus.clock()
    name, kind = KINDS[form]
    with campus.db.reading() as session:
        person = session.get_one(Person, person_id)
        made = draft(session, person, chosen, named=named, now=now)
        key = issuers.key_row(session, made.issuer.id, kind, now)
    signed = _sealed(campus, made.document, name, key, now)
    note(campus, person_id, made.award_ids, form, now)
    return signed


def _sealed(
    campus: Campus, document: dict[str, Any], name: str, key: IssuerKey, now: datetime
) -> bytes:
    """Signed by the reference canonicalizer: the contexts of the badges inside are read as well."""
    try:
        signer = campus.keyring.signer(key)
        signed = FORMATS[name].sign(document, signer, now, False)
    except AppError as error:
        keepers.note(campus, [key.id], error)
        raise
    FORMATS[name].verify(signed, signer.public)
    return signed


def preview(campus: Campus, person_id: str, chosen: Collection[str], *, named: bool) -> bytes:
    """The same badges as a preview of LER-RS, which nobody signs; noted like a record.

    :raises Invalid: see :func:`draft`.
    """
    now = campus.clock()
    with campus.db.reading() as session:
        person = session.get_one(Person, person_id)
        made = draft(session, person, chosen, named=named, now=now)
    document = ler_rs.build(
        document_id=str(uuid4()),
        issuer=made.issuer.name,
        badges=made.badges,
        holder=_holder(person) if named else None,
        now=now,
    )
    note(campus, person_id, made.award_ids, LER_RS, now)
    return json.dumps(document, indent=1).encode("ascii")


def _holder(person: Person) -> HolderFacts | None:
    if not person.name:
        return None
    return HolderFacts(person.name, person.given_name, person.family_name, _address(person))


def note(
    campus: Campus, person_id: str, award_ids: Sequence[str], form: str, now: datetime
) -> None:
    """Write down, for the learner to see, that these badges left in one record."""
    with campus.db.transaction() as session:
        for award_id in award_ids:
            session.add(Disclosure(award_id=award_id, kind=DISCLOSED, target=form.upper(), at=now))
        counts = {"form": form, "badges": len(award_ids)}
        actor = f"person:{person_id}"
        audit.record(session, actor, "record.made", actor, counts, now)
