"""What erase leaves, shown by a search of every table and file after a whole trip; and who returns."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from requests import Response
from sqlalchemy import select, text

from app.db import Base, Database
from app.demo.lms import LmsConfig, create_lms, serve
from app.demo.sis.config import SisConfig
from app.demo.sis.server import SisServer
from app.main import create_app
from app.models import Award, Credential, Erasure, Person, Result, UnjoinedResult
from app.pipeline import roster
from tests.conftest import POSTGRES, fresh_database
from tests.integration.campuses_rig import FIRST_LEARNER, Asker, School
from tests.integration.lti_rig import tool_beside
from tests.integration.secrets_watch import Watch, stored
from tests.integration.test_secrets_at_rest import SIS_SECRET, whole_trip


@dataclass
class Scene:
    """A school after a whole trip, one learner of which is erased by the learner's own page."""

    school: School
    folder: Path
    words: set[str]
    found_before: set[str]
    exported: dict[str, bytes]
    learner: Asker
    pages: list[str]
    left: set[str] = field(default_factory=set)
    """Where words of the learner stand after the erasure."""
    left_later: set[str] = field(default_factory=set)
    """The same after everything was read again, twice."""
    people: list[tuple[int, int]] = field(default_factory=list)
    """How many people are known, and rows that wait for somebody, before and after that."""
    after: int = 0
    """Status of a page of the old session."""
    asked: Response = field(default_factory=Response)
    """What an erased person gets to see who opens Tassel again."""
    lifted: list[object] = field(default_factory=list)
    """Moments at which the erasure was lifted, before and after the person wanted it."""
    results: int = 0
    """Grades of the person who began afresh."""

    def counts(self) -> tuple[int, int]:
        """People, and grades that wait for one."""
        with self.school.db.reading() as session:
            return (
                len(session.scalars(select(Person.id)).all()),
                len(session.scalars(select(UnjoinedResult.id)).all()),
            )

    def log(self) -> str:
        """The audit log, which may hold random ids."""
        with self.school.db.reading() as session:
            entries = session.execute(text("SELECT actor, subject, detail FROM audit_entry"))
            return str(entries.all())

    def places(self) -> set[str]:
        """``table.column`` or file in which one of the learner's words stands."""
        found = {
            f"{place}: {word}"
            for place, value in stored(self.school.campus)
            for word in self.words
            if word in value
        }
        for path in self.folder.rglob("*"):
            raw = path.read_bytes() if path.is_file() else b""
            found |= {f"{path.name}: {word}" for word in self.words if word.encode() in raw}
        return found


def words_of(school: School) -> set[str]:
    """All by which the learner could be found again."""
    with school.db.reading() as session:
        one = school.person(FIRST_LEARNER)
        found = {one.name, one.family_name, one.email, one.sub, one.sis_id, one.id, one.learner_id}
        for award in session.scalars(select(Award).where(Award.person_id == one.id)):
            found |= {award.salt, award.subject_id.removeprefix("urn:uuid:")}
            credentials = select(Credential).where(Credential.award_id == award.id)
            for credential in session.scalars(credentials):
                found |= {credential.id, credential.sha256, credential.jwt[-40:]}
    return {word for word in found if word and len(word) > 3}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("erased")
    with ExitStack() as stack:
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
        trip = whole_trip(school, sis, Watch(), folder, client)
        made = Scene(school, folder, words_of(school), set(), {}, trip.learner, [])
        made.found_before = made.places()
        erase_by_page(made)
        made.left = made.places()
        made.after = made.learner.ask(made.learner.path).status_code
        read_again(made)
        made.left_later = made.places()
        begin_afresh(made)
        yield made


def erase_by_page(made: Scene) -> None:
    """As the learner does it: look, take a copy, be asked, say yes."""
    home = f"/courses/{made.school.course_id}/me/data"
    made.pages.append(made.learner.ask(home).text)
    answer = made.learner.ask(f"{home}/export", "POST")
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        made.exported = {name: archive.read(name) for name in archive.namelist()}
    made.pages.append(made.learner.ask(f"{home}/erase").text)
    assert made.learner.ask(f"{home}/erase", "POST").status_code == 422
    done = made.learner.ask(f"{home}/erase", "POST", understood="yes", badges="kept")
    assert done.status_code == 200, done.text
    made.pages.append(done.text)


