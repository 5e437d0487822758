"""Uploaded pictures: what is seen stays, everything else goes, and no file takes the server with it."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import pytest
from PIL import Image, PngImagePlugin

from app.credentials import bake, designs, painter, uploads
from app.errors import Invalid

GPS = 0x8825
SECRET = b"52.5200N 13.4050E"


def photo(form: str, size: tuple[int, int] = (300, 200), **options: object) -> bytes:
    picture = Image.new("RGB", size, "#336699")
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def opened(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.convert("RGBA")


def svg(inside: str, root: str = 'viewBox="0 0 100 100"') -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {root}>'
        f"{inside}</svg>"
    ).encode()


RED = '<rect width="50" height="100" fill="#ff0000"/>'


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pixels_stay_and_metadata_goes(form: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(GPS)[1] = "N"
    sent = photo(form, exif=exif) + b"trailing secret"
    assert SECRET in sent
    kept = uploads.clean(sent)
    assert SECRET not in kept
    assert b"secret" not in kept
    assert bake.chunk_kinds(kept) <= {b"IHDR", b"IDAT", b"IEND"}
    picture = opened(kept)
    assert picture.size == (300, 200)
    red, green, blue, cover = picture.getpixel((150, 100))  # type: ignore[misc]
    assert abs(red - 0x33) < 4
    assert abs(green - 0x66) < 4
    assert abs(blue - 0x99) < 4
    assert cover == 255


def test_text_chunks_and_animation_go() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET.decode())
    frames = [Image.new("RGB", (120, 120), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", pnginfo=info, save_all=True, append_images=frames[1:])
    kept = uploads.clean(buffer.getvalue())
    assert SECRET not in kept
    assert opened(kept).getpixel((60, 60)) == (255, 0, 0, 255)


def test_a_photo_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(uploads.clean(photo("JPEG", exif=exif))).size == (200, 300)


def test_transparency_stays_and_a_square_is_cut_around_the_middle() -> None:
    picture = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (150, 50, 250, 150))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    kept = opened(uploads.clean(buffer.getvalue(), square=True))
    assert kept.size == (200, 200)
    assert kept.getpixel((100, 100)) == (255, 0, 0, 255)
    assert kept.getpixel((2, 2))[3] == 0  # type: ignore[index]


def test_a_large_photo_becomes_small() -> None:
    assert opened(uploads.clean(photo("JPEG", (4000, 3000)))).size == (1000, 750)


# SVG


def test_an_svg_is_drawn_and_nothing_of_its_text_is_kept() -> None:
    kept = uploads.clean(svg(RED + "<title>geheim</title><!-- geheim -->"))
    assert b"geheim" not in kept
    picture = opened(kept)
    assert picture.size == (1000, 1000)
    assert picture.getpixel((250, 500)) == (255, 0, 0, 255)
    assert picture.getpixel((750, 500))[3] == 0  # type: ignore[index]


def test_a_design_of_ours_comes_out_as_it_is_drawn() -> None:
    ours = designs.svg("medal", "forest", "x").encode()
    kept = opened(uploads.clean(ours)).resize((100, 100))
    own = opened(designs.png("medal", "forest", size=100))
    apart = sum(abs(a - b) > 60 for a, b in zip(kept.tobytes(), own.tobytes(), strict=True))
    assert apart < 0.02 * 4 * 100 * 100


LEFT_OUT = {
    "script": "<script>alert(1)</script>",
    "handler": '<rect width="1" height="1" onload="alert(1)" onclick="x()"/>',
    "foreignObject": "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>x</body></foreignObject>",
    "image": '<image href="http://169.254.169.254/latest" width="100" height="100"/>',
    "file": '<image xlink:href="file:///etc/passwd" width="100" height="100"/>',
    "use": '<use href="http://127.0.0.1:9/a.svg#b"/>',
    "style url": "<style>rect { fill: url(http://127.0.0.1:9/x) }</style>",
    "style import": "<style>@import 'http://127.0.0.1:9/x.css';</style>",
    "style escape": "<style>rect { fill: \\75rl(http://127.0.0.1:9/x) }</style>",
    "attribute url": '<rect width="1" height="1" fill="url(http://127.0.0.1:9/x#a)"/>',
    "attribute style": '<rect width="1" height="1" style="fill:url(//127.0.0.1:9/x)"/>',
    "link": '<a href="javascript:alert(1)"><rect width="1" height="1"/></a>',
    "filter": '<filter id="f"><feImage href="http://127.0.0.1:9/x"/></filter>',
    "animate": '<animate attributeName="href" to="http://127.0.0.1:9/x"/>',
    "base": '<g xml:base="http://127.0.0.1:9/"><use href="#x"/></g>',
    "foreign element": '<x:y xmlns:x="urn:x">z</x:y>',
}


@pytest.mark.parametrize("part", LEFT_OUT.values(), ids=list(LEFT_OUT))
def test_what_does_more_than_draw_is_left_out_before_anything_reads_it(part: str) -> None:
    from defusedxml.ElementTree import fromstring, tostring

    root = fromstring(svg(RED + part))
    painter._keep_what_draws(root)
    left = tostring(root).decode().lower()
    words = ("script", "onload", "onclick", "alert", "foreignobject", "image", "127.0.0.1")
    assert not [
        word
        for word in (*words, "169.254", "file:", "animate", "xml:base", "urn:x")
        if word in left
    ]
    assert "#ff0000" in left


def test_styles_gradients_and_inner_references_stay() -> None:
    kept = uploads.clean(
        svg(
            "<style>.a { fill: #00ff00 }</style>"
            '<defs><linearGradient id="g"><stop stop-color="#0000ff"/></linearGradient></defs>'
            '<rect class="a" width="50" height="100"/>'
            '<rect x="50" width="50" height="100" fill="url(#g)"/>'
        )
    )
    picture = opened(kept)
    assert picture.getpixel((250, 500)) == (0, 255, 0, 255)
    assert picture.getpixel((750, 500)) == (0, 0, 255, 255)


def bomb_png(side: int) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(10_000_000))
    chunks = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


LAUGHS = (
    b'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text></svg>'
)
OUTSIDE = (
    b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text>&x;</text></svg>'
)
USES = "".join(f'<g id="u{n}">' + f'<use href="#u{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))
HOSTILE = {
    "nothing": (b"", "damaged"),
    "an executable": (b"MZ" + bytes(2000), "damaged"),
    "a page": (b"<html><script>alert(1)</script></html>", "svg"),
    "GIF": (photo("GIF"), "damaged"),
    "TIFF": (photo("TIFF"), "damaged"),
    "cut off": (photo("PNG")[:-30], "damaged"),
    "too many bytes": (photo("PNG") + bytes(3_000_000), "large"),
    "pixel bomb": (bomb_png(50_000), "large"),
    "too small": (photo("PNG", (89, 200)), "small"),
    "laughs": (LAUGHS, "svg"),
    "outside entity": (OUTSIDE, "svg"),
    "no size": (svg(RED, ""), "shape"),
    "a line": (svg(RED, 'viewBox="0 0 1000 10"'), "shape"),
    "not a number": (svg(RED, 'viewBox="0 0 nan 10"'), "shape"),
    "nothing seen": (svg(""), "svg"),
    "many elements": (svg("<g/>" * 6000), "large"),
    "deep": (svg("<g>" * 100 + "</g>" * 100), "large"),
}


@pytest.mark.parametrize(("content", "why"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_files_are_refused(content: bytes, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        uploads.clean(content)
    assert refused.value.code == f"picture-{why}"


def test_references_that_multiply_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten to the eleventh rectangles: ended by its limits, whichever comes first."""
    monkeypatch.setattr(uploads, "_BOUNDS", replace(uploads._BOUNDS, seconds=3))
    with pytest.raises(Invalid):
        uploads.clean(svg(f'<rect id="u0" width="9" height="9"/>{USES}'))


def test_the_painter_is_not_believed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A painter that was taken over hands out what it wants; only bare PNGs come through."""
    for output in ("<svg onload='x'/>", "\\x89PNG\\r\\n\\x1a\\nrest"):
        taken = tmp_path / "painter.py"
        taken.write_text(f"import sys; sys.stdout.buffer.write(b{output!r})", "utf-8")
        monkeypatch.setattr(uploads, "_PAINTER", taken)
        with pytest.raises(Invalid):
            uploads.clean(photo("PNG"))


def test_the_painter_sees_no_environment(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "painter.py"
    seen.write_text("import os, sys; sys.stdout.write('!' + str(len(os.environ)))", "utf-8")
    monkeypatch.setenv("TASSEL_MASTER_KEY", "secret")
    monkeypatch.setattr(uploads, "_PAINTER", seen)
    monkeypatch.setattr(uploads, "PROBLEMS", ("0", "1", "2"))
    with pytest.raises(Invalid) as refused:
        uploads.clean(photo("PNG"))
    # Python itself may add LC_CTYPE.
    assert refused.value.code in ("picture-0", "picture-1")
