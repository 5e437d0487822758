"""The colours of the stylesheet hold the contrast that WCAG 2.2 asks for, in light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.credentials.designs import contrast

CSS = Path(__file__).parents[2] / "app/web/static/tassel.css"
TEXT = [
    ("ink", "paper"),
    ("ink", "ground"),
    ("ink-2", "paper"),
    ("ink-2", "ground"),
    ("brand", "paper"),
    ("brand", "ground"),
    ("brand", "brand-soft"),
    ("brand-ink", "brand"),
    ("brand-ink", "brand-strong"),
    ("brand-strong", "brand-soft"),
    ("ink", "gold-soft"),
    ("gold-ink", "paper"),
    ("good", "good-soft"),
    ("wait", "wait-soft"),
    ("bad", "bad-soft"),
    ("bad", "paper"),
    ("ink", "good-soft"),
    ("ink", "bad-soft"),
]
MARKS = [("edge", "paper"), ("edge", "ground"), ("gold", "paper"), ("gold", "ground")]


def tokens(dark: bool) -> dict[str, str]:
    """The colours in force: the dark block overrides the first."""
    light, night = re.findall(r":root \{(.*?)\}", CSS.read_text("utf-8"), re.DOTALL)
    pairs = re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light + night if dark else light)
    return dict(pairs)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT, ids=lambda name: name)
def test_text_is_legible(front: str, back: str, dark: bool) -> None:
    colours = tokens(dark)
    assert contrast(colours[front], colours[back]) >= 4.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), MARKS, ids=lambda name: name)
def test_edges_and_marks_are_visible(front: str, back: str, dark: bool) -> None:
    """Input borders, focus rings, chart lines (WCAG 1.4.11), which axe does not test."""
    colours = tokens(dark)
    assert contrast(colours[front], colours[back]) >= 3


def test_dark_is_not_light() -> None:
    """Guards the two tests above: both blocks are really read."""
    assert tokens(dark=True)["paper"] != tokens(dark=False)["paper"]
