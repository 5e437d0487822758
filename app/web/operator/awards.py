"""Awards of the whole campus: find one, see where it went, revoke it with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app.credentials import replaced, shares
from app.errors import Invalid, NotFound
from app.models import (
    AchievementVersion,
    Award,
    Connection,
    Course,
    Credential,
    Delivery,
    Learner,
    Person,
)
from app.pipeline.revoke import revoke
from app.web import life_words, paging, session
from app.web.operator.blueprint import actor, bp, done

STATES: Final = ("waiting", "needs_recipient", "issued", "revoked", "superseded")


@dataclass(frozen=True)
class Sought:
    """The filters of the page."""

    find: str = ""
    state: str = ""


@dataclass(frozen=True)
class AwardLine:
    """One award; the student number stands for the person."""

    award: Award
    badge: str
    course: Course
    student: str | None


def parse(args: MultiDict[str, str]) -> Sought:
    """The filters of an address; an unknown state means none."""
    state = args.get("state", "")
    return Sought(args.get("find", "").strip()[:100], state if state in STATES else "")


def _base(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(Award)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(Course, Course.id == Award.course_id)
        .join(Person, Person.id == Award.person_id)
        .join(Learner, Learner.id == Award.learner_id)
    )


_LINE = (Award, AchievementVersion.name, Course, func.coalesce(Person.sis_id, Learner.sis_id))


def _conditions(sought: Sought) -> list[ColumnElement[bool]]:
    """Student number, badge, course, or an id as it stands in a credential file."""
    found: list[ColumnElement[bool]] = []
    if sought.state:
        found.append(Award.state == sought.state)
    if sought.find:
        text = sought.find.removeprefix("urn:uuid:")
        like = f"%{text.replace('%', '').replace('_', '')}%"
        files = select(Credential.award_id).where(Credential.id == text)
        found.append(
            or_(
                Award.id == text,
                Award.id.in_(files),
                AchievementVersion.name.ilike(like),
                Course.title.ilike(like),
                Person.sis_id.ilike(like),
                Learner.sis_id.ilike(like),
            )
        )
    return found


@bp.get("/awards")
def awards() -> ResponseReturnValue:
    """Search, newest first."""
    sought = parse(request.args)
    where = _conditions(sought)
    with session.campus().db.reading() as db:
        page = paging.page_of(db.scalar(_base(func.count(Award.id)).where(*where)) or 0)
        query = _base(*_LINE).where(*where).order_by(Award.awarded_at.desc(), Award.id)
        rows = db.execute(query.limit(page.per).offset(page.offset))
        return render_template(
            "operator/awards.html",
            sought=sought,
            states=STATES,
            page=page,
            lines=[AwardLine(*row) for row in rows],
        )


def line_of(db: Session, award_id: str) -> AwardLine:
    """One award as the pages name it; raises NotFound."""
    row = db.execute(_base(*_LINE).where(Award.id == award_id)).one_or_none()
    if row is None:
        raise NotFound("no-such-award", "There is no such award.")
    return AwardLine(*row)


@bp.get("/awards/<award_id>")
def award(award_id: str) -> ResponseReturnValue:
    """One award: how it stands, its files, where it went."""
    with session.campus().db.reading() as db:
        deliveries = select(Delivery, Connection).join(
            Connection, Connection.id == Delivery.connection_id
        )
        shared = shares.living(db, award_id, session.campus().clock())
        return render_template(
            "operator/award.html",
            line=line_of(db, award_id),
            credential=db.scalar(
                select(Credential)
                .where(Credential.award_id == award_id)
                .order_by(Credential.number.desc())
                .limit(1)
            ),
            shared=shared is not None,
            earlier=replaced.earlier(db, award_id),
            why_replaced=life_words.replaced_for,
            deliveries=db.execute(
                deliveries.where(Delivery.award_id == award_id).order_by(Delivery.created_at)
            ).all(),
        )


@bp.get("/awards/<award_id>/revoke")
def award_revoke(award_id: str) -> ResponseReturnValue:
    """Ask for the reason and say what a revocation does."""
    return _revoke_page(award_id, "", {})


def _revoke_page(award_id: str, reason: str, errors: dict[str, str]) -> str:
    with session.campus().db.reading() as db:
        return render_template(
            "operator/award_revoke.html",
            line=line_of(db, award_id),
            reason=reason,
            errors=errors,
        )


@bp.post("/awards/<award_id>/revoke")
def award_revoke_confirm(award_id: str) -> ResponseReturnValue:
    """Revoke; a missing reason shows the form again."""
    reason = request.form.get("reason", "").strip()
    try:
        revoke(session.campus(), award_id, reason, actor())
    except Invalid:
        errors = {"reason": gettext("Say why. The learner reads this reason.")}
        return _revoke_page(award_id, reason, errors), 422
    return done("operator.award", "revoked", award_id=award_id)
