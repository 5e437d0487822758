"""What the pure ``mastery.renewal`` decides on, read for many learners at once: the newest award of a
badge, and every state that the results of its rule were ever seen in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from app.mastery import renewal
from app.mastery.renewal import Last, Prospect, Seen, Terms
from app.mastery.rules import RuleDefinition, Score
from app.models import Award, Connection, Delivery, Result, ResultVersion

Key = tuple[str, str]
Histories = Mapping[str, Mapping[str, Sequence[Seen]]]
"""Person to assessment to the states of the result, in the order of reading."""


@dataclass(frozen=True)
class Chains:
    """Awards of some badges and learners, those that others stand in for left out."""

    awards: Mapping[Key, Sequence[Award]]
    """(learner, achievement) to awards, oldest first."""
    histories: Histories

    @classmethod
    def load(
        cls,
        session: Session,
        achievement_ids: Collection[str],
        learner_ids: Collection[str],
        assessment_ids: Collection[str],
        person_ids: Collection[str],
    ) -> Chains:
        """Two queries; none where no badge is renewed."""
        if not achievement_ids:
            return cls({}, {})
        query = select(Award).where(
            Award.achievement_id.in_(achievement_ids),
            Award.learner_id.in_(learner_ids),
            Award.state != "superseded",
        )
        awards: defaultdict[Key, list[Award]] = defaultdict(list)
        for row in session.scalars(query.order_by(Award.awarded_at, Award.id)):
            awards[row.learner_id, row.achievement_id].append(row)
        return cls(awards, histories(session, assessment_ids, person_ids) if awards else {})

    def last(self, learner_id: str, achievement_id: str, base: str) -> Award | None:
        """The newest award of a chain; ``base`` is the occurrence of its first one."""
        chain = self.awards.get((learner_id, achievement_id), ())
        mine = [award for award in chain if renewal.belongs(award.occurrence, base)]
        return mine[-1] if mine else None

    def of(self, person_id: str, definition: RuleDefinition) -> Mapping[str, Sequence[Seen]]:
        """Assessment to history, for the assessments of one rule."""
        mine = self.histories.get(person_id, {})
        return {
            c.assessment: mine[c.assessment] for c in definition.clauses if c.assessment in mine
        }


def histories(
    session: Session, assessment_ids: Collection[str], person_ids: Collection[str]
) -> Histories:
    """Every state of the results of these people in these assessments."""
    query = (
        select(Result.person_id, Result.assessment_id, ResultVersion)
        .join(ResultVersion, ResultVersion.result_id == Result.id)
        .where(Result.assessment_id.in_(assessment_ids), Result.person_id.in_(person_ids))
        .order_by(ResultVersion.result_id, ResultVersion.number)
    )
    found: defaultdict[str, defaultdict[str, list[Seen]]]
    found = defaultdict(lambda: defaultdict(list))
    for person_id, assessment_id, row in session.execute(query):
        seen = Seen(row.raw, row.maximum, row.attempt, row.graded_at, row.seen_at)
        found[person_id][assessment_id].append(seen)
    return found


def last_of(award: Award) -> Last:
    """An award as the decision sees it."""
    standing = award.revoked_at is None and award.held_at is None
    return Last(award.awarded_at, award.expires_at, standing)


def outlook(
    award: Award,
    definition: RuleDefinition,
    terms: Terms,
    scores: Mapping[str, Score],
    history: Mapping[str, Sequence[Seen]],
    now: datetime,
    zone: ZoneInfo,
) -> Prospect:
    """What follows ``award`` by the rule and the terms in force now."""
    return renewal.prospect(definition, scores, history, last_of(award), terms, now, zone)


def is_renewed() -> ColumnElement[bool]:
    """Whether a later award that nobody revoked stands beside an ``Award`` of the query."""
    later = aliased(Award)
    return exists().where(
        later.learner_id == Award.learner_id,
        later.achievement_id == Award.achievement_id,
        later.id != Award.id,
        later.awarded_at > Award.awarded_at,
        later.revoked_at.is_(None),
        later.state != "superseded",
    )


def in_force(now: datetime) -> ColumnElement[bool]:
    """Awards that have not run out."""
    return or_(Award.expires_at.is_(None), Award.expires_at > now)


def beside(award: Award) -> ColumnElement[bool]:
    """Other awards of the same badge to the same learner in the same course."""
    return and_(
        Award.learner_id == award.learner_id,
        Award.achievement_id == award.achievement_id,
        Award.course_id == award.course_id,
        Award.id != award.id,
    )


def stands_beside(session: Session, award: Award) -> bool:
    """Whether the learner has another award of the same badge that nobody revoked."""
    query = select(Award.id).where(
        beside(award), Award.revoked_at.is_(None), Award.state != "superseded"
    )
    return session.scalar(query.limit(1)) is not None


def sent_beside(session: Session, award: Award, kind: str) -> Sequence[str]:
    """Connections of a kind to which another award of the same badge was sent.

    What stands there stayed for this award: the last of them takes it back, whatever became of its
    own delivery. To ask once too often changes nothing: a target looks before it takes away.
    """
    return session.scalars(
        select(Delivery.connection_id)
        .join(Connection, Connection.id == Delivery.connection_id)
        .join(Award, Award.id == Delivery.award_id)
        .where(
            Connection.kind == kind,
            Delivery.operation == "create",
            Delivery.state.in_(("sent", "sending")),
            beside(award),
        )
    ).all()
