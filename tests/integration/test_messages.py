"""The other messages of an LMS: reviews from its gradebook, privacy requests, claims about LTI 1.1."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select

from app.credentials import shares
from app.db import Database
from app.lti.vocabulary import AGS_CLAIM, CLAIM, FOR_USER_CLAIM
from app.main import create_app
from app.models import (
    Assessment,
    AuditEntry,
    Award,
    Course,
    CourseColumn,
    Disclosure,
    GradeUpload,
    GradeUploadChange,
    Installation,
    Person,
    Platform,
    Result,
    ResultVersion,
)
from app.pipeline import badges, legacy, personal
from app.pipeline.campus import Campus
from app.pipeline.enter import Entered, enter
from app.pipeline.roster import sync_roster
from app.web.landing import Landing
from app.web.session import admit
from tests.integration.lti_rig import Rig, rig
from tests.integration.test_launch_web import Tab
from tests.integration.trip import Trip

ADMIN, TEACHER, ASSISTANT, LEARNER, OTHER = 2, 8, 9, 12, 13
REVIEW, PRIVACY = "LtiSubmissionReviewRequest", "LtiDataPrivacyLaunchRequest"
COLUMN = "https://lms.example/columns/7"


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path), learners=6) as made:
        yield made


def open_as(here: Rig, person: int, kind: str, **claims: Any) -> tuple[Tab, requests.Response]:
    """Launch with a message of ``kind``; the browser and the first answer."""
    tab = Tab(here)
    changed = {CLAIM + "message_type": kind} | claims
    return tab, tab.finish(tab.login(), person=person, claims=changed)


def page_of(tab: Tab, answer: requests.Response) -> requests.Response:
    assert answer.status_code == 303, answer.text
    location = urlsplit(answer.headers["Location"])
    return tab.send("GET", location.path)


def person_id(here: Rig, sub: int) -> str:
    with here.db.reading() as session:
        return session.scalars(select(Person.id).where(Person.sub == str(sub))).one()


def course_id(here: Rig) -> str:
    with here.db.reading() as session:
        return session.scalars(select(Course.id)).one()


def about(sub: int, lineitem: str | None = None) -> dict[str, Any]:
    """The claims of a review of one person's work."""
    ags = {"scope": [], "lineitems": "https://lms.example/columns"}
    return {FOR_USER_CLAIM: {"user_id": str(sub)}} | {
        AGS_CLAIM: ags | ({"lineitem": lineitem} if lineitem else {})
    }


# --- submission review -------------------------------------------------------------------------


def test_staff_see_the_learner_in_question_and_learners_only_themselves(here: Rig) -> None:
    here.launch(person=TEACHER)
    enter(here.campus, here.launch(person=TEACHER))
    sync_roster(here.campus, course_id(here))
    course = course_id(here)
    badge = badges.create(here.campus, course, "Data literacy", "test")
    with here.db.transaction() as session:
        session.add(
            CourseColumn(
                course_id=course,
                achievement_id=badge,
                tag="t",
                label="Data literacy",
                maximum=Decimal(1),
                url=COLUMN,
            )
        )
    tab, answer = open_as(here, TEACHER, REVIEW, **about(OTHER, COLUMN))
    assert answer.headers["Location"].endswith(f"/learners/{person_id(here, OTHER)}#b-{badge}")
    page = page_of(tab, answer)
    assert page.status_code == 200
    with here.db.reading() as session:
        names = {one.sub: one.name for one in session.scalars(select(Person))}
    assert names[str(OTHER)] in page.text
    assert names[str(LEARNER)] not in page.text

    tab, answer = open_as(here, LEARNER, REVIEW, **about(OTHER, COLUMN))
    assert answer.headers["Location"].endswith(f"/me/about/{badge}")
    assert names[str(OTHER)] not in page_of(tab, answer).text
    peek = f"/courses/{course}/learners/{person_id(here, OTHER)}"
    assert tab.send("GET", peek).status_code == 403
    tab, answer = open_as(here, LEARNER, REVIEW, **about(OTHER))
    assert urlsplit(answer.headers["Location"]).path.endswith("/me")


def test_a_wrong_link_or_no_line_item_does_not_matter_and_strangers_are_named(here: Rig) -> None:
    enter(here.campus, here.launch(person=LEARNER))
    odd = {CLAIM + "resource_link": {"id": "of-another-course"}}
    _, answer = open_as(here, TEACHER, REVIEW, **about(LEARNER), **odd)
    assert answer.headers["Location"].endswith(f"/learners/{person_id(here, LEARNER)}")
    _, answer = open_as(here, TEACHER, REVIEW, **about(999))
    assert "said=no-such-learner" in answer.headers["Location"]
    _, answer = open_as(here, TEACHER, REVIEW, **{FOR_USER_CLAIM: None})
    assert answer.status_code == 400


