"""Badges that wait for their issuer's approval: look at one, approve it, or say why not."""

from __future__ import annotations

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import editions, files
from app.credentials.details import Details
from app.errors import Invalid, NotFound
from app.mastery.rules import RuleDefinition
from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Competency,
    Course,
    Issuer,
    Person,
    Rule,
    RuleVersion,
)
from app.models import PublicationRequest as Request
from app.pipeline import approvals as approving
from app.web import badge_words, session, wording
from app.web.locale import spoken
from app.web.operator.blueprint import actor, bp, done


@bp.get("/approvals")
def approvals() -> ResponseReturnValue:
    """What waits, the oldest first."""
    with session.campus().db.reading() as db:
        return render_template(
            "operator/approvals.html", lines=approving.queue(db), now=session.campus().clock()
        )


@bp.get("/approvals/<request_id>")
def approval(request_id: str) -> ResponseReturnValue:
    """The badge as it would be published, and the answer."""
    return _page(request_id, "", {})


def _page(request_id: str, word: str, errors: dict[str, str]) -> str:
    with session.campus().db.reading() as db:
        row = _request(db, request_id)
        version = _version(db, row)
        definition = _rule(db, row)
        titles = dict(
            db.execute(
                select(Assessment.id, Assessment.title).where(Assessment.course_id == row.course_id)
            ).all()
        )
        wanted = [clause.competency for clause in definition.clauses]
        named = select(Competency.id, Competency.statement).where(Competency.id.in_(wanted))
        statements = dict(db.execute(named).all())
        return render_template(
            "operator/approval.html",
            row=row,
            version=version,
            editions=[editions.worded(version, one) for one in editions.of(version)],
            issuer=db.get_one(Issuer, row.issuer_id),
            course=db.get_one(Course, row.course_id),
            teacher=db.get(Person, row.asked_by.removeprefix("person:")),
            facts=badge_words.facts(Details.from_json(version.details)),
            sentence=wording.rule(definition.needs, definition.clauses, titles),
            competencies=[statements[one] for one in dict.fromkeys(wanted)],
            before=db.get_one(Achievement, row.achievement_id).published_version,
            word=word,
            errors=errors,
            now=session.campus().clock(),
        )


def _request(db: Session, request_id: str) -> Request:
    row = db.get(Request, request_id)
    if row is None:
        raise NotFound("request-unknown", "There is no such request.")
    return row


def _version(db: Session, row: Request) -> AchievementVersion:
    """The wording that was asked about, as it is now."""
    return db.scalars(
        select(AchievementVersion).where(
            AchievementVersion.achievement_id == row.achievement_id,
            AchievementVersion.number == row.version,
        )
    ).one()


def _rule(db: Session, row: Request) -> RuleDefinition:
    """The rule that was asked about."""
    stored = db.scalars(
        select(RuleVersion.definition)
        .join(Rule, Rule.id == RuleVersion.rule_id)
        .where(
            Rule.course_id == row.course_id,
            Rule.achievement_id == row.achievement_id,
            RuleVersion.number == row.rule_version,
        )
    ).one()
    return RuleDefinition.from_json(stored)


@bp.get("/approvals/<request_id>/picture")
def approval_picture(request_id: str) -> Response:
    """The picture of the badge; a draft has none in public."""
    with session.campus().db.reading() as db:
        drawn = files.image_png(_version(db, _request(db, request_id)))
    answer = make_response(drawn)
    answer.mimetype = "image/png"
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@bp.post("/approvals/<request_id>")
def approval_answer(request_id: str) -> ResponseReturnValue:
    """Approve or decline, with a word to the teacher."""
    word = request.form.get("word", "")
    approves = request.form.get("answer") == "approve"
    decide = approving.approve if approves else approving.decline
    try:
        decide(session.campus(), request_id, word, actor(), session.people_here())
    except Invalid as error:
        return _page(request_id, word, _said(error)), 422
    return done("operator.approvals", "badge_approved" if approves else "badge_declined")


def _said(error: Invalid) -> dict[str, str]:
    """What is wrong with the answer, or with the badge."""
    if error.code == "approval-word":
        return {"word": gettext("Say why, in at most 1,000 characters. The teacher reads it.")}
    return {"word": f"{spoken(error.message)} {spoken(error.fix)}".strip()}
