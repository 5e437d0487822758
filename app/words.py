"""Sentences for people, in English, and in pieces that a page can say in another language.

A sentence is its own code: the template stays the same whatever it is said of, and what differs
stands in named blanks. Programs read the finished English; pages look the template up in their
catalogue and fill the same blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Said(str):
    """A finished English sentence that remembers how it was made."""

    template: str
    """With blanks as ``%(name)s``; empty for several sentences in a row."""
    blanks: Mapping[str, object]
    """Name of a blank to what stands there, which may be a sentence itself."""
    parts: tuple[str, ...]
    """The sentences, where there are several."""


def say(template: str, /, **blanks: object) -> Said:
    """``template`` with its blanks filled. Extracted for translation wherever it is called."""
    said = Said(template % blanks if blanks else template)
    said.template, said.blanks, said.parts = template, blanks, ()
    return said


def in_a_row(sentences: Iterable[str]) -> Said:
    """Several sentences, one after the other; one that was never made by ``say`` stays as it is."""
    parts = tuple(sentences)
    said = Said(" ".join(parts))
    said.template, said.blanks, said.parts = "", {}, parts
    return said


def as_said(text: str) -> Said:
    """``text`` as it is if ``say`` made it, else as a sentence that no language but its own has."""
    return text if isinstance(text, Said) else in_a_row([text])
