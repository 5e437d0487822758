"""Find the columns of an old course again in its copy. Pure.

A pair is certain only when nothing else could be meant: the maker's mark, the LMS's own history of
the link, or the same title with the same maximum, each once on both sides. What merely looks alike
is a proposal that a person has to confirm.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Literal

How = Literal["mark", "link", "title", "similar", "none"]
CERTAIN: frozenset[How] = frozenset({"mark", "link", "title"})
ALIKE = 0.6
"""From this share of common letters on a title is proposed."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Column:
    """One gradebook column: its id with us, its title, its points, and what its makers call it."""

    id: str
    title: str
    maximum: Decimal | None
    tag: str | None = None
    resource_id: str | None = None
    link_id: str | None = None
    """The LMS's resource link behind it."""
    link_history: tuple[str, ...] = ()
    """The links that this one was copied from (``$ResourceLink.id.history``)."""


@dataclass(frozen=True)
class Match:
    """Where an old column went: the new one's id and how it was found ("none": nowhere)."""

    new: str | None
    how: How

    @property
    def certain(self) -> bool:
        """Whether it may be taken without asking."""
        return self.how in CERTAIN


def rematch(old: Sequence[Column], new: Sequence[Column]) -> dict[str, Match]:
    """One match for every old column; no new column is given twice.

    The order of either list changes nothing but ties between proposals.
    """
    found: dict[str, Match] = {}
    taken: set[str] = set()
    ways: tuple[
        tuple[How, Callable[[Column], Hashable], Callable[[Column], Iterable[Hashable]]], ...
    ]
    ways = (
        ("mark", _mark, lambda column: [_mark(column)]),
        ("link", lambda column: column.link_id, lambda column: column.link_history),
        ("title", _exact, lambda column: [_exact(column)]),
    )
    for how, key, keys in ways:
        left = [column for column in old if column.id not in found]
        free = [column for column in new if column.id not in taken]
        for one, other in _single(left, free, key, keys):
            found[one] = Match(other, how)
            taken.add(other)
    for one, other in _alike(
        [column for column in old if column.id not in found],
        [column for column in new if column.id not in taken],
    ):
        found[one] = Match(other, "similar")
    return {column.id: found.get(column.id, Match(None, "none")) for column in old}


def _single(
    old: Sequence[Column],
    new: Sequence[Column],
    key: Callable[[Column], Hashable],
    keys: Callable[[Column], Iterable[Hashable]],
) -> list[tuple[str, str]]:
    """Pairs with an equal key that stands once on each side; an empty key is none."""
    wanted = Counter(value for column in old if (value := key(column)))
    offered = Counter(value for column in new for value in set(keys(column)) if value)
    where: Mapping[Hashable, str] = {value: c.id for c in new for value in keys(c)}
    pairs = [
        (column.id, where[value])
        for column in old
        if (value := key(column)) and wanted[value] == 1 and offered[value] == 1
    ]
    claims = Counter(other for _, other in pairs)
    return [(one, other) for one, other in pairs if claims[other] == 1]


def _mark(column: Column) -> Hashable:
    """What the column's maker wrote on it, which an LMS copies along."""
    return (column.resource_id, column.tag) if column.resource_id else None


def _exact(column: Column) -> Hashable:
    title = " ".join(unicodedata.normalize("NFC", column.title).split())
    return (title, column.maximum) if title else None


def _alike(old: Sequence[Column], new: Sequence[Column]) -> list[tuple[str, str]]:
    """The best proposals first, each column once."""
    scored = [
        (_likeness(one, other), a, b) for a, one in enumerate(old) for b, other in enumerate(new)
    ]
    pairs: list[tuple[str, str]] = []
    for score, a, b in sorted(scored, key=lambda item: (-item[0], item[1], item[2])):
        used_old, used_new = {one for one, _ in pairs}, {other for _, other in pairs}
        if score >= ALIKE and old[a].id not in used_old and new[b].id not in used_new:
            pairs.append((old[a].id, new[b].id))
    return pairs


def _likeness(one: Column, other: Column) -> float:
    """0 to 1; 0 when both are numbered differently ("Quiz 1" is never "Quiz 2")."""
    a, b = _words(one.title), _words(other.title)
    if not a or not b:
        return 0.0
    numbers = [[int(text) for text in _NUMBER.findall(words)] for words in (a, b)]
    if numbers[0] != numbers[1] and all(numbers):
        return 0.0
    share = SequenceMatcher(None, a, b, autojunk=False).ratio()
    shorter, longer = sorted((a, b), key=len)
    contained = 0.9 if len(shorter) >= 4 and shorter in longer else 0.0
    return max(share, contained)


def _words(title: str) -> str:
    """The title without case, accents, years and spacing."""
    text = unicodedata.normalize("NFKD", title).casefold()
    plain = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(_YEAR.sub(" ", plain).split())
