"""Who is on this campus is nobody else's business: a whole trip, and no learner in any address, code,
line of a log, or answer to a stranger."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
import requests
import segno
from aiosmtpd.controller import Controller
from click.testing import CliRunner
from dbos import DBOS
from flask.testing import FlaskClient
from sqlalchemy import MetaData, create_engine, func, select

from app import cli
from app.db import Base, Database
from app.demo.lms import LmsConfig, control, create_lms, serve
from app.demo.lms.state import Person as Account
from app.demo.sis.config import CLASSES, SisConfig, SisPerson
from app.demo.sis.server import SisServer
from app.demo.stage import free_port
from app.jobs import Worker
from app.main import create_app
from app.models import Award, CollectRun, Delivery, Person
from app.pipeline import collect, revoke
from app.web.access import TABLE
from tests import operator_seed
from tests.conftest import fresh_database
from tests.integration import privacy_watch, secrets_watch
from tests.integration.campuses_rig import LABEL, QUIZ, TEACHER, Asker, School
from tests.integration.lti_rig import tool_beside
from tests.integration.oid4vci_wallet import Ed25519Key, Wallet
from tests.integration.privacy_watch import Named, Watch, words
from tests.integration.test_jobs import until
from tests.integration.test_mail import Mailbox
from tests.integration.test_secrets_at_rest import SIS_SECRET, connect_sis, trouble
from tests.integration.vcapi_wallet import ExchangeWallet

NUMBER = 77_004_510
"""Ids of accounts begin here: nothing else is such a number."""
PEOPLE: tuple[dict[str, str], ...] = (
    {"given": "Zsófia-Ælfgifu", "family": "Überkénnbar", "email": "zsofia.uk77@post-of-zsofia.example"},
    {"given": "Ιφιγένεια", "family": "O'Ñandú & Söhne", "email": "iphi+genia@tränenpalast-post.example"},
    {"given": "莉娜小红", "family": "Refusedmail", "email": "lina.refused@mailbox-of-lina.example"},
)  # fmt: skip
"""The first shows no name, the second lets a public page show it, the third's mail server refuses."""
MOST = 40
"""Pages of one reader."""


