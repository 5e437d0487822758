"""Pictures of numbers as plain geometry; ``templates/charts.html`` draws it as SVG. Pure.

Units are those of the view box, which is about as wide as the narrowest card, so that lettering
stays legible at 320 px. Every chart carries its rows, so that the page can show them as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH = 340
HEIGHT = 170
LEFT = 12
RIGHT = 326
TOP = 40
BASE = 140
GAP = 4
BINS = 10


@dataclass(frozen=True)
class Bar:
    """One bar; ``kind`` is its class: "" reaches the mark, "out" does not, "near" may."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: int
    kind: str

    @property
    def middle(self) -> float:
        """Where its number stands."""
        return self.x + self.width / 2


@dataclass(frozen=True)
class Histogram:
    """How many learners reached what, in steps of ten percent, with the pass mark as a line."""

    bars: tuple[Bar, ...]
    mark_x: float
    total: int

    @property
    def mark_anchor(self) -> str:
        """The side of the line on which its name has room."""
        return "end" if self.mark_x > WIDTH / 2 else "start"

    @property
    def mark_text_x(self) -> float:
        """Where the line's name begins or ends."""
        return self.mark_x + (-6 if self.mark_anchor == "end" else 6)


def histogram(bins: Sequence[int], pass_mark: Decimal) -> Histogram:
    """Ten bars for results of 0 to 9.99 %, 10 to 19.99 % … 90 % and more; the mark from 0 to 100."""
    if len(bins) != BINS:
        raise ValueError(f"a histogram has {BINS} bins, not {len(bins)}")
    step = (RIGHT - LEFT) / BINS
    highest = max(*bins, 1)
    bars = []
    for place, count in enumerate(bins):
        height = round((BASE - TOP) * count / highest, 1)
        bars.append(
            Bar(
                x=round(LEFT + place * step + GAP / 2, 1),
                y=round(BASE - height, 1),
                width=round(step - GAP, 1),
                height=height,
                count=count,
                label=place * 10,
                kind=_kind(place * 10, pass_mark),
            )
        )
    mark_x = round(LEFT + float(pass_mark) * (RIGHT - LEFT) / 100, 1)
    return Histogram(tuple(bars), mark_x, sum(bins))


def _kind(lower: int, pass_mark: Decimal) -> str:
    if pass_mark <= lower:
        return ""
    return "out" if pass_mark >= lower + 10 else "near"


@dataclass(frozen=True)
class Part:
    """One part of a split bar; ``kind`` is its class."""

    x: float
    width: float
    count: int
    kind: str


def split(counts: Sequence[tuple[int, str]], width: int = WIDTH) -> tuple[Part, ...]:
    """A bar cut into parts in proportion to (count, kind); nothing to show gives no part."""
    total = sum(count for count, _ in counts)
    parts: list[Part] = []
    x = 0.0
    for count, kind in counts:
        if count:
            long = width * count / total
            parts.append(Part(round(x, 1), round(long, 1), count, kind))
            x += long
    return tuple(parts)
