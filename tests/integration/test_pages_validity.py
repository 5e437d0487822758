"""Pages that say how long a badge is valid: the form, what learners, teachers and strangers see."""

from __future__ import annotations

import io
import json
import re
from datetime import date, timedelta

import html5lib
import pikepdf
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.credentials import shares
from app.mastery.renewal import Renewal, Terms
from app.mastery.validity import Validity
from app.models import Achievement, AchievementVersion, Award, Credential, ResultVersion
from app.pipeline import award as awarding
from app.web.tokens import mint
from tests.course_seed import Seeded, enter, make_badge, seed

YEAR = Terms(Validity("years", 1), Renewal("window", 60))


@pytest.fixture
def made(campus) -> Seeded:
    return seed(campus)


@pytest.fixture
def teacher(client: FlaskClient, made: Seeded) -> FlaskClient:
    return enter(client, made, made.teacher, "instructor")


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split()).replace("\N{NO-BREAK SPACE}", " ")


def get(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.text


def draft_of(made: Seeded, achievement: str) -> AchievementVersion:
    with made.campus.db.reading() as session:
        query = select(AchievementVersion).where(AchievementVersion.achievement_id == achievement)
        return session.scalars(query.order_by(AchievementVersion.number.desc())).first()


# The form


def test_the_teacher_chooses_and_reads_it_in_words(teacher, made) -> None:
    badge = make_badge(made, publish=False)
    path = f"/courses/{made.course_id}/badges/{badge}/validity"
    assert "Valid without an end." in words(get(teacher, path))
    typed = {"valid_kind": "years", "valid_count": "2", "renewal": "window", "renewal_days": "60"}
    tried = teacher.post(f"{path}/try", data=typed)
    assert "Valid for 2 years after it was earned." in words(tried.text)
    assert "from 60 days before it ends or later" in words(tried.text)
    assert draft_of(made, badge).valid_kind == "never", "trying keeps nothing"
    assert teacher.post(path, data=typed).status_code == 303
    kept = draft_of(made, badge)
    assert (kept.valid_kind, kept.valid_count, kept.renewal, kept.renewal_days) == (
        "years",
        2,
        "window",
        60,
    )
    assert "Valid for 2 years after it was earned." in words(get(teacher, path))
    publish = words(get(teacher, f"/courses/{made.course_id}/badges/{badge}/publish"))
    assert "Valid for 2 years after it was earned" in publish


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"valid_kind": "years", "valid_count": ""}, "valid_count"),
        ({"valid_kind": "months", "valid_count": "601"}, "valid_count"),
        ({"valid_kind": "months", "valid_count": "1.5"}, "valid_count"),
        ({"valid_kind": "months", "valid_count": "²"}, "valid_count"),
        ({"valid_kind": "date", "valid_until": "2020-01-01"}, "valid_until"),
        ({"valid_kind": "date", "valid_until": "soon"}, "valid_until"),
        (
            {"valid_kind": "years", "valid_count": "1", "renewal": "window", "renewal_days": "0"},
            "renewal_days",
        ),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(teacher, made, typed, field) -> None:
    badge = make_badge(made, publish=False)
    path = f"/courses/{made.course_id}/badges/{badge}/validity"
    answer = teacher.post(path, data=typed)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-error"' in answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert draft_of(made, badge).valid_kind == "never"
    assert "Something is missing yet" in words(teacher.post(f"{path}/try", data=typed).text)


def test_other_forms_keep_how_long_it_is_valid(teacher, made) -> None:
    badge = make_badge(made, terms=YEAR)
    teacher.post(
        f"/courses/{made.course_id}/badges/{badge}/look",
        data={"name": "Renamed", "design": "medal", "palette": "indigo"},
    )
    later = draft_of(made, badge)
    assert (later.number, later.name, later.valid_kind, later.renewal) == (
        2,
        "Renamed",
        "years",
        "window",
    )


def test_unknown_choices_mean_no_end(teacher, made) -> None:
    badge = make_badge(made, publish=False)
    path = f"/courses/{made.course_id}/badges/{badge}/validity"
    assert teacher.post(path, data={"valid_kind": "<b>", "renewal": "?"}).status_code == 303
    assert draft_of(made, badge).valid_kind == "never"