@dataclass
class Scene:
    """A campus after everything that learners, staff, wallets and strangers do with badges."""

    school: School
    watch: Watch
    people: list[Account]
    named: Named
    sis: str
    mails: list[str] = field(default_factory=list)
    logs: str = ""
    engine: str = ""
    """What the job engine keeps of the jobs."""
    said: str = ""
    """What the commands printed."""
    codes: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    shared: list[str] = field(default_factory=list)
    """Paths of public pages."""
    showing: str = ""
    """The public page that shows a name because its owner wants that."""
    seen: dict[str, int] = field(default_factory=dict)
    """Reader to number of pages."""

    @property
    def base(self) -> str:
        return self.school.campus.settings.public_url

    def award(self, one: Account) -> str:
        with self.school.db.reading() as session:
            person = self.school.person(one.id)
            return session.scalars(select(Award.id).where(Award.person_id == person.id)).one()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("walk")
    with ExitStack() as stack:
        watch = privacy_watch.watching(stack.enter_context(pytest.MonkeyPatch.context()))
        db = Database(stack.enter_context(fresh_database(folder)), pool_size=5)
        stack.callback(db.close)
        Base.metadata.create_all(db.engine)
        lms = stack.enter_context(serve(create_lms(LmsConfig("canvas", 3))))
        people = enrolled(lms.app.extensions["demo_lms"])
        known = [SisPerson(one.sis_id, one.given, one.family, classes=CLASSES) for one in people]
        sis = stack.enter_context(
            SisServer(SisConfig(client_secret=SIS_SECRET, people=tuple(known)))
        )
        campus, clock = stack.enter_context(tool_beside(lms.url, db, str(folder), sis.url))
        mailbox = Mailbox()
        post = Controller(mailbox, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
        post.start()
        stack.callback(post.stop)
        settings = campus.settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{post.port}"})
        school = School("canvas", lms, replace(campus, settings=settings), clock)
        school.settle("Privacyland")
        for one, given in zip(people, PEOPLE, strict=True):
            one.family = given["family"]
        stack.callback(school.visitor.close)
        operator = create_app(settings, school.campus).test_client()
        operator.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        logs = stack.enter_context(secrets_watch.watching(patch))
        made = Scene(school, watch, people, Named.of(*people), sis.url)
        mailbox.refuse = {people[2].email: f"550 <{people[2].email}>: {people[2].name} has left"}
        whole_trip(made, sis, operator, patch)
        made.mails = [message.as_string() for message in mailbox.messages]
        made.mails += [str(part.get_content()) for m in mailbox.messages for part in m.iter_parts()]
        made.codes = watch.codes()
        made.addresses = watch.addresses(*made.codes, *made.mails)
        made.logs = logs.ours.getvalue() + watch.errors.getvalue()
        yield made


def enrolled(here: Any) -> list[Account]:
    """Learners of the course whose every name and number is unmistakable."""
    made = []
    here.number("person", NUMBER)
    for place, given in enumerate(PEOPLE):
        done = control.people(here, {**given, "sis_id": f"SÏS/{place}-Nº4711", "course": LABEL})
        one = here.people[done["id"]]
        one.uuid, one.username = (
            f"lms-opaque-{place}-{place * 7 + 13}abcdef",
            f"login.of.nöbody{place}",
        )
        made.append(here.add_person(one))
        control.grade(here, {"course": LABEL, "line_item": QUIZ, "person": one.uuid, "score": 10})
    return made


# --- the trip ------------------------------------------------------------------------------------


def whole_trip(
    scene: Scene, sis: SisServer, operator: FlaskClient, patch: pytest.MonkeyPatch
) -> None:
    """Registration, launches, reading by the worker, badges, wallets, shares, trouble, erasure."""
    school = scene.school
    operator_seed.enter(operator, school.campus)
    school.register()
    school.authorise()
    connect_sis(operator, sis)
    school.collected()
    school.badge({school.external(QUIZ): 80})
    work(scene)
    first, second, third = (school.signed_in(one.id) for one in scene.people)
    takes(scene, first, scene.people[0])
    shows(scene, second, scene.people[1])
    for who, reader in {"learner": first, "unreached": third}.items():
        crawl(scene, who, reader.ask, reader.path)
    teacher = school.signed_in(TEACHER)
    crawl(scene, "teacher", teacher.ask, teacher.path)
    crawl(scene, "operator", operator.get, "/operator/")
    strangers(scene)
    revoke.revoke(
        school.campus, scene.award(scene.people[0]), "Copied from a friend.", "operator:t"
    )
    school.send()
    strangers(scene)
    trouble(school, operator)
    breaks(scene, operator)
    forgets(scene, operator)
    commands(scene, patch)
    strangers(scene)


def work(scene: Scene) -> None:
    """A worker reads, awards, signs and sends; then one reading goes wrong in an unexpected way."""
    school = scene.school
    worker = Worker(school.campus)
    worker.start()
    run = collect.request(school.campus, school.course_id, "button")
    try:
        until(lambda: state(school, run) == "done" and nothing_waits(school))
        school.campus.sources["ags"] = Broken(scene.people[0])  # type: ignore[index]
        collect.request(school.campus, school.course_id, "button")
        until(lambda: bool(DBOS.list_workflows(status="ERROR")))
        scene.engine = "\n".join(map(repr, (vars(job) for job in DBOS.list_workflows())))
        scene.engine += kept_by_engine(school.db)
    finally:
        worker.stop(5)


def kept_by_engine(db: Database) -> str:
    """Every value of every table of the job engine."""
    engine = create_engine(f"{db.url}.jobs" if db.is_sqlite else db.url)
    tables = MetaData(schema=None if db.is_sqlite else "dbos")
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in tables.sorted_tables for row in connection.execute(select(table))]
    engine.dispose()
    assert len(rows) > 3
    return repr(rows)


def state(school: School, run: str) -> str:
    with school.db.reading() as session:
        return session.get_one(CollectRun, run).state


def nothing_waits(school: School) -> bool:
    with school.db.reading() as session:
        sent = session.scalar(select(func.count(Delivery.id)).where(Delivery.state == "sent"))
        open_ = select(Delivery.id).where(Delivery.state.in_(("waiting", "sending")))
        return bool(sent) and session.scalar(open_.limit(1)) is None


class Broken:
    """A grade source with a mistake: its error quotes what it just read."""

    key, label, rank, unit = "ags", "LTI", 10, "columns"

    def __init__(self, one: Account) -> None:
        self.one = one

    def serves(self, course: object) -> bool:
        return True

    def columns(self, course: object, asked: object) -> object:
        raise KeyError(self.one.name) from ValueError(self.one.email)


