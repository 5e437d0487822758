"""What an instructor does with a badge: make it, word it, map it, publish, stop, resume.

A badge is an achievement with versions and, in this course, a rule with versions. Drafts change
freely; what is published is frozen, and the next change begins a new draft beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app import audit
from app.credentials import designs, editions
from app.credentials.details import Details
from app.credentials.drawing import Drawing
from app.credentials.editions import LIMITS, Edition
from app.credentials.files import UPLOAD
from app.db import new_id
from app.errors import Conflict, Invalid, NotFound
from app.mastery.renewal import Terms
from app.mastery.rules import RuleDefinition
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    Competency,
    Decision,
    Endorsement,
    Framework,
    PublicationRequest,
    Rule,
    RuleVersion,
)
from app.pipeline import collect, issuer_keys, outbox, publication
from app.pipeline.campus import Campus
from app.pipeline.decide import mark_stale
from app.pipeline.freeze import freeze, says, suggested_alt

REGRADE = ("keep", "review", "revoke")


@dataclass(frozen=True)
class BadgeEdit:
    """Everything that the mapping and look pages can change. ``image``: a new PNG upload."""

    name: str
    description: str
    criteria: str
    design: str
    palette: str
    image: bytes | None
    image_alt: str
    regrade: str
    course_column: bool
    definition: RuleDefinition
    details: Details = field(default_factory=Details)
    terms: Terms = field(default_factory=Terms)
    """How long it is valid and how it is renewed."""
    drawing: Drawing = field(default_factory=Drawing)
    editions: Mapping[str, Edition] = field(default_factory=dict)


@dataclass(frozen=True)
class BadgeDraft:
    """A badge as its editor sees it: the draft if there is one, else what is published."""

    achievement: Achievement
    version: AchievementVersion
    rule: Rule
    rule_version: RuleVersion
    definition: RuleDefinition


def create(
    campus: Campus, course_id: str, name: str, actor: str, person_id: str | None = None
) -> str:
    """A new draft badge with an empty rule; returns the achievement's id. Raises Invalid."""
    name = _words(name)
    if not 3 <= len(name) <= LIMITS["name"]:
        raise Invalid(
            "badge-name", "Give the badge a name.", fields={"name": "3 to 200 characters"}
        )
    issuer_id = issuer_keys.default_issuer(campus)
    now = campus.clock()
    with campus.db.transaction() as session:
        achievement = Achievement(
            id=new_id(), issuer_id=issuer_id, course_id=course_id, created_at=now
        )
        session.add(achievement)
        session.flush()
        session.add(
            AchievementVersion(
                achievement_id=achievement.id, number=1, name=name, created_at=now, alignments=[]
            )
        )
        rule = Rule(id=new_id(), course_id=course_id, achievement_id=achievement.id)
        session.add(rule)
        session.flush()
        empty = RuleDefinition("all", ())
        session.add(_rule_version(rule.id, 1, empty, person_id, now))
        audit.record(session, actor, "badge.created", f"achievement:{achievement.id}", {}, now)
    return achievement.id


def draft(
    session: Session, course_id: str, achievement_id: str, *, to_change: bool = False
) -> BadgeDraft:
    """The newest wording and rule; raises NotFound for a badge of another course.

    ``to_change`` keeps other writers of this badge out until the transaction ends: what one
    publishes must not be changed by another's save that began before.
    """
    query = select(Rule).where(Rule.course_id == course_id, Rule.achievement_id == achievement_id)
    rule = session.scalar(query.with_for_update() if to_change else query)
    if rule is None:
        raise NotFound("badge-unknown", "There is no such badge in this course.")
    achievement = session.get_one(Achievement, achievement_id)
    version = session.scalars(
        select(AchievementVersion)
        .where(AchievementVersion.achievement_id == achievement_id)
        .order_by(AchievementVersion.number.desc())
        .limit(1)
    ).one()
    rule_version = session.scalars(
        select(RuleVersion)
        .where(RuleVersion.rule_id == rule.id)
        .order_by(RuleVersion.number.desc())
        .limit(1)
    ).one()
    definition = RuleDefinition.from_json(rule_version.definition)
    return BadgeDraft(achievement, version, rule, rule_version, definition)


def save(
    campus: Campus,
    course_id: str,
    achievement_id: str,
    edit: BadgeEdit,
    actor: str,
    person_id: str | None = None,
) -> None:
    """Keep a draft. Raises Invalid with a message per field; nothing is kept then."""
    now = campus.clock()
    with campus.db.transaction() as session:
        present = draft(session, course_id, achievement_id, to_change=True)
        publication.refuse_while_waiting(session, achievement_id)
        _check(edit, edit.image or present.version.image)
        _check_ids(session, course_id, edit.definition)
        _save_wording(session, present, edit, edit.image, now)
        _save_rule(session, present, edit.definition, person_id, now)
        present.achievement.regrade = edit.regrade
        present.achievement.course_column = edit.course_column
        audit.record(session, actor, "badge.saved", f"achievement:{achievement_id}", {}, now)


