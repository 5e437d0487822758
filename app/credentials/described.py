"""What a drawn badge shows, in words: for people who do not see it, when its author wrote none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.credentials.drawing import Drawing
from app.credentials.phrases import DEFAULT

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "shield": "Badge in the shape of a shield",
        "medal": "Round badge with a beaded border",
        "hexagon": "Six-sided badge",
        "starburst": "Round badge with a scalloped edge",
        "gem": "Badge in the shape of a cut gem",
        "ribbon": "Rosette with two ribbons",
        "laurel": "Round badge in a laurel wreath",
        "star": "a star",
        "tick": "a tick mark",
        "book": "an open book",
        "bars": "rising bars",
        "code": "angle brackets and a slash",
        "bulb": "a light bulb",
        "people": "three people",
        "cap": "a graduation cap",
        "gear": "a gear wheel",
        "flask": "a laboratory flask",
        "with": "{shape}, showing {symbol}",
        "reads": "{shape}. It reads “{text}”.",
        "plain": "{shape}.",
    },
    "de": {
        "shield": "Badge in Form eines Schilds",
        "medal": "Runder Badge mit geperltem Rand",
        "hexagon": "Sechseckiger Badge",
        "starburst": "Runder Badge mit gewelltem Rand",
        "gem": "Badge in Form eines geschliffenen Steins",
        "ribbon": "Rosette mit zwei Bändern",
        "laurel": "Runder Badge in einem Lorbeerkranz",
        "star": "einem Stern",
        "tick": "einem Haken",
        "book": "einem offenen Buch",
        "bars": "steigenden Balken",
        "code": "spitzen Klammern und Schrägstrich",
        "bulb": "einer Glühlampe",
        "people": "drei Personen",
        "cap": "einem Doktorhut",
        "gear": "einem Zahnrad",
        "flask": "einem Laborkolben",
        "with": "{shape}, geschmückt mit {symbol}",
        "reads": "{shape}. Aufschrift: „{text}“.",
        "plain": "{shape}.",
    },
}


def suggestion(design: str, drawing: Drawing, language: str) -> str:
    """A sentence about shape, symbol and lettering in ``language``, else in English.

    Colours are left out: whoever needs the sentence gains nothing by them. Empty for what is not
    one of the designs.
    """
    words = _WORDS.get(language.partition("-")[0].lower(), _WORDS[DEFAULT])
    if design not in words:
        return ""
    shape = words[design]
    if drawing.symbol in words:
        shape = words["with"].format(shape=shape, symbol=words[drawing.symbol])
    if drawing.lettering:
        return words["reads"].format(shape=shape, text=drawing.lettering)
    return words["plain"].format(shape=shape)
