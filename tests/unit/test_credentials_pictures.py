"""Pictures: what is baked in comes out, uploads lose what is hidden, designs read well."""

from __future__ import annotations

import io
import itertools
import struct
import xml.etree.ElementTree as ET
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from app.credentials import bake, designs, uploads
from app.errors import Conflict, Invalid

PNG = designs.png("shield", "indigo", size=96)


def picture(width: int = 200, height: int = 100, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "#336699").save(buffer, "PNG", **options)
    return buffer.getvalue()


def pixels(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as opened:
        return opened.convert("RGBA").tobytes()


def chunk_types(png: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        found.append(kind)
        position += 12 + length
    return found


@settings(deadline=None)
@given(st.binary(max_size=300).map(lambda raw: raw.hex().encode()))
def test_what_is_baked_in_comes_out(credential: bytes) -> None:
    baked = bake.bake(PNG, credential)
    assert bake.unbake(baked) == credential
    assert pixels(baked) == pixels(PNG)


def test_the_chunk_stands_right_after_the_header_and_is_readable_by_others() -> None:
    baked = bake.bake(PNG, b'{"a":1}')
    assert chunk_types(baked)[:2] == [b"IHDR", b"iTXt"]
    with Image.open(io.BytesIO(baked)) as opened:
        assert isinstance(opened, PngImagePlugin.PngImageFile)
        assert opened.text["openbadgecredential"] == '{"a":1}'


def test_other_than_ascii_is_escaped_as_json_reads_it() -> None:
    baked = bake.bake(PNG, '{"a":"SAFe® 🎓"}'.encode())
    assert bake.unbake(baked) == b'{"a":"SAFe\\u00ae \\ud83c\\udf93"}'


def test_nothing_is_baked_twice() -> None:
    with pytest.raises(Conflict, match="already"):
        bake.bake(bake.bake(PNG, b"{}"), b"{}")


def test_a_picture_without_credential_says_so() -> None:
    assert bake.unbake(PNG) is None


@pytest.mark.parametrize(
    "damaged",
    [b"", b"GIF89a", PNG[:40], PNG[:-4], PNG[:20] + b"x" + PNG[21:], PNG[:8]],
    ids=["nothing", "gif", "cut early", "cut late", "flipped", "signature only"],
)
def test_what_is_no_png_is_refused(damaged: bytes) -> None:
    with pytest.raises(Invalid):
        bake.unbake(damaged)
    with pytest.raises(Invalid):
        bake.bake(damaged, b"{}")


def test_a_compressed_credential_is_refused_loudly() -> None:
    data = bake.KEYWORD + b"\0\1\0\0\0" + zlib.compress(b"{}")
    raw = struct.pack(">I", len(data)) + b"iTXt" + data
    odd = PNG[:33] + raw + zlib.crc32(b"iTXt" + data).to_bytes(4) + PNG[33:]
    with pytest.raises(Invalid, match="not plain text"):
        bake.unbake(odd)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Invalid, match="UTF-8"):
        bake.bake(PNG, b"\xff\xfe")


def test_an_upload_keeps_its_pixels_and_nothing_else() -> None:
    hidden = PngImagePlugin.PngInfo()
    hidden.add_text("Comment", "learner: Ann Lee, 52.52 N 13.40 E")
    hidden.add_itxt("openbadgecredential", "{}")
    upload = picture(pnginfo=hidden, dpi=(72, 72), icc_profile=b"x" * 200) + b"PK\x03\x04 tail"
    clean = uploads.clean(upload)
    assert set(chunk_types(clean)) == {b"IHDR", b"IDAT", b"IEND"}
    assert pixels(clean) == pixels(upload)
    assert b"Ann Lee" not in clean
    assert bake.unbake(bake.bake(clean, b"{}")) == b"{}"


def test_an_animation_becomes_its_first_picture() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (120, 120), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    clean = uploads.clean(buffer.getvalue())
    assert b"acTL" not in chunk_types(clean)
    assert pixels(clean)[:4] == b"\xff\0\0\xff"


def _header(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return struct.pack(">I", 13) + b"IHDR" + header + zlib.crc32(b"IHDR" + header).to_bytes(4)


@pytest.mark.parametrize("first", [_header(60_000), _header(200) + _header(60_000)])
def test_a_picture_that_claims_a_billion_pixels_is_not_unpacked(first: bytes) -> None:
    with pytest.raises(Invalid):
        uploads.clean(b"\x89PNG\r\n\x1a\n" + first + picture()[33:])


@pytest.mark.parametrize("name", list(designs.PALETTES))
def test_every_symbol_can_be_read_on_its_face(name: str) -> None:
    palette = designs.PALETTES[name]
    assert designs.contrast(palette.symbol, palette.field) >= 4.5
    assert designs.contrast(palette.symbol, palette.shade) >= 4.5
    assert designs.contrast(palette.edge, "#ffffff") >= 3


def test_contrast_is_measured_as_wcag_does() -> None:
    assert designs.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert designs.contrast("#ffffff", "#ffffff") == pytest.approx(1)
    assert designs.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    with pytest.raises(Invalid):
        designs.contrast("red", "#ffffff")


@pytest.mark.parametrize(
    ("design", "symbol"), list(itertools.product(designs.DESIGNS, designs.SYMBOLS))
)
def test_a_drawing_is_whole_and_self_contained(design: str, symbol: str) -> None:
    text = designs.svg(design, "indigo", 'Größe & <script>alert("x")</script>', symbol=symbol)
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.attrib["role"] == "img"
    assert root[0].tag == f"{space}title"
    assert root[0].text == 'Größe & <script>alert("x")</script>'
    assert {child.tag for child in root[1:]} == {f"{space}path"}
    assert {name for child in root[1:] for name in child.attrib} == {"fill", "d"}
    numbers = " ".join(child.attrib["d"] for child in root[1:])
    for letter in "MLZ":
        numbers = numbers.replace(letter, " ")
    assert all(0 <= float(number) <= 1_000 for number in numbers.split())


@pytest.mark.parametrize("design", list(designs.DESIGNS))
def test_a_picture_has_smooth_edges_on_a_clear_ground(design: str) -> None:
    with Image.open(io.BytesIO(designs.png(design, "ocean", symbol="book", size=120))) as opened:
        image = opened.convert("RGBA")
    assert image.size == (120, 120)
    alpha = image.getchannel("A").tobytes()
    assert alpha[0] == 0
    assert alpha.count(255) > 4_000
    assert sum(0 < value < 255 for value in alpha) > 100


def test_the_symbol_is_what_stands_in_the_middle() -> None:
    with Image.open(io.BytesIO(designs.png("medal", "forest", symbol="star"))) as opened:
        assert opened.size == (600, 600)
        assert opened.getpixel((300, 282)) == (255, 255, 255, 255)


def test_pictures_are_the_same_each_time_and_differ_from_each_other() -> None:
    drawn = {
        (design, palette): designs.png(design, palette, size=60)
        for design, palette in itertools.product(designs.DESIGNS, designs.PALETTES)
    }
    assert len(set(drawn.values())) == len(designs.DESIGNS) * len(designs.PALETTES)
    assert designs.png("gem", "plum", size=60) == drawn["gem", "plum"]


def test_there_is_a_choice() -> None:
    assert len(designs.DESIGNS) >= 6
    assert {"shield", "hexagon", "ribbon", "laurel"} <= designs.DESIGNS.keys()
    assert "indigo" in designs.PALETTES


@pytest.mark.parametrize(
    ("design", "palette", "symbol"),
    [("x", "indigo", "star"), ("shield", "x", "star"), ("shield", "indigo", "x")],
)
def test_an_unknown_name_is_refused(design: str, palette: str, symbol: str) -> None:
    with pytest.raises(Invalid):
        designs.png(design, palette, symbol=symbol)
    with pytest.raises(Invalid):
        designs.svg(design, palette, "x", symbol=symbol)
