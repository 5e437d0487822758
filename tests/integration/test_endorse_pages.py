"""The pages of an endorsement, from the teacher's link to the learner's new file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import timedelta
from io import BytesIO

import base58
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.credentials import files, keys
from app.models import Award, BrowserSession, Endorsement, Grant, Issuer
from app.pipeline import award as awarding
from app.secrets import token_hash
from tests.course_seed import Seeded, make_badge, seed, token_for
from tests.forging import PARTNER, changed, endorsement, seal, text

EVIL = "</script><script>alert(1)</script><b>Partner"


@pytest.fixture
def made(campus) -> Seeded:
    made = seed(campus, learners=6)
    make_badge(made)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    return made


class Desk:
    """A browser: of the teacher, of a learner, or of a partner who has only a link."""

    def __init__(self, client: FlaskClient, made: Seeded) -> None:
        self.client, self.made = client, made
        with made.campus.db.reading() as session:
            query = select(Award).where(Award.state == "issued").order_by(Award.id)
            self.award = session.scalars(query).first()
        self.badge = f"/courses/{made.course_id}/badges/{self.award.achievement_id}/endorsements"
        self.teacher = {"Authorization": f"Bearer {token_for(made, made.teacher, 'instructor')}"}
        learner = token_for(made, self.award.person_id, "learner")
        self.learner = {"Authorization": f"Bearer {learner}"}
        self.mine = f"/courses/{made.course_id}/me/badges/{self.award.id}"

    def link(self, partner: str = "Partner Ltd") -> str:
        answer = self.client.post(self.badge, data={"partner": partner}, headers=self.teacher)
        assert answer.status_code == 201, answer.text
        return re.search(r'value="http://[^/]+(/endorse/[^"]+)"', answer.text)[1]

    def step(self, step: str, number: int = 0) -> TestResponse:
        with self.made.campus.db.reading() as session:
            rows = session.scalars(select(Endorsement).order_by(Endorsement.created_at)).all()
        return self.client.post(f"{self.badge}/{rows[number].id}/{step}", headers=self.teacher)

    def signed(self, **changes: str) -> bytes:
        address = f"{self.made.campus.settings.public_url}/achievements/{self.award.achievement_id}"
        document = endorsement(address)
        for path, value in changes.items():
            document = changed(document, path.replace("__", "."), value)
        return text(seal(document, PARTNER))

    def send(self, link: str, content: bytes, **form: str) -> TestResponse:
        data = {"seen": "1", "file": (BytesIO(content), "e.json"), **form}
        return self.client.post(link, data=data, content_type="multipart/form-data")


@pytest.fixture
def desk(client: FlaskClient, made: Seeded) -> Desk:
    return Desk(client, made)


def test_from_the_link_to_the_learners_new_file(desk: Desk) -> None:
    link = desk.link()
    page = desk.client.get(link)
    assert "Reads" in page.text or desk.award.achievement_id in page.text
    with desk.made.campus.db.reading() as session:
        names = "SELECT name FROM person"
        people = [row[0] for row in session.connection().exec_driver_sql(names)]
    assert not [name for name in people if name in page.text], "no learner, no teacher"
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == (
        "no-referrer",
        "no-store",
    )
    signed = desk.signed(issuer__name=EVIL, credentialSubject__endorsementComment=EVIL)
    assert desk.send(link, signed).status_code == 303
    assert "it has arrived" in desk.client.get(link).text

    public = f"/achievements/{desk.award.achievement_id}"
    assert "Partner" not in desk.client.get(public).text
    home = desk.client.get(f"/courses/{desk.made.course_id}", headers=desk.teacher).text
    assert "1 endorsement waits for you" in home
    assert desk.step("accept").status_code == 303
    for page in (
        desk.client.get(desk.badge, headers=desk.teacher),
        desk.client.get(public),
        desk.client.get(link),
        desk.client.get(desk.mine, headers=desk.learner),
    ):
        assert "<script>alert" not in page.text
        assert "&lt;b&gt;Partner" in page.text
    told = desk.client.get(public, headers={"Accept": "application/json"}).json
    assert [one["issuer"]["name"] for one in told["endorsement"]] == [EVIL]
    file = re.search(r'href="(/endorsements/[^"]+)"', desk.client.get(public).text)[1]
    assert desk.client.get(file).data == signed

    for _ in range(2):
        desk.client.post(f"{desk.mine}/endorsed", headers=desk.learner)
    with desk.made.campus.db.reading() as session:
        present = files.current(session, desk.award.id)
    document = json.loads(present.document)
    assert present.number == 2, "pressed twice, signed once"
    assert document["credentialSubject"]["achievement"]["endorsement"] == [json.loads(signed)]
    assert "has been endorsed" not in desk.client.get(desk.mine, headers=desk.learner).text

    desk.client.post(f"{desk.mine}/share", headers=desk.learner)
    mine = desk.client.get(desk.mine, headers=desk.learner).text
    shared = re.search(r'value="http://[^/]+(/b/[^"]+)"', mine)[1]
    assert "Not in the file" not in desk.client.get(shared).text
    assert desk.client.post(f"{link}/withdraw").status_code == 303
    assert "was withdrawn on" in desk.client.get(shared).text
    assert "An endorsement has changed" in desk.client.get(desk.mine, headers=desk.learner).text
    assert desk.client.get(file).status_code == 404
    assert "Partner" not in desk.client.get(public).text


def test_what_is_refused_says_why_and_the_link_stays_open(desk: Desk) -> None:
    link = desk.link()
    forged = desk.signed().replace(b"What we ask", b"What we hate")
    answer = desk.send(link, forged)
    assert (answer.status_code, "The signature does not match" in answer.text) == (422, True)
    other = text(seal(endorsement("https://else.example/achievements/1"), PARTNER))
    assert "of something else" in desk.send(link, other).text
    assert "worded anew" in desk.send(link, desk.signed(), seen="7").text
    assert desk.send(link, desk.signed(), seen="x" * 400).status_code == 422
    assert desk.send(link, b"{" + b" " * 200_000).status_code == 413
    assert desk.send(link, desk.signed()).status_code == 303
    assert "takes one endorsement" in desk.send(link, desk.signed()).text


def test_only_who_has_an_open_link_gets_in(desk: Desk, made: Seeded) -> None:
    open_link, closed = desk.link(), desk.link("Second Ltd")
    assert desk.step("close", 1).status_code == 303
    for link in (closed, "/endorse/guessed", f"{open_link}x"):
        assert desk.client.get(link).status_code == 404
        assert desk.send(link, desk.signed()).status_code == 404
        assert desk.client.post(f"{link}/words").status_code == 404
        assert desk.client.post(f"{link}/withdraw").status_code == 404
    early = desk.client.post(f"{open_link}/withdraw", headers={"Accept-Language": "de"})
    assert (early.status_code, "Öffnen Sie die Seite noch einmal" in early.text) == (409, True)
    assert desk.step("publish").status_code == 404
    form = {"partner": " "}
    assert desk.client.post(desk.badge, data=form, headers=desk.teacher).status_code == 422
    assistant = token_for(made, made.teacher, "assistant")
    headers = {"Authorization": f"Bearer {assistant}"}
    assert desk.client.post(desk.badge, data={"partner": "X Y"}, headers=headers).status_code == 403
    with made.campus.db.reading() as session:
        stored = [row.token_hash for row in session.scalars(select(Endorsement))]
    assert open_link.rpartition("/")[2] not in stored


def test_an_operator_takes_back_what_a_course_accepted(desk: Desk, made: Seeded) -> None:
    link = desk.link()
    assert desk.send(link, desk.signed(issuer__name=EVIL)).status_code == 303
    desk.step("accept")
    now = made.campus.clock()
    with made.campus.db.transaction() as session:
        issuer_id, row_id = (
            session.scalars(select(kind.id)).one() for kind in (Issuer, Endorsement)
        )
        browser = BrowserSession(
            token_hash=token_hash("op"), created_at=now, expires_at=now + timedelta(hours=1)
        )
        session.add(browser)
        session.flush()
        once = {"created_at": now, "expires_at": now + timedelta(hours=1)}
        session.add(
            Grant(session_id=browser.id, scope="operator", role="operator", operator="op", **once)
        )
    headers = {"Authorization": "Bearer op"}
    page = f"/operator/issuers/{issuer_id}"
    assert "&lt;b&gt;Partner" in desk.client.get(page, headers=headers).text
    other = f"/operator/issuers/x/endorsements/{row_id}/withdraw"
    assert desk.client.post(other, headers=headers).status_code == 404
    for status in (303, 404):
        withdrawn = f"{page}/endorsements/{row_id}/withdraw"
        assert desk.client.post(withdrawn, headers=headers).status_code == status
    assert "It is withdrawn" in desk.client.get(link).text


def sign_as_a_browser(told: dict, key: keys.SigningKey) -> bytes:
    data = b"".join(hashlib.sha256(part.encode()).digest() for part in told["texts"])
    value = "z" + base58.b58encode(key.sign(data)).decode()
    return text({**told["document"], "proof": {**told["proof"], "proofValue": value}})


def test_a_browser_is_told_every_word_and_cannot_change_one(desk: Desk) -> None:
    link, key = desk.link(), keys.generate(keys.KeyKind.ED25519)
    form = {
        "key": key.public.jwk["x"],
        "name": EVIL,
        "url": "https://partner.example",
        "comment": "We ask for it.\r\nAlways.",
    }
    told = desk.client.post(f"{link}/words", data=form).json
    about = f"{desk.made.campus.settings.public_url}/achievements/{desk.award.achievement_id}"
    assert told["document"]["credentialSubject"] == {
        "id": about,
        "type": ["EndorsementSubject"],
        "endorsementComment": "We ask for it.\nAlways.",
    }
    assert f"<{about}>" in told["texts"][1]
    good = sign_as_a_browser(told, key)
    later = sign_as_a_browser(
        changed(told, "document.credentialSubject.endorsementComment", "We demand it."), key
    )
    answer = desk.client.post(link, data={"seen": "1", "text": later.decode()})
    assert answer.status_code == 422, "another word than those that were hashed"
    answer = desk.client.post(link, data={"seen": "1", "text": good.decode()})
    assert answer.status_code == 303
    assert desk.client.post(f"{link}/words", data=form).status_code == 422
    wrong = {
        "key": base64.urlsafe_b64encode(b"x" * 31).decode(),
        "url": "javascript:alert(1)",
        "name": "",
        "comment": "x\u0007",
    }
    fresh = desk.link("Third Ltd")
    for field, value in wrong.items():
        refused = desk.client.post(f"{fresh}/words", data={**form, field: value})
        assert (refused.status_code, bool(refused.json["problem"])) == (422, True), field
