"""The certificate to print: a PDF that screen readers can read and verifiers can check."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import pikepdf
import pypdfium2
import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from app.credentials import certificate
from app.credentials.verify import scans
from app.models import Award, Credential, Person, Share
from app.pipeline import award as awarding
from tests.course_seed import Seeded, enter, make_badge, seed


@pytest.fixture
def made(campus) -> Seeded:
    made = seed(campus)
    make_badge(made)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    return made


@pytest.fixture
def award(made: Seeded) -> Award:
    with made.campus.db.reading() as session:
        return session.scalars(select(Award).where(Award.state == "issued")).all()[0]


@pytest.fixture
def holder(client: FlaskClient, made: Seeded, award: Award) -> FlaskClient:
    return enter(client, made, award.person_id, "learner")


def drawn(holder: FlaskClient, made: Seeded, award: Award, **form: str) -> pikepdf.Pdf:
    path = f"/courses/{made.course_id}/me/badges/{award.id}"
    answer = holder.post(f"{path}/files/pdf", data=form)
    assert answer.status_code == 200, answer.text
    return pikepdf.open(io.BytesIO(answer.data))


def elements(node: pikepdf.Object) -> Iterator[pikepdf.Dictionary]:
    """Every element of the structure tree, in reading order."""
    if isinstance(node, pikepdf.Array):
        for child in node:
            yield from elements(child)
    elif isinstance(node, pikepdf.Dictionary):
        if "/S" in node:
            yield node
        if "/K" in node:
            yield from elements(node.K)


def links(pdf: pikepdf.Pdf) -> set[str]:
    return {
        str(note.A.URI) for page in pdf.pages for note in page.get("/Annots", []) if "/A" in note
    }


def everything(pdf: pikepdf.Pdf) -> str:
    """What is said in the file: every string of the structure and all that the fonts map to text."""
    said = [str(pdf.docinfo.get("/Title", ""))]
    for one in elements(pdf.Root.StructTreeRoot):
        said += [str(one.get(key, "")) for key in ("/Alt", "/ActualText", "/E", "/T")]
    return "\n".join([*said, *links(pdf)])


def test_the_pdf_is_tagged_for_screen_readers(holder, made: Seeded, award: Award) -> None:
    pdf = drawn(holder, made, award)
    assert bool(pdf.Root.MarkInfo.Marked)
    assert str(pdf.Root.Lang) == "en"
    assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
    with pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Certificate: Data literacy, level 1"
    found = list(elements(pdf.Root.StructTreeRoot))
    kinds = [str(one.S) for one in found]
    assert kinds.count("/H1") == 1
    assert "/H2" in kinds
    assert kinds.index("/H1") < kinds.index("/H2")
    figures = [str(one.get("/Alt", "")) for one in found if one.S == "/Figure"]
    assert len(figures) == 2
    assert all(figures)


def test_the_signed_bytes_are_attached(holder, made: Seeded, award: Award) -> None:
    pdf = drawn(holder, made, award)
    with made.campus.db.reading() as session:
        signed = session.scalars(select(Credential).where(Credential.award_id == award.id)).one()
    assert list(pdf.attachments) == ["credential.json"]
    assert pdf.attachments["credential.json"].get_file().read_bytes() == signed.document


def codes(pdf: pikepdf.Pdf) -> tuple[str, ...]:
    """What a camera reads on the printed page."""
    buffer = io.BytesIO()
    pdf.save(buffer)
    return scans.look(buffer.getvalue()).codes


def test_the_code_names_nobody_until_the_badge_is_shared(
    holder, made: Seeded, award: Award
) -> None:
    public = made.campus.settings.public_url
    private = drawn(holder, made, award)
    assert links(private) == {f"{public}/verify"}
    assert codes(private) == (f"{public}/verify",)
    holder.post(f"/courses/{made.course_id}/me/badges/{award.id}/share")
    pdf = drawn(holder, made, award)
    with made.campus.db.reading() as session:
        token = session.scalars(select(Share.token)).one()
        person = session.get_one(Person, award.person_id)
    assert links(pdf) == {f"{public}/b/{token}"}
    assert codes(pdf) == (f"{public}/b/{token}",)
    assert f"QR code of the address {public}/b/{token}" in everything(pdf)
    for private in filter(None, (person.name, person.email, person.sub, person.sis_id)):
        assert private not in everything(pdf)


def test_the_verifier_takes_the_certificate(
    holder, client: FlaskClient, made: Seeded, award: Award
) -> None:
    """An employer brings the PDF as it is, or a photo of the paper."""
    path = f"/courses/{made.course_id}/me/badges/{award.id}"
    paper = holder.post(f"{path}/files/pdf").data
    assert checked(client, paper)["verdict"] == "valid"
    private = checked(client, photo(paper))
    assert private["verdict"] == "invalid"
    assert "The holder does not share this badge" in private["checks"][0]["why"]
    holder.post(f"{path}/share")
    shared = photo(holder.post(f"{path}/files/pdf").data)
    assert checked(client, shared)["verdict"] == "valid"
    holder.post(f"{path}/unshare")
    closed = checked(client, shared)
    assert closed["verdict"] == "unknown"
    assert "its owner has closed the link" in closed["checks"][0]["why"]


def photo(pdf: bytes) -> bytes:
    page = pypdfium2.PdfDocument(pdf)[0].render(scale=2).to_pil().convert("RGB")
    buffer = io.BytesIO()
    page.rotate(3, expand=True, fillcolor="white").save(buffer, "JPEG")
    return buffer.getvalue()


def checked(client: FlaskClient, file: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/verify", data=file)
    assert answer.status_code == 200, answer.text
    return answer.json


def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that are handed to the drawer from now on; each is still drawn."""
    pages: list[str] = []
    draw = certificate.to_pdf

    def noted(page: str, *rest: object) -> bytes:
        pages.append(page)
        return draw(page, *rest)

    monkeypatch.setattr(certificate, "to_pdf", noted)
    return pages


def test_the_name_is_printed_only_when_asked_for(
    holder, made: Seeded, award: Award, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = printed(monkeypatch)
    with made.campus.db.reading() as session:
        name = session.get_one(Person, award.person_id).name
    drawn(holder, made, award)
    drawn(holder, made, award, with_name="yes")
    assert [name in page for page in pages] == [False, True]


def test_without_pango_the_page_says_what_to_install(
    holder, made: Seeded, award: Award, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lacking:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Lacking(), *sys.meta_path])
    path = f"/courses/{made.course_id}/me/badges/{award.id}"
    answer = holder.post(f"{path}/files/pdf")
    assert answer.status_code == 409
    assert "apt-get install libpango-1.0-0" in answer.text


def test_nothing_outside_the_page_is_fetched(tmp_path) -> None:
    """A picture by file or network address would be a way to read the server."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    page = f'<html lang="en"><title>t</title><img alt="x" src="{secret.as_uri()}"></html>'
    inside = certificate.data_address(secret.read_bytes(), "image/png")
    fine = f'<html lang="en"><title>t</title><img alt="x" src="{inside}"></html>'
    assert [pictures_in(text) for text in (page, fine)] == [0, 1]


def pictures_in(page: str) -> int:
    from datetime import UTC, datetime

    drawn = certificate.to_pdf(page, b"{}", datetime(2026, 1, 1, tzinfo=UTC))
    with pikepdf.open(io.BytesIO(drawn)) as pdf:
        return sum(len(sheet.get_images()) for sheet in pdf.pages)
