"""What we sign: issuers and keys, achievements, awards, the signed bytes, status lists, shares."""

from __future__ import annotations

from datetime import date, datetime
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
    admits_instructors: Mapped[bool] = mapped_column(default=False)
    """Whether teachers may publish badges in its name; they always may for the campus's first."""
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
    keeper: Mapped[str] = mapped_column(String(20), default="file")
    """Who holds the private half: file (this database, under the master key) | vault."""
    sealed: Mapped[str] = mapped_column(default="")
    """PKCS 8 PEM under the master key; empty when another keeper holds it."""
    remote: Mapped[str] = mapped_column(String(200), default="")
    """Name of the key at its keeper."""
    public_jwk: Mapped[dict[str, Any]]
    public_multibase: Mapped[str | None] = mapped_column(String(600))
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | retired | compromised (compromised ones are not listed)."""
    created_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    """Listed from the beginning; until this moment its predecessor signs."""
    retired_at: Mapped[datetime | None]
    """From this moment on its successor signs; may lie ahead."""
    problem: Mapped[dict[str, Any] | None]
    """``{code, message, fix, at}`` while its keeper does not sign."""


class Achievement(Base):
    """What can be earned; pages say "badge". Its wording lives in versions."""

    __tablename__ = "achievement"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    issuer_id: Mapped[str] = mapped_column(ForeignKey("issuer.id"), index=True)
    course_id: Mapped[str | None] = mapped_column(ForeignKey("course.id"), index=True)
    """The course that made it."""
    continues_id: Mapped[str | None] = mapped_column(ForeignKey("achievement.id"), index=True)
    """The badge of an older course that this one was brought from."""
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
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """``credentials.details.Details`` as JSON: kind, credit, level, tags, evidence, language."""
    drawing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What was changed of the design: symbol, lettering, border, colours of its own."""
    editions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """``{language: {name, description, criteria, image_alt}}``: the same in further languages."""
    valid_kind: Mapped[str] = mapped_column(String(10), default="never")
    """never | months | years (``valid_count`` of them after the award) | date (``valid_until``)."""
    valid_count: Mapped[int | None]
    valid_until: Mapped[date | None]
    """The last day, in the campus's zone."""
    renewal: Mapped[str] = mapped_column(String(10), default="none")
    """none | window | result: which later results make another award, see ``mastery.renewal``."""
    renewal_days: Mapped[int | None]
    """How long before the end of an award the window opens."""
    fast: Mapped[bool] = mapped_column(default=True)
    """Whether the fast canonicalizer gives the reference's bytes for it (checked at publication)."""
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class PublicationRequest(Base):
    """A teacher's wish to publish in the name of an issuer that looks at badges first."""

    __tablename__ = "publication_request"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    achievement_id: Mapped[str] = mapped_column(ForeignKey("achievement.id"), index=True)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    issuer_id: Mapped[str] = mapped_column(ForeignKey("issuer.id"))
    version: Mapped[int]
    """Number of the wording, and of the rule, that it is about: both stay as they are meanwhile."""
    rule_version: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    """waiting | approved | declined | taken_back."""
    asked_by: Mapped[str] = mapped_column(String(100))
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(100))
    decided_at: Mapped[datetime | None]
    word: Mapped[str] = mapped_column(Text, default="")
    """What the issuer said to the teacher."""


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
    lease_until: Mapped[datetime | None]
    """While a worker has it signed by a keeper elsewhere: after this it is taken up again."""


