"""In which of its languages a page shows a badge: the one asked for, else the reader's, else the signed one."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, g, request
from markupsafe import Markup, escape

from app.credentials import editions
from app.credentials.editions import Worded
from app.credentials.phrases import LANGUAGES
from app.models import AchievementVersion


def install(app: Flask) -> None:
    """Make the words of a badge known to every template as filters."""
    app.add_template_filter(worded)
    app.add_template_filter(lang_attributes)
    app.add_template_filter(name_of, "language_name")
    app.add_template_filter(editions.main_language, "signed_language")


def worded(version: AchievementVersion) -> Worded:
    """The badge in the words that suit the reader best."""
    return editions.worded(version, editions.best(version, _wanted()))


def _wanted() -> Iterator[str]:
    """Languages of this request, the most wanted first: ``?lang=``, the launch's, the browser's."""
    yield request.args.get("lang", "")
    for visitor in g.get("visitors", {}).values():
        yield visitor.locale or ""
    yield from request.accept_languages.values()


def lang_attributes(words: Worded) -> Markup:
    """The attributes of an element that holds these words."""
    return Markup(' lang="{}" dir="{}"').format(escape(words.language), words.direction)


def name_of(language: str) -> str:
    """What its speakers call a language."""
    return LANGUAGES.get(language, language)
