"""A shared badge as a stranger sees it, and its files.

The token in the address is the only secret: whoever has it may look until the owner closes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import Response, make_response, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.credentials import endorsed, files, replaced, shares
from app.credentials.details import Details
from app.credentials.endorsed import Difference
from app.credentials.replaced import Earlier
from app.errors import NotFound
from app.models import Achievement, AchievementVersion, Award, Credential, Issuer, Person, Share
from app.web import badge_words, life_words, session, told
from app.web.public.blueprint import JSON_TYPES, TOKEN_TYPES, bp, wants
from app.web.public.checks import Check, checks

SIGNED_JSON: Final = "application/vc+ld+json"


@dataclass(frozen=True)
class Shared:
    """One open share with everything that its page says."""

    share: Share
    award: Award
    credential: Credential
    version: AchievementVersion
    issuer: Issuer
    holder: str | None
    """The learner's name, only when the learner let the page show it."""
    endorsements: Difference
    """Those that its newest file carries, and those that came or went since."""
    earlier: Sequence[Earlier]
    """Credentials of this badge that others stand in for, latest first."""

    @property
    def renewing(self) -> bool:
        """Whether the newest one was replaced a moment ago and its successor is being signed."""
        return any(old.credential_id == self.credential.id for old in self.earlier)


def _open(db: Session, token: str) -> Shared | None:
    """The open share behind ``token``; None when there is none (any more)."""
    share = shares.by_token(db, token, session.campus().clock())
    if share is None:
        return None
    award = db.get_one(Award, share.award_id)
    achievement = db.get_one(Achievement, award.achievement_id)
    person = db.get_one(Person, award.person_id)
    credential = files.current(db, award.id)
    return Shared(
        share=share,
        award=award,
        credential=credential,
        endorsements=endorsed.difference(db, award, credential),
        version=files.version_of(db, award),
        issuer=db.get_one(Issuer, achievement.issuer_id),
        holder=person.name if share.show_name else None,
        earlier=replaced.earlier(db, award.id),
    )


def _must_open(db: Session, token: str) -> Shared:
    found = _open(db, token)
    if found is None:
        raise NotFound(
            "not-shared",
            "The owner of this badge does not share it here.",
            fix="Ask the owner for a new link.",
        )
    return found


@bp.get("/b/<token>")
def badge(token: str) -> ResponseReturnValue:
    """The page for people; the signed files for programs that ask for them."""
    kind = wants(("text/html", *JSON_TYPES, *TOKEN_TYPES))
    if kind in JSON_TYPES:
        return _file(credential_json(token))
    if kind in TOKEN_TYPES:
        return _file(credential_jwt(token))
    return private(make_response(*_page(token)))


@dataclass(frozen=True)
class Seen:
    """A shared badge that was checked just now."""

    shared: Shared
    checks: list[Check]
    verdict: str
    """verified | held | renewing | expired | revoked | failed."""


def look(token: str) -> Seen | None:
    """What there is to see behind ``token`` at this moment; None when nothing is shared by it."""
    campus = session.campus()
    with campus.db.reading() as db:
        found = _open(db, token)
        if found is None:
            return None
        results = checks(db, found.credential, found.issuer, campus.clock())
    return Seen(found, results, _verdict(found, results, campus.clock()))


def _page(token: str) -> tuple[str, int]:
    seen = look(token)
    if seen is None:
        return render_template("public/not_shared.html"), 404
    found = seen.shared
    return render_template(
        "public/badge.html",
        shared=found,
        token=token,
        checks=seen.checks,
        verdict=seen.verdict,
        why_replaced=life_words.replaced_for,
        public_url=session.campus().settings.public_url,
        facts=badge_words.facts(Details.from_json(found.version.details)),
        told=told.of(found.credential),
    ), 200


def _verdict(found: Shared, results: list[Check], now: datetime) -> str:
    """verified | held | renewing | expired | revoked | failed: the worst that was found."""
    failed = {check.key for check in results if not check.passed}
    if not failed and found.award.held_at is not None:
        return "held"
    if not failed:
        return "verified"
    if found.renewing and found.award.revoked_at is None:
        return "renewing"
    if failed == {"dates"} and _has_ended(found.award, now):
        return "expired"
    return "revoked" if failed == {"status"} else "failed"


def _has_ended(award: Award, now: datetime) -> bool:
    return award.expires_at is not None and award.expires_at <= now


@bp.get("/b/<token>/earlier/<int:number>")
def earlier(token: str, number: int) -> Response:
    """A file of this badge that another one stands in for: since when, why, and where that is."""
    with session.campus().db.reading() as db:
        found = _must_open(db, token)
    old = next((one for one in found.earlier if one.number == number), None)
    if old is None:
        raise NotFound("not-replaced", "There is no earlier file of this badge by that number.")
    page = render_template(
        "public/earlier.html",
        shared=found,
        token=token,
        old=old,
        why_replaced=life_words.replaced_for,
    )
    return private(make_response(page))


@bp.get("/b/<token>/credential.json")
def credential_json(token: str) -> Response:
    """The signed JSON, byte for byte."""
    with session.campus().db.reading() as db:
        document = files.to_hand_out(db, _must_open(db, token).award).document
    return _download(document, SIGNED_JSON, "badge.json")


@bp.get("/b/<token>/credential.jwt")
def credential_jwt(token: str) -> Response:
    """The same credential as VC-JWT."""
    with session.campus().db.reading() as db:
        text = files.to_hand_out(db, _must_open(db, token).award).jwt
    return _download(text.encode("ascii"), "text/plain", "badge.jwt")


@bp.get("/b/<token>/credential.png")
def credential_png(token: str) -> Response:
    """The picture with the signed JSON inside."""
    with session.campus().db.reading() as db:
        picture = files.baked_png(db, _must_open(db, token).award)
    return _download(picture, "image/png", "badge.png")


def _download(content: bytes, media_type: str, name: str) -> Response:
    answer = Response(content, mimetype=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return private(answer)


def _file(answer: Response) -> Response:
    """Negotiated at the page's own address: to be read, not saved."""
    del answer.headers["Content-Disposition"]
    return answer


def private(answer: Response) -> Response:
    """Never kept by caches (the owner may close it at any time) nor found by search engines."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Vary"] = "Accept, Accept-Language"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