def read_again(made: Scene) -> None:
    """Roster, every source, decisions, signatures, deliveries."""
    made.people.append(made.counts())
    for _ in range(2):
        made.school.collected()
        made.school.sign()
        while made.school.send():
            pass
    roster.sync_roster(made.school.campus, made.school.course_id)
    made.people.append(made.counts())


def begin_afresh(made: Scene) -> None:
    """Opened again, a ticket that is none, the ticket, and in again as somebody new."""
    school = made.school

    def note() -> None:
        with school.db.reading() as session:
            made.lifted.append(session.scalars(select(Erasure.lifted_at)).one())

    _, made.asked = school.entered_as(FIRST_LEARNER)
    note()
    page = Asker(school.tab(), "/lti/afresh")
    assert page.ask(page.path, "POST", ticket="made up").status_code in {400, 422}
    note()
    ticket = made.asked.text.partition('name="ticket" value="')[2].partition('"')[0]
    assert page.ask(page.path, "POST", ticket=ticket).status_code == 200
    note()
    assert school.signed_in(FIRST_LEARNER).path
    school.collected()
    with school.db.reading() as session:
        one = school.person(FIRST_LEARNER)
        mine = session.scalars(select(Result.id).where(Result.person_id == one.id)).all()
    made.results = len(mine)


def test_there_was_much_to_find(scene: Scene) -> None:
    """The control: without it the search below could not fail."""
    tables = {place.partition(".")[0] for place in scene.found_before}
    wanted = {"person", "credential", "award", "enrolment", "delivery"}
    if not POSTGRES:
        wanted.add("tassel")  # its file
    assert wanted <= tables
    assert len(scene.words) > 8, scene.words


def check(scene: Scene, left: set[str]) -> None:
    """Nothing but random ids in the audit log, which lead nowhere; they stand in the file too."""
    log = scene.log()
    assert {place for place in left if place.partition(": ")[2] not in log} == set()
    tables = {place.partition(":")[0] for place in left if ".db" not in place}
    assert tables <= {"audit_entry.actor", "audit_entry.subject", "audit_entry.detail"}
    with scene.school.db.reading() as session:
        known = {one.name for one in session.scalars(select(Person))}
    assert not {name for name in known if name and name in log}


def test_nothing_of_the_learner_is_found_anywhere(scene: Scene) -> None:
    check(scene, scene.left)


def test_the_copy_holds_what_there_was(scene: Scene) -> None:
    """Names, grades, awards, the signed bytes; no secrets."""
    names = set(scene.exported)
    assert {"README.txt", "accounts.json", "tables/result.json", "tables/award.json"} <= names
    assert json.loads(scene.exported["accounts.json"])[0]["name"]
    results = json.loads(scene.exported["tables/result.json"])
    assert any(row["raw"] for row in results)
    badge = next(
        body
        for name, body in scene.exported.items()
        if name.endswith(".json") and "credentials/" in name
    )
    assert json.loads(badge)["proof"]
    whole = b"".join(scene.exported.values())
    assert b'"salt": "' not in b"".join(
        body for name, body in scene.exported.items() if name.startswith("tables/award")
    )
    assert b"code_hash" not in whole
    assert b"tx_code" not in whole


def test_the_pages_say_it_in_plain_words(scene: Scene) -> None:
    before, asked, after = scene.pages
    assert "What Tassel holds about you" in before
    assert "Copies elsewhere" in asked
    assert "Copies elsewhere remain" in after


def test_the_session_opens_nothing_any_more(scene: Scene) -> None:
    assert scene.after in {401, 403}


def test_no_list_and_no_grade_brings_the_learner_back(scene: Scene) -> None:
    before, after = scene.people
    assert before == after
    check(scene, scene.left_later)


def test_whoever_opens_it_again_is_asked_and_may_begin_afresh(scene: Scene) -> None:
    assert scene.asked.status_code == 403
    assert "does not know you any more" in scene.asked.text
    assert scene.lifted[:2] == [None, None], "a launch alone, or a made-up ticket, lifts nothing"
    assert scene.lifted[2] is not None
    assert scene.results > 0
