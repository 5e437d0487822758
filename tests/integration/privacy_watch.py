"""Everything that goes out of a campus: answers, addresses, codes, lines of logs; and who it could name."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pypdfium2
import pytest
import weasyprint
import zxingcpp
from flask import Response, request
from PIL import Image

from app import main
from app.demo.lms.state import Person

URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{2,30}://|(?:did|mailto|data):)[^\s\"'<>\\^`{|}]+", re.IGNORECASE
)
ATTRIBUTE = re.compile(r"\b(?:href|src|action|formaction|content|hx-[a-z]+)=\"([^\"]+)\"")
SHORTEST = 4
"""Shorter forms stand everywhere by chance."""


def words(person: Person) -> set[str]:
    """All by which the LMS or the SIS calls somebody."""
    box, _, domain = person.email.partition("@")
    return {
        person.given, person.family, person.name, person.username, person.email, box, domain,
        person.uuid, person.sis_id, str(person.id),
    } - {""}  # fmt: skip


def forms(word: str) -> set[bytes]:
    """A word as addresses, JSON, pages, mails and tokens write it."""
    plain = {unicodedata.normalize(form, word) for form in ("NFC", "NFD")}
    plain |= {one.replace(" ", sign) for one in plain for sign in "._-+"}
    plain |= {
        "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    }
    coded = set()
    for one in plain:
        coded |= {quote(one, safe=""), quote_plus(one), quote(quote(one, safe=""), safe="")}
        coded |= {json.dumps(one)[1:-1], html.escape(one), one.encode().hex()}
        coded |= {"".join(f"&#{ord(c)};" if ord(c) > 127 else c for c in one)}
    found = {one.casefold().encode() for one in plain | coded}
    found |= {
        one.encode("idna") for one in plain if "@" not in one and " " not in one and "." in one
    }
    return {one for one in found if len(one) >= SHORTEST}


def in_base64(word: str) -> set[bytes]:
    """What stays the same of a word in base64, wherever it begins and in either alphabet."""
    found = set()
    for before in range(3):
        raw = base64.b64encode(b"\0" * before + word.encode())
        sure = raw[[0, 2, 3][before] : len(raw.rstrip(b"=")) - 1]
        if len(sure) >= 2 * SHORTEST:
            found |= {sure, sure.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


@dataclass(frozen=True)
class Named:
    """Finds somebody in whatever was written."""

    loose: frozenset[bytes]
    exact: frozenset[bytes]

    @classmethod
    def of(cls, *people: Person) -> Named:
        every = {word for one in people for word in words(one)}
        loose = {form for word in every for form in forms(word)}
        return cls(frozenset(loose), frozenset(f for word in every for f in in_base64(word)))

    def within(self, written: str | bytes) -> set[str]:
        """What of somebody stands in it, as it is and with its ``%xx`` and entities resolved."""
        raw = written.encode() if isinstance(written, str) else written
        plain = html.unescape(unquote_to_bytes(raw).decode(errors="replace"))
        text = b"\n".join((raw, plain.casefold().encode(), raw.lower()))
        return {one.decode() for one in (*self.loose, *self.exact) if one in text}


@dataclass
class Answer:
    """One request and what was answered."""

    method: str
    url: str
    endpoint: str
    private: bool
    """It came with a cookie or a token of somebody."""
    status: int
    headers: str
    body: bytes


@dataclass
class Watch:
    """What went out since the watch began."""

    answers: list[Answer] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    """Files with QR codes: PNG or PDF."""
    errors: io.StringIO = field(default_factory=io.StringIO)

    def codes(self) -> set[str]:
        """What every QR code says, wherever one was shown."""
        files = [*self.pictures, *self._shown()]
        return {text for file in files for image in drawn(file) for text in read(image)}

    def _shown(self) -> Iterator[bytes]:
        """Pictures in pages, and files that went out."""
        for answer in self.answers:
            if answer.body.startswith((b"%PDF", b"\x89PNG")):
                yield answer.body
            for found in re.findall(rb'src="(data:image/svg[^"]+)"', answer.body):
                yield html.unescape(found.decode()).encode()

    def addresses(self, *texts: str) -> set[str]:
        """Every address that was asked for, told, linked, or stands in ``texts``."""
        found = {answer.url for answer in self.answers}
        for answer in self.answers:
            texts += (answer.headers, *readable(answer.body))
        for text in texts:
            plain = html.unescape(text)
            found |= {*URL.findall(plain), *map(html.unescape, ATTRIBUTE.findall(text))}
        # A picture that stands in a page is no address; what its code says is among the codes.
        return {one for one in found if not one.startswith("data:")}


def readable(body: bytes) -> Iterator[str]:
    """The texts of a file: of a page or JSON itself, of a token what it signs, of a PDF its words and links."""
    if body.startswith(b"%PDF"):
        yield from _of_pdf(body)
    text = body.decode("utf-8", errors="replace")
    yield text
    for token in re.findall(r"eyJ[\w-]+\.(eyJ[\w-]+)\.", text):
        yield base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode(errors="replace")


def _of_pdf(body: bytes) -> Iterator[str]:
    document = pypdfium2.PdfDocument(body)
    yield json.dumps(document.get_metadata_dict(), ensure_ascii=False)
    for page in document:
        yield page.get_textpage().get_text_bounded()
    yield from (raw.decode("latin-1") for raw in re.findall(rb"/URI \((.*?)\)", body))


def drawn(file: bytes) -> Iterator[Image.Image]:
    """The pictures of a PNG, a PDF or a ``data:`` address of an SVG."""
    if file.startswith(b"data:"):
        page = f'<style>@page {{ size: 12cm; margin: 0 }} img {{ width: 12cm }}</style><img src="{html.escape(file.decode())}">'
        file = weasyprint.HTML(string=page).write_pdf()
    if file.startswith(b"%PDF"):
        yield from (page.render(scale=3).to_pil() for page in pypdfium2.PdfDocument(file))
    else:
        yield Image.open(io.BytesIO(file)).convert("RGB")


def read(image: Image.Image) -> Iterator[str]:
    yield from (code.text for code in zxingcpp.read_barcodes(image))


def watching(patch: pytest.MonkeyPatch) -> Watch:
    """Keep every answer of every application that is made from now on, and what goes to stderr."""
    watch, real = Watch(), main._secure
    patch.setattr(sys, "stderr", watch.errors)

    def keep(response: Response) -> Response:
        made = real(response)
        private = bool(request.headers.get("Cookie") or request.headers.get("Authorization"))
        body = made.get_data() if not made.direct_passthrough else b""
        watch.answers.append(
            Answer(
                request.method,
                request.url,
                str(request.endpoint),
                private,
                made.status_code,
                str(made.headers),
                body,
            )
        )
        return made

    patch.setattr(main, "_secure", keep)
    return watch
