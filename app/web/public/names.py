"""What the names inside credentials resolve to: issuers with their keys and lists, achievements."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import editions, endorsed, files, issuers, issuing
from app.credentials.details import Details
from app.credentials.editions import Worded
from app.credentials.phrases import LANGUAGES
from app.errors import NotFound
from app.models import Achievement, AchievementVersion, Issuer
from app.web import badge_words, session
from app.web.editions import worded
from app.web.paging import number
from app.web.public.blueprint import (
    DAY,
    FIVE_MINUTES,
    JSON_TYPES,
    as_json,
    bp,
    cacheable,
    wants,
)


@bp.get("/issuers/<slug>")
@bp.get("/issuers/<slug>/profile")
def issuer(slug: str) -> ResponseReturnValue:
    """The profile: a page with the issuer's badges, or its JSON."""
    with session.campus().db.reading() as db:
        row = issuers.by_slug(db, slug)
        if wants(("text/html", *JSON_TYPES)) in JSON_TYPES:
            return as_json(issuers.profile_json(row))
        badges = list(db.execute(_in_force().where(Achievement.issuer_id == row.id)))
        keys = issuers.public_keys(db, row)
    return _page(render_template("public/issuer.html", issuer=row, badges=badges, keys=keys))


@bp.get("/issuers/<slug>/did.json")
def did_document(slug: str) -> Response:
    """The DID document (did:web, path form)."""
    with session.campus().db.reading() as db:
        return as_json(issuers.did_document(db, issuers.by_slug(db, slug)))


@bp.get("/issuers/<slug>/jwks.json")
def jwks(slug: str) -> Response:
    """The same keys as a JWK set (RFC 7517)."""
    with session.campus().db.reading() as db:
        return as_json(issuers.jwks(db, issuers.by_slug(db, slug)))


@bp.get("/issuers/<slug>/status/<int:number>")
def status_list(slug: str, number: int) -> Response:
    """A signed Bitstring status list, the bytes as they were signed."""
    with session.campus().db.reading() as db:
        signed = issuers.status_list_bytes(db, issuers.by_slug(db, slug), number)
    return cacheable(signed, "application/vc+ld+json", FIVE_MINUTES)


@bp.get("/achievements/<achievement_id>")
def achievement(achievement_id: str) -> ResponseReturnValue:
    """What can be earned: a page in the reader's language, Open Badges JSON in the signed one."""
    with session.campus().db.reading() as db:
        row, version = published(db, achievement_id)
        return _shown(db, row, version, worded(version), editions.main_language(version))


@bp.get(f"/achievements/<achievement_id>.<any({','.join(LANGUAGES)}):language>")
def edition(achievement_id: str, language: str) -> ResponseReturnValue:
    """The same in one language: the address that credentials name. Raises NotFound for others."""
    with session.campus().db.reading() as db:
        row, version = published(db, achievement_id)
        if language not in editions.languages(version):
            raise NotFound("no-such-edition", "This badge is not worded in that language.")
        return _shown(db, row, version, editions.worded(version, language), language)


def _shown(
    db: Session, row: Achievement, version: AchievementVersion, words: Worded, language: str
) -> Response:
    """The page in ``words``, or the JSON in ``language``. Partners endorse the signed words."""
    made_by, public_url = db.get_one(Issuer, row.issuer_id), session.campus().settings.public_url
    wording = (row.id, version.number)
    endorsements = endorsed.standing(db, *wording)
    if wants(("text/html", *JSON_TYPES)) in JSON_TYPES:
        signed = endorsements and language == editions.main_language(version)
        inside = endorsed.carried(db, {wording}).get(wording, ()) if signed else ()
        return as_json(issuing.achievement_json(version, made_by, public_url, inside, language))
    page = render_template(
        "public/achievement.html",
        version=version,
        words=words,
        languages=editions.languages(version),
        issuer=made_by,
        public_url=public_url,
        facts=badge_words.facts(Details.from_json(version.details)),
        endorsements=endorsements,
    )
    answer = _page(page)
    answer.headers["Vary"] = "Accept, Accept-Language"
    return answer


@bp.get("/endorsements/<endorsement_id>")
def endorsement(endorsement_id: str) -> Response:
    """What a partner signed about a badge, byte for byte."""
    with session.campus().db.reading() as db:
        signed = endorsed.file(db, endorsement_id)
    is_json = signed.startswith(b"{")
    answer = cacheable(signed, "application/vc+ld+json" if is_json else "text/plain", FIVE_MINUTES)
    name = "endorsement.json" if is_json else "endorsement.jwt"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@bp.get("/achievements/<achievement_id>.png")
def achievement_png(achievement_id: str) -> Response:
    """The picture; ``?v=`` asks for that of an earlier wording."""
    with session.campus().db.reading() as db:
        version = published(db, achievement_id)[1]
    return cacheable(files.image_png(version), "image/png", DAY)


@bp.get("/achievements/<achievement_id>.svg")
def achievement_svg(achievement_id: str) -> Response:
    """The picture as SVG; not there for an uploaded one."""
    with session.campus().db.reading() as db:
        drawn = files.image_svg(published(db, achievement_id)[1])
    if drawn is None:
        raise NotFound("no-svg", "This picture was uploaded and exists as PNG only.")
    return cacheable(drawn.encode(), "image/svg+xml", DAY)


def _in_force() -> Any:
    """Achievements with the wording that is published now."""
    return (
        select(Achievement, AchievementVersion)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Achievement.id)
            & (AchievementVersion.number == Achievement.published_version),
        )
        .where(Achievement.state != "draft")
        .order_by(AchievementVersion.name)
    )


def published(db: Session, achievement_id: str) -> tuple[Achievement, AchievementVersion]:
    """Published ones only: a draft has no public name. A withdrawn one keeps its name."""
    found = db.execute(_in_force().where(Achievement.id == achievement_id)).one_or_none()
    if found is None:
        raise NotFound("no-such-badge", "There is no such badge here.")
    row, version = found
    asked = number(request.args.get("v", ""))
    if asked is not None:
        other = db.scalar(
            select(AchievementVersion).where(
                AchievementVersion.achievement_id == row.id,
                AchievementVersion.number == asked,
                AchievementVersion.published_at.is_not(None),
            )
        )
        version = other or version
    return row, version


def _page(text: str) -> Response:
    answer = make_response(text)
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Vary"] = "Accept"
    return answer
