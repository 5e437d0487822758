"""Whether it is mastered: frameworks, versioned rules, decisions and attainments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, new_id


class Framework(Base):
    """A set of competencies, made by hand or imported."""

    __tablename__ = "framework"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    title: Mapped[str] = mapped_column(String(300))
    uri: Mapped[str | None] = mapped_column(String(1000))
    """Canonical address for alignments, if it has one."""
    kind: Mapped[str] = mapped_column(String(20), default="own")
    """own | csv; later case, ctdl-asn, esco, rsd."""
    course_id: Mapped[str | None] = mapped_column(ForeignKey("course.id"), index=True)
    """Set for a framework made inside a course; empty = campus-wide."""
    created_at: Mapped[datetime]


class Competency(Base):
    """One statement of what somebody can do."""

    __tablename__ = "competency"
    __table_args__ = (UniqueConstraint("framework_id", "code"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    framework_id: Mapped[str] = mapped_column(ForeignKey("framework.id"))
    code: Mapped[str] = mapped_column(String(100))
    """Human coding scheme; made up from the position when the author gave none."""
    statement: Mapped[str] = mapped_column(Text)
    uri: Mapped[str | None] = mapped_column(String(1000))
    case_id: Mapped[str | None] = mapped_column(String(36))
    """CASE item UUID, only when imported from CASE."""
    position: Mapped[int] = mapped_column(default=0)


class Rule(Base):
    """How a course's assessments earn one achievement."""

    __tablename__ = "rule"
    __table_args__ = (UniqueConstraint("course_id", "achievement_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    course_id: Mapped[str] = mapped_column(ForeignKey("course.id"))
    achievement_id: Mapped[str] = mapped_column(ForeignKey("achievement.id"))
    state: Mapped[str] = mapped_column(String(20), default="draft")
    """draft | published | stopped."""
    published_version: Mapped[int | None]
    """Number of the RuleVersion in force."""


class RuleVersion(Base):
    """One wording of a rule; the highest number without ``published_at`` is the draft."""

    __tablename__ = "rule_version"
    __table_args__ = (UniqueConstraint("rule_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    rule_id: Mapped[str] = mapped_column(ForeignKey("rule.id"))
    number: Mapped[int]
    definition: Mapped[dict[str, Any]]
    """``{"needs": "all"|"any"|int, "clauses": [{"assessment", "competency", "pass_mark": "70"}]}``:
    ids and percent as text; ``mastery.rules`` reads and writes it."""
    created_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class Decision(Base):
    """What the rule in force says about a learner now, with reasons."""

    __tablename__ = "decision"
    __table_args__ = (UniqueConstraint("rule_id", "person_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    rule_id: Mapped[str] = mapped_column(ForeignKey("rule.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    rule_version: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    """met | not_yet | lapsed."""
    missing: Mapped[int] = mapped_column(default=0)
    """How many clauses are still to be met: 1 = one step away."""
    reasons: Mapped[list[dict[str, Any]]]
    """One per clause, see ``mastery.rules.Reason``."""
    decided_at: Mapped[datetime]


class Attainment(Base):
    """A learner has shown a competency by a rule; never deleted by a regrade."""

    __tablename__ = "attainment"
    __table_args__ = (UniqueConstraint("learner_id", "competency_id", "rule_id", "award_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    learner_id: Mapped[str] = mapped_column(ForeignKey("learner.id"))
    competency_id: Mapped[str] = mapped_column(ForeignKey("competency.id"))
    rule_id: Mapped[str] = mapped_column(ForeignKey("rule.id"))
    rule_version: Mapped[int]
    award_id: Mapped[str] = mapped_column(ForeignKey("award.id"), index=True)
    attained_at: Mapped[datetime]


class AttainmentEvidence(Base):
    """The result versions that an attainment was decided on."""

    __tablename__ = "attainment_evidence"

    attainment_id: Mapped[str] = mapped_column(ForeignKey("attainment.id"), primary_key=True)
    result_version_id: Mapped[int] = mapped_column(
        ForeignKey("result_version.id"), primary_key=True
    )
