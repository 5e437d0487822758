"""Editions in further languages: written, read by everybody in their own, named by what is signed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.credentials import drift, shares
from app.errors import Invalid
from app.models import AchievementVersion, Award, Credential
from app.pipeline import archive, badges
from app.pipeline import award as awarding
from app.pipeline.decide import decide_course
from app.web.instructor.badges import edit_of
from tests.course_seed import Seeded, enter, make_badge, seed
from tests.integration.test_pages_instructor import get, post, words

GERMAN = {
    "edition": "de",
    "name": "Datenkompetenz, Stufe 1",
    "description": "Liest Schaubilder und berichtet über Ergebnisse.",
    "criteria": "",
    "image_alt": "",
}
ARABIC = {
    "edition": "ar",
    "name": "قراءة البيانات",
    "description": "يقرأ الرسوم البيانية.",
    "criteria": "سبعون بالمئة في الاختبار.",
    "image_alt": "شارة",
}
HTML = {"Accept": "text/html"}


@pytest.fixture
def made(campus) -> Seeded:
    return seed(campus, learners=8)


@pytest.fixture
def teacher(client: FlaskClient, made: Seeded) -> FlaskClient:
    return enter(client, made, made.teacher, "instructor")


@pytest.fixture
def spoken(teacher: FlaskClient, made: Seeded) -> str:
    """A published badge in English, German and Arabic; its id."""
    badge = make_badge(made, publish=False, clauses=1)
    for form in (GERMAN, ARABIC):
        post(teacher, made, f"/badges/{badge}/editions", **form)
    badges.publish(made.campus, made.course_id, badge, "person:t")
    decide_course(made.campus, made.course_id)
    return badge


def newest(made: Seeded) -> AchievementVersion:
    with made.campus.db.reading() as session:
        found = select(AchievementVersion).order_by(AchievementVersion.number.desc())
        return session.scalars(found).first() or AchievementVersion()


def read(client: FlaskClient, path: str, accept: str = "", **headers: str) -> str:
    answer = client.get(path, headers={**HTML, "Accept-Language": accept, **headers})
    assert answer.status_code == 200
    return answer.text


def test_every_reader_gets_the_page_in_the_own_language(client: FlaskClient, spoken: str) -> None:
    place = f"/achievements/{spoken}"
    german = read(client, place, "de-AT, en;q=0.5")
    assert '<h1 lang="de" dir="ltr">Datenkompetenz, Stufe 1</h1>' in german
    assert "mindestens 70 %" in german, "what Tassel writes it writes in each language"
    assert '<html lang="de"' in german, "the words around it too"
    assert 'alt="Runder Badge' in german
    arabic = read(client, place, "ar")
    assert '<h1 lang="ar" dir="rtl">' in arabic
    assert "Data literacy, level 1" in read(client, place, "fr")
    assert "Datenkompetenz" in read(client, f"{place}?lang=de", "ar")
    assert "Data literacy" in read(client, f"{place}.en", "de")
    assert 'hreflang="ar"' in german
    assert "Accept-Language" in client.get(place, headers=HTML).headers["Vary"]
    for missing in (f"{place}.fr", f"{place}.xx", "/achievements/nobody.de"):
        assert client.get(missing, headers=HTML).status_code == 404
    listed = read(client, "/catalogue?find=datenkompetenz", "de")
    assert "Datenkompetenz, Stufe 1" in listed
    assert "Datenkompetenz" not in read(client, "/catalogue?find=description", "de")
    assert "Datenkompetenz" in read(client, "/issuers/campus", "de")


def test_the_signature_names_the_editions_and_no_language(
    client: FlaskClient, made: Seeded, spoken: str
) -> None:
    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)
    with made.campus.db.reading() as session:
        signed = json.loads(session.scalars(select(Credential.document)).first())
    del signed["proof"]
    achievement = signed["credentialSubject"]["achievement"]
    own = f"http://127.0.0.1:8080/achievements/{spoken}"
    assert achievement["related"] == [
        {"id": f"{own}.{language}", "type": ["Related"], "version": "1"}
        for language in ("ar", "de")
    ]
    assert "inLanguage" not in json.dumps(signed)
    assert drift.lint(signed) == ()
    achievement["related"][0]["inLanguage"] = "ar"
    found = drift.lint(signed)
    assert [one.code for one in found] == ["drifting-term"]

    there = client.get(f"/achievements/{spoken}.de", headers={"Accept": "application/json"}).json
    assert (there["id"], there["inLanguage"]) == (f"{own}.de", "de")
    assert there["name"] == GERMAN["name"]
    assert {one["inLanguage"]: one["id"] for one in there["related"]} == {
        "en": own,
        "ar": f"{own}.ar",
    }
    machines = client.get("/catalogue.json").json["@graph"]
    entry = next(one for one in machines if one["@id"] == own)
    assert entry["ceterms:name"]["de"] == GERMAN["name"]
    assert entry["ceterms:inLanguage"] == ["en", "ar", "de"]
    kept = archive.make(made.campus, "campus", "operator:test")
    assert f"achievements/{spoken}.de".encode() in kept


def test_made_criteria_follow_the_rule_and_written_ones_stay(made: Seeded, spoken: str) -> None:
    with made.campus.db.reading() as session:
        found = badges.draft(session, made.course_id, spoken)
    first = found.definition.clauses[0]
    other = replace(found.definition, clauses=(replace(first, pass_mark=first.pass_mark + 5),))
    edit = edit_of(found, definition=other)
    badges.save(made.campus, made.course_id, spoken, edit, "person:t")
    badges.publish(made.campus, made.course_id, spoken, "person:t")
    version = newest(made)
    assert version.number == 2
    assert "75" in version.editions["de"]["criteria"]
    assert version.editions["ar"]["criteria"] == ARABIC["criteria"]


def test_what_an_edition_leaves_out_is_asked_for(teacher: FlaskClient, made: Seeded) -> None:
    badge = make_badge(made, publish=False, clauses=1)
    path = f"/badges/{badge}/editions"
    assert "One language so far" in get(teacher, made, path)
    assert 'dir="rtl"' in get(teacher, made, f"{path}?edition=ar")
    refused = post(teacher, made, path, 422, **{**ARABIC, "criteria": "", "description": ""})
    assert words(refused.text).count("Say it in this language too.") == 4
    for language in ("en", "xx", ""):
        post(teacher, made, path, 404, **{**ARABIC, "edition": language})
    assert newest(made).editions == {}
    post(teacher, made, path, **GERMAN)
    look = {"name": "Charts", "design": "gem", "palette": "ocean", "kind": "Badge"}
    page = post(teacher, made, f"/badges/{badge}/look", 422, **look, language="de").text
    assert "There is an edition in this language." in page
    with made.campus.db.reading() as session:
        found = badges.draft(session, made.course_id, badge)
    edit = edit_of(found, criteria="My own words.")
    badges.save(made.campus, made.course_id, badge, edit, "person:t")
    with pytest.raises(Invalid, match="Deutsch"):
        badges.publish(made.campus, made.course_id, badge, "person:t")
    page = post(teacher, made, f"/badges/{badge}/publish", 422, regrade="keep").text
    assert f"/courses/{made.course_id}{path}#editions" in page
    post(teacher, made, path, edition="de", action="remove")
    assert newest(made).editions == {}


def test_learners_read_their_badge_in_their_language(
    client: FlaskClient, made: Seeded, spoken: str
) -> None:
    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)
    with made.campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
        have = set(session.scalars(select(Award.person_id)))
    assert award
    without = next(person for person in made.learners if person not in have)
    for person, path in ((award.person_id, f"badges/{award.id}"), (without, f"about/{spoken}")):
        enter(client, made, person, "learner")
        page = read(client, f"/courses/{made.course_id}/me/{path}", "de")
        assert '<h1 id="name" lang="de" dir="ltr">Datenkompetenz, Stufe 1</h1>' in page
    with made.campus.db.transaction() as session:
        token = shares.share(session, award.id, False, made.campus.clock())
    shown = read(client, f"/b/{token}", "ar")
    assert '<h1 id="badge-name" lang="ar" dir="rtl">' in shown
    assert '<td lang="en">Data literacy, level 1</td>' in shown, "what the signature says"