class SpentEntry(Base):
    """A set bit that no award points to any more: its credential was replaced by another one."""

    __tablename__ = "spent_entry"
    __table_args__ = (UniqueConstraint("status_list_id", "status_index"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    status_list_id: Mapped[str] = mapped_column(ForeignKey("status_list.id"))
    status_index: Mapped[int]
    credential_id: Mapped[str | None] = mapped_column(ForeignKey("credential.id"), index=True)
    """Empty for bits that came back from a backup of keys."""
    reason: Mapped[str] = mapped_column(String(40))
    """recipient | regrade | endorsement | wallet | disclosure | key-compromised | restored."""
    at: Mapped[datetime]


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
    """Empty for a badge earned once, else a term, a course, or "after" the end that was renewed."""
    rule_id: Mapped[str] = mapped_column(ForeignKey("rule.id"))
    rule_version: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    """waiting (to be signed) | needs_recipient | issued | revoked | superseded."""
    lease_until: Mapped[datetime | None]
    """While a worker signs it: after this it is taken up again."""
    lease_by: Mapped[str | None] = mapped_column(String(100))
    """The process that signs it by itself: freed as soon as that has ended. Empty while it is a job of
    the engine; "rest" when it was not signed and waits for its next try."""
    awarded_at: Mapped[datetime]
    """Becomes ``validFrom``."""
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    """Becomes ``validUntil``; empty when it never ends. The state does not change with it."""
    subject_id: Mapped[str] = mapped_column(Text)
    """``credentialSubject.id`` of what is signed from now on: a random urn:uuid, or the DID of the
    wallet that took the badge last (a did:jwk is hundreds of characters long)."""
    salt: Mapped[str] = mapped_column(String(64))
    """Of the hashed e-mail identifier."""
    status_list_id: Mapped[str | None] = mapped_column(ForeignKey("status_list.id"))
    status_index: Mapped[int | None]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(Text)
    revoked_by: Mapped[str | None] = mapped_column(String(100))
    held_at: Mapped[datetime | None]
    """While it is on hold: our pages say so and hand out no file. Not on the status list."""
    hold_reason: Mapped[str | None] = mapped_column(Text)
    held_by: Mapped[str | None] = mapped_column(String(100))
    hides_evidence: Mapped[bool] = mapped_column(default=False)
    """The learner wants no assessments named in the credential, though the badge names them."""
    shows_results: Mapped[bool] = mapped_column(default=False)
    """The learner wants the results in the credential. Never on without the learner's own doing."""
    achievement: Mapped[Achievement] = relationship()

    @property
    def in_wallet(self) -> bool:
        """Whether it is bound to the key of a wallet, and so to nobody's e-mail address."""
        return self.subject_id.startswith("did:")


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
    """The same credential as VC-JWT (RS256; ES256 when it is bound to a wallet)."""
    embedded_key: Mapped[str] = mapped_column(String(60), index=True)
    """Fragment of the key that made the proof in ``document``."""
    token_key: Mapped[str] = mapped_column(String(60), index=True)
    """Fragment of the key that signed ``jwt``."""
    contexts: Mapped[dict[str, Any]]
    """URL to sha256 of every context used."""
    issued_at: Mapped[datetime]


class BulkRevocation(Base):
    """Many awards that are taken back together, after a time in which it can be undone."""

    __tablename__ = "bulk_revocation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    badge_id: Mapped[str | None] = mapped_column(ForeignKey("achievement.id"))
    """What was chosen by: all awards of a badge, of a course, or of both; empty for a selection."""
    course_id: Mapped[str | None] = mapped_column(ForeignKey("course.id"))
    reason: Mapped[str] = mapped_column(Text)
    """Each learner reads it."""
    actor: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    """waiting (can be undone) | running | done | undone."""
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    starts_at: Mapped[datetime]
    """Nothing is revoked before."""
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BulkRevocationAward(Base):
    """One award that a bulk revocation is about, as it was counted."""

    __tablename__ = "bulk_revocation_award"
    __table_args__ = (UniqueConstraint("bulk_id", "award_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    bulk_id: Mapped[str] = mapped_column(ForeignKey("bulk_revocation.id"))
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    done_at: Mapped[datetime | None]


class Share(Base):
    """A learner's public link to one award; the token is the only thing in the URL."""

    __tablename__ = "share"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    token: Mapped[str] = mapped_column(String(60), unique=True)
    show_name: Mapped[bool] = mapped_column(default=False)
    """The learner let the page show the name."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """From then on the link shows nothing; empty while it stays open until the learner closes it."""
    ended_at: Mapped[datetime | None]


class Disclosure(Base):
    """Every place an award was shown or sent to, for the learner to see."""

    __tablename__ = "disclosure"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    """share | download | record | wallet | app | course | sis | mail | privacy."""
    target: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
