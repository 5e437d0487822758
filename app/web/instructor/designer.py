"""The part of the look form that draws: symbol, lettering, border, colours of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flask_babel import format_decimal
from flask_babel import gettext as _

from app.credentials import colours, lettering
from app.credentials.drawing import BORDERS, NO_SYMBOL, Drawing, Unreadable
from app.credentials.outlines import SYMBOLS
from app.errors import Invalid

OWN = "own"
"""Value of the colour that stands for three colours of one's own."""
START = {"field": "#0b6e4f", "ink": "#ffffff", "metal": "#e4b363"}
"""What the colour fields show before anything was chosen; it can be read."""


@dataclass(frozen=True)
class DrawingForm:
    """The form as typed, the drawing as far as it can be drawn, and what is wrong with the rest."""

    typed: Mapping[str, str]
    drawing: Drawing
    errors: Mapping[str, str]
    offers: Sequence[Unreadable] = ()

    @property
    def own(self) -> bool:
        """Whether colours of one's own are chosen."""
        return self.typed["palette"] == OWN


def stored(drawing: Drawing, palette: str) -> DrawingForm:
    """The form as the draft fills it."""
    typed = {
        "symbol": drawing.symbol,
        "lettering": drawing.lettering,
        "border": drawing.border,
        "palette": OWN if drawing.has_own_colours else palette,
        **{name: getattr(drawing, name) or usual for name, usual in START.items()},
    }
    return DrawingForm(typed, drawing, {})


def parse(form: Mapping[str, str], present: Drawing, palette: str) -> DrawingForm:
    """Read the form; one without these fields leaves the drawing as it is.

    ``use`` is a colour that was offered and taken, as "ink #aabbcc".
    """
    if "symbol" not in form:
        return stored(present, palette)
    typed = {name: form.get(name, "").strip() for name in stored(present, palette).typed}
    name, _space, colour = form.get("use", "").partition(" ")
    if name in START and colours.is_colour(colour):
        typed |= {name: colour, "palette": OWN}
    errors = {}
    drawing = Drawing(
        symbol=typed["symbol"] if typed["symbol"] in (*SYMBOLS, NO_SYMBOL) else present.symbol,
        border=typed["border"] if typed["border"] in BORDERS else present.border,
    )
    if typed["palette"] == OWN:
        chosen = {name: typed[name].lower() for name in START}
        if all(map(colours.is_colour, chosen.values())):
            drawing = replace(drawing, **chosen)
        else:
            errors["field"] = _("Give each colour as # and six digits, for example #0b6e4f.")
    drawing, problem = _lettered(drawing, typed["lettering"])
    if problem:
        errors["lettering"] = problem
    offers = drawing.unreadable()
    errors |= {one.name: _unreadable(one) for one in offers}
    return DrawingForm(typed, drawing, errors, offers)


def _lettered(drawing: Drawing, text: str) -> tuple[Drawing, str]:
    """The drawing with the text on it if it can be drawn; else without, and why."""
    if not text:
        return drawing, ""
    try:
        made = replace(drawing, lettering=lettering.words(text))
        made.check_lettering()
    except Invalid as error:
        return drawing, _lettering_error(error.code)
    return made, ""


def _lettering_error(code: str) -> str:
    errors = {
        "lettering-long": _(
            "At most %(most)s characters fit on the badge.", most=lettering.MOST_CHARACTERS
        ),
        "lettering-sign": _(
            "The badge can show Latin letters, digits and - + . , : ! ? / & # % ' ( )."
        ),
    }
    return errors.get(code, _("This text is too wide to be read on the badge. Make it shorter."))


def _unreadable(one: Unreadable) -> str:
    values = {"ratio": format_decimal(round(one.ratio, 1)), "needed": format_decimal(one.needed)}
    if one.name == "ink":
        return _(
            "The symbol cannot be told from its ground: the contrast is %(ratio)s, and %(needed)s is"
            " needed.",
            **values,
        )
    return _(
        "The border cannot be told from its edge: the contrast is %(ratio)s, and %(needed)s is"
        " needed.",
        **values,
    )


def symbols() -> list[tuple[str, str]]:
    """What can stand on the face."""
    names = {
        "star": _("Star"),
        "tick": _("Tick"),
        "book": _("Book"),
        "bars": _("Rising bars"),
        "code": _("Code"),
        "bulb": _("Light bulb"),
        "people": _("People"),
        "cap": _("Graduation cap"),
        "gear": _("Gear wheel"),
        "flask": _("Laboratory flask"),
    }
    return [*((key, names.get(key, key)) for key in SYMBOLS), (NO_SYMBOL, _("no symbol"))]


def borders() -> list[tuple[str, str]]:
    """How the border looks."""
    names = {
        "metal": _("like metal"),
        "plain": _("dark and plain"),
        "light": _("in the colour of the symbol"),
    }
    return [(key, names[key]) for key in BORDERS]