def takes(scene: Scene, learner: Asker, one: Account) -> None:
    """Files with and without the name, a link without it, both ways into a wallet, the record."""
    page = f"/courses/{scene.school.course_id}/me"
    badge = f"{page}/badges/{scene.award(one)}"
    for kind in ("json", "jwt", "png", "svg", "pdf"):
        assert learner.ask(f"{badge}/files/{kind}", "POST").status_code == 200, kind
    shares(scene, learner, badge)
    assert learner.ask(f"{badge}/files/pdf", "POST", with_name="yes").status_code == 200
    shown = learner.ask(f"{badge}/wallet", "POST").text
    link = unescape(re.search(r'href="(openid-credential-offer:[^"]+)"', shown)[1])
    wallet = Wallet(Ed25519Key(), int(scene.school.clock().timestamp())).open(link)
    wallet.token(re.search(r"<strong>(\d{6})</strong>", shown)[1])
    wallet.take("ldp_vc")
    wallet.take("jwt_vc_json")
    shown = learner.ask(f"{badge}/wallet/exchange", "POST").text
    link = unescape(re.search(r'href="(https://lcw.app/[^"]+)"', shown)[1])
    ExchangeWallet(link, scene.school.clock()).take()
    for kind in ("json", "jwt", "ler-rs"):
        chosen = {"badge": scene.award(one), "named": "yes"}
        assert learner.ask(f"{page}/record/files/{kind}", "POST", **chosen).status_code == 200


def shows(scene: Scene, learner: Asker, one: Account) -> None:
    """The name on the public page, because its owner says so; the certificate leads there."""
    badge = f"/courses/{scene.school.course_id}/me/badges/{scene.award(one)}"
    scene.showing = shares(scene, learner, badge, show_name="yes")
    assert learner.ask(f"{badge}/files/pdf", "POST", with_name="yes").status_code == 200
    assert one.name in unescape(requests.get(scene.base + scene.showing, timeout=10).text)


def shares(scene: Scene, learner: Asker, badge: str, **form: str) -> str:
    """Open a public link; the path of its page."""
    assert learner.ask(f"{badge}/share", "POST", **form).status_code == 303
    found = re.search(r"/b/[\w-]+", learner.ask(badge).text)
    assert found
    scene.shared.append(found[0])
    return found[0]


def strangers(scene: Scene) -> None:
    """Everything that can be reached without an account, and what is told of wrong addresses."""

    def get(path: str) -> requests.Response:
        return requests.get(scene.base + path, timeout=30, allow_redirects=False)

    begin = (*scene.shared, "/catalogue", "/catalogue.json", "/verify", "/api/v1/openapi.json")
    crawl(scene, "stranger", get, *begin)
    for accept in ("application/json", "application/vc+jwt"):
        requests.get(scene.base + scene.shared[0], headers={"Accept": accept}, timeout=30)
    signed = next(a for a in scene.watch.answers if a.url.endswith("/files/json"))
    for path in ("/verify", "/api/v1/verify"):
        files = {"file": ("badge.json", signed.body)}
        ours = {"Sec-Fetch-Site": "same-origin"}
        sent = {"files": files} if path == "/verify" else {"data": signed.body}
        assert requests.post(scene.base + path, headers=ours, timeout=30, **sent).status_code == 200  # type: ignore[arg-type]
    for path in ("/b/nothing", "/courses/x/me", "/operator", "/achievements/nothing"):
        get(path)


def crawl(scene: Scene, who: str, get: Callable[[str], Any], *starts: str) -> None:
    """Follow every link of our own, and every address of ours that a file tells."""
    seen, left = set[str](), [*starts]
    while left and len(seen) < MOST:
        path = left.pop(0)
        if path in seen:
            continue
        seen.add(path)
        answer = get(path)
        assert answer.status_code < 500, (path, answer.text[:500])
        text = answer.text if "text" in str(answer.headers) or "json" in str(answer.headers) else ""
        told = [unescape(one) for one in privacy_watch.ATTRIBUTE.findall(text)]
        told += [*privacy_watch.URL.findall(text), answer.headers.get("Location", "")]
        for one in told:
            full = urlsplit(urljoin(scene.base + path, one))
            if f"{full.scheme}://{full.netloc}" == scene.base and not re.search(
                "/leave|/static/", full.path
            ):
                left.append(full._replace(scheme="", netloc="", fragment="").geturl())
    scene.seen[who] = scene.seen.get(who, 0) + len(seen)


def breaks(scene: Scene, operator: FlaskClient) -> None:
    """A page with a mistake: what it raises quotes somebody."""
    one, views = scene.people[1], operator.application.view_functions

    def broken(**_: str) -> str:
        problem = ExceptionGroup(one.name, [ValueError(f"not a number: {one.sis_id!r}")])
        problem.add_note(f"row of {one.uuid}")
        raise problem from LookupError(one.email)

    real, views["public.verify_shown"] = views["public.verify_shown"], broken
    assert operator.post("/verify", data={"text": one.name}).status_code == 500
    views["public.verify_shown"] = real


def forgets(scene: Scene, operator: FlaskClient) -> None:
    """An operator looks the third up by the address, and types it once more to erase."""
    one = scene.people[2]
    assert operator.post("/operator/learners", data={"find": one.given}).status_code == 422
    found = operator.post("/operator/learners", data={"find": one.email})
    place = found.headers["Location"]
    assert one.name in unescape(operator.get(place).text)
    assert operator.post(place, data={"typed": one.name}).status_code == 422
    assert operator.post(place, data={"typed": one.email}).status_code == 200


