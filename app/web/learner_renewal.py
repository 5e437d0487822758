"""What a learner can do about badges that end: read for the pages through the visitor's own person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.mastery.renewal import Prospect
from app.models import Award, Person
from app.pipeline import renewals
from app.pipeline.decide import load_scores, published
from app.web.course_page import Frame
from app.web.learner_data import Mine, Progress, progress_of
from app.web.session import campus


@dataclass(frozen=True)
class Next:
    """What follows a badge that ends. ``way``: how far the learner is, while it is in their hands."""

    prospect: Prospect
    way: Progress | None


def newest(earned: Sequence[Mine]) -> list[Mine]:
    """Without badges that the learner has renewed; ``earned`` is latest first."""
    renewed: set[str] = set()
    kept = []
    for mine in earned:
        if mine.achievement_id not in renewed:
            kept.append(mine)
        if mine.award.revoked_at is None:
            renewed.add(mine.achievement_id)
    return kept


def chain(earned: Sequence[Mine], award: Award) -> list[Mine]:
    """All awards of the same badge, latest first; empty when there is only this one."""
    same = [mine for mine in earned if mine.achievement_id == award.achievement_id]
    return same if len(same) > 1 else []


def following(
    session: Session, around: Frame, person: Person, awards: Sequence[Award]
) -> dict[str, Next]:
    """Award id to what follows it, for the newest awards of badges that still can be earned."""
    ending = {a.achievement_id: a for a in awards if a.expires_at and a.revoked_at is None}
    rules = [r for r in published(session, around.id) if r.achievement.id in ending]
    if not rules:
        return {}
    scores = load_scores(session, around.id, [person.id])[person.id]
    wanted = {clause.assessment for rule in rules for clause in rule.definition.clauses}
    histories = renewals.histories(session, wanted, [person.id]).get(person.id, {})
    found = {}
    for rule in rules:
        award = ending[rule.achievement.id]
        prospect = renewals.outlook(
            award,
            rule.definition,
            rule.terms,
            scores,
            histories,
            around.now,
            campus().settings.zone,
        )
        way = None
        if prospect.possible and prospect.decision is not None:
            reasons = prospect.decision.reasons
            way = progress_of(session, around.id, award, rule.definition, reasons)
        found[award.id] = Next(prospect, way)
    return found