# What has been earned


def signed(made: Seeded, *, ago: int, terms: Terms = YEAR) -> Award:
    """An award of ``ago`` days before now, signed like that."""
    make_badge(made, terms=terms)
    now = made.campus.clock().replace(microsecond=0)
    zone = made.campus.settings.zone
    with made.campus.db.transaction() as session:
        for row in session.scalars(select(Award)):
            row.awarded_at = now - timedelta(days=ago)
            row.expires_at = terms.validity.ends(row.awarded_at, zone)
        session.execute(
            update(ResultVersion).values(seen_at=now - timedelta(days=ago), graded_at=None)
        )
    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)
    with made.campus.db.reading() as session:
        query = select(Award).where(Award.state == "issued")
        return session.scalars(query.order_by(Award.id)).first()


def share(made: Seeded, award: Award) -> str:
    with made.campus.db.transaction() as session:
        return shares.share(session, award.id, False, made.campus.clock())


def day(value: date) -> str:
    return f"{value.day} {value:%B %Y}"


def test_the_learner_sees_the_end_and_how_to_renew(client, made) -> None:
    award = signed(made, ago=340)
    mine = enter(client, made, award.person_id, "learner")
    home = words(get(mine, f"/courses/{made.course_id}/me"))
    assert re.search(r"expires in 2\d days", home)
    opens = award.expires_at - timedelta(days=60)
    assert f"Results after {day(opens.date())} count." in home
    page = words(get(mine, f"/courses/{made.course_id}/me/badges/{award.id}"))
    assert f"It is valid until the end of {day(award.expires_at.date())}." in page
    assert "counted already; needs a new result" in page
    assert "0 of 3 steps done" in page


def test_before_the_window_the_learner_reads_when_it_opens(client, made) -> None:
    award = signed(made, ago=10)
    mine = enter(client, made, award.person_id, "learner")
    home = words(get(mine, f"/courses/{made.course_id}/me"))
    opens = award.expires_at - timedelta(days=60)
    assert f"valid until {day(award.expires_at.date())}" in home
    assert f"reach the marks again after {day(opens.date())}." in home


def test_linkedin_is_told_the_end(client, made) -> None:
    award = signed(made, ago=10)
    share(made, award)
    page = get(
        enter(client, made, award.person_id, "learner"),
        f"/courses/{made.course_id}/me/badges/{award.id}",
    )
    assert f"expirationYear={award.expires_at.year}" in page
    assert f"expirationMonth={award.expires_at.month}" in page


def test_an_expired_badge_says_so_everywhere(client, made) -> None:
    award = signed(made, ago=500)
    token = share(made, award)
    public = words(get(client, f"/b/{token}"))
    assert f"Expired on {day(award.expires_at.date())}" in public
    assert "This badge has run out." in public
    assert "Verified just now" not in public
    mine = enter(client, made, award.person_id, "learner")
    home = words(get(mine, f"/courses/{made.course_id}/me"))
    assert f"expired {day(award.expires_at.date())}" in home
    page = words(get(mine, f"/courses/{made.course_id}/me/badges/{award.id}"))
    assert f"It was valid until the end of {day(award.expires_at.date())}." in page
    assert "To renew it, reach the marks again." in page


def test_the_verifier_refuses_it(client, made) -> None:
    award = signed(made, ago=500)
    with made.campus.db.reading() as session:
        document = session.scalars(
            select(Credential.document).where(Credential.award_id == award.id)
        ).one()
    answer = client.post("/api/v1/verify", data=document)
    found = {check["name"]: check["result"] for check in answer.json["checks"]}
    assert answer.json["verdict"] == "invalid"
    assert found["valid-until"] == "fail"


