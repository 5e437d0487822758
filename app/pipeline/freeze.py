"""Fix a badge's wording for ever at publication: competencies, criteria, and the verifiers' consent.

A wording says which competencies the badge shows and how it is earned, so a rule that says something
else needs a wording of its own, even when its author changed no word.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import described, editions, issuing
from app.credentials.details import AskedResult, Details
from app.credentials.drawing import Drawing
from app.credentials.drift import lint
from app.credentials.editions import Edition
from app.credentials.phrases import LANGUAGES, phrase, speaks
from app.credentials.proofs import data_integrity
from app.errors import Invalid
from app.mastery.renewal import TERMS, Terms
from app.mastery.rules import RuleDefinition
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    Competency,
    Framework,
    Issuer,
)
from app.pipeline import shown
from app.pipeline.campus import Campus
from app.words import say

AUTHORED = (
    "name",
    "description",
    "criteria",
    "criteria_made",
    "design",
    "palette",
    "image",
    "image_alt",
    "details",
    "drawing",
    "editions",
    *TERMS,
)
"""What the author decides of a version; the rest follows from the rule."""


def freeze(
    campus: Campus,
    session: Session,
    achievement: Achievement,
    version: AchievementVersion,
    definition: RuleDefinition,
    now: datetime,
) -> None:
    """Publish ``version``, or a successor when it is frozen and says what the rule no longer does.

    Raises Invalid for a wording that some verifiers would refuse, and for one that has run out.
    """
    Terms.of(version).check(now.astimezone(campus.settings.zone).date())
    if version.published_at is not None and not says(session, version, definition):
        version = _successor(session, version, now)
    if version.published_at is None:
        complete(session, version, definition)
        must_have_alt(version)
        must_be_whole(version)
        session.flush()
        sample = compose_sample(campus, session, achievement, version)
        check(sample)
        version.fast = data_integrity.check_trim(sample)
        version.published_at = now
    achievement.published_version = version.number


def complete(
    session: Session, version: AchievementVersion, definition: RuleDefinition
) -> AchievementVersion:
    """Put into ``version`` what the rule says of it: competencies, criteria, the marks asked for."""
    version.alignments = _alignments(session, definition)
    details = Details.from_json(version.details)
    if version.criteria_made or not version.criteria:
        version.criteria = _criteria(session, definition, details.language)
        version.criteria_made = True
    version.editions = editions.to_json(_editions(session, version, definition))
    marks = _marks(session, definition) if details.marks else ()
    version.details = replace(details, results=marks).to_json()
    version.image_alt = version.image_alt or suggested_alt(version)
    return version


def _editions(
    session: Session, version: AchievementVersion, definition: RuleDefinition
) -> dict[str, Edition]:
    """The editions with the criteria that are made from the rule, in languages that we speak."""
    found = editions.of(version)
    for language, edition in found.items():
        if edition.criteria and not edition.criteria_made:
            continue
        makes = version.criteria_made and speaks(language)
        made = _criteria(session, definition, language) if makes else ""
        found[language] = replace(edition, criteria=made, criteria_made=makes)
    return found


def suggested_alt(version: AchievementVersion) -> str:
    """The picture in words, when it is one of the designs; empty for an uploaded one."""
    language = Details.from_json(version.details).language
    return described.suggestion(version.design, Drawing.from_json(version.drawing), language)


def must_have_alt(version: AchievementVersion) -> None:
    """Raises Invalid for a picture that nobody put into words."""
    if not version.image_alt:
        said = say("Say in words what the picture shows, for people who do not see it.")
        raise Invalid("badge-alt", said, fields={"image_alt": said})


def must_be_whole(version: AchievementVersion) -> None:
    """Raises Invalid for an edition that says less than the signed words."""
    language = editions.lacking(version)
    if language is not None:
        said = say(
            "The edition in %(language)s does not say yet what the badge stands for or how it is earned.",
            language=LANGUAGES[language],
        )
        raise Invalid("badge-edition", said, fields={"editions": said})


def check(sample: dict[str, Any]) -> None:
    """Raises Invalid for a document that verifiers would not agree on; ``fields`` says where."""
    findings = lint(sample)
    if findings:
        first = findings[0]
        raise Invalid(
            "badge-drift",
            f"Some verifiers would refuse this badge: {first.message}.",
            fields={first.where.rpartition(".")[2]: first.message},
        )


def says(session: Session, version: AchievementVersion, definition: RuleDefinition) -> bool:
    """Whether the wording says what the rule says today."""
    details = Details.from_json(version.details)
    marks = _marks(session, definition) if details.marks else ()
    return (
        version.alignments == _alignments(session, definition)
        and details.results == marks
        and editions.of(version) == _editions(session, version, definition)
        and (
            not version.criteria_made
            or version.criteria == _criteria(session, definition, details.language)
        )
    )


def _successor(session: Session, version: AchievementVersion, now: datetime) -> AchievementVersion:
    """The same words as a draft with the next number."""
    made = AchievementVersion(
        achievement_id=version.achievement_id,
        number=version.number + 1,
        alignments=[],
        created_at=now,
        **{name: getattr(version, name) for name in AUTHORED},
    )
    session.add(made)
    return made


def _alignments(session: Session, definition: RuleDefinition) -> list[dict[str, Any]]:
    """The competencies of the rule as they are worded today."""
    wanted = list(dict.fromkeys(clause.competency for clause in definition.clauses))
    query = (
        select(Competency, Framework)
        .join(Framework, Framework.id == Competency.framework_id)
        .where(Competency.id.in_(wanted))
    )
    rows = {c.id: (c, f) for c, f in session.execute(query)}
    return [
        {
            "competency": competency.id,
            "code": competency.code,
            "statement": competency.statement,
            "uri": competency.uri,
            "case_id": competency.case_id,
            "framework": framework.title,
        }
        for competency, framework in (rows[item] for item in wanted)
    ]


def _criteria(session: Session, definition: RuleDefinition, language: str) -> str:
    """The rule in words, for a badge whose author wrote no criteria."""
    titles = _titles(session, definition)
    parts = [
        phrase(language, "mark", title=titles[c.assessment], mark=format(c.pass_mark, "f"))
        for c in definition.clauses
    ]
    if len(parts) == 1:
        return f"{parts[0]}."
    way = str(definition.needs) if definition.needs in ("all", "any") else "some"
    head = phrase(language, way, needed=definition.required)
    return f"{head}:\n" + "\n".join(f"- {part}" for part in parts)


def _titles(session: Session, definition: RuleDefinition) -> dict[str, str]:
    query = select(Assessment.id, Assessment.title).where(
        Assessment.id.in_({clause.assessment for clause in definition.clauses})
    )
    return dict(session.execute(query).all())


def _marks(session: Session, definition: RuleDefinition) -> tuple[AskedResult, ...]:
    """The highest mark that is asked for in each assessment: one may show several competencies."""
    titles = _titles(session, definition)
    highest: dict[str, Decimal] = {}
    for clause in definition.clauses:
        highest[clause.assessment] = max(
            clause.pass_mark, highest.get(clause.assessment, clause.pass_mark)
        )
    return tuple(AskedResult(key, titles[key], mark) for key, mark in highest.items())


def compose_sample(
    campus: Campus,
    session: Session,
    achievement: Achievement,
    version: AchievementVersion,
    *,
    list_number: int = 1,
) -> dict[str, Any]:
    """A credential of this wording for nobody, to be held against the verifiers' rules."""
    award = Award(
        subject_id="urn:uuid:00000000-0000-4000-8000-000000000000",
        salt="0" * 32,
        status_index=0,
        awarded_at=campus.clock().replace(microsecond=0),
        expires_at=sample_end(campus, version),
    )
    return issuing.compose(
        credential_id="00000000-0000-4000-8000-000000000000",
        award=award,
        version=version,
        issuer=session.get_one(Issuer, achievement.issuer_id),
        list_number=list_number,
        email="nobody@example.edu",
        public_url=campus.settings.public_url,
        shown=shown.sample(version, campus.settings.public_url, campus.clock()),
    )


def sample_end(campus: Campus, version: AchievementVersion) -> datetime | None:
    """When a badge of this wording ends that is awarded now; None also when the day has passed."""
    now = campus.clock().replace(microsecond=0)
    ends = Terms.of(version).validity.ends(now, campus.settings.zone)
    return ends if ends is None or ends > now else None
