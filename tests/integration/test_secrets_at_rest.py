"""Secrets (row 18): a whole campus at work, and nothing secret in its tables, its file or its logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.db import Base, Database
from app.demo.lms import LmsConfig, create_lms, serve
from app.demo.sis.config import SisConfig
from app.demo.sis.server import SisServer
from app.errors import AppError
from app.main import create_app
from app.models import Award, GradeGrant, Person
from app.pipeline import resealing
from app.secrets import SecretBox
from app.settings import Settings
from tests import operator_seed
from tests.conftest import fresh_database
from tests.integration.campuses_rig import (
    FIRST_LEARNER,
    LABEL,
    NATIVE,
    Asker,
    School,
)
from tests.integration.lti_rig import tool_beside
from tests.integration.moodle_stage import moodle_stage
from tests.integration.secrets_watch import Watch, stored, watching

SIS_SECRET = "sis-client-secret-7f3a9c51"
TEACHER = 8
"""Of the demo Moodle."""
SCORE = 97.31419
"""A grade that nothing else is equal to."""
SEALED_MARK = "gAAAA"
"""Everything under the master key begins with it."""


@dataclass
class Scene:
    """A school with everything connected, after a whole trip."""

    school: School
    watch: Watch
    folder: Path
    operator: FlaskClient
    learner: Asker
    award: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("secrets")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        url = stack.enter_context(fresh_database(folder))
        db = Database(url, pool_size=5)
        stack.callback(db.close)
        Base.metadata.create_all(db.engine)
        lms = stack.enter_context(serve(create_lms(LmsConfig("canvas", 12))))
        sis = stack.enter_context(SisServer(SisConfig(client_secret=SIS_SECRET)))
        campus, clock = stack.enter_context(tool_beside(lms.url, db, str(folder), sis.url))
        school = School("canvas", lms, campus, clock)
        school.settle("Secretland")
        stack.callback(school.visitor.close)
        client = create_app(campus.settings, school.campus).test_client()
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        watch = stack.enter_context(watching(patch))
        watch.note(SIS_SECRET, "the SIS")
        yield whole_trip(school, sis, watch, folder, client)


def whole_trip(
    school: School, sis: SisServer, watch: Watch, folder: Path, operator: FlaskClient
) -> Scene:
    """Registration, launches, grades, connection, badge, awards, delivery, share, wallet, token."""
    operator_seed.enter(operator, school.campus)
    school.register()
    school.authorise()
    school.control("grade", course=LABEL, line_item=NATIVE, person=FIRST_LEARNER, score=SCORE)
    connect_sis(operator, sis)
    made = operator.post("/operator/tokens", data={"name": "Nightly", "scopes": "awards:read"})
    assert made.status_code < 400
    school.collected()
    school.badge({school.external(NATIVE): 1})
    school.collected()
    school.sign()
    while school.send():
        pass
    with school.db.transaction() as session:
        session.execute(update(GradeGrant).values(expires_at=school.clock() - timedelta(hours=1)))
    school.collected()
    learner = school.signed_in(FIRST_LEARNER)
    with school.db.reading() as session:
        mine = select(Award.id).where(Award.person_id == school.person(FIRST_LEARNER).id)
        award = session.scalars(mine).one()
    page = f"/courses/{school.course_id}/me/badges/{award}"
    for form in ("share", "wallet", "files/json", "files/pdf"):
        assert learner.ask(f"{page}/{form}", "POST", show_name="yes").status_code < 400, form
    trouble(school, operator)
    return Scene(school, watch, folder, operator, learner, award)


def connect_sis(operator: FlaskClient, sis: SisServer) -> None:
    form = operator_seed.SIS | {
        "gradebook_url": f"{sis.url}/ims/oneroster/gradebook/v1p2",
        "token_url": f"{sis.url}/oauth/token",
        "client_secret": SIS_SECRET,
    }
    made = operator.post("/operator/connections/new/oneroster_rest", data=form)
    assert made.status_code == 303, made.text
    path = made.headers["Location"].partition("?")[0]
    for step in ("test", "resume"):
        assert operator.post(f"{path}/{step}").status_code in (200, 303)


def trouble(school: School, operator: FlaskClient) -> None:
    """What goes wrong is where programs tell too much."""
    tab = school.tab()
    asked = tab.login()
    token = school.forged(asked)
    proof = dict(tab.cookies)
    for changed in (token[:-6] + "AAAAAA", token, token):
        tab.cookies |= proof
        tab.send("POST", "/lti/launch", state=asked["state"], id_token=changed)
    tab.send("POST", "/lti/session", code="no-such-code")
    tab.send("GET", "/grades/connected", state="made-up", code="c0de-of-somebody")
    state, binding, code = school.consent()
    tab.cookies["__Host-tassel-grades"] = binding
    tab.send("GET", "/grades/connected", state=state, code=code + "x")
    tab.send("POST", "/grades/start", ticket="no-such-ticket")
    operator.get("/operator/enter/no-such-token")
    operator.get("/api/v1/awards", headers={"Authorization": "Bearer tsl_made-up-token-of-nobody"})


def test_enough_secrets_were_made_to_be_found(scene: Scene) -> None:
    """The control: without them the tests below could not fail."""
    makers = set(scene.watch.found.values())
    wanted = {
        "sealed", "app.web.session", "app.web.tokens", "app.lti.login", "app.pipeline.sources",
        "app.web.operator.enter", "app.lti.invitation", "app.demo.lms.canvas_oauth",
        "app.demo.lms.tokens", "app.demo.sis.oauth", "app.wallet.offers",
    }  # fmt: skip
    assert wanted <= makers, (wanted - makers, makers)
    assert any("PRIVATE KEY" in one for one in scene.watch.found)


def test_no_table_and_no_file_holds_a_secret(scene: Scene) -> None:
    assert scene.watch.in_database(scene.school.campus, scene.folder) == set()


def test_no_log_tells_a_secret(scene: Scene) -> None:
    assert scene.watch.ours.getvalue().count("\n") > 5
    assert scene.watch.in_logs() == set()


def test_our_log_names_nobody(scene: Scene) -> None:
    """No name, address, number or id of the LMS of anybody, and no grade."""
    text, private = scene.watch.ours.getvalue(), {str(SCORE)}
    with scene.school.db.reading() as session:
        for one in session.scalars(select(Person)):
            private |= {one.name, one.family_name, one.email, one.sub, one.sis_id} - {None, ""}
    assert len(private) > 30
    assert {one for one in private if re.search(rf"\b{re.escape(one)}\b", text)} == set()


def test_the_master_key_leaves_nothing_behind(scene: Scene) -> None:
    """After resealing the old key can go: the new one alone opens all that is sealed."""
    campus, new = scene.school.campus, Fernet.generate_key().decode()
    both = SecretBox([new])
    both._box = MultiFernet([Fernet(new), *campus.box._box._fernets])
    assert resealing.reseal(replace(campus, box=both), "operator:test") > 6
    places = set()
    for place, text in stored(campus):
        if text.startswith(SEALED_MARK):
            SecretBox([new]).open(text)
            places.add(place)
    assert len(places) > 6, places
    resealing.reseal(replace(campus, box=_both_ways(both)), "operator:test")


def _both_ways(box: SecretBox) -> SecretBox:
    """The same keys, the old one first again."""
    first, *others = box._box._fernets
    box._box = MultiFernet([*others, first])
    return box


def test_every_sealed_column_is_resealed() -> None:
    named = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name in ("sealed", "lti11_secret", "tx_code", "verifier")
    }
    assert {f"{one.class_.__tablename__}.{one.key}" for one in resealing.SEALED} == named


def test_a_moodle_token_is_nowhere(
    settings: Settings, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pasted by a teacher, tried, read with, refused, taken away at the LMS."""
    with moodle_stage(settings) as stage, watching(monkeypatch) as watch:
        token = stage.token(TEACHER)
        stage.connect(token)
        assert stage.collect().state == "done"
        with pytest.raises(AppError):
            stage.connect("no-such-token-" + token[:8])
        stage.post("moodle/site", revoke=token)
        stage.collect(whole=True)
        assert token in watch.found
        assert watch.in_database(stage.campus, tmp_path) == set()
        assert watch.in_logs() == set()
