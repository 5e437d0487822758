"""Which language a page speaks: the grant's (from the launch), else the browser's, else the campus's.

And what rooms without Flask say, in that language.
"""

from __future__ import annotations

from flask import g, has_request_context, request
from flask_babel import gettext as _

from app.web import session
from app.web.wording import written
from app.words import Said

LANGUAGES = ("en", "de")


def choose_locale() -> str:
    """One of LANGUAGES."""
    if not has_request_context():
        return LANGUAGES[0]
    if request.blueprint == "operator":
        return LANGUAGES[0]  # Their pages are in English; words shared with others would mix.
    for visitor in g.get("visitors", {}).values():
        short = (visitor.locale or "").replace("_", "-").split("-")[0].lower()
        if short in LANGUAGES:
            return str(short)
    asked = request.args.get("lang", "")
    if request.blueprint == "public" and asked in LANGUAGES:
        return asked
    campus_default = session.campus().settings.locale
    default = campus_default if campus_default in LANGUAGES else LANGUAGES[0]
    wanted = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((short for short in wanted if short in LANGUAGES), default)


def spoken(text: str) -> str:
    """A sentence in the reader's language; text that was not made by ``say`` as it is."""
    if not isinstance(text, Said):
        return text
    if text.parts:
        return " ".join(spoken(part) for part in text.parts)
    blanks = {
        name: written(spoken(value)) if isinstance(value, str) else value
        for name, value in text.blanks.items()
    }
    return _(text.template, **blanks)