def commands(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """What operators type, with ids as they stand in the audit log."""
    folder = scene.school.campus.settings.data_dir
    for module in (cli.learners, cli.keys):
        patch.setattr(module, "create_campus", lambda _settings: scene.school.campus)
    ids = [scene.school.person(one.id).id for one in scene.people[:2]]
    said = []
    for line in (
        ["learner", "export", ids[0], str(folder / "export.zip")],
        ["learner", "erase", ids[0], "--yes"],
        ["learner", "erase", ids[1], "--revoke", "--yes"],
        ["learner", "erase", scene.people[2].email, "--yes"],
    ):
        answer = CliRunner().invoke(cli.main, line)
        said.append(answer.output.replace(" ".join(line), ""))
    scene.said = "\n".join(said)


# --- what must hold ------------------------------------------------------------------------------


def test_the_trip_was_a_whole_one(scene: Scene) -> None:
    """The control: everything that the searches below look through is there."""
    asked = {answer.endpoint for answer in scene.watch.answers if answer.status < 400}
    assert {
        "learner.share", "learner.record_file", "wallet.credential", "wallet.exchange",
        "public.badge", "public.status_list", "public.verify_shown", "api.verify",
        "public.catalogue_ctdl", "instructor.learner", "operator.award", "operator.delivery",
    } <= asked, asked  # fmt: skip
    assert min(scene.seen.values()) > 5, scene.seen
    assert len(scene.mails) >= 2
    assert len(scene.codes) >= 4, scene.codes
    for event in ("launched", "job-failed", "unexpected", "refused"):
        assert f'"event": "{event}"' in scene.logs, event
    private = [a for a in scene.watch.answers if a.private and scene.named.within(a.body)]
    assert len(private) > 10, "the search finds them where they may be"
    with scene.school.db.reading() as session:
        assert {one.uuid for one in scene.people} & set(
            session.scalars(select(Person.sub))
        ) == set()


def test_no_address_names_a_learner(scene: Scene) -> None:
    """The SIS calls its people as it likes at its own addresses, which operators see."""
    found = {one for one in scene.addresses if not one.startswith(scene.sis)}
    assert len(found) > 100
    assert {one: names for one in found if (names := scene.named.within(one))} == {}


def test_no_code_names_a_learner(scene: Scene) -> None:
    assert {one: names for one in scene.codes if (names := scene.named.within(one))} == {}


def test_no_line_of_a_log_names_a_learner(scene: Scene) -> None:
    lines = [*scene.logs.splitlines(), *scene.said.splitlines()]
    told = [line for line in lines if scene.named.within(line)]
    assert told == []


def test_the_job_engine_names_nobody(scene: Scene) -> None:
    assert scene.named.within(scene.engine) == set()


def test_strangers_read_no_learner(scene: Scene) -> None:
    """Whatever the public is answered, but the one page whose owner wants it to show the name."""
    open_to_all = {name for name, line in TABLE.items() if line.who == "public"}
    told = {
        (answer.method, answer.url, *names)
        for answer in scene.watch.answers
        if not answer.private
        and answer.endpoint in open_to_all
        # What the LMS posts through a browser stands in the page that posts it on.
        and not answer.endpoint.startswith("lti.")
        and urlsplit(answer.url).path != scene.showing
        for text in (answer.headers, *privacy_watch.readable(answer.body))
        if (names := scene.named.within(text))
    }
    assert told == set()


@pytest.mark.parametrize("place", range(len(PEOPLE)))
def test_the_search_finds_what_is_planted(scene: Scene, place: int) -> None:
    """In whatever way somebody is written down."""
    one = scene.people[place]
    token = base64.urlsafe_b64encode(json.dumps({"sub": one.uuid}).encode()).decode()
    planted = [
        f"/people?find={quote(one.name)}",
        f"/b/{one.given.upper()}",
        f"https://x.example/#{one.email}",
        json.dumps({"user": one.username}),
        f"https://x.example/{token}",
        f"mailto:somebody@{one.email.partition('@')[2].encode('idna').decode()}",
        f"/results/{one.id}",
        quote(f"https://x.example/?a={quote(one.sis_id, safe='')}", safe=""),
    ]
    for text in planted:
        assert scene.named.within(text), text
    for name in words(one):
        assert scene.named.within(f"row {name!r} failed"), name
    picture = io.BytesIO()
    segno.make_qr(f"https://x.example/{one.uuid}").save(picture, kind="png", scale=4)
    watch = Watch(pictures=[picture.getvalue()])
    assert any(scene.named.within(code) for code in watch.codes())