def _words(text: str) -> str:
    return " ".join(text.split())


def _check(edit: BadgeEdit, image: bytes | None) -> None:
    """Every wrong field with its message, in one Invalid."""
    fields = {
        name: f"at most {limit} characters"
        for name, limit in LIMITS.items()
        if len(getattr(edit, name)) > limit
    }
    rules = {
        "name": (len(_words(edit.name)) >= 3, "at least 3 characters"),
        "regrade": (edit.regrade in REGRADE, "choose one"),
        "palette": (edit.palette in designs.PALETTES, "choose one"),
        "design": (edit.design in (*designs.DESIGNS, UPLOAD), "choose one"),
        "image": (
            edit.design != UPLOAD or image is not None,
            "upload a picture, or choose a design",
        ),
    }
    fields |= {name: message for name, (good, message) in rules.items() if not good}
    if fields:
        raise Invalid("badge-fields", "Some fields need a look.", fields=fields)
    edit.details.check()
    edit.drawing.check()
    editions.check(edit.editions, edit.details.language)


def _check_ids(session: Session, course_id: str, definition: RuleDefinition) -> None:
    """Assessments of this course and competencies within reach only, whatever the form says."""
    assessments = set(
        session.scalars(select(Assessment.id).where(Assessment.course_id == course_id))
    )
    competencies = set(
        session.scalars(
            select(Competency.id)
            .join(Framework, Framework.id == Competency.framework_id)
            .where((Framework.course_id == course_id) | Framework.course_id.is_(None))
        )
    )
    for clause in definition.clauses:
        if clause.assessment not in assessments or clause.competency not in competencies:
            raise Invalid("rule-foreign", "The form names something that is not in this course.")
        if not 0 <= clause.pass_mark <= 100:
            raise Invalid(
                "rule-mark",
                "A pass mark is a percentage from 0 to 100.",
                fields={f"mark-{clause.assessment}": "0 to 100"},
            )


def _save_wording(
    session: Session, present: BadgeDraft, edit: BadgeEdit, image: bytes | None, now: datetime
) -> None:
    values: dict[str, Any] = {
        "name": _words(edit.name),
        "description": edit.description.strip(),
        "criteria": edit.criteria.strip(),
        "design": edit.design,
        "palette": edit.palette,
        "image": image or present.version.image,
        "image_alt": _alt(present.version, edit),
        "drawing": edit.drawing.to_json(),
        "editions": editions.to_json(edit.editions),
        "details": replace(edit.details, results=()).to_json(),
        **edit.terms.columns(),
    }
    target = present.version
    values["criteria_made"] = target.criteria_made and values["criteria"] == target.criteria
    if target.published_at is not None:
        published = Details.from_json(target.details)
        kept = replace(edit.details, results=published.results if edit.details.marks else ())
        values["details"] = kept.to_json()
        if all(getattr(target, name) == value for name, value in values.items()):
            return
        target = AchievementVersion(
            achievement_id=target.achievement_id,
            number=target.number + 1,
            alignments=[],
            created_at=now,
        )
        session.add(target)
    for name, value in values.items():
        setattr(target, name, value)


def _alt(version: AchievementVersion, edit: BadgeEdit) -> str:
    """The picture in words: what its author wrote. What was made is made anew for another picture."""
    made = suggested_alt(version)
    written = _words(edit.image_alt)
    if written not in ("", made):
        return written
    present = (version.design, version.drawing, Details.from_json(version.details).language)
    same = present == (edit.design, edit.drawing.to_json(), edit.details.language)
    return version.image_alt if same and version.image_alt in ("", made) else ""


def _save_rule(
    session: Session,
    present: BadgeDraft,
    definition: RuleDefinition,
    person_id: str | None,
    now: datetime,
) -> None:
    if present.definition == definition:
        return
    if present.rule_version.published_at is None:
        present.rule_version.definition = definition.to_json()
        return
    number = present.rule_version.number + 1
    session.add(_rule_version(present.rule.id, number, definition, person_id, now))


def _rule_version(
    rule_id: str, number: int, definition: RuleDefinition, person_id: str | None, now: datetime
) -> RuleVersion:
    return RuleVersion(
        rule_id=rule_id,
        number=number,
        definition=definition.to_json(),
        created_by=person_id,
        created_at=now,
    )


