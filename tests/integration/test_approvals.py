"""Who stands behind a badge: teachers choose, issuers that look first are asked, nobody asks and decides."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import (
    Achievement,
    AuditEntry,
    Award,
    BrowserSession,
    Course,
    Grant,
    Issuer,
    PublicationRequest,
)
from app.pipeline import approvals, badges, copies, issuer_keys
from app.pipeline.campus import Campus
from app.pipeline.decide import decide_course
from app.secrets import token_hash
from app.web.instructor.badges import edit_of
from app.web.operator import make_admin_link
from tests.course_seed import Seeded, add_ancestor, enter, make_badge, seed, token_for
from tests.integration.test_pages_instructor import get, post, words

OPERATOR = "operator:ada"


@pytest.fixture
def made(campus: Campus) -> Seeded:
    return seed(campus, learners=6)


@pytest.fixture
def asked(made: Seeded) -> str:
    """A draft for a department that looks first, sent to it; its id."""
    badge = make_badge(made, publish=False, clauses=1)
    department(made, badge)
    approvals.ask(made.campus, made.course_id, badge, f"person:{made.teacher}")
    return badge


def department(made: Seeded, badge: str, *, admits: bool = False) -> str:
    """Another issuer, put behind the badge."""
    issuer = issuer_keys.found_department(made.campus, "registry", "Registry", OPERATOR)
    with made.campus.db.transaction() as session:
        session.get_one(Issuer, issuer).admits_instructors = admits
    approvals.choose_issuer(made.campus, made.course_id, badge, issuer, "person:t")
    return issuer


def state(made: Seeded, badge: str) -> tuple[str, str]:
    with made.campus.db.reading() as session:
        last = session.scalars(
            select(PublicationRequest.state).order_by(PublicationRequest.asked_at.desc())
        ).first()
        return session.get_one(Achievement, badge).state, last or ""


def request_id(made: Seeded) -> str:
    with made.campus.db.reading() as session:
        waits = select(PublicationRequest.id).where(PublicationRequest.state == "waiting")
        return session.scalars(waits).one()


def test_an_issuer_that_looks_first_cannot_be_passed_by(made: Seeded) -> None:
    badge = make_badge(made, publish=False, clauses=1)
    issuer = department(made, badge)
    with pytest.raises(Conflict, match="looks at it"):
        badges.publish(made.campus, made.course_id, badge, "person:t")
    with made.campus.db.transaction() as session:
        session.get_one(Issuer, issuer).admits_instructors = True
    assert approvals.publish_or_ask(made.campus, made.course_id, badge, "person:t")
    assert state(made, badge) == ("published", "")


def test_what_lies_with_the_issuer_stays_as_it_is_until_it_is_approved(
    made: Seeded, asked: str
) -> None:
    campus, course = made.campus, made.course_id
    with campus.db.reading() as session:
        found = badges.draft(session, course, asked)
    assert found.version.criteria == "", "the trial left nothing behind"
    assert found.version.published_at is None
    for change in (
        lambda: badges.save(campus, course, asked, edit_of(found, name="Other"), "person:t"),
        lambda: approvals.choose_issuer(
            campus, course, asked, issuer_keys.default_issuer(campus), "person:t"
        ),
    ):
        with pytest.raises(Conflict, match="lies with its issuer"):
            change()
    assert approvals.ask(campus, course, asked, "person:t") == request_id(made)
    approvals.approve(campus, request_id(made), "Well done.", OPERATOR)
    assert state(made, asked) == ("published", "approved")
    decide_course(campus, course)
    with campus.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Award))
        said = set(session.scalars(select(AuditEntry.action)))
    assert {"badge.asked", "badge.answered", "badge.published"} <= said
    with pytest.raises(Conflict, match="answered or taken back"):
        approvals.decline(campus, _any_request(made), "No.", OPERATOR)


def _any_request(made: Seeded) -> str:
    with made.campus.db.reading() as session:
        return session.scalars(select(PublicationRequest.id)).first() or ""


def test_a_published_badge_keeps_its_issuer_and_its_next_wording_is_asked_for_again(
    made: Seeded, asked: str
) -> None:
    campus, course = made.campus, made.course_id
    approvals.approve(campus, request_id(made), "", OPERATOR)
    assert approvals.publish_or_ask(campus, course, asked, "person:t"), "nothing new to look at"
    with pytest.raises(Conflict, match="stays"):
        approvals.choose_issuer(
            campus, course, asked, issuer_keys.default_issuer(campus), "person:t"
        )
    with pytest.raises(NotFound):
        approvals.choose_issuer(campus, course, asked, "nobody", "person:t")
    with campus.db.reading() as session:
        found = badges.draft(session, course, asked)
    badges.save(campus, course, asked, edit_of(found, description="More."), "person:t")
    assert not approvals.publish_or_ask(campus, course, asked, "person:t")
    with campus.db.reading() as session:
        assert session.get_one(Achievement, asked).published_version == 1
    approvals.approve(campus, request_id(made), "", OPERATOR)
    with campus.db.reading() as session:
        assert session.get_one(Achievement, asked).published_version == 2


def test_whoever_asked_does_not_decide_under_any_name(made: Seeded, asked: str) -> None:
    for actor, people in ((f"person:{made.teacher}", ()), (OPERATOR, (made.teacher,))):
        with pytest.raises(Forbidden, match="yourself"):
            approvals.approve(made.campus, request_id(made), "", actor, people)
        with pytest.raises(Forbidden, match="yourself"):
            approvals.decline(made.campus, request_id(made), "No.", actor, people)
    assert state(made, asked) == ("draft", "waiting")


def test_nothing_goes_to_an_issuer_that_could_not_be_published(made: Seeded) -> None:
    badge = make_badge(made, publish=False, clauses=0)
    department(made, badge)
    with pytest.raises(Invalid):
        approvals.ask(made.campus, made.course_id, badge, "person:t")
    assert state(made, badge) == ("draft", "")


def test_a_brought_badge_of_such_an_issuer_stays_a_draft(made: Seeded) -> None:
    origin = add_ancestor(made)
    registry = issuer_keys.found_department(made.campus, "registry", "Registry", OPERATOR)
    with made.campus.db.transaction() as session:
        old = session.scalars(select(Achievement).where(Achievement.course_id == origin)).one()
        old.issuer_id = registry
        old_id = old.id
    brought = copies.bring(
        made.campus, made.course_id, origin, [old_id], decided(made, origin),
        publish=True, actor="person:t", person_id=None,
    )  # fmt: skip
    assert (brought.published, len(brought.drafts)) == ([], 1)


def decided(made: Seeded, origin: str) -> dict[str, str]:
    """Every doubtful column is the one in the same place here."""
    with made.campus.db.reading() as session:
        plan = copies.plan(session, session.get_one(Course, made.course_id), origin)
        old = list(plan.old)
        return {key: made.assessments[old.index(key)] for key in plan.unsure}


def ours(app: Flask) -> FlaskClient:
    """A browser whose forms come from our own pages."""
    client = app.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return client


def operator(app: Flask, made: Seeded, role: str) -> FlaskClient:
    client = ours(app)
    link = make_admin_link(made.campus, "Bo", role)
    client.post(link.removeprefix(made.campus.settings.public_url))
    return client


def test_the_pages_from_the_choice_to_the_answer(app: Flask, made: Seeded) -> None:
    teacher = enter(ours(app), made, made.teacher, "instructor")
    badge = make_badge(made, publish=False, clauses=1)
    here = f"/badges/{badge}"
    assert "Who stands behind it" not in get(teacher, made, f"{here}/publish")
    issuer = issuer_keys.found_department(made.campus, "registry", "Registry", OPERATOR)
    assert "Registry (looks at it first)" in get(teacher, made, f"{here}/publish")
    post(teacher, made, f"{here}/issuer", issuer=issuer)
    page = get(teacher, made, f"{here}/publish")
    assert "Send for approval" in page
    post(teacher, made, f"{here}/publish", regrade="keep")
    assert "lies with Registry for approval" in words(get(teacher, made, here))
    assert "waits for approval" in words(get(teacher, made, ""))
    post(teacher, made, here, 409, action="save")
    post(teacher, made, f"{here}/publish/take-back")
    said = {"name": "Datenkompetenz", "description": "Liest Daten.", "image_alt": "Ein Schild"}
    post(teacher, made, f"{here}/editions", edition="de", **said)
    post(teacher, made, f"{here}/publish", regrade="keep")

    approver = operator(app, made, "approver")
    assert approver.get("/operator/").headers["Location"] == "/operator/approvals"
    for closed in ("/operator/issuers", "/operator/deliveries", "/operator/awards"):
        assert approver.get(closed).status_code == 403
    page = approver.get("/operator/approvals").text
    assert "Data literacy, level 1" in page
    answer = f"/operator/approvals/{request_id(made)}"
    page = words(approver.get(answer).text)
    assert "70 % in Quiz 3" in page
    assert all(word in page for word in said.values()), "it would be published too"
    assert approver.get(f"{answer}/picture").data.startswith(b"\x89PNG")
    refused = approver.post(answer, data={"answer": "decline", "word": " "})
    assert (refused.status_code, "Say why" in refused.text) == (422, True)
    approver.post(answer, data={"answer": "decline", "word": "Name it better."})
    assert state(made, badge) == ("draft", "declined")
    assert "Name it better." in get(teacher, made, here)
    assert "Nothing waits" in approver.get("/operator/approvals").text

    post(teacher, made, f"{here}/publish", regrade="keep")
    answer = f"/operator/approvals/{request_id(made)}"
    sis = operator(app, made, "sis_administrator")
    assert sis.get("/operator/approvals").status_code == 403
    assert sis.post(answer, data={"answer": "approve"}).status_code == 403
    _same_browser(approver, made)
    own = approver.post(answer, data={"answer": "approve"})
    assert (own.status_code, "yourself" in own.text) == (403, True)
    campus_operator = operator(app, made, "operator")
    assert "One badge waits for approval" in campus_operator.get("/operator/").text
    campus_operator.post(answer, data={"answer": "approve"})
    assert state(made, badge) == ("published", "approved")
    assert "so its issuer stays" in words(get(teacher, made, f"{here}/publish"))


def _same_browser(client: FlaskClient, made: Seeded) -> None:
    """The approver's browser is the one in which the teacher came into the course."""
    cookie = client.get_cookie("__Host-tassel")
    assert cookie
    there = token_for(made, made.teacher, "instructor")
    with made.campus.db.transaction() as session:
        browser = session.scalars(
            select(BrowserSession).where(BrowserSession.token_hash == token_hash(cookie.value))
        ).one()
        old = select(BrowserSession.id).where(BrowserSession.token_hash == token_hash(there))
        grant = session.scalars(
            select(Grant).where(Grant.session_id == old.scalar_subquery())
        ).one()
        grant.session_id = browser.id


def test_issuers_are_made_and_let_teachers_in_on_their_pages(app: Flask, made: Seeded) -> None:
    make_badge(made, publish=False)
    client = operator(app, made, "operator")
    refused = client.post("/operator/issuers/more", data={"slug": "No!", "name": "x"})
    assert refused.status_code == 422
    client.post("/operator/issuers/more", data={"slug": "arts", "name": "Faculty of Arts"})
    with made.campus.db.reading() as session:
        arts = session.scalars(select(Issuer).where(Issuer.slug == "arts")).one()
    assert not arts.admits_instructors
    form = {"name": "Arts", "url": "https://arts.example.edu", "admits": "yes"}
    client.post(f"/operator/issuers/{arts.id}", data=form)
    with made.campus.db.reading() as session:
        assert session.get_one(Issuer, arts.id).admits_instructors