def test_a_renewed_badge_stands_once_and_shows_its_chain(client, made) -> None:
    old = signed(made, ago=340)
    with made.campus.db.transaction() as session:
        row = session.get_one(Award, old.id)
        values = {
            name: getattr(row, name)
            for name in Award.__table__.columns.keys()  # noqa: SIM118
            if name not in ("id", "status_list_id", "status_index")
        }
        now = made.campus.clock().replace(microsecond=0)
        values |= {"occurrence": "after 2026-01-01", "awarded_at": now, "state": "waiting"}
        new = Award(**values | {"expires_at": now + timedelta(days=365)})
        session.add(new)
        session.flush()
        new_id = new.id
    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)
    mine = enter(client, made, old.person_id, "learner")
    home = get(mine, f"/courses/{made.course_id}/me")
    assert f"/me/badges/{new_id}" in home
    assert f"/me/badges/{old.id}" not in home
    before = get(mine, f"/courses/{made.course_id}/me/badges/{old.id}")
    assert "You have renewed this badge." in words(before)
    assert f"/me/badges/{new_id}" in before
    after = words(get(mine, f"/courses/{made.course_id}/me/badges/{new_id}"))
    assert "Every time you earned it" in after
    teacher = enter(client, made, made.teacher, "instructor")
    soon = get(teacher, f"/courses/{made.course_id}/awards?state=ending")
    assert old.id not in soon, "who has renewed it needs no reminder"


def test_the_teacher_sees_who_runs_out_soon(teacher, made) -> None:
    award = signed(made, ago=340)
    with made.campus.db.transaction() as session:
        rows = session.scalars(select(Award).where(Award.id != award.id)).all()
        rows[0].expires_at = made.campus.clock() - timedelta(days=1)
        rows[1].expires_at = made.campus.clock() + timedelta(days=200)
        gone = [row.id for row in rows[:2]]
    everybody = get(teacher, f"/courses/{made.course_id}/awards")
    assert f"run out soon ({len(rows) - 1})" in words(everybody)
    soon = get(teacher, f"/courses/{made.course_id}/awards?state=ending")
    assert award.id in soon
    assert not any(one in soon for one in gone)
    one = words(get(teacher, f"/courses/{made.course_id}/awards/{award.id}"))
    assert re.search(r"expires in 2\d days", one)


def test_the_certificate_says_the_end(client, made) -> None:
    award = signed(made, ago=10)
    mine = enter(client, made, award.person_id, "learner")
    answer = mine.post(f"/courses/{made.course_id}/me/badges/{award.id}/files/pdf")
    assert answer.status_code == 200
    with pikepdf.open(io.BytesIO(answer.data)) as document:
        inside = json.loads(document.attachments["credential.json"].get_file().read_bytes())
    assert inside["validUntil"] == award.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_catalogue_says_it_to_people_and_machines(client, made) -> None:
    badge = make_badge(made, terms=YEAR)
    assert "Valid for 1 year after it was earned" in words(get(client, "/catalogue"))
    page = words(get(client, f"/achievements/{badge}"))
    assert "from 60 days before it ends" in page
    entry = client.get("/catalogue.json").json["@graph"][1]
    assert entry["ceterms:renewalFrequency"] == "P1Y"
    (how,) = entry["ceterms:renewal"]
    assert "new results" in how["ceterms:description"]["en"]
    with made.campus.db.transaction() as session:
        version = session.scalars(
            select(AchievementVersion)
            .join(Achievement, Achievement.id == AchievementVersion.achievement_id)
            .where(Achievement.id == badge)
        ).one()
        version.renewal, version.renewal_days = "none", None
    assert "ceterms:renewal" not in client.get("/catalogue.json").json["@graph"][1]


def test_programs_read_the_end(client, made) -> None:
    award = signed(made, ago=10)
    with made.campus.db.transaction() as session:
        secret = mint(session, "test", ["awards:read"], None, "operator:test", made.campus.clock())
    answer = client.get(f"/api/v1/awards/{award.id}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json["expires_at"] == award.expires_at.isoformat().replace("+00:00", "Z")
    assert answer.json["occurrence"] == ""
    described = client.get("/api/v1/openapi.json").json["components"]["schemas"]["AwardDetail"]
    assert {"expires_at", "occurrence"} <= set(described["properties"])
