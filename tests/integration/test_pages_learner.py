"""The learner's pages over HTTP: what is earned, what is missing, and who may see it."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import html5lib
import pikepdf
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.credentials import bake
from app.credentials.verify import pictures
from app.models import Award, Disclosure, OptOut, Person, Share
from app.pipeline import award as awarding
from app.pipeline import revoke
from tests.course_seed import Seeded, enter, make_badge, seed


@pytest.fixture
def made(campus) -> Seeded:
    made = seed(campus)
    make_badge(made)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    return made


def attached(pdf: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return document.attachments["credential.json"].get_file().read_bytes()


INSIDE = {"png": bake.unbake, "svg": pictures.from_svg, "pdf": attached}


def award_in(made: Seeded, state: str = "issued") -> Award:
    with made.campus.db.reading() as session:
        return session.scalars(select(Award).where(Award.state == state)).all()[0]


@pytest.fixture
def award(made: Seeded) -> Award:
    return award_in(made)


@pytest.fixture
def holder(client: FlaskClient, made: Seeded, award: Award) -> FlaskClient:
    return enter(client, made, award.person_id, "learner")


def without(made: Seeded) -> str:
    """A learner who has not earned the badge."""
    with made.campus.db.reading() as session:
        have = set(session.scalars(select(Award.person_id)))
    return next(person for person in made.learners if person not in have)


def get(client: FlaskClient, made: Seeded, path: str = "", status: int = 200) -> str:
    answer = client.get(f"/courses/{made.course_id}/me{path}")
    assert answer.status_code == status, answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert "style=" not in answer.text
    return answer.text


def post(client: FlaskClient, made: Seeded, path: str, status: int = 303, **form: object):
    answer = client.post(f"/courses/{made.course_id}/me{path}", data=form)
    assert answer.status_code == status, answer.text
    return answer


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split()).replace("\N{NO-BREAK SPACE}", " ")


def test_a_course_without_badges_says_what_will_come(client: FlaskClient, campus) -> None:
    made = seed(campus, learners=1)
    page = get(enter(client, made, made.learners[0], "learner"), made)
    assert "No badge here yet" in page


def test_what_is_earned_and_what_is_missing(client: FlaskClient, made: Seeded) -> None:
    person = without(made)
    page = words(get(enter(client, made, person, "learner"), made))
    assert "Next: Data literacy, level 1" in page
    assert re.search(r"[012] of 3 steps done", page)
    assert re.search(r"Quiz 3: Reading charts (\d+(\.\d+)? %, need|not graded)", page)
    assert "Share" not in page


def test_a_holder_sees_the_badge_and_no_other_learner(
    holder: FlaskClient, made: Seeded, award: Award
) -> None:
    page = get(holder, made)
    assert "signed" in page
    assert "private" in page
    with made.campus.db.reading() as session:
        names = session.scalars(select(Person.name)).all()
    shown = words(page + get(holder, made, f"/badges/{award.id}"))
    assert not [name for name in names if name in shown]


def test_the_badge_page_says_why_and_that_grades_stay_private(
    holder: FlaskClient, made: Seeded, award: Award
) -> None:
    page = words(get(holder, made, f"/badges/{award.id}"))
    assert "shows: Interpret data displays" in page
    assert "Only you see these grades." in page
    assert "LinkedIn" not in page


def test_sharing_is_a_choice_that_can_be_taken_back(
    holder: FlaskClient, made: Seeded, award: Award
) -> None:
    post(holder, made, f"/badges/{award.id}/share", show_name="yes")
    page = get(holder, made, f"/badges/{award.id}")
    link = re.search(r'id="link"[^>]*value="([^"]+)"', page)
    assert link
    assert link[1].startswith(made.campus.settings.public_url)
    assert "linkedin.com" in page
    assert re.search(r'name="show_name"[^>]* checked', page)
    path = link[1].removeprefix(made.campus.settings.public_url)
    assert holder.get(path).status_code == 200
    post(holder, made, f"/badges/{award.id}/unshare")
    assert holder.get(path).status_code in (404, 410)
    page = get(holder, made, f"/badges/{award.id}")
    assert "linkedin.com" not in page
    assert "You made a public link" in page
    post(holder, made, f"/badges/{award.id}/share")
    with made.campus.db.reading() as session:
        shares = session.scalars(select(Share).order_by(Share.created_at)).all()
    assert len({share.token for share in shares}) == 2
    assert [share.show_name for share in shares if share.ended_at is None] == [False]


def test_a_link_closes_by_itself_when_its_holder_wants_that(
    holder: FlaskClient, made: Seeded, award: Award
) -> None:
    post(holder, made, f"/badges/{award.id}/share", ends="30")
    page = get(holder, made, f"/badges/{award.id}")
    path = re.search(r'id="link"[^>]*value="[^"]*(/b/[^"]+)"', page)[1]
    assert re.search(r'<option value="keep" selected>until [^<]*\d', page)
    post(holder, made, f"/badges/{award.id}/share", show_name="yes", ends="keep")
    with made.campus.db.transaction() as session:
        share = session.scalars(select(Share)).one()
        assert share.expires_at - share.created_at >= timedelta(days=30)
        share.expires_at = made.campus.clock() + timedelta(seconds=60)
    assert holder.get(path).status_code == 200
    with made.campus.db.transaction() as session:
        session.scalars(select(Share)).one().expires_at = made.campus.clock()
    assert holder.get(path).status_code == 404
    assert holder.get(f"{path}/credential.json").status_code == 404
    assert "This badge is private." in get(holder, made, f"/badges/{award.id}")
    post(holder, made, f"/badges/{award.id}/share", ends="never")
    post(holder, made, f"/badges/{award.id}/share", 422, ends="40000")
    assert holder.get(path).status_code == 404
    with made.campus.db.reading() as session:
        shares = session.scalars(select(Share).where(Share.expires_at.is_(None))).all()
    assert [share.token in path for share in shares] == [False]


@pytest.mark.parametrize("kind", ["json", "jwt", "png", "svg", "pdf"])
def test_each_download_is_the_signed_badge_and_is_noted(
    holder: FlaskClient, made: Seeded, award: Award, kind: str
) -> None:
    answer = post(holder, made, f"/badges/{award.id}/files/{kind}", 200)
    assert answer.headers["Content-Disposition"].endswith(f'.{kind}"')
    if kind == "json":
        assert json.loads(answer.data)["credentialSubject"]["id"] == award.subject_id
    elif kind == "jwt":
        assert answer.text.count(".") == 2
    else:
        assert json.loads(INSIDE[kind](answer.data))["credentialSubject"]["id"] == award.subject_id
    with made.campus.db.reading() as session:
        noted = session.scalars(select(Disclosure).where(Disclosure.kind == "download")).one()
    assert (noted.award_id, noted.target) == (award.id, kind.upper())
    assert f"You downloaded it ({kind.upper()})" in get(holder, made, f"/badges/{award.id}")
    post(holder, made, f"/badges/{award.id}/files/exe", 404)


def test_a_download_is_never_a_link(holder: FlaskClient, made: Seeded, award: Award) -> None:
    """It is noted as a disclosure, and a GET writes nothing."""
    get(holder, made, f"/badges/{award.id}/files/json", 405)


def test_without_an_address_the_page_says_whom_to_ask(client: FlaskClient, made: Seeded) -> None:
    with made.campus.db.transaction() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).all()[0]
        award.state = "needs_recipient"
    enter(client, made, award.person_id, "learner")
    page = words(get(client, made, f"/badges/{award.id}"))
    assert "It waits for your e-mail address." in page
    assert "Ask the administrator of your LMS" in page
    assert "waiting for your e-mail address" in words(get(client, made))
    post(client, made, f"/badges/{award.id}/share", 404)


def test_a_revoked_badge_says_why_and_cannot_be_shared(
    holder: FlaskClient, made: Seeded, award: Award
) -> None:
    revoke.revoke(made.campus, award.id, "The test was repeated.", "person:x")
    page = words(get(holder, made, f"/badges/{award.id}"))
    assert "Reason: The test was repeated." in page
    post(holder, made, f"/badges/{award.id}/share", 404)


def test_nobody_opens_anybody_elses_badge(client: FlaskClient, made: Seeded, award: Award) -> None:
    enter(client, made, without(made), "learner")
    get(client, made, f"/badges/{award.id}", 404)
    for path in ("share", "unshare", "files/json"):
        post(client, made, f"/badges/{award.id}/{path}", 404)
    with made.campus.db.reading() as session:
        assert session.scalars(select(Share)).all() == []
        assert session.scalars(select(Disclosure).where(Disclosure.kind == "download")).all() == []


def test_a_badge_of_another_course_is_not_shown_in_this_one(
    holder: FlaskClient, made: Seeded, award: Award, campus
) -> None:
    other = seed(campus, learners=1, label="HIST 9")
    enter(holder, other, award.person_id, "learner")
    get(holder, other, f"/badges/{award.id}", 404)


@pytest.mark.parametrize("role", ["instructor", "assistant", "observer", "administrator"])
def test_staff_never_open_a_learners_page(
    client: FlaskClient, made: Seeded, award: Award, role: str
) -> None:
    enter(client, made, award.person_id, role)
    get(client, made, "", 403)
    get(client, made, f"/badges/{award.id}", 403)
    post(client, made, f"/badges/{award.id}/share", 403)


def test_mail_is_refused_and_taken_again(holder: FlaskClient, made: Seeded, award: Award) -> None:
    assert re.search(r'name="mail"[^>]* checked', get(holder, made, "/settings"))
    assert "has not set up e-mail" in get(holder, made, "/settings")
    post(holder, made, "/settings")
    post(holder, made, "/settings")
    with made.campus.db.reading() as session:
        assert session.scalars(select(OptOut)).one().learner_id == award.learner_id
    assert not re.search(r'name="mail"[^>]* checked', get(holder, made, "/settings"))
    post(holder, made, "/settings", mail="yes")
    with made.campus.db.reading() as session:
        assert session.scalars(select(OptOut)).all() == []


def test_pages_are_light(holder: FlaskClient, made: Seeded, award: Award) -> None:
    """What a slow phone loads for the badge page: the page, its style, scripts and pictures."""
    page = get(holder, made, f"/badges/{award.id}")
    addresses = re.findall(r'(?:src|href)="(/(?:static|courses/[^"]*/pictures)/[^"]+)"', page)
    assert len(addresses) >= 4
    total = len(page)
    for address in set(addresses):
        with holder.get(address) as answer:
            total += len(answer.data)
    assert total < 100_000
