"""Learners (humans), persons (LTI users of one LMS) and their enrolments."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, BigId, new_id


class Learner(Base):
    """One human on this campus. Awards hang here."""

    __tablename__ = "learner"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    sis_id: Mapped[str | None] = mapped_column(String(200), index=True)
    """From a platform marked authoritative, or set by an operator."""
    joined_into_id: Mapped[str | None] = mapped_column(ForeignKey("learner.id"))
    """Set when two learners turned out to be one human (audited, reversible)."""
    created_at: Mapped[datetime]


class Person(Base):
    """One LTI user: installation plus ``sub``. Never matched by e-mail."""

    __tablename__ = "person"
    __table_args__ = (
        UniqueConstraint("installation_id", "sub"),
        Index("ix_person_installation_lms_user", "installation_id", "lms_user_id"),
        Index("ix_person_installation_lti11_user", "installation_id", "lti11_user_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    installation_id: Mapped[str] = mapped_column(ForeignKey("installation.id"))
    sub: Mapped[str] = mapped_column(String(300))
    learner_id: Mapped[str] = mapped_column(ForeignKey("learner.id"), index=True)
    name: Mapped[str] = mapped_column(String(300), default="")
    given_name: Mapped[str] = mapped_column(String(200), default="")
    family_name: Mapped[str] = mapped_column(String(200), default="")
    email: Mapped[str | None] = mapped_column(String(320))
    locale: Mapped[str | None] = mapped_column(String(40))
    sis_id: Mapped[str | None] = mapped_column(String(200))
    """``lis.person_sourcedid`` or ``lis_person_sourcedid``: the student number."""
    lms_user_id: Mapped[str | None] = mapped_column(String(300))
    """The LMS's own id of the user, by which its interfaces outside LTI name people."""
    lti11_user_id: Mapped[str | None] = mapped_column(String(300))
    """The ``user_id`` of LTI 1.1, from migration claims whose signature was right."""
    is_test: Mapped[bool] = mapped_column(default=False)
    """Student View and preview users: launch, never earn, never synced."""
    created_at: Mapped[datetime]
    learner: Mapped[Learner] = relationship()


class Enrolment(Base):
    """A person in a course, kept up from launches and the roster."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("course_id", "person_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    """learner | instructor | assistant | observer | administrator | none: the one that counts."""
    launch_role: Mapped[str | None] = mapped_column(String(20))
    """As the last launch said; wins over the roster (Moodle lists teaching assistants as learners)."""
    roster_role: Mapped[str | None] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default="active")
    """active | left. Leaving never takes a badge away."""
    section_id: Mapped[str | None] = mapped_column(ForeignKey("section.id"))
    """The SIS class, from the launch's section id."""
    stale: Mapped[bool] = mapped_column(default=False)
    """Something that rules read has changed: to be decided again."""
    launched_at: Mapped[datetime | None]
    """Last launch; empty for those who never came."""
    launch_fingerprint: Mapped[str | None] = mapped_column(String(64))
    """Hash of what the last launch said; an equal launch changes nothing but ``launched_at``."""
    roster_seen_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()


class EnrolmentChange(Base):
    """Status history of an enrolment."""

    __tablename__ = "enrolment_change"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    enrolment_id: Mapped[str] = mapped_column(ForeignKey("enrolment.id"), index=True)
    at: Mapped[datetime]
    role: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(20))
    """launch | roster."""