def test_an_assistant_listed_as_learner_is_put_right_by_a_launch(here: Rig) -> None:
    """Nothing tells before; the page of a person who never came says how it gets right."""
    enter(here.campus, here.launch(person=TEACHER))
    course = course_id(here)
    sync_roster(here.campus, course)
    assistant = person_id(here, ASSISTANT)
    tab, answer = open_as(here, TEACHER, REVIEW, **about(ASSISTANT))
    page = page_of(tab, answer)
    assert "list teaching assistants as learners" in page.text
    enter(here.campus, here.launch(person=ASSISTANT))
    sync_roster(here.campus, course)
    assert tab.send("GET", f"/courses/{course}/learners/{assistant}").status_code == 404


def test_learner_page_shows_reasons_awards_and_results(campus: Campus) -> None:
    trip = Trip(campus)
    trip.book.maximum = {"quiz": Decimal(10), "essay": Decimal(20)}
    ann, ben = trip.learner("ann"), trip.learner("ben")
    teacher = trip.learner("teacher", role="instructor")
    trip.book.grades = {("quiz", "ann"): Decimal(9), ("quiz", "ben"): Decimal(5)}
    trip.collect()
    trip.badge({"quiz": 70})
    trip.collect()
    app = create_app(trip.campus.settings, trip.campus)
    with app.test_request_context():
        entered = Entered(trip.course_id, teacher, "instructor", None)
        cookie = admit(Landing(entered, "/")).headers["Set-Cookie"].partition(";")[0]
    client = app.test_client(use_cookies=False)
    path = f"/courses/{trip.course_id}/learners/"
    first, second = (
        client.get(path + who, headers={"Cookie": cookie}).get_data(as_text=True)
        for who in (ann, ben)
    )
    assert "earned" in first
    assert "/awards/" in first
    assert "1 step missing" in second
    assert "needs 70" in second
    assert "Essay" in second
    assert client.get(path + teacher, headers={"Cookie": cookie}).status_code == 404


# --- privacy -----------------------------------------------------------------------------------


def no_course(**more: Any) -> dict[str, Any]:
    return {CLAIM + "context": None, CLAIM + "resource_link": None} | more


@pytest.mark.parametrize("kind", [PRIVACY, "DataPrivacyLaunchRequest"])
def test_administrators_see_and_export_what_is_held(here: Rig, kind: str) -> None:
    enter(here.campus, here.launch(person=LEARNER))
    enter(here.campus, here.launch(person=OTHER))
    mine = person_id(here, LEARNER)
    tab, answer = open_as(here, ADMIN, kind, **no_course(**about(LEARNER)))
    page = page_of(tab, answer)
    assert page.status_code == 200
    assert "What erasing means" in page.text
    headers = {"Sec-Fetch-Site": "same-origin"}
    base = here.campus.settings.public_url
    sent = {"Cookie": "; ".join(f"{key}={value}" for key, value in tab.cookies.items())}
    exported = requests.post(f"{base}/privacy/{mine}/export", headers=headers | sent)
    assert exported.status_code == 200
    rows = exported.json()
    assert [one["sub"] for one in rows["person"]] == [str(LEARNER)]
    assert rows["enrolment"][0]["role"] == "learner"
    assert tab.send("GET", f"/privacy/{person_id(here, OTHER)}").status_code == 401
    with here.db.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert {"privacy.asked", "privacy.exported"} <= set(actions)


def test_nobody_else_may_ask(here: Rig) -> None:
    enter(here.campus, here.launch(person=LEARNER))
    for person in (TEACHER, LEARNER):
        _, answer = open_as(here, person, PRIVACY, **no_course(**about(LEARNER)))
        assert answer.status_code == 400
        assert "not-administrator" in answer.text


def test_without_a_person_there_are_numbers_and_no_names(here: Rig) -> None:
    enter(here.campus, here.launch(person=LEARNER))
    tab, answer = open_as(here, ADMIN, PRIVACY, **no_course())
    page = page_of(tab, answer)
    assert "numbers only" in page.text
    assert "Download everything" not in page.text
    tab, answer = open_as(here, ADMIN, PRIVACY, **no_course(**about(999)))
    assert "Nothing is held" in page_of(tab, answer).text


def test_export_follows_every_table_and_leaves_secrets_out(campus: Campus) -> None:
    trip = Trip(campus)
    trip.book.maximum = {"quiz": Decimal(10)}
    ann, ben = trip.learner("ann"), trip.learner("ben")
    trip.book.grades = {("quiz", "ann"): Decimal(9), ("quiz", "ben"): Decimal(8)}
    trip.collect()
    trip.badge({"quiz": 70})
    trip.collect()
    trip.sign()
    with trip.db.transaction() as session:
        award = session.scalars(select(Award).where(Award.person_id == ann)).one()
        token = shares.share(session, award.id, False, trip.clock())
    rows = personal.export(trip.campus, ann, "person:x")
    wanted = {"person", "result", "result_version", "decision", "award", "credential", "attainment"}
    assert wanted <= set(rows)
    assert "Ben" not in str(rows)
    assert token not in str(rows)
    assert ben not in str(rows)
    with trip.db.reading() as session:
        assert session.scalars(select(Disclosure).where(Disclosure.kind == "privacy")).all()
        results = (
            select(ResultVersion.id).join(Result).join(Assessment).where(Result.person_id == ann)
        )
        assert len(rows["result_version"]) == len(session.scalars(results).all())


