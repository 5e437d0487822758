"""What we sign: issuers and keys, achievements, awards, the signed bytes, status lists, shares."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id


class Issuer(Base):
    """A department with its own DID."""

    __tablename__ = "issuer"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    """Last part of its DID; never changes."""
    did: Mapped[str] = mapped_column(String(300), unique=True)
    name: Mapped[str] = mapped_column(String(300))
    url: Mapped[str] = mapped_column(String(500))
    email: Mapped[str | None] = mapped_column(String(320))
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]


class IssuerKey(Base):
    """A signing key of an issuer. Retired keys stay listed for ever."""

    __tablename__ = "issuer_key"
    __table_args__ = (UniqueConstraint("issuer_id", "fragment"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    issuer_id: Mapped[str] = mapped_column(ForeignKey("issuer.id"))
    kind: Mapped[str] = mapped_column(String(20))
    """ed25519 | rsa2048 | p256."""
    fragment: Mapped[str] = mapped_column(String(60))
    """After the # in the DID URL, for example "key-2026-1-ed25519"."""
    sealed: Mapped[str]
    """PKCS 8 PEM under the master key."""
    public_jwk: Mapped[dict[str, Any]]
    public_multibase: Mapped[str | None] = mapped_column(String(600))
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | retired | compromised (compromised ones are not listed)."""
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class Achievement(Base):
    """What can be earned; pages say "badge". Its wording lives in versions."""

    __tablename__ = "achievement"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    issuer_id: Mapped[str] = mapped_column(ForeignKey("issuer.id"), index=True)
    course_id: Mapped[str | None] = mapped_column(ForeignKey("course.id"), index=True)
    """The course that made it."""
    state: Mapped[str] = mapped_column(String(20), default="draft")
    """draft | published | withdrawn."""
    published_version: Mapped[int | None]
    occurrence_by: Mapped[str] = mapped_column(String(20), default="once")
    """once | term | course: what makes a second earning a new award."""
    regrade: Mapped[str] = mapped_column(String(20), default="keep")
    """keep | review | revoke, when a result falls below the mark later."""
    course_column: Mapped[bool] = mapped_column(default=True)
    """Whether awards are written back to a column of the course."""
    created_at: Mapped[datetime]


class AchievementVersion(Base):
    """One wording and look of an achievement; frozen once published."""

    __tablename__ = "achievement_version"
    __table_args__ = (UniqueConstraint("achievement_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    achievement_id: Mapped[str] = mapped_column(ForeignKey("achievement.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    criteria: Mapped[str] = mapped_column(Text, default="")
    """Narrative; made from the rule in words when the author leaves it empty."""
    criteria_made: Mapped[bool] = mapped_column(default=False)
    """Whether ``criteria`` was made from the rule, so that another rule makes it anew."""
    alignments: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    """``[{competency, code, statement, uri, framework}]`` as of publication."""
    design: Mapped[str] = mapped_column(String(40), default="shield")
    """Key of ``credentials.designs``; "upload" when ``image`` is the author's."""
    palette: Mapped[str] = mapped_column(String(40), default="indigo")
    image: Mapped[bytes | None] = mapped_column(LargeBinary)
    """PNG, re-encoded at upload."""
    image_alt: Mapped[str] = mapped_column(String(300), default="")
    fast: Mapped[bool] = mapped_column(default=True)
    """Whether the fast canonicalizer gives the reference's bytes for it (checked at publication)."""
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class StatusList(Base):
    """A Bitstring status list (W3C, revocation): 131,072 entries, one issuer."""

    __tablename__ = "status_list"
    __table_args__ = (UniqueConstraint("issuer_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    issuer_id: Mapped[str] = mapped_column(ForeignKey("issuer.id"))
    number: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)
    """Reserved entries; a new list is begun near 50,000 (herd privacy, free random indexes)."""
    revision: Mapped[int] = mapped_column(default=0)
    """Raised by every revocation."""
    signed_revision: Mapped[int] = mapped_column(default=-1)
    signed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The signed list credential of ``signed_revision``, as served."""
    signed_at: Mapped[datetime | None]


class Award(Base):
    """The fact that a learner earned an achievement. Unique however often it is decided."""

    __tablename__ = "award"
    __table_args__ = (
        UniqueConstraint("learner_id", "achievement_id", "occurrence"),
        UniqueConstraint("status_list_id", "status_index"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learner.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    """The LMS account by which it was earned."""
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"), index=True)
    achievement_id: Mapped[str] = mapped_column(ForeignKey("achievement.id"), index=True)
    achievement_version: Mapped[int]
    occurrence: Mapped[str] = mapped_column(String(100), default="")
    rule_id: Mapped[str] = mapped_column(ForeignKey("rule.id"))
    rule_version: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    """waiting (to be signed) | needs_recipient | issued | revoked | superseded."""
    lease_until: Mapped[datetime | None]
    """While a worker signs it: after this it is taken up again."""
    awarded_at: Mapped[datetime]
    """Becomes ``validFrom``."""
    subject_id: Mapped[str] = mapped_column(String(60))
    """``credentialSubject.id``: a random urn:uuid."""
    salt: Mapped[str] = mapped_column(String(64))
    """Of the hashed e-mail identifier."""
    status_list_id: Mapped[str | None] = mapped_column(ForeignKey("status_list.id"))
    status_index: Mapped[int | None]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(Text)
    revoked_by: Mapped[str | None] = mapped_column(String(100))
    achievement: Mapped[Achievement] = relationship()


class Credential(Base):
    """Signed once, kept for ever: the exact bytes of an award."""

    __tablename__ = "credential"
    __table_args__ = (UniqueConstraint("award_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    """The uuid in the credential's ``id`` (urn:uuid:…)."""
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"))
    number: Mapped[int] = mapped_column(default=1)
    """A later one supersedes (new name, wallet binding, endorsement)."""
    document: Mapped[bytes] = mapped_column(LargeBinary)
    """Signed JSON with a Data Integrity proof, exactly as handed out."""
    sha256: Mapped[str] = mapped_column(String(64))
    jwt: Mapped[str] = mapped_column(Text)
    """The same credential as VC-JWT (RS256)."""
    contexts: Mapped[dict[str, Any]]
    """URL to sha256 of every context used."""
    issued_at: Mapped[datetime]


class Share(Base):
    """A learner's public link to one award; the token is the only thing in the URL."""

    __tablename__ = "share"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    token: Mapped[str] = mapped_column(String(60), unique=True)
    show_name: Mapped[bool] = mapped_column(default=False)
    """The learner let the page show the name."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Disclosure(Base):
    """Every place an award was shown or sent to, for the learner to see."""

    __tablename__ = "disclosure"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    """share | download | course | sis | mail."""
    target: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
