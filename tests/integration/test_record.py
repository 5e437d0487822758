"""The learner's whole record over HTTP: what is offered, what is handed out, and to whom."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.credentials import issuers
from app.credentials.keys import KeyKind
from app.credentials.ler_rs import SignedBadge
from app.credentials.proofs import FORMATS
from app.models import Award, Credential, Disclosure, Person
from app.pipeline import award as awarding
from app.pipeline import hold, revoke
from app.pipeline import record as records
from app.web.public import limits
from tests.course_seed import Seeded, enter, make_badge, seed
from tests.integration.issuer_rig import Stranger
from tests.integration.test_pages_learner import get, post, words

NAMES = ("Data literacy, level 1", "Data literacy, level 2", "Data literacy, level 3")


def sign_all(made: Seeded) -> None:
    while batches := awarding.claim(made.campus):
        for batch in batches:
            awarding.run(made.campus, batch.ids)


@pytest.fixture
def made(campus) -> Seeded:
    """A course with three badges, and a learner who has them all."""
    made = seed(campus)
    for name in NAMES:
        make_badge(made, name)
    sign_all(made)
    return made


@pytest.fixture
def holder(made: Seeded) -> Person:
    with made.campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
        return session.get_one(Person, award.person_id)


@pytest.fixture
def browser(client: FlaskClient, made: Seeded, holder: Person) -> FlaskClient:
    return enter(client, made, holder.id, "learner")


def awards(made: Seeded, person: Person) -> list[str]:
    with made.campus.db.reading() as session:
        chosen = select(Award.id).where(Award.learner_id == person.learner_id)
        return list(session.scalars(chosen.order_by(Award.awarded_at.desc(), Award.id)))


def documents(made: Seeded, award_ids: list[str]) -> list[bytes]:
    with made.campus.db.reading() as session:
        query = select(Credential.document).where(Credential.award_id.in_(award_ids))
        return list(session.scalars(query))


def test_nobody_has_records_signed_without_end(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    """Counted by learner, not by address: the same one from many networks is one."""
    path, chosen = f"/courses/{made.course_id}/me/record/files/jwt", awards(made, holder)[:1]
    codes = [
        browser.post(
            path, data={"badge": chosen}, environ_base={"REMOTE_ADDR": f"203.0.113.{n}"}
        ).status_code
        for n in range(limits.PER_LEARNER["learner.record_file"] + 2)
    ]
    assert codes[0] == 200
    assert codes[-1] == 429 or 200 in codes[-2:], "a minute may begin in between"
    assert 429 in codes


def test_a_record_holds_every_badge_as_it_was_signed(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    assert len(mine) == len(NAMES)
    page = words(get(browser, made, "/record"))
    assert all(name in page for name in NAMES)
    answer = post(browser, made, "/record/files/json", 200, badge=mine)
    assert answer.headers["Content-Type"] == "application/vc+ld+json"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert all(document in answer.data for document in documents(made, mine))
    document = json.loads(answer.data)
    assert document["partial"] is False
    assert holder.name not in answer.text
    assert holder.email not in answer.text
    assert datetime.fromisoformat(document["validUntil"]) > made.campus.clock()


def test_a_stranger_can_check_it_by_what_is_served(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    stranger = Stranger(browser)
    for kind, (form, _) in records.KINDS.items():
        signed = post(browser, made, f"/record/files/{kind}", 200, badge=mine).data
        with made.campus.db.reading() as session:
            issuer = records.signing_issuer(session)
            now = made.campus.clock()
            row = issuers.key_row(session, issuer.id, records.KINDS[kind][1], now)
        key = stranger.key(row.fragment)
        assert key is not None
        assert FORMATS[form].verify(signed, key)["type"][1] == "ClrCredential"


def test_leaving_badges_out_makes_it_partial_and_the_page_says_so_before(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    page = words(get(browser, made, f"/record?look=1&badge={mine[0]}"))
    assert "no: it says that you have more badges here" in page
    assert "Your name not in it" in page
    signed = post(browser, made, "/record/files/json", 200, badge=mine[0], named="yes")
    document = json.loads(signed.data)
    assert document["partial"] is True
    assert len(document["credentialSubject"]["verifiableCredential"]) == 1
    assert document["credentialSubject"]["identifier"][0]["identityHash"] == holder.name


def test_held_revoked_and_unsigned_badges_stay_out_with_the_reason(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    hold.hold(made.campus, mine[0], "Asked the examiner.", "operator:test")
    revoke.revoke(made.campus, mine[1], "Wrong exam.", "operator:test")
    page = get(browser, made, "/record")
    shown = words(page)
    assert "It is on hold while its issuer looks into it." in shown
    assert "It was taken back, so it is no part of your record any more." in shown
    assert re.findall(r'name="badge"[^>]*value="([^"]+)"', page) == [mine[2]]
    for outside in mine[:2]:
        refused = post(browser, made, "/record/files/json", 422, badge=[outside, mine[2]])
        assert "cannot go into the record" in refused.text
    document = json.loads(post(browser, made, "/record/files/json", 200, badge=mine[2]).data)
    assert document["partial"] is True, "the one on hold is still the learner's"
    with made.campus.db.transaction() as session:
        session.execute(update(Award).where(Award.id == mine[2]).values(state="waiting"))
    assert "It is not signed yet." in words(get(browser, made, "/record"))


def test_a_badge_that_has_ended_stays_out(made: Seeded, holder: Person) -> None:
    [mine, *_] = awards(made, holder)
    with made.campus.db.reading() as session:
        [document] = documents(made, [mine])
        content = json.loads(document) | {"validUntil": made.campus.clock().isoformat()}
        ended = SignedBadge(content, document)
        award = session.get_one(Award, mine)
        entry = records._entry(award, None, "", "", ended, made.campus.clock())
        assert entry.why_not == "expired"
        early = made.campus.clock() - timedelta(seconds=2)
        assert records._entry(award, None, "", "", ended, early).why_not == ""


def test_nobody_gets_a_badge_of_somebody_else(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    with made.campus.db.reading() as session:
        other = session.scalars(
            select(Award.id).where(Award.learner_id != holder.learner_id)
        ).first()
    for chosen in ([other], [*mine, other], [*mine, "no-such-award"]):
        answer = post(browser, made, "/record/files/json", 422, badge=chosen)
        assert b"verifiableCredential" not in answer.data
        get(browser, made, f"/record?look=1&badge={'&badge='.join(chosen)}")
    assert not disclosed(made, other)


def disclosed(made: Seeded, award_id: str) -> list[str]:
    with made.campus.db.reading() as session:
        query = select(Disclosure.target).where(
            Disclosure.award_id == award_id, Disclosure.kind == records.DISCLOSED
        )
        return list(session.scalars(query))


def test_each_badge_lists_that_it_left_in_a_record(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    get(browser, made, f"/record?look=1&badge={mine[0]}")
    assert disclosed(made, mine[0]) == [], "looking hands nothing out"
    post(browser, made, "/record/files/jwt", 200, badge=mine[:2])
    assert [disclosed(made, one) for one in mine] == [["JWT"], ["JWT"], []]
    shown = words(get(browser, made, f"/badges/{mine[0]}"))
    assert "You downloaded it in your record (JWT)" in shown


def test_the_preview_for_applications_carries_the_signed_badges(
    browser: FlaskClient, made: Seeded, holder: Person
) -> None:
    mine = awards(made, holder)
    answer = post(browser, made, "/record/files/ler-rs", 200, badge=mine[:2], named="yes")
    assert "preview" in answer.headers["Content-Disposition"]
    subject = json.loads(answer.data)["credentialSubject"]
    attached = [base64.b64decode(one["content"]["value"]) for one in subject["attachments"]]
    assert set(attached) == set(documents(made, mine[:2]))
    assert subject["person"]["name"]["formattedName"] == holder.name
    assert disclosed(made, mine[0]) == ["LER-RS"]
    unnamed = post(browser, made, "/record/files/ler-rs", 200, badge=mine[:2])
    assert holder.name not in unnamed.text
    assert holder.email not in unnamed.text
    post(browser, made, "/record/files/ler-rs", 422, badge="no-such-award")


def test_nothing_chosen_is_said_plainly(browser: FlaskClient, made: Seeded) -> None:
    assert "Choose a badge to go in." in words(get(browser, made, "/record?look=1"))
    assert "Choose a badge" in post(browser, made, "/record/files/json", 422).text
    assert post(browser, made, "/record/files/exe", 404)


def test_a_learner_without_badges_reads_what_will_come(client: FlaskClient, campus) -> None:
    made = seed(campus, learners=1)
    page = get(enter(client, made, made.learners[0], "learner"), made, "/record")
    assert "No badge can go in yet" in page


def test_badges_of_every_course_go_in(client: FlaskClient, made: Seeded, holder: Person) -> None:
    """Awards hang on the human, so those of another course stand there as well."""
    other = seed(made.campus, label="MATH 7")
    make_badge(other, "Proofs, level 1")
    sign_all(other)
    with made.campus.db.transaction() as session:
        signed = select(Award).where(Award.course_id == other.course_id, Award.state == "issued")
        award = session.scalars(signed).first()
        award.learner_id = holder.learner_id
    browser = enter(client, made, holder.id, "learner")
    page = words(get(browser, made, "/record"))
    assert "Proofs, level 1" in page
    assert "MATH 7" in page
    assert KeyKind.ED25519 in {kind for _, kind in records.KINDS.values()}
