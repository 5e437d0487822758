"""Words of our own that go into what is signed, in the language of the badge rather than the reader's.

A signature covers the bytes, so these words cannot be translated when a page is shown. Languages
without an entry get the English ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEFAULT: Final = "en"
"""Language of a badge that does not say its own."""

LANGUAGES: Final[Mapping[str, str]] = {
    "ar": "العربية",
    "cs": "Čeština",
    "da": "Dansk",
    "de": "Deutsch",
    "el": "Ελληνικά",
    "en": "English",
    "es": "Español",
    "fi": "Suomi",
    "fr": "Français",
    "he": "עברית",
    "hu": "Magyar",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "nb": "Norsk bokmål",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "ro": "Română",
    "sv": "Svenska",
    "tr": "Türkçe",
    "uk": "Українська",
    "zh": "中文",
}
"""BCP 47 tag -> what its speakers call it: the languages that a badge can be worded in."""

RIGHT_TO_LEFT: Final = frozenset({"ar", "he"})

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "example": "EXAMPLE",
        "example_name": "EXAMPLE, not an award: {name}",
        "example_words": "This is an example. Nobody earned it, and every verifier refuses it.",
        "mark": "{title}: at least {mark} %",
        "all": "All of these",
        "any": "One of these",
        "some": "At least {needed} of these",
        "credits": "Credit: {number} {unit}",
        "unit": "credits",
        "level": "Level: {level}",
        "hours": "Workload: about {number} hours",
        "eqf": "European Qualifications Framework, level {number}",
        "isced": "International Standard Classification of Education, level {number}",
    },
    "de": {
        "example": "BEISPIEL",
        "example_name": "BEISPIEL, nicht verliehen: {name}",
        "example_words": "Dies ist ein Beispiel. Niemand hat es erworben, und jede Prüfung weist es ab.",
        "mark": "{title}: mindestens {mark} %",
        "all": "Alles davon",
        "any": "Eines davon",
        "some": "Mindestens {needed} davon",
        "credits": "Umfang: {number} {unit}",
        "unit": "Leistungspunkte",
        "level": "Niveau: {level}",
        "hours": "Arbeitsaufwand: etwa {number} Stunden",
        "eqf": "Europäischer Qualifikationsrahmen, Niveau {number}",
        "isced": "Internationale Standardklassifikation des Bildungswesens, Stufe {number}",
    },
}


def phrase(language: str, key: str, **values: object) -> str:
    """One of the phrases above in ``language``, else in English. ``values`` fill its gaps."""
    words = _WORDS.get(language.partition("-")[0].lower(), _WORDS[DEFAULT])
    return words[key].format(**values)


def speaks(language: str) -> bool:
    """Whether the phrases exist in ``language`` itself."""
    return language.partition("-")[0].lower() in _WORDS


def direction(language: str) -> str:
    """``rtl`` or ``ltr``: how text in ``language`` runs."""
    return "rtl" if language.partition("-")[0].lower() in RIGHT_TO_LEFT else "ltr"
