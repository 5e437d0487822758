"""Where a stranger brings a badge: the page, and the same for programs."""

from __future__ import annotations

import html
import io
import json
from contextlib import ExitStack

import html5lib
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.credentials import files
from app.models import Award, Credential
from app.pipeline import hold
from app.pipeline.campus import Campus
from app.pipeline.revoke import revoke
from app.web.public import verify as checking
from tests import operator_seed
from tests.operator_seed import Lived

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def lived(campus: Campus) -> Lived:
    return operator_seed.seed(campus, learners=16)


def signed(lived: Lived) -> Credential:
    with lived.campus.db.reading() as db:
        return db.scalars(select(Credential).where(Credential.award_id == lived.awards[0])).one()


def asked(client: FlaskClient, status: int = 200, **form: object) -> str:
    answer = client.post("/verify", data=form, headers=OURS, content_type="multipart/form-data")
    assert answer.status_code == status, answer.text[:2000]
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


def judged(client: FlaskClient, document: bytes) -> dict[str, str]:
    answer = client.post("/api/v1/verify", data=document)
    assert answer.status_code == 200, answer.text
    found = {check["name"]: check["result"] for check in answer.json["checks"]}
    return found | {"verdict": answer.json["verdict"]}


def test_reasons_are_in_the_language_of_the_reader(client: FlaskClient, lived: Lived) -> None:
    """The API says them in English whoever asks; of that English nothing stands in the German page."""
    good = signed(lived)
    changed = json.loads(good.document)
    changed["credentialSubject"]["achievement"].pop("criteria")
    changed["validUntil"] = "soon"
    for text in (
        good.document.decode(),
        good.jwt,
        good.jwt[:-8] + "AAAAAAAA",
        json.dumps(changed),
        json.dumps({**changed, "type": "Certificate", "proof": {"type": "Seal"}}),
        '{"a": 1, "a": 2}',
        "[" * 50,
        "no badge",
    ):
        ours = {**OURS, "Accept-Language": "de"}
        page = client.post("/verify", data={"text": text}, headers=ours)
        assert page.status_code == 200
        assert '<html lang="de"' in page.text
        api = client.post("/api/v1/verify", data=text, headers={"Accept-Language": "de"}).json
        said = [one["why"] for one in api["checks"] if one["result"] != "not applicable"]
        assert said
        shown = html.unescape(page.text)
        assert [why for why in said if why in shown] == []


def test_every_form_of_our_badge_is_valid(client: FlaskClient, lived: Lived) -> None:
    credential = signed(lived)
    with lived.campus.db.reading() as db:
        award = db.get_one(Award, lived.awards[0])
        picture = files.baked_png(db, award)
    for document in (credential.document, credential.jwt.encode(), picture):
        assert judged(client, document)["verdict"] == "valid"
        file = (io.BytesIO(document), "badge")
        assert "This badge is valid" in asked(client, file=file)
    assert "This badge is valid" in asked(client, text=credential.document.decode())


def test_the_address_of_a_shared_badge_will_do(client: FlaskClient, lived: Lived) -> None:
    token = operator_seed.share_one(lived)
    address = f"{lived.campus.settings.public_url}/b/{token}"
    assert "This badge is valid" in asked(client, text=address)
    assert "nothing to show" in asked(client, 422, text=address + "x")


def test_what_is_wrong_is_told_by_its_own_check(client: FlaskClient, lived: Lived) -> None:
    document = json.loads(signed(lived).document)
    document["credentialSubject"]["achievement"]["name"] = "Something <script>else</script>"
    forged = json.dumps(document)
    found = judged(client, forged.encode())
    assert (found["verdict"], found["proof"], found["key"]) == ("invalid", "fail", "pass")
    text = asked(client, text=forged)
    assert "Do not rely on this badge" in text
    assert "<script>else" not in text
    assert "Something" not in text, "what is forged is not repeated"
    revoke(lived.campus, lived.awards[0], "By mistake.", "operator:test")
    found = judged(client, signed(lived).document)
    assert (found["verdict"], found["status"], found["proof"]) == ("invalid", "fail", "pass")


def test_a_held_badge_is_not_vouched_for(client: FlaskClient, lived: Lived) -> None:
    """Only this server knows of a hold; the signed file and its list do not."""
    hold.hold(lived.campus, lived.awards[0], "Looked into.", "operator:test")
    document = signed(lived).document
    found = judged(client, document)
    assert (found["verdict"], found["hold"], found["status"]) == ("unknown", "unknown", "pass")
    text = asked(client, text=document.decode())
    assert "cannot be judged completely" in text
    assert "Looked into." not in text, "the reason is for the learner"
    address = f"{lived.campus.settings.public_url}/b/{operator_seed.share_one(lived)}"
    assert "is on hold" in asked(client, 422, text=address)
    hold.release(lived.campus, lived.awards[0], "operator:test")
    assert judged(client, document)["verdict"] == "valid"


@pytest.mark.parametrize("text", ["", "   ", "hello", "[]", "{", "a.b.c", "\u202e"])
def test_rubbish_is_told_kindly(client: FlaskClient, text: str) -> None:
    page = asked(client, 200 if text.strip() else 422, text=text)
    assert "This badge is valid" not in page


def test_an_address_inside_is_not_asked(client: FlaskClient) -> None:
    for address in ("http://127.0.0.1:1/x", "https://169.254.169.254/latest", "http://[::1]/"):
        assert "Check it" in asked(client, 422, text=address)


@pytest.mark.parametrize(
    "path", ["/metrics", "/readyz", "/operator/health", "/lti/jwks", "/verify"]
)
def test_own_addresses_are_read_only_where_credentials_name_them(
    client: FlaskClient, lived: Lived, path: str
) -> None:
    """This server asks itself from loopback, which opens more than a stranger may see."""
    address = lived.campus.settings.public_url + path
    assert "nothing to show" in asked(client, 422, text=address)


def test_strangers_cannot_take_every_thread(client: FlaskClient) -> None:
    """A check may wait for slow names; there are two at a time, and the pages go on."""
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(checking.room())
        busy = client.post("/api/v1/verify", data=b"{}")
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "10")
        assert "Check it" in client.get("/verify").text
    assert client.post("/api/v1/verify", data=b"{}").status_code == 200


def test_another_site_cannot_send_it(client: FlaskClient) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/verify", data={"text": "x"}, headers=foreign).status_code == 403


def test_it_is_big_enough_for_badges_and_no_bigger(client: FlaskClient) -> None:
    answer = client.post("/api/v1/verify", data=b"{" * 6_000_000)
    assert answer.status_code in (413, 422)
