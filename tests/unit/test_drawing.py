"""Badges drawn to order: what is shown is what is signed, and nothing on it is unreadable."""

from __future__ import annotations

import io
import itertools
import xml.etree.ElementTree as ET
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.credentials import colours, described, designs, lettering
from app.credentials.designs import DESIGNS, SYMBOLS, Drawing
from app.credentials.drawing import BORDERS, NO_SYMBOL
from app.errors import Invalid

OWN = {"field": "#0b6e4f", "ink": "#ffffff", "metal": "#e4b363"}
hexes = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")


def pixels(drawing: Drawing, design: str = "medal", size: int = 120) -> Image.Image:
    made = designs.png(design, "forest", size=size, drawing=drawing)
    with Image.open(io.BytesIO(made)) as opened:
        return opened.convert("RGBA")


def test_an_empty_drawing_is_the_design_as_it_always_was() -> None:
    assert Drawing().to_json() == {}
    assert Drawing.from_json({}) == Drawing()
    assert designs.png("gem", "plum", drawing=Drawing(), size=90) == designs.png(
        "gem", "plum", size=90
    )
    assert designs.svg("gem", "plum", "x", drawing=Drawing()) == designs.svg("gem", "plum", "x")


def test_what_is_stored_comes_back() -> None:
    drawing = Drawing("cap", "LEVEL 2", "plain", **OWN)
    assert Drawing.from_json(drawing.to_json()) == drawing


@pytest.mark.parametrize(
    ("design", "symbol"), list(itertools.product(DESIGNS, (*SYMBOLS, NO_SYMBOL)))
)
def test_every_combination_draws_the_same_twice_and_stays_inside(design: str, symbol: str) -> None:
    drawing = Drawing(symbol=symbol, lettering="ÜBER 14", border="light", **OWN)
    drawing.check()
    assert designs.png(design, "indigo", size=60, drawing=drawing) == designs.png(
        design, "indigo", size=60, drawing=drawing
    )
    root = ET.fromstring(designs.svg(design, "indigo", "A & B", drawing=drawing))
    assert [child.tag.rpartition("}")[2] for child in root] == ["title"] + ["path"] * (
        len(root) - 1
    )
    for path in root[1:]:
        numbers = path.get("d", "").translate(str.maketrans("MLZ", "   ")).split()
        assert all(0 <= float(number) <= 1000 for number in numbers)
        assert set(path.keys()) == {"fill", "d"}


def test_each_choice_changes_the_picture() -> None:
    plain = pixels(Drawing()).tobytes()
    changes = [
        Drawing(symbol="cap"),
        Drawing(symbol=NO_SYMBOL),
        Drawing(lettering="B2"),
        *(Drawing(border=border) for border in BORDERS[1:]),
        Drawing(**OWN),
    ]
    drawn = [pixels(change).tobytes() for change in changes]
    assert len({plain, *drawn}) == len(changes) + 1


def test_the_svg_shows_what_the_png_shows() -> None:
    """Both are filled from the same loops; the colours of both are counted."""
    drawing = Drawing("gear", "PNG = SVG".replace(" = ", "-"), "metal", **OWN)
    fills = {
        path.get("fill")
        for path in ET.fromstring(designs.svg("shield", "indigo", "x", drawing=drawing))[1:]
    }
    made = designs.png("shield", "indigo", size=500, drawing=drawing)
    with Image.open(io.BytesIO(made)) as opened:
        counted = opened.convert("RGBA").getcolors(500 * 500) or []
    solid = {f"#{r:02x}{g:02x}{b:02x}" for n, (r, g, b, a) in counted if a == 255 and n > 60}
    assert fills <= solid


# Colours


@settings(deadline=None, max_examples=200)
@given(hexes, hexes)
def test_the_nearest_readable_colour_can_be_read_and_a_readable_one_is_left_alone(
    colour: str, ground: str
) -> None:
    nearest = colours.nearest_readable(colour, ground, colours.TEXT)
    assert colours.contrast(nearest, ground) >= colours.TEXT
    if colours.contrast(colour, ground) >= colours.TEXT:
        assert nearest == colour


@settings(deadline=None, max_examples=200)
@given(hexes, hexes, hexes)
def test_what_passes_is_readable_everywhere_and_every_offer_passes(
    field: str, ink: str, metal: str
) -> None:
    drawing = Drawing(field=field, ink=ink, metal=metal)
    offers = {one.name: one.nearest for one in drawing.unreadable()}
    mended = Drawing(field=field, ink=offers.get("ink", ink), metal=offers.get("metal", metal))
    assert mended.unreadable() == []
    made = mended.palette("indigo")
    assert colours.contrast(made.symbol, made.field) >= 4.5
    assert colours.contrast(made.symbol, made.shade) >= 4.5
    assert colours.contrast(made.trim, made.edge) >= 3
    assert colours.contrast(made.edge, "#ffffff") >= 3


def test_an_unreadable_combination_is_refused_with_the_nearest_that_is_not() -> None:
    with pytest.raises(Invalid) as refused:
        Drawing(field="#ffffff", ink="#ffff00", metal="#e0e0e0").check()
    assert set(refused.value.fields) == {"ink"}
    assert "#" in refused.value.fields["ink"]


@pytest.mark.parametrize(
    ("drawing", "field"),
    [
        (Drawing(symbol="skull"), "symbol"),
        (Drawing(border="neon"), "border"),
        (Drawing(field="red", ink="#ffffff", metal="#ffffff"), "field"),
        (Drawing(field="#000000"), "field"),
        (Drawing(lettering="WWWWWWWWWWWWWW"), "lettering"),
        (Drawing(lettering="x" * 15), "lettering"),
        (Drawing(lettering="漢字"), "lettering"),
        (Drawing(lettering="<svg>"), "lettering"),
        (Drawing(lettering="a\x00b"), "lettering"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_its_field(drawing: Drawing, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        drawing.check()
    assert set(refused.value.fields) == {field}


# Lettering


def test_letters_keep_inside_their_box_and_run_one_way() -> None:
    """One way round: overlapping strokes of opposite turns would cut holes into a filled path."""
    for text in ("LEVEL 2", "ÀÉÎÕÜŠŻĄÇ", "Q&A/#%", "ø æ œ ł đ ß"):
        loops = lettering.fitted(text, (500, 500), 560, 92)
        assert all(219 <= x <= 781 and 453 <= y <= 547 for loop in loops for x, y in loop)
        turns = {area(loop) > 0 for loop in loops}
        assert len(turns) == 1, text


def area(loop) -> float:
    pairs = zip(loop, (*loop[1:], loop[0]), strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)


def test_letters_look_different_from_each_other() -> None:
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+.,:!?/&#%'()ØÆŒŁĐÄÅŠ"
    drawn = {lettering.fitted(sign, (500, 500), 560, 92) for sign in signs}
    assert len(drawn) == len(signs)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_drawn_or_refused(text: str) -> None:
    loops: tuple[object, ...] | None = None
    with suppress(Invalid):
        loops = lettering.fitted(text, (500, 500), 560, 92)
    assert loops is None or bool(loops) == bool(text.split())


# In words


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize("symbol", [*SYMBOLS, NO_SYMBOL])
def test_every_design_is_told_in_words(language: str, symbol: str) -> None:
    told = {
        described.suggestion(design, Drawing(symbol=symbol, lettering="B2"), language)
        for design in DESIGNS
    }
    assert len(told) == len(DESIGNS)
    assert all("B2" in words and "{" not in words for words in told)
    assert described.suggestion("upload", Drawing(), language) == ""
