"""What can be earned on this campus, for people and for machines; nothing about any learner."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from sqlalchemy import Select, func, or_, select

from app.credentials import ctdl, editions, issuers, issuing
from app.credentials.details import Details
from app.credentials.phrases import LANGUAGES
from app.mastery.renewal import Terms
from app.models import Achievement, AchievementVersion, Issuer
from app.web import session, validity_words
from app.web.paging import page_of
from app.web.public.blueprint import as_json, bp

PER_PAGE: Final = 24
LONGEST: Final = 100
MOST_LANGUAGES: Final = 4
"""Of those that a browser asks for, which are searched."""
LANGUAGE: Final = "en"
"""Of what issuers say of themselves, which does not name its own."""


@bp.get("/catalogue")
def catalogue() -> ResponseReturnValue:
    """Every badge that can be earned, by name; ``?find=`` looks in names, wording and issuers."""
    find = request.args.get("find", "").strip()[:LONGEST]
    chosen = _offered(find)
    with session.campus().db.reading() as db:
        total = db.scalar(select(func.count()).select_from(chosen.order_by(None).subquery())) or 0
        page = page_of(total, PER_PAGE)
        rows = db.execute(chosen.limit(page.per).offset(page.offset)).all()
    answer = make_response(
        render_template("public/catalogue.html", rows=rows, page=page, find=find, lang=_lang())
    )
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Vary"] = "Accept-Language"
    return answer


def _lang() -> str | None:
    """The language that the address asks for, if there is such a one."""
    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else None


@bp.get("/catalogue.json")
def catalogue_ctdl() -> Response:
    """The same, with badges that are not given any more, as CTDL JSON-LD."""
    public_url = session.campus().settings.public_url
    with session.campus().db.reading() as db:
        rows = db.execute(_named().order_by(AchievementVersion.name, Achievement.id)).all()
    entries: dict[str, dict[str, Any]] = {}
    for _row, _version, issuer in rows:
        address = f"{public_url}/issuers/{issuer.slug}"
        profile = issuers.profile(issuer)
        entries.setdefault(address, ctdl.organization(profile, address, LANGUAGE))
    for row, version, issuer in rows:
        facts = issuing.achievement_facts(version, public_url)
        offered_by = f"{public_url}/issuers/{issuer.slug}"
        details = Details.from_json(version.details)
        entry = ctdl.badge(
            facts,
            row.id,
            offered_by,
            details.language,
            active=row.state == "published",
            unit=details.unit,
        )
        for language in editions.of(version):
            words = editions.worded(version, language)
            ctdl.add_words(entry, language, words.name, words.description, words.criteria)
        entries[facts.id] = entry | _renewal(version, details.language)
    return as_json(ctdl.graph(entries.values()), "application/ld+json")


def _renewal(version: AchievementVersion, language: str) -> dict[str, Any]:
    """How often a holder renews it, where that is the same for everybody."""
    terms = Terms.of(version)
    units = {"months": "M", "years": "Y"}
    if not terms.renews or terms.validity.kind not in units:
        return {}
    with force_locale(language):
        how = validity_words.renewing(version)
    every = f"P{terms.validity.count}{units[terms.validity.kind]}"
    return ctdl.renewal(every, how, language)


def _named() -> Select[Achievement, AchievementVersion, Issuer]:
    """Whatever has a public name: the wording published now, and who gives it."""
    return (
        select(Achievement, AchievementVersion, Issuer)
        .join(
            AchievementVersion,
            (AchievementVersion.achievement_id == Achievement.id)
            & (AchievementVersion.number == Achievement.published_version),
        )
        .join(Issuer, Issuer.id == Achievement.issuer_id)
        .where(Achievement.state != "draft")
    )


def _offered(find: str) -> Select[Achievement, AchievementVersion, Issuer]:
    """What can be earned now. Every character of ``find`` stands for itself."""
    chosen = _named().where(Achievement.state == "published")
    if find:
        searched = (
            AchievementVersion.name,
            AchievementVersion.description,
            AchievementVersion.criteria,
            Issuer.name,
            *(AchievementVersion.editions[key].as_string() for key in _edition_texts()),
        )
        chosen = chosen.where(or_(*(one.icontains(find, autoescape=True) for one in searched)))
    return chosen.order_by(AchievementVersion.name, Achievement.id)


def _edition_texts() -> list[tuple[str, str]]:
    """Where the texts stand that a reader of this request may have seen: language and field."""
    tags = (_lang() or "", *request.accept_languages.values())
    read = dict.fromkeys(tag.partition("-")[0].lower() for tag in tags)
    known = [language for language in read if language in LANGUAGES][:MOST_LANGUAGES]
    return [(one, name) for one in known for name in ("name", "description", "criteria")]
