"""What an author changed of a design: symbol, lettering, border, colours. Pure.

Stored with the wording, so the same words always come with the same picture. An empty drawing is the
design as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.credentials import colours, lettering
from app.credentials.colours import PALETTES, Palette
from app.credentials.outlines import SYMBOLS, Outline, plate, raised
from app.errors import Invalid

NO_SYMBOL: Final = "none"
BORDERS: Final = ("metal", "plain", "light")
"""As designed; dark all over; in the colour of the symbol."""

_RECOLOURED: Final[Mapping[str, Mapping[str, str]]] = {
    "metal": {},
    "plain": {"glint": "edge", "trim": "edge"},
    "light": {"glint": "symbol", "trim": "symbol"},
}
_IN_THE_MIDDLE: Final = ((500.0, 470.0), 430.0, 210.0)
_ON_THE_PLATE: Final = ((500.0, 727.0), 596.0, 92.0)
"""Where a lettering stands: its middle, and the width and height that it may fill."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A colour that cannot be told from its ground, and the nearest one that can."""

    name: str
    """``ink`` (symbol and lettering on the face) or ``metal`` (the border on the edge)."""
    ratio: float
    needed: float
    nearest: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Empty strings stand for what the design and the palette say."""

    symbol: str = "star"
    lettering: str = ""
    border: str = BORDERS[0]
    field: str = ""
    """Colour of the face as ``#rrggbb``; the three colours come together or not at all."""
    ink: str = ""
    metal: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Drawing:
        """What :meth:`to_json` wrote."""
        return cls(**stored)

    def to_json(self) -> dict[str, str]:
        """Only what differs from the design as it is."""
        usual = asdict(Drawing())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @property
    def has_own_colours(self) -> bool:
        """Whether the author chose colours instead of a palette."""
        return bool(self.field and self.ink and self.metal)

    def palette(self, name: str) -> Palette:
        """The colours to draw with; raises KeyError for an unknown palette."""
        usual = PALETTES[name]
        return colours.own(self.field, self.ink, self.metal) if self.has_own_colours else usual

    def unreadable(self) -> list[Unreadable]:
        """The colours of the author's own that cannot be told from their ground."""
        if not self.has_own_colours:
            return []
        made = colours.own(self.field, self.ink, self.metal)
        pairs = (
            ("ink", self.ink, made.field, colours.TEXT),
            ("metal", self.metal, made.edge, colours.FIGURE),
        )
        return [
            Unreadable(name, ratio, needed, colours.nearest_readable(colour, ground, needed))
            for name, colour, ground, needed in pairs
            for ratio in [colours.contrast(colour, ground)]
            if ratio < needed
        ]

    def check(self) -> None:
        """Raises Invalid with a message per field for what cannot be drawn or read."""
        wrong: dict[str, str] = {}
        if self.symbol != NO_SYMBOL and self.symbol not in SYMBOLS:
            wrong["symbol"] = "choose one"
        if self.border not in BORDERS:
            wrong["border"] = "choose one"
        own = (self.field, self.ink, self.metal)
        if any(own) and not all(map(colours.is_colour, own)):
            wrong["field"] = "three colours of the form #rrggbb"
        else:
            wrong |= {
                one.name: f"contrast {one.ratio:.1f}, at least {one.needed} is needed: {one.nearest}"
                for one in self.unreadable()
            }
        try:
            self._letters()
        except Invalid as error:
            wrong["lettering"] = error.message
        if wrong:
            raise Invalid("badge-drawing", "This badge cannot be drawn.", fields=wrong)

    def check_lettering(self) -> None:
        """Raises Invalid of ``lettering`` when the text cannot be drawn in its place."""
        self._letters()

    def outlines(self, design: Sequence[Outline]) -> tuple[Outline, ...]:
        """The whole badge from back to front; raises KeyError for an unknown symbol."""
        recoloured = _RECOLOURED[self.border]
        body = tuple(Outline(recoloured.get(one.role, one.role), one.loops) for one in design)
        symbol = () if self.symbol == NO_SYMBOL else SYMBOLS[self.symbol]
        letters = self._letters()
        if not letters:
            return (*body, *symbol)
        if not symbol:
            return (*body, letters)
        return (*body, *raised(symbol), *plate(), letters)

    def _letters(self) -> Outline | None:
        if not self.lettering:
            return None
        place = _IN_THE_MIDDLE if self.symbol == NO_SYMBOL else _ON_THE_PLATE
        return Outline("symbol", lettering.fitted(self.lettering, *place))
