"""Previews and embeds of a shared badge: what other sites get, and what they never get."""

from __future__ import annotations

import io
import re

import html5lib
import pytest
from PIL import Image

from app.credentials import card_painter, cards, shares
from app.credentials.cards import Card
from app.models import Award, Person
from app.pipeline import hold
from app.pipeline.revoke import revoke
from tests import operator_seed
from tests.operator_seed import Lived


@pytest.fixture
def lived(campus) -> Lived:
    return operator_seed.seed(campus, learners=16)


@pytest.fixture
def token(lived: Lived) -> str:
    return operator_seed.share_one(lived, show_name=True)


def secrets_of(lived: Lived) -> tuple[str, ...]:
    with lived.campus.db.reading() as db:
        award = db.get_one(Award, lived.awards[0])
        person = db.get_one(Person, award.person_id)
    return person.name, person.family_name, person.email, person.id, award.id


def metas(text: str) -> dict[str, str]:
    return dict(
        re.findall(r'<meta (?:property|name)="((?:og|twitter):[^"]+)" content="([^"]*)"', text)
    )


def test_a_preview_names_badge_and_issuer_and_never_the_learner(client, lived, token):
    text = client.get(f"/b/{token}").text
    said = metas(text)
    assert said["og:title"] == "Data literacy, level 1"
    assert said["twitter:card"] == "summary_large_image"
    assert said["og:url"].endswith(f"/b/{token}")
    name, family, *others = secrets_of(lived)
    assert name in text, "the page itself shows the name that its holder allowed"
    for private in (name, family, *others):
        assert private not in " ".join(said.values())
    address = said["og:image"].removeprefix("http://127.0.0.1:8080")
    assert token not in address
    answer = client.get(address)
    picture = Image.open(io.BytesIO(answer.data))
    assert (answer.mimetype, picture.size) == ("image/png", (1200, 630))
    assert len(answer.data) < 300_000
    assert "public" in answer.headers["Cache-Control"]
    again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    page = client.get(f"/achievements/{address.split('/')[2].split('.')[0]}").text
    assert metas(page)["og:image"] == said["og:image"]


def test_a_preview_says_when_a_badge_does_not_count(client, lived, token):
    hold.hold(lived.campus, lived.awards[0], "Looked into.", "test")
    assert metas(client.get(f"/b/{token}").text)["og:description"].strip().endswith("On hold")
    hold.release(lived.campus, lived.awards[0], "test")
    revoke(lived.campus, lived.awards[0], "Wrong exam.", "test")
    assert "Revoked on" in metas(client.get(f"/b/{token}").text)["og:description"]
    assert "Revoked on" in client.get(f"/b/{token}/embed").text


def test_the_embed_shows_what_the_link_shows_and_runs_nothing(client, lived, token):
    answer = client.get(f"/b/{token}/embed")
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert answer.status_code == 200
    assert "Verified just now" in answer.text
    assert secrets_of(lived)[0] in answer.text
    assert "<script" not in answer.text
    assert "Set-Cookie" not in answer.headers
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors *" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in client.get(f"/b/{token}").headers["Content-Security-Policy"]
    operator_seed.share_one(lived, show_name=False)
    assert secrets_of(lived)[0] not in client.get(f"/b/{token}/embed").text


def test_a_closed_link_embeds_nothing(client, lived, token):
    unknown = client.get("/b/abcdefghijklmnopqrstuvwx/embed")
    with lived.campus.db.transaction() as db:
        shares.unshare(db, lived.awards[0], lived.campus.clock())
    closed = client.get(f"/b/{token}/embed")
    assert (closed.status_code, closed.text) == (404, unknown.text)
    assert "Data literacy" not in closed.text


@pytest.mark.parametrize("path", ["/cards/nowhere.png", "/cards/..%2f..%2fetc.png"])
def test_no_card_of_what_is_not_published(client, lived, path):
    assert client.get(path).status_code == 404


def test_whoever_waits_for_a_card_gets_the_picture_and_holds_no_thread(client, lived, monkeypatch):
    monkeypatch.setattr(cards, "WAIT", 0.01)
    cards.png.cache_clear()
    with cards._room:
        answer = client.get(f"/cards/{lived.badge}.png")
    assert answer.data == client.get(f"/achievements/{lived.badge}.png").data
    assert answer.headers["Cache-Control"] == "no-store"


def test_hostile_wording_is_text_on_the_card():
    page = card_painter._page(
        {
            "name": "<img src=file:///etc/passwd>" + "W" * 400,
            "issuer": '"><script>',
            "kind": "x",
            "language": '"en',
            "direction": "ltr",
            "picture": "data:,",
        }
    )
    assert "<img src=file" not in page
    assert "<script" not in page
    assert 'lang="&quot;en"' in page


def test_a_wording_of_any_length_and_script_fits():
    picture = io.BytesIO()
    Image.new("RGBA", (100, 100), "red").save(picture, "PNG")
    long = Card("قراءة البيانات " * 20, "Universität " * 20, "k", "ar", "rtl")
    drawn = cards.png(long, picture.getvalue())
    assert Image.open(io.BytesIO(drawn)).size == (1200, 630)
