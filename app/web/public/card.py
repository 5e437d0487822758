"""Previews and embeds: what other sites show of a shared badge."""

from __future__ import annotations

from typing import Final

from babel import Locale, UnknownLocaleError
from flask import Response, make_response, render_template
from flask_babel import force_locale
from flask_babel import gettext as _

from app.credentials import cards, files
from app.credentials.cards import Card
from app.credentials.details import Details
from app.models import AchievementVersion, Issuer
from app.web import session
from app.web.public.badge import look, private
from app.web.public.blueprint import DAY, bp, cacheable
from app.web.public.names import published

EMBED_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors *"
)
"""Any site may frame the page; nothing on it runs, sends or can be pressed but one link."""


@bp.get("/cards/<achievement_id>.png")
def card(achievement_id: str) -> Response:
    """The preview picture of a badge, the same for everybody who has it; ``?v=`` as for its picture."""
    with session.campus().db.reading() as db:
        row, version = published(db, achievement_id)
        issuer = db.get_one(Issuer, row.issuer_id)
    picture = files.image_png(version)
    try:
        drawn = cards.png(_said(version, issuer), picture)
    except TimeoutError:
        answer = cacheable(picture, "image/png", 0)
        answer.headers["Cache-Control"] = "no-store"
        return answer
    return cacheable(drawn or picture, "image/png", DAY)


def _said(version: AchievementVersion, issuer: Issuer) -> Card:
    """In the language of the wording, so that one picture serves every visitor."""
    language = Details.from_json(version.details).language
    try:
        direction = Locale.parse(language, sep="-").text_direction
    except (UnknownLocaleError, ValueError):
        direction = "ltr"
    with force_locale(language):
        by = _("Issued by %(issuer)s", issuer=issuer.name)
        kind = _("Open Badge · anybody can check it")
    return Card(version.name, by, kind, language, direction)


@bp.get("/b/<token>/embed")
def embed(token: str) -> Response:
    """A small page for the frame of another site: the badge as it stands now, by its open link only."""
    seen = look(token)
    page = render_template("public/embed.html", seen=seen, token=token)
    answer = private(make_response(page, 200 if seen else 404))
    answer.headers["Content-Security-Policy"] = EMBED_POLICY
    return answer
