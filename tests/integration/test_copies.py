"""A course is copied in the LMS, and its badges follow: by the launch, by the notice, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import html5lib
import jwt
import pytest
import requests
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.db import Database
from app.errors import Invalid, NotFound
from app.gradebook.ags import AgsSource
from app.lti.platforms import LMS
from app.main import create_app
from app.mastery import frameworks
from app.mastery.rules import Clause, RuleDefinition
from app.models import (
    Achievement,
    Assessment,
    Award,
    Competency,
    CopyNotice,
    Course,
    CourseCopy,
    Deployment,
    Framework,
    Installation,
    Platform,
    Rule,
)
from app.pipeline import badges, collect, copies
from app.pipeline.decide import decide_course
from app.pipeline.enter import enter
from tests import course_seed
from tests.integration.lti_rig import COURSE, Rig, rig

TEACHER = 8
RENAMED = "Lab 2: Simulating chance"
NEW_NAME = "Lab 2: Simulating chance with R"
BADGE = "Data literacy, level 1"


@dataclass
class Copied:
    """The old course with a published badge, and its copy in the LMS."""

    rig: Rig
    origin: str
    achievement: str
    answer: dict[str, Any]

    @property
    def campus(self):
        return self.rig.campus

    def come(self, course: Any = None, **changes: Any) -> str:
        """The teacher opens the copy; returns our id of the course."""
        found = self.rig.launch(person=TEACHER, course=course or self.answer["course"])
        return enter(self.campus, replace(found, **changes)).course_id

    def read(self, course_id: str) -> None:
        """Read a course as the worker does."""
        read(self.rig, course_id)

    def mine(self, course_id: str) -> Course:
        with self.rig.db.reading() as session:
            return session.get_one(Course, course_id)


def read(here: Rig, course_id: str) -> None:
    collect.request(here.campus, course_id, "button")
    for batch in collect.claim(here.campus):
        collect.run(here.campus, batch.ids)


def publish(here: Rig, course_id: str) -> str:
    """A badge over four columns; one competency of the course, one of an imported framework."""
    campus = here.campus
    titles = ("Quiz 1: Describing data", RENAMED, "Project: proposal", "Quiz 2: Probability")
    with campus.db.transaction() as session:
        ids = dict(
            session.execute(
                select(Assessment.title, Assessment.id).where(Assessment.course_id == course_id)
            ).all()
        )
        now = campus.clock()
        own = frameworks.add_competency(session, course_id, "Read a chart", None, now).id
        report = frameworks.import_csv(
            session, course_id, "Statistics", b"code,statement\nS1,Simulate chance\nS2,Argue\n", now
        )
        other = session.scalars(
            select(Competency.id).where(
                Competency.framework_id == report.framework_id, Competency.code == "S1"
            )
        ).one()
    achievement = badges.create(campus, course_id, BADGE, "test")
    clauses = tuple(
        Clause(ids[title], own if n % 2 == 0 else other, Decimal(60 + n))
        for n, title in enumerate(titles)
    )
    edit = badges.BadgeEdit(
        BADGE, "Words.", "", "starburst", "forest", None, "", "review", True,
        RuleDefinition("all", clauses),
    )  # fmt: skip
    badges.save(campus, course_id, achievement, edit, "test")
    badges.publish(campus, course_id, achievement, "test")
    return achievement


@pytest.fixture
def canvas(db: Database, tmp_path: Path) -> Iterator[Copied]:
    with rig(db, str(tmp_path), mode="canvas", learners=3) as here:
        here.campus.sources["ags"] = AgsSource(here.campus.lti)  # type: ignore[index]
        tool = next(iter(here.lms.app.extensions["demo_lms"].tools.values()))
        tool.custom = LMS["canvas"].custom_parameters()
        origin = enter(here.campus, here.launch(person=TEACHER, course=COURSE)).course_id
        read(here, origin)
        achievement = publish(here, origin)
        decide_course(here.campus, origin)
        answer = here.control("copy", course=COURSE, label="STAT 101 S", rename={RENAMED: NEW_NAME})
        yield Copied(here, origin, achievement, answer)


def bring(here: Copied, course_id: str, decisions: dict[str, str], **more: Any) -> copies.Brought:
    values = {"publish": True, "actor": "person:x", "person_id": None} | more
    return copies.bring(
        here.campus, course_id, here.origin, [here.achievement], decisions, **values
    )


def the_plan(here: Copied, course_id: str) -> copies.Plan:
    with here.rig.db.reading() as session:
        return copies.plan(session, session.get_one(Course, course_id), here.origin)


def counted(here: Copied, table: type[Any], *where: Any) -> int:
    with here.rig.db.reading() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0


def test_from_the_copy_to_the_badge_and_back(canvas: Copied) -> None:
    """The launch names the origin, one column is doubtful, the badge stands, undo takes it away."""
    course_id = canvas.come()
    canvas.read(course_id)
    with canvas.rig.db.reading() as session:
        offered = copies.ancestors(session, session.get_one(Course, course_id))
    assert [(one.course.id, one.badges, one.open) for one in offered] == [(canvas.origin, 1, True)]
    found = the_plan(canvas, course_id)
    doubtful = found.unsure
    assert [found.old[key].title for key in doubtful] == [RENAMED]
    proposed = found.matches[doubtful[0]].new
    assert found.new[proposed].title == NEW_NAME
    for wrong in ({}, {doubtful[0]: "foreign"}):
        with pytest.raises(Invalid) as refusal:
            bring(canvas, course_id, wrong)
        assert refusal.value.fields == {doubtful[0]: "undecided"}
    assert counted(canvas, Rule, Rule.course_id == course_id) == 0, "a refusal brings nothing"

    made = bring(canvas, course_id, {doubtful[0]: proposed})
    assert len(made.published) == 1
    with canvas.rig.db.reading() as session:
        brought = session.get_one(Achievement, made.published[0])
        new, old = (badges.draft(session, *ids) for ids in (
            (course_id, brought.id), (canvas.origin, canvas.achievement)
        ))  # fmt: skip
        assert brought.continues_id == canvas.achievement
        assert (new.version.name, new.version.palette, brought.regrade) == (
            BADGE,
            "forest",
            "review",
        )
        assert new.rule.state == "published"
        here = {a.id: a for a in session.scalars(select(Assessment)) if a.course_id == course_id}
        there = {a.id: a for a in session.scalars(select(Assessment))}
        competency = {c.id: c for c in session.scalars(select(Competency))}
        framework = {f.id: f for f in session.scalars(select(Framework))}
        for mine, theirs in zip(new.definition.clauses, old.definition.clauses, strict=True):
            expected = there[theirs.assessment].title
            assert here[mine.assessment].title == (NEW_NAME if expected == RENAMED else expected)
            assert mine.pass_mark == theirs.pass_mark
            twin = competency[mine.competency]
            assert twin.statement == competency[theirs.competency].statement
            assert framework[twin.framework_id].course_id == course_id
        assert NEW_NAME in new.version.criteria, "the words are made anew from the columns here"
        reachable = [c.statement for c in frameworks.competencies(session, course_id)]
        assert sorted(reachable) == ["Argue", "Read a chart", "Simulate chance"]
    assert counted(canvas, Award, Award.course_id == course_id) == 0
    with pytest.raises(Invalid, match="at least one"):
        bring(canvas, course_id, {})

    decide_course(canvas.campus, course_id)
    assert copies.undo(canvas.campus, course_id, canvas.origin, "person:x") == 0
    assert counted(canvas, Rule, Rule.course_id == course_id) == 0
    assert counted(canvas, Achievement) == 1
    assert counted(canvas, CourseCopy) == 0


def test_a_badge_that_lost_a_column_stays_a_draft(canvas: Copied) -> None:
    course_id = canvas.come()
    canvas.read(course_id)
    (doubtful,) = the_plan(canvas, course_id).unsure
    made = bring(canvas, course_id, {doubtful: copies.OUT})
    assert (made.published, made.drafts, made.incomplete) == ([], made.drafts, made.drafts)
    with canvas.rig.db.reading() as session:
        draft = badges.draft(session, course_id, made.drafts[0])
    assert len(draft.definition.clauses) == 3
    assert draft.rule.state == "draft"


def test_what_was_earned_survives_the_undo(canvas: Copied) -> None:
    course_id = canvas.come()
    canvas.read(course_id)
    found = the_plan(canvas, course_id)
    made = bring(canvas, course_id, {key: str(found.matches[key].new) for key in found.unsure})
    canvas.rig.control("enrol", course=canvas.answer["course"], person=12)
    for item in found.new.values():
        canvas.rig.control(
            "grade", course=canvas.answer["course"], line_item=item.title, person=12,
            score=float(item.maximum),
        )  # fmt: skip
    canvas.read(course_id)
    assert counted(canvas, Award, Award.achievement_id == made.published[0]) == 1
    assert copies.undo(canvas.campus, course_id, canvas.origin, "person:x") == 1
    assert counted(canvas, Rule, Rule.course_id == course_id) == 1


def test_never_from_another_lms_nor_from_a_course_that_is_no_ancestor(canvas: Copied) -> None:
    stranger = canvas.come("TEACH 500")
    with pytest.raises(NotFound):
        the_plan(canvas, stranger)
    with pytest.raises(NotFound):
        copies.dismiss(canvas.campus, stranger, canvas.origin, "person:x")
    course_id = canvas.come()
    with canvas.rig.db.transaction() as session:
        course = session.get_one(Course, course_id)
        elsewhere = Installation(
            name="Other", lms="canvas", origin="https://x.example", created_at=course.created_at
        )
        session.add(elsewhere)
        session.flush()
        platform = Platform(
            installation_id=elsewhere.id, issuer="https://x.example", client_id="1",
            auth_url="", token_url="", jwks_url="", created_at=course.created_at,
        )  # fmt: skip
        session.add(platform)
        session.flush()
        deployment = Deployment(
            platform_id=platform.id, deployment_id="1", created_at=course.created_at
        )
        session.add(deployment)
        session.flush()
        session.execute(
            update(Course).where(Course.id == canvas.origin).values(deployment_id=deployment.id)
        )
    with canvas.rig.db.reading() as session:
        assert copies.ancestors(session, session.get_one(Course, course_id)) == []


# --- the notice --------------------------------------------------------------------------------


def test_the_notice_alone_is_enough(canvas: Copied) -> None:
    """A registration without custom fields still learns of the copy, before anybody opened it."""
    assert canvas.answer["answers"] == [204], "ordered by the worker, answered by us"
    assert counted(canvas, CopyNotice) == 1
    course_id = canvas.come(previous_context_ids=(), previous_link_ids=())
    with canvas.rig.db.reading() as session:
        course = session.get_one(Course, course_id)
        origin = session.get_one(Course, canvas.origin)
        assert course.history == [origin.context_id]
        assert session.get_one(Deployment, course.deployment_id).notices_state == "asked"
    again = requests.post(handler(canvas), json=canvas.answer["notices"][0])
    assert again.status_code == 204
    assert counted(canvas, CopyNotice) == 1, "the same notice counts once"
    second = canvas.rig.control("copy", course=canvas.answer["course"])
    assert canvas.come(second["course"]) != course_id
    assert len(canvas.mine(canvas.come(second["course"])).history) == 2


def handler(here: Copied) -> str:
    return f"{here.campus.settings.public_url}/lti/notices/{here.rig.platforms[0]}"


def forgeries(here: Copied) -> dict[str, Any]:
    """Bodies that must be refused, each wrong in one way."""
    genuine = here.answer["notices"][0]["notices"][0]["jwt"]
    claims = jwt.decode(genuine, options={"verify_signature": False})
    lms = here.rig.lms.app.extensions["demo_lms"]
    base = "https://purl.imsglobal.org/spec/lti/claim/"
    now = int(claims["iat"])

    def signed(**changes: Any) -> Any:
        body = claims | {"nonce": "n"} | changes
        return {"notices": [{"jwt": lms.keys.sign(body)}]}

    unsigned = jwt.encode(claims, None, algorithm="none")
    secret = jwt.encode(claims, "k" * 40, algorithm="HS256", headers={"kid": lms.keys.current.kid})
    return {
        "no list": {"notices": "x"},
        "empty": {"notices": []},
        "no json": None,
        "no jwt": {"notices": [{"jwt": 3}]},
        "not a token": {"notices": [{"jwt": "a.b.c"}]},
        "unsigned": {"notices": [{"jwt": unsigned}]},
        "hmac": {"notices": [{"jwt": secret}]},
        "changed": {"notices": [{"jwt": genuine[:-8] + "AAAAAAAA"}]},
        "other issuer": signed(iss="https://other.example"),
        "other audience": signed(aud="another"),
        "other party": signed(azp="another"),
        "expired": signed(exp=now - 120),
        "no expiry": signed(exp=None),
        "old": signed(iat=now - 8000),
        "future": signed(iat=now + 600),
        "endless": signed(exp=float("nan")),
        "unknown kind": signed(**{base + "notice": {"id": "1", "type": "LtiHelloWorldNotice"}}),
        "no id": signed(**{base + "notice": {"type": "LtiContextCopyNotice"}}),
        "unknown deployment": signed(**{base + "deployment_id": "777"}),
        "no context": signed(**{base + "context": {}}),
        "no origin": signed(**{base + "origin_contexts": []}),
        "version": signed(**{base + "version": "1.1"}),
    }


def test_forged_notices_change_nothing(canvas: Copied) -> None:
    for name, body in forgeries(canvas).items():
        answer = requests.post(handler(canvas), json=body)
        assert answer.status_code == 400, (name, answer.status_code, answer.text)
        assert counted(canvas, CopyNotice) == 1, name
    url = handler(canvas).rpartition("/")[0] + "/unknown"
    assert requests.post(url, json=canvas.answer["notices"][0]).status_code == 400
    with canvas.rig.db.transaction() as session:
        session.execute(update(Platform).values(state="disabled"))
    assert requests.post(handler(canvas), json=canvas.answer["notices"][0]).status_code == 400


def test_one_bad_notice_does_not_lose_the_good_one(canvas: Copied) -> None:
    answer = canvas.rig.control("copy", course=COURSE, tell=False)
    claims = jwt.decode(
        canvas.answer["notices"][0]["notices"][0]["jwt"], options={"verify_signature": False}
    )
    base = "https://purl.imsglobal.org/spec/lti/claim/"
    claims[base + "notice"]["id"] = "another"
    good = canvas.rig.lms.app.extensions["demo_lms"].keys.sign(claims)
    body = {"notices": [{"jwt": "x"}, {"jwt": good}]}
    assert requests.post(handler(canvas), json=body).status_code == 400
    assert counted(canvas, CopyNotice) == 2
    assert answer["notices"] == []


# --- pages -------------------------------------------------------------------------------------


def page(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.text


def test_three_clicks(canvas: Copied) -> None:
    course_id = canvas.come()
    client = visitor(canvas, course_id, "instructor")
    home = f"/courses/{course_id}"
    there = f"{home}/copies/{canvas.origin}"
    assert "This course was copied from STAT 101" in page(client, home)
    assert "Reading the grades" in page(client, there), "the first launch has asked for it"
    canvas.read(course_id)
    form = page(client, there)
    assert "1 column needs your eye" in form
    found = the_plan(canvas, course_id)
    (doubtful,) = found.unsure
    refused = client.post(there, data={"badge": canvas.achievement, "as": "drafts"})
    assert refused.status_code == 422
    assert "Decide where this column is." in refused.text
    html5lib.HTMLParser(strict=True).parse(refused.text)
    answers = {f"column-{doubtful}": found.matches[doubtful].new}
    done = client.post(there, data={"badge": canvas.achievement, "as": "drafts"} | answers)
    assert done.status_code == 303
    after = page(client, done.location)
    assert BADGE in after
    assert "as drafts" in after
    assert "This course was copied from" not in after
    assert "Undo: remove what was brought" in page(client, f"{home}/copies")
    assert client.post(f"{there}/undo").status_code == 303
    assert "This course was copied from" in page(client, home)
    assert client.post(f"{there}/dismiss").status_code == 303
    assert "This course was copied from" not in page(client, home)
    assert "not wanted" in page(client, f"{home}/copies")
    assert page(client, there), "still to be had"


def visitor(here: Copied, course_id: str, role: str) -> FlaskClient:
    app = create_app(here.campus.settings, here.campus)
    client = app.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    seeded = course_seed.Seeded(here.campus, course_id, "")
    with here.rig.db.reading() as session:
        from app.models import Enrolment

        person = session.scalars(
            select(Enrolment.person_id).where(Enrolment.course_id == course_id).limit(1)
        ).one()
    return course_seed.enter(client, seeded, person, role)


@pytest.mark.parametrize("role", ["learner", "assistant", "observer"])
def test_only_teachers_bring(canvas: Copied, role: str) -> None:
    course_id = canvas.come()
    client = visitor(canvas, course_id, role)
    there = f"/courses/{course_id}/copies/{canvas.origin}"
    assert client.get(there).status_code == 403
    for path in (there, f"{there}/undo", f"{there}/dismiss"):
        assert client.post(path).status_code == 403
