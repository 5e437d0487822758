"""The learners of a course, and how each stands towards one badge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, request
from sqlalchemy.orm import Session

from app.mastery.rules import Reason
from app.pipeline import badges
from app.pipeline.badges import BadgeDraft
from app.pipeline.preview import Preview, preview
from app.web import charts, wording
from app.web.course_page import Frame, frame, show
from app.web.instructor import data
from app.web.instructor.badges import has_changes
from app.web.instructor.blueprint import bp
from app.web.instructor.data import Standing
from app.web.instructor.outcome import reasons_in_words
from app.web.paging import PER_PAGE, Page, asked_page, page_of
from app.web.session import campus

FIND_LENGTH = 100
GROUPS: tuple[Standing, ...] = ("earned", "close", "others")


@bp.get("/learners")
def learners(course_id: str) -> Response:
    """Everybody in the course with the number of badges earned here."""
    find = request.args.get("find", "").strip()[:FIND_LENGTH]
    with campus().db.reading() as session:
        around = frame(session, course_id)
        rows, page = data.people(session, course_id, find)
    return show(around, "instructor/learners.html", "learners", rows=rows, page=page, find=find)


@dataclass(frozen=True)
class Standings:
    """One page of one group: names with every reason, and the size of each group."""

    earned: int
    close: int
    others: int
    lines: Sequence[tuple[str, Sequence[Reason]]]
    page: Page

    @property
    def total(self) -> int:
        """Everybody who learns in the course."""
        return self.earned + self.close + self.others


@bp.get("/badges/<achievement_id>/learners")
def standings(course_id: str, achievement_id: str) -> Response:
    """Who reaches the badge, who is one step away, and why not the others."""
    asked = request.args.get("group", "")
    group: Standing = next((key for key in GROUPS if key == asked), "close")
    with campus().db.reading() as session:
        around = frame(session, course_id)
        found = badges.draft(session, course_id, achievement_id)
        titles = data.titles(session, course_id)
        result = _standings(session, around, found, group)
    counts = [(result.earned, ""), (result.close, "near"), (result.others, "out")]
    return show(
        around,
        "instructor/standings.html",
        "badges",
        found=found,
        group=group,
        groups=GROUPS,
        result=result,
        titles=titles,
        parts=charts.split(counts),
        draft=found.rule.state == "draft" or has_changes(found),
        missing=lambda reasons: reasons_in_words(reasons, titles),
        reason=wording.reason,
        step=wording.step,
    )


def _standings(session: Session, around: Frame, found: BadgeDraft, group: Standing) -> Standings:
    """From the decisions in force, or by trying a draft that has none yet."""
    if found.rule.state != "draft" and not has_changes(found):
        return _decided(session, around.id, found.rule.id, group)
    tried = _tried(session, around, found, group, asked_page())
    sizes: dict[Standing, int] = {
        "earned": tried.earn,
        "close": tried.close,
        "others": tried.total - tried.earn - tried.close,
    }
    page = page_of(sizes[group])
    if page.number != asked_page():
        tried = _tried(session, around, found, group, page.number)
    lines = [(line.name, line.decision.reasons) for line in tried.lines]
    return Standings(**sizes, lines=lines, page=page)


def _tried(
    session: Session, around: Frame, found: BadgeDraft, group: Standing, number: int
) -> Preview:
    """One page of a group, as today's grades would have it."""
    offset = (number - 1) * PER_PAGE
    return preview(session, around.id, found.definition, limit=PER_PAGE, offset=offset, group=group)


def _decided(session: Session, course_id: str, rule_id: str, group: Standing) -> Standings:
    counts = data.standing_counts(session, course_id, rule_id)
    page = page_of(counts[group])
    lines = data.standing_lines(session, course_id, rule_id, group, page)
    return Standings(**counts, lines=lines, page=page)
