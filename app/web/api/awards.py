"""Awards, read only. Who holds one is told to tokens with the scope people:read alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from app.credentials import replaced
from app.errors import NotFound
from app.models import AchievementVersion, Award, Credential, Learner, Person
from app.web import session, tokens
from app.web.api.blueprint import bp
from app.web.api.cursors import read_page
from app.web.api.schemas import (
    AwardDetail,
    AwardList,
    AwardOut,
    AwardQuery,
    BadgeRef,
    Holder,
    Replaced,
)

PEOPLE = "people:read"


def _query() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Award,
            AchievementVersion.name,
            Person,
            func.coalesce(Person.sis_id, Learner.sis_id),
        )
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Award.achievement_id)
            & (AchievementVersion.number == Award.achievement_version),
        )
        .join(Person, Person.id == Award.person_id)
        .join(Learner, Learner.id == Award.learner_id)
    )


def _out(award: Award, badge: str, person: Person, number: str | None) -> dict[str, Any]:
    holder = Holder(name=person.name, email=person.email, student_number=number)
    return {
        "id": award.id,
        "badge": BadgeRef(id=award.achievement_id, name=badge, version=award.achievement_version),
        "course_id": award.course_id,
        "learner_id": award.learner_id,
        "state": award.state,
        "awarded_at": award.awarded_at,
        "expires_at": award.expires_at,
        "occurrence": award.occurrence,
        "revoked_at": award.revoked_at,
        "held_at": award.held_at,
        "holder": holder if _may_see_people() else None,
    }


def _may_see_people() -> bool:
    token = tokens.presented()
    return token is not None and PEOPLE in token.scopes


def _filtered(wanted: AwardQuery) -> Select[*tuple[Any, ...]]:
    query = _query()
    if wanted.state:
        query = query.where(Award.state == wanted.state)
    if wanted.course_id:
        query = query.where(Award.course_id == wanted.course_id)
    if wanted.badge_id:
        query = query.where(Award.achievement_id == wanted.badge_id)
    if wanted.since:
        query = query.where(Award.awarded_at >= wanted.since)
    return query


@bp.get("/awards")
@bp.input(AwardQuery, location="query")
@bp.output(AwardList)
def awards(query_data: AwardQuery) -> AwardList:
    """List awards, oldest first."""
    with session.campus().db.reading() as db:
        rows, following = read_page(
            db,
            _filtered(query_data),
            Award.awarded_at,
            Award.id,
            after=query_data.cursor,
            limit=query_data.limit,
            key=lambda row: (row[0].awarded_at, row[0].id),
        )
    return AwardList(data=[AwardOut(**_out(*row)) for row in rows], next=following)


@bp.get("/awards/<award_id>")
@bp.output(AwardDetail)
def award(award_id: str) -> AwardDetail:
    """Read one award with the identity of its signed file."""
    with session.campus().db.reading() as db:
        row = db.execute(_query().where(Award.id == award_id)).one_or_none()
        if row is None:
            raise NotFound("no-such-award", "There is no such award.")
        signed = db.scalar(
            select(Credential)
            .where(Credential.award_id == award_id)
            .order_by(Credential.number.desc())
            .limit(1)
        )
        before = replaced.earlier(db, award_id)
    return AwardDetail(
        **_out(*row),
        credential_id=f"urn:uuid:{signed.id}" if signed else None,
        credential_sha256=signed.sha256 if signed else None,
        issued_at=signed.issued_at if signed else None,
        replaced=[
            Replaced(
                credential_id=f"urn:uuid:{old.credential_id}",
                issued_at=old.issued_at,
                replaced_at=old.replaced_at,
                reason=old.reason,
            )
            for old in before
        ],
    )