def publish(campus: Campus, course_id: str, achievement_id: str, actor: str) -> str:
    """Freeze the draft, put the rule in force and ask for a reading. Returns the run's id.

    Raises Invalid with what is missing. Raises Conflict where its issuer has to be asked
    (``approvals``). Publishing again what is published is harmless.
    """
    with campus.db.transaction() as session:
        present = draft(session, course_id, achievement_id, to_change=True)
        if must_ask(session, present):
            raise Conflict(
                "badge-needs-approval",
                "The issuer of this badge looks at it before it is published.",
                fix="Send it to the issuer for approval.",
            )
        put_in_force(campus, session, present, actor, campus.clock())
    return collect.request(campus, course_id, "publish")


def must_ask(session: Session, present: BadgeDraft) -> bool:
    """Whether publishing says something new in the name of an issuer that wants to see it first."""
    if publication.admits(publication.issuer_of(session, present.achievement)):
        return False
    newest = (present.version.number, present.rule_version.number)
    in_force = (present.achievement.published_version, present.rule.published_version)
    return newest != in_force or not says(session, present.version, present.definition)


def put_in_force(
    campus: Campus, session: Session, present: BadgeDraft, actor: str, now: datetime
) -> None:
    """Freeze a draft and let its rule award; for callers that know that it may be published."""
    course_id, achievement_id = present.rule.course_id, present.achievement.id
    present.definition.check()
    freeze(campus, session, present.achievement, present.version, present.definition, now)
    present.rule.state = present.achievement.state = "published"
    present.rule.published_version = present.rule_version.number
    present.rule_version.published_at = present.rule_version.published_at or now
    if present.achievement.course_column:
        outbox.column_again(session, course_id, achievement_id, now)
    mark_stale(session, course_id)
    detail = {"rule": present.rule.id, "version": present.rule_version.number}
    audit.record(session, actor, "badge.published", f"achievement:{achievement_id}", detail, now)


def stop(campus: Campus, course_id: str, achievement_id: str, actor: str) -> None:
    """No new awards from now on; those made stay. The undo of publishing."""
    _switch(campus, course_id, achievement_id, actor, "published", "stopped")


def resume(campus: Campus, course_id: str, achievement_id: str, actor: str) -> None:
    """Awards again, for everybody who reached it in between too."""
    _switch(campus, course_id, achievement_id, actor, "stopped", "published")
    collect.request(campus, course_id, "publish")


def _switch(
    campus: Campus, course_id: str, achievement_id: str, actor: str, old: str, new: str
) -> None:
    now = campus.clock()
    with campus.db.transaction() as session:
        rule = draft(session, course_id, achievement_id, to_change=True).rule
        if rule.state != old:
            raise Conflict("badge-state", f"This badge is {rule.state}, not {old}.")
        rule.state = new
        if new == "published":
            mark_stale(session, course_id)
        audit.record(session, actor, f"badge.{new}", f"achievement:{achievement_id}", {}, now)


def remove_draft(campus: Campus, course_id: str, achievement_id: str, actor: str) -> None:
    """Delete a badge that was never published. Raises Conflict for any other."""
    now = campus.clock()
    with campus.db.transaction() as session:
        present = draft(session, course_id, achievement_id, to_change=True)
        draft_only = present.achievement.state == "draft"
        if not draft_only or not delete_unearned(session, course_id, achievement_id):
            raise Conflict(
                "badge-published", "A published badge is not deleted.", fix="Stop it instead."
            )
        audit.record(session, actor, "badge.removed", f"achievement:{achievement_id}", {}, now)


def delete_unearned(session: Session, course_id: str, achievement_id: str) -> bool:
    """Delete a badge unless somebody was awarded it; False when it stays. Gone already is fine."""
    try:
        rule_id = draft(session, course_id, achievement_id, to_change=True).rule.id
    except NotFound:
        return True
    awards = select(func.count()).select_from(Award).where(Award.achievement_id == achievement_id)
    if session.scalar(awards):
        return False
    session.execute(
        update(Achievement)
        .where(Achievement.continues_id == achievement_id)
        .values(continues_id=None)
    )
    session.execute(delete(Endorsement).where(Endorsement.achievement_id == achievement_id))
    asked = PublicationRequest.achievement_id == achievement_id
    session.execute(delete(PublicationRequest).where(asked))
    session.execute(delete(Decision).where(Decision.rule_id == rule_id))
    session.execute(delete(RuleVersion).where(RuleVersion.rule_id == rule_id))
    session.execute(delete(Rule).where(Rule.id == rule_id))
    session.execute(
        delete(AchievementVersion).where(AchievementVersion.achievement_id == achievement_id)
    )
    session.execute(delete(Achievement).where(Achievement.id == achievement_id))
    return True
