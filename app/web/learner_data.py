"""What the learner's pages read: always through the visitor's own person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.credentials import files, shares
from app.errors import NotFound
from app.mastery.rules import Reason, RuleDefinition, evaluate
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    Competency,
    Decision,
    Disclosure,
    Issuer,
    Person,
    Rule,
    RuleVersion,
    Share,
)
from app.web.course_page import Frame
from app.web.instructor.data import reason_of
from app.web.session import campus

LINKEDIN = "https://www.linkedin.com/profile/add"
DISCLOSURES_SHOWN = 100


def me(session: Session, around: Frame) -> Person:
    """The visitor. Raises NotFound when the person is gone."""
    found = session.get(Person, around.visitor.person_id or "")
    if found is None:
        raise NotFound("person-unknown", "You are not known here any more.")
    return found


@dataclass(frozen=True)
class Mine:
    """One of the visitor's awards with its wording and its open link, if there is one."""

    award: Award
    version: AchievementVersion
    share: Share | None
    issuer: str

    @property
    def achievement_id(self) -> str:
        """Which badge it is."""
        return self.award.achievement_id

    @property
    def signed(self) -> bool:
        """Whether there is a credential that stands and is not on hold."""
        return self.award.state == "issued" and self.award.held_at is None


def _mine(course_id: str, person: Person) -> Select[Award, AchievementVersion, Share | None, str]:
    """Awards of the visitor's learner in this course; replaced ones are left out."""
    return (
        select(Award, AchievementVersion, Share, Issuer.name)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(Achievement, Achievement.id == Award.achievement_id)
        .join(Issuer, Issuer.id == Achievement.issuer_id)
        .outerjoin(Share, (Share.award_id == Award.id) & shares.is_open(campus().clock()))
        .where(
            Award.course_id == course_id,
            Award.learner_id == person.learner_id,
            Award.state != "superseded",
        )
        .order_by(Award.awarded_at.desc(), Award.id)
    )


def earned(session: Session, course_id: str, person: Person) -> list[Mine]:
    """Everything the visitor earned in this course, latest first."""
    return [Mine(*row) for row in session.execute(_mine(course_id, person))]


def one(session: Session, course_id: str, person: Person, award_id: str) -> Mine:
    """One of the visitor's own awards; raises NotFound for anybody else's."""
    row = session.execute(_mine(course_id, person).where(Award.id == award_id)).one_or_none()
    if row is None:
        raise NotFound("award-unknown", "You have no such badge in this course.")
    return Mine(*row)


def issuer_of(session: Session, award: Award) -> Issuer:
    """Who signs the award."""
    return session.scalars(
        select(Issuer)
        .join(Achievement, Achievement.issuer_id == Issuer.id)
        .where(Achievement.id == award.achievement_id)
    ).one()


def disclosures(session: Session, award_id: str) -> Sequence[Disclosure]:
    """Where the award was shown or sent, latest first."""
    query = (
        select(Disclosure)
        .where(Disclosure.award_id == award_id)
        .order_by(Disclosure.at.desc(), Disclosure.id)
        .limit(DISCLOSURES_SHOWN)
    )
    return session.scalars(query).all()


@dataclass(frozen=True)
class Step:
    """One assessment on the way."""

    title: str
    competency: str
    reason: Reason


@dataclass(frozen=True)
class Progress:
    """A badge that the visitor does not have yet. ``done`` of ``needed`` steps are met."""

    version: AchievementVersion
    steps: Sequence[Step]
    needed: int
    missing: int

    @property
    def done(self) -> int:
        """Steps that count towards what is needed."""
        return self.needed - self.missing


def in_progress(
    session: Session, course_id: str, person: Person, have: Collection[str]
) -> list[Progress]:
    """Badges in force here that the visitor has not earned, the closest first."""
    query = (
        select(Rule.achievement_id, AchievementVersion, RuleVersion, Decision)
        .join(
            RuleVersion,
            (RuleVersion.rule_id == Rule.id) & (RuleVersion.number == Rule.published_version),
        )
        .join(Achievement, Achievement.id == Rule.achievement_id)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Achievement.id)
            & (AchievementVersion.number == Achievement.published_version),
        )
        .outerjoin(Decision, (Decision.rule_id == Rule.id) & (Decision.person_id == person.id))
        .where(Rule.course_id == course_id, Rule.state == "published")
    )
    open_ = []
    for achievement_id, version, rule_version, decision in session.execute(query):
        if achievement_id not in have:
            definition = RuleDefinition.from_json(rule_version.definition)
            open_.append((version, definition, _reasons(definition, decision)))
    shown = {reason.competency for _, _, reasons in open_ for reason in reasons}
    names = _names(session, course_id, shown)
    found = [_progress(*item, *names) for item in open_]
    return sorted(found, key=lambda item: (item.missing, item.version.name))


def _progress(
    version: AchievementVersion,
    definition: RuleDefinition,
    reasons: Sequence[Reason],
    titles: Mapping[str, str],
    statements: Mapping[str, str],
) -> Progress:
    steps = [
        Step(titles.get(r.assessment, ""), statements.get(r.competency, ""), r) for r in reasons
    ]
    met = sum(reason.state == "met" for reason in reasons)
    return Progress(version, steps, definition.required, max(0, definition.required - met))


def progress_of(
    session: Session,
    course_id: str,
    award: Award,
    definition: RuleDefinition,
    reasons: Sequence[Reason],
) -> Progress:
    """The way to another award of the same badge, by reasons decided just now."""
    version = files.version_of(session, award)
    names = _names(session, course_id, {reason.competency for reason in reasons})
    return _progress(version, definition, reasons, *names)


def _reasons(definition: RuleDefinition, decision: Decision | None) -> Sequence[Reason]:
    """As decided last; before the first decision nothing is graded."""
    if decision is None:
        return evaluate(definition, {}).reasons
    return [reason_of(item) for item in decision.reasons]


def _names(
    session: Session, course_id: str, competencies: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of the course's assessments and statements of ``competencies``, by id."""
    titles = select(Assessment.id, Assessment.title).where(Assessment.course_id == course_id)
    statements = select(Competency.id, Competency.statement).where(Competency.id.in_(competencies))
    return (
        dict(session.execute(titles).all()),
        dict(session.execute(statements).all()),
    )


def linkedin(mine: Mine, issuer: Issuer, link: str) -> str:
    """The address that opens LinkedIn's own form with this badge filled in."""
    at = mine.award.awarded_at
    values = {
        "startTask": "CERTIFICATION_NAME",
        "name": mine.version.name,
        "organizationName": issuer.name,
        "issueYear": at.year,
        "issueMonth": at.month,
        "certUrl": link,
    }
    if mine.award.expires_at is not None:
        last = mine.award.expires_at.astimezone(campus().settings.zone)
        values |= {"expirationYear": last.year, "expirationMonth": last.month}
    return f"{LINKEDIN}?{urlencode(values)}"


def embed(mine: Mine, link: str) -> str:
    """HTML that shows the badge in the page of another site; the frame may do nothing but open it."""
    frame = Markup(
        '<iframe src="{}" title="{}" width="420" height="180" loading="lazy"'
        ' sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
    )
    return str(frame.format(link, mine.version.name))
