"""What a rule would do with today's grades: words, counts, one picture, who is close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy.orm import Session

from app.mastery.rules import Reason, RuleDefinition
from app.pipeline.preview import Preview, preview
from app.web import charts, wording

CLOSE_SHOWN = 5
REASONS_SHOWN = 3


@dataclass(frozen=True)
class Picture:
    """The distribution of one assessment with its pass mark."""

    assessment: str
    title: str
    pass_mark: Decimal
    chart: charts.Histogram
    reached: int
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Outcome:
    """Everything beside the mapping table. ``close``: name and what is missing."""

    sentence: Markup
    preview: Preview
    picture: Picture | None
    close: Sequence[tuple[str, Sequence[str]]]


def outcome(
    session: Session,
    course_id: str,
    definition: RuleDefinition,
    titles: Mapping[str, str],
    shown: str,
) -> Outcome:
    """Evaluate ``definition`` for the whole course; ``shown`` names the assessment of the picture."""
    found = preview(session, course_id, definition, limit=CLOSE_SHOWN, group="close")
    lines = found.lines if definition.clauses else []
    return Outcome(
        sentence=wording.rule(definition.needs, definition.clauses, titles),
        preview=found,
        picture=_picture(found, definition, titles, shown),
        close=[(line.name, reasons_in_words(line.decision.reasons, titles)) for line in lines],
    )


def _picture(
    found: Preview, definition: RuleDefinition, titles: Mapping[str, str], shown: str
) -> Picture | None:
    clauses = {clause.assessment: clause for clause in reversed(definition.clauses)}
    clause = clauses.get(shown) or (definition.clauses[0] if definition.clauses else None)
    if clause is None:
        return None
    bins = found.histogram[clause.assessment]
    return Picture(
        assessment=clause.assessment,
        title=titles.get(clause.assessment, ""),
        pass_mark=clause.pass_mark,
        chart=charts.histogram(bins, clause.pass_mark),
        reached=found.reached.get(clause.assessment, 0),
        rows=[(_range(place), wording.number(count)) for place, count in enumerate(bins)],
    )


def _range(place: int) -> str:
    """The name of a bin: ``70 % to below 80 %``."""
    lower = wording.percent(Decimal(place * 10))
    if place == charts.BINS - 1:
        return _("%(lower)s and more", lower=lower)
    upper = wording.percent(Decimal(place * 10 + 10))
    return _("%(lower)s to below %(upper)s", lower=lower, upper=upper)


def reasons_in_words(reasons: Sequence[Reason], titles: Mapping[str, str]) -> list[str]:
    """Every clause that is not met, at most a few, the nearest to its mark first."""
    open_ = [reason for reason in reasons if reason.state != "met"]
    open_.sort(key=_distance)
    return [
        _(
            "%(title)s: %(reason)s",
            title=titles.get(reason.assessment, _("an assessment that is gone")),
            reason=wording.reason(reason.state, reason.percent, reason.pass_mark),
        )
        for reason in open_[:REASONS_SHOWN]
    ]


def _distance(reason: Reason) -> Decimal:
    """Points to the mark; what has no grade comes last."""
    return Decimal(101) if reason.percent is None else reason.pass_mark - reason.percent
