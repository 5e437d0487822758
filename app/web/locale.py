"""Which language a page speaks: the grant's (from the launch), else the browser's, else the campus's."""

from __future__ import annotations

from flask import g, has_request_context, request

from app.web import session

LANGUAGES = ("en", "de")


def choose_locale() -> str:
    """One of LANGUAGES."""
    if not has_request_context():
        return LANGUAGES[0]
    for visitor in g.get("visitors", {}).values():
        short = (visitor.locale or "").replace("_", "-").split("-")[0].lower()
        if short in LANGUAGES:
            return str(short)
    campus_default = session.campus().settings.locale
    default = campus_default if campus_default in LANGUAGES else LANGUAGES[0]
    return request.accept_languages.best_match(LANGUAGES, default) or default