def test_export_of_a_teacher_holds_no_grade_of_those_in_the_uploaded_file(campus: Campus) -> None:
    trip = Trip(campus)
    trip.book.maximum = {"quiz": Decimal(10)}
    teacher, _ann = trip.learner("tim"), trip.learner("ann")
    trip.book.grades = {("quiz", "ann"): Decimal(9)}
    trip.collect()
    with trip.db.transaction() as session:
        result = session.scalars(select(Result)).one()
        course_id = session.get_one(Assessment, result.assessment_id).course_id
        upload = GradeUpload(
            course_id=course_id, person_id=teacher, state="applied", created_at=trip.clock()
        )
        session.add(upload)
        session.flush()
        session.add(GradeUploadChange(upload_id=upload.id, result_id=result.id, number=1))
    rows = personal.export(trip.campus, teacher, "person:x")
    assert [one["id"] for one in rows["grade_upload"]] == [upload.id]
    assert "grade_upload_change" not in rows
    assert result.person_id not in str(rows)


# --- LTI 1.1 -----------------------------------------------------------------------------------


def migrated(here: Rig, person: int, old: str, secret: str = "s3cret", tool: int = 0) -> Entered:
    """A launch with a migration claim, signed as the guide says."""
    login, names = here.login(tool), here.tools[tool]
    nonce = parse_qs(urlsplit(login.redirect_url).query)["nonce"][0]
    exp = int(here.clock().timestamp()) + 600
    parts = ("key-1", names["deployment_id"], names["issuer"], names["client_id"], exp, nonce)
    sign = legacy.signature("&".join(map(str, parts)), secret.encode()).decode()
    claim = {"user_id": old, "oauth_consumer_key": "key-1", "oauth_consumer_key_sign": sign}
    numbers = list(here.lms.app.extensions["demo_lms"].tools)
    form = here.forged(
        login,
        person=person,
        tool=numbers[tool],
        claims={CLAIM + "lti1p1": claim, "exp": exp},
    )
    return enter(here.campus, here.finish(form, login.binding))


def old_id(here: Rig, sub: int) -> str | None:
    with here.db.reading() as session:
        return session.scalars(select(Person.lti11_user_id).where(Person.sub == str(sub))).one()


def test_the_guides_own_example_is_signed_as_it_says() -> None:
    """Values of the migration guide, 3.1.2."""
    text = "179248902&689302&https://lmsvendor.com&PM48OJSfGDTAzAo&1551290856&172we8671fd8z"
    signed = legacy.signature(text, b"my-lti11-secret")
    assert signed == b"lWd54kFo5qU7xshAna6v8BwoBm6tmUjc6GTax6+12ps="


def test_old_ids_count_only_where_they_are_proven(here: Rig) -> None:
    migrated(here, LEARNER, "old-12")
    assert old_id(here, LEARNER) is None, "nobody stored a key"
    legacy.set_key(here.campus, here.lms.url, "key-1", "s3cret", "operator:test")
    migrated(here, LEARNER, "old-12", secret="wrong")
    assert old_id(here, LEARNER) is None
    migrated(here, LEARNER, "old-12")
    assert old_id(here, LEARNER) == "old-12"
    with here.db.reading() as session:
        assert session.scalars(select(Installation)).one().lti11_secret != "s3cret"
        assert "person.lti11-id" in session.scalars(select(AuditEntry.action)).all()


def test_a_new_registration_finds_its_people_by_proven_old_ids(here: Rig) -> None:
    """Only where an operator said that it continues the old one, and only by what is proven."""
    here.add_registration("moodle")
    legacy.set_key(here.campus, here.lms.url, "key-1", "s3cret", "operator:test")
    before = migrated(here, LEARNER, "old-12")
    with here.db.transaction() as session:
        row = session.get_one(Platform, here.platforms[1])
        row.continues_id = here.platforms[0]
    stranger = migrated(here, ASSISTANT, "old-12", secret="wrong", tool=1)
    assert learner_of(here, before) != learner_of(here, stranger)
    after = migrated(here, OTHER, "old-12", tool=1)
    assert after.person_id != before.person_id
    assert learner_of(here, before) == learner_of(here, after)
    with here.db.reading() as session:
        joined = session.scalars(select(AuditEntry).where(AuditEntry.action == "learner.joined"))
        assert [entry.detail["by"] for entry in joined] == ["lti11"]


def test_registrations_that_do_not_continue_each_other_stay_apart(here: Rig) -> None:
    here.add_registration("moodle")
    legacy.set_key(here.campus, here.lms.url, "key-1", "s3cret", "operator:test")
    before = migrated(here, LEARNER, "old-12")
    after = migrated(here, OTHER, "old-12", tool=1)
    assert learner_of(here, before) != learner_of(here, after)


def learner_of(here: Rig, entered: Entered) -> str:
    with here.db.reading() as session:
        return session.get_one(Person, entered.person_id).learner_id
