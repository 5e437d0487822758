"""Photos and PDF files that somebody brings to the verifier, whole, empty, and made to break it."""

from __future__ import annotations

import io
import random
import resource
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pikepdf
import pypdfium2
import pytest
import segno
from PIL import Image, ImageFilter

from app.credentials import apart, certificate
from app.credentials.verify import Report, scans, verify
from app.credentials.verify.limits import MAX_FILE_BYTES
from tests.forging import (
    CAMPUS,
    ED,
    NOW,
    RSA,
    World,
    badge,
    changed,
    chunk,
    png,
    seal,
    text,
    token,
    world,
)

SHARED = "https://campus.example/b/Zm9ydHktdHdv"
PAGE = '<html lang="en"><title>t</title>'


def code(content: str, scale: int = 4) -> Image.Image:
    buffer = io.BytesIO()
    segno.make_qr(content, error="m").save(buffer, kind="png", scale=scale, border=4)
    return Image.open(buffer).convert("RGB")


def file(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def photo(*codes: Image.Image) -> bytes:
    """The codes askew and out of focus on a noisy table."""
    table = Image.effect_noise((1600, 1200), 60).convert("RGB")
    for number, one in enumerate(codes):
        askew = one.rotate(17, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
        table.paste(askew, (120 + 700 * number, 200))
    return file(table.filter(ImageFilter.GaussianBlur(1.2)), "JPEG")


def pdf(body: str = "", *attached: bytes) -> bytes:
    drawn = certificate.to_pdf(f"{PAGE}<h1>x</h1>{body}", b"{}", datetime(2026, 1, 1, tzinfo=UTC))
    with pikepdf.open(io.BytesIO(drawn)) as made:
        del made.attachments["credential.json"]
        for number, content in enumerate(attached):
            made.attachments[f"{number}.json"] = content
        buffer = io.BytesIO()
        made.save(buffer)
    return buffer.getvalue()


def printed(content: str) -> str:
    return f'<img alt="x" style="width:32mm" src="{certificate.qr(content)}">'


def good(number: int = 1) -> bytes:
    return text(seal(badge(number=number), ED))


@pytest.fixture
def place() -> World:
    made = world()
    made.put(SHARED, good())
    return made


def why(report: Report) -> str:
    [check] = [check for check in report.checks if check.name in {"document", "limits"}]
    return check.why


@pytest.mark.parametrize(
    "brought",
    [
        file(code(SHARED)),
        file(code(SHARED).convert("LA")),
        file(code(SHARED, 12), "WEBP"),
        photo(code(SHARED, 6)),
        pdf(printed(SHARED)),
        photo(code("Room 12", 5), code(SHARED, 6)),
    ],
    ids=["screenshot", "with-alpha", "webp", "photo", "pdf", "beside-another-code"],
)
def test_a_code_leads_to_the_badge(place: World, brought: bytes) -> None:
    report = verify(brought, place.lookup, NOW)
    assert report.verdict == "valid", report
    assert SHARED in report.checks[0].why


def test_a_credential_attached_to_a_pdf_is_read_as_it_is(place: World) -> None:
    for credential in (good(), token(badge(), RSA)):
        report = verify(pdf(printed("https://nowhere.example/"), credential), place.lookup, NOW)
        assert report.verdict == "valid", report
        assert "what its pages show was not checked" in report.checks[0].why
    forged = text(changed(seal(badge(), ED), "credentialSubject.achievement.name", "Other"))
    report = verify(pdf("", forged), place.lookup, NOW)
    assert [c.name for c in report.checks if c.result == "fail"] == ["proof"]


def test_other_attachments_do_not_stand_in_the_way(place: World) -> None:
    brought = pdf(printed(SHARED), b'{"invoice": 12}', b"%PDF-1.7", b"eyJhbGciOi")
    assert verify(brought, place.lookup, NOW).verdict == "valid"
    assert verify(pdf("", b'{"invoice": 12}', good()), place.lookup, NOW).verdict == "valid"


def test_a_credential_may_stand_in_the_code_itself(place: World) -> None:
    subject, issuer = {"id": "urn:x:2"}, {"id": CAMPUS}
    begins = "2026-09-02T08:00:00Z"
    least = {"id": "urn:x:1", "issuer": issuer, "credentialSubject": subject, "validFrom": begins}
    small = token(least, ED)
    report = verify(file(code(small.decode())), place.lookup, NOW)
    assert report.checks[0].why == "It is a credential in a QR code."


def locked() -> bytes:
    buffer = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf("", good()))) as made:
        made.save(buffer, encryption=pikepdf.Encryption(user="secret", owner="secret"))
    return buffer.getvalue()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no code": (photo, "no QR code on it"),
    "another code": (lambda: photo(code("Room 12")), "no QR code on it"),
    "two badges": (
        lambda: photo(code(SHARED, 6), code(SHARED + "x", 6)),
        "more than one QR code",
    ),
    "two credentials": (lambda: pdf("", good(1), good(2)), "More than one credential"),
    "the verifier": (lambda: photo(code("https://campus.example/verify", 6)), "does not share"),
    "a page": (lambda: photo(code("https://campus.example/page", 6)), "no badge can be read"),
    "a closed link": (lambda: photo(code(SHARED + "y", 6)), "could not be read"),
    "half a photo": (lambda: photo(code(SHARED))[:400], "damaged"),
    "half a PDF": (lambda: pdf()[:900], "damaged"),
    "a locked PDF": (locked, "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_leads_nowhere_is_told(place: World, name: str) -> None:
    place.put("https://campus.example/page", b"<!doctype html><p>Hello</p>")
    make, words = REFUSED[name]
    report = verify(make(), place.lookup, NOW)
    assert report.verdict != "valid"
    assert words in why(report)


def plain_png(width: int, height: int) -> bytes:
    """A grey picture, packed a thousandfold."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width // 8 + 1)) for _ in range(height))
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x01\x00\x00\x00\x00"
    data = chunk(b"IDAT", rows + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


def bloated() -> bytes:
    """A PDF of three megabytes with an attachment of most of a gigabyte."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b"{" * 1_000_000) for _ in range(600)) + packer.flush()
    with pikepdf.open(io.BytesIO(pdf("", b"{}"))) as made:
        spec = made.attachments["0.json"]
        spec.obj.EF.F.write(packed, filter=pikepdf.Name.FlateDecode)
        buffer = io.BytesIO()
        made.save(buffer)
    return buffer.getvalue()


def endless() -> bytes:
    """A page that draws one picture a million times."""
    with pikepdf.open(io.BytesIO(pdf(printed("x")))) as made:
        page = made.pages[0]
        page.Contents = made.make_stream(b"0 0 600 800 re 0.5 g f\n" * 1_500_000)
        buffer = io.BytesIO()
        made.save(buffer, compress_streams=True)
    return buffer.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "pixels": lambda: plain_png(30_000, 30_000),
    "an attachment": bloated,
    "a page": endless,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little_and_breaks_nothing(place: World, name: str) -> None:
    bomb = BOMBS[name]()
    assert len(bomb) < MAX_FILE_BYTES
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    report = verify(bomb, place.lookup, NOW)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert report.verdict == "unknown"
    assert [check.name for check in report.checks] == ["limits"]
    assert after.ru_utime - before.ru_utime < 10
    assert time.monotonic() - began < scans.SECONDS + 3


def test_damage_anywhere_never_breaks_the_verifier(place: World) -> None:
    dice = random.Random(3)
    originals = [photo(code(SHARED)), pdf(printed(SHARED), good()), file(code(SHARED))]
    for number in range(12):
        damaged = bytearray(originals[number % 3])
        for _ in range(20):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        assert verify(bytes(damaged), place.lookup, NOW).checks


def test_the_scanner_has_no_secrets_and_no_tassel(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets neither the environment nor the path of the project."""
    seen: list[dict[str, object]] = []
    run = apart.subprocess.run

    def noted(words: list[str], **how: object) -> object:
        seen.append({"words": words, **how})
        return run(words, **how)  # type: ignore[call-overload]

    monkeypatch.setenv("TASSEL_MASTER_KEY", "k" * 44)
    monkeypatch.setattr(apart.subprocess, "run", noted)
    scans.look(file(code(SHARED)))
    assert seen[0]["env"] == {}
    assert "-I" in seen[0]["words"]  # type: ignore[operator]


def test_a_badge_picture_needs_no_scanner(place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "look", lambda raw: pytest.fail("decoded"))
    assert verify(png(good()), place.lookup, NOW).verdict == "valid"


def test_codes_survive_paper() -> None:
    """A page as a printer draws it is read back as it was written."""
    page = pypdfium2.PdfDocument(pdf(printed(SHARED)))[0]
    assert scans.look(file(page.render(scale=2).to_pil(), "JPEG")).codes == (SHARED,)
