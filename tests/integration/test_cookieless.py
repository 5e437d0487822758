"""The ladder for browsers that keep no cookie in a frame: each rung's server side, and who may not climb it."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import func, select

from app.db import Base, Database
from app.lti.registration import approve, register_manual
from app.models import AnsweredLogin, BrowserSession, Grant, SessionCode
from app.secrets import new_token, token_hash
from tests.conftest import fresh_database
from tests.integration.lti_rig import Rig, rig

FOREIGN = {"Sec-Fetch-Site": "cross-site"}
OURS = {"Sec-Fetch-Site": "same-origin"}
HINT = '{"cmid":5,"launchid":"a b+c"}'


@pytest.fixture(scope="module")
def campus_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("cookieless")
    with fresh_database(folder) as url:
        db = Database(url, pool_size=5)
        Base.metadata.create_all(db.engine)
        with rig(db, str(folder)) as made:
            yield made
        db.close()


@pytest.fixture
def here(campus_rig: Rig) -> Iterator[Rig]:
    """The same for all; each test begins at the real time."""
    yield campus_rig
    campus_rig.clock.ahead = timedelta()


class Frame:
    """A browser that has only the cookies that a test gives it."""

    def __init__(self, here: Rig) -> None:
        self.here, self.base = here, here.campus.settings.public_url
        self.cookies: dict[str, str] = {}

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, /, **fields: str
    ) -> requests.Response:
        return requests.request(
            method,
            self.base + path,
            data=fields or None,
            headers={"Sec-Fetch-Dest": "iframe", **(headers or {})},
            cookies=self.cookies,
            allow_redirects=False,
            timeout=60,
        )

    def login(self, dest: str = "iframe", **changes: str) -> requests.Response:
        tool = self.here.tools[0]
        fields = {
            "iss": tool["issuer"],
            "client_id": tool["client_id"],
            "login_hint": "8",
            "lti_message_hint": HINT,
            "target_link_uri": self.base + "/lti/launch",
        } | changes
        return self.send("POST", "/lti/login", FOREIGN | {"Sec-Fetch-Dest": dest}, **fields)

    def begun(self) -> dict[str, str]:
        """A login in the frame: state, nonce and secret as its page has them."""
        return read_step(self.login())

    def token(self, asked: dict[str, str], **order: Any) -> str:
        body = {"person": 8, "course": "STAT 101", "nonce": asked["nonce"]} | order
        return str(self.here.control("forge", **body)["id_token"])

    def launch(self, asked: dict[str, str]) -> dict[str, str]:
        """The LMS's post; what the page that answers would send on, the secret still missing."""
        answer = self.send(
            "POST", "/lti/launch", FOREIGN, state=asked["state"], id_token=self.token(asked)
        )
        assert answer.status_code == 200, answer.text
        assert "Set-Cookie" not in answer.headers, "nobody is let in yet"
        form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
        return {name: html.unescape(form[name]) for name in ("state", "id_token")}

    def prove(
        self, form: dict[str, str], secret: str, store: str = "session", **headers: str
    ) -> requests.Response:
        return self.send("POST", "/lti/prove", OURS | headers, **form, binding=secret, store=store)

    def code(self) -> dict[str, str]:
        """A proven launch: the code and the path of its document."""
        asked = self.begun()
        answer = self.prove(self.launch(asked), asked["secret"])
        assert answer.status_code == 200, answer.text
        return marks(answer.text)

    def redeem(self, code: str, headers: dict[str, str] | None = None) -> requests.Response:
        return self.send("POST", "/lti/session", OURS if headers is None else headers, code=code)

    def open(self, path: str, bearer: str) -> int:
        return self.send("GET", path, {"Authorization": f"Bearer {bearer}"}).status_code


def marks(page: str) -> dict[str, str]:
    """The data attributes of a page."""
    return {
        name: html.unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', page)
    }


def read_step(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    found = marks(answer.text)
    asked = {key: values[0] for key, values in parse_qs(urlsplit(found["go"]).query).items()}
    return asked | found


def answered(here: Rig, asked: dict[str, str]) -> AnsweredLogin | None:
    """The row of a login that let somebody in."""
    with here.db.reading() as session:
        return session.get(AnsweredLogin, token_hash(asked["state"]))


def counted(here: Rig, table: type[BrowserSession] | type[SessionCode]) -> int:
    with here.db.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


# --- the login -----------------------------------------------------------------------------------


def test_login_in_a_frame_prepares_every_rung(here: Rig) -> None:
    frame = Frame(here)
    answer = frame.login(lti_storage_target="lti_frame")
    asked = read_step(answer)
    assert (asked["lms"], asked["frame"]) == (here.lms.url, "lti_frame")
    assert "Partitioned" in answer.headers["Set-Cookie"]
    assert asked["secret"] in answer.headers["Set-Cookie"]
    assert asked["secret"] not in asked["state"]
    assert asked["secret"] not in asked["go"], "no proof in an address"
    assert answer.headers["Cache-Control"] == "no-store"
    refresh = re.search(
        r'<noscript><meta http-equiv="refresh" content="0;url=([^"]+)"', answer.text
    )
    assert refresh is not None
    assert html.unescape(refresh[1]) == asked["go"]


def test_login_goes_straight_on_where_cookies_work(here: Rig) -> None:
    assert Frame(here).login("document").status_code == 302
    known = Frame(here)
    known.cookies = {"__Host-tassel": new_token()}
    assert known.login().status_code == 302


def framers(answer: requests.Response) -> list[str]:
    return answer.headers["Content-Security-Policy"].rpartition("frame-ancestors ")[2].split()


def test_another_lms_frames_no_step_of_a_launch(here: Rig) -> None:
    """Else it could lay its own page over the document that stays and lead the person's clicks."""
    platform_id = register_manual(
        here.db,
        here.campus.box,
        name="Elsewhere",
        lms="generic",
        origin="https://elsewhere.example.edu",
        issuer="https://elsewhere.example.edu",
        client_id="elsewhere",
        auth_url="https://elsewhere.example.edu/auth",
        token_url="https://elsewhere.example.edu/token",
        jwks_url="https://elsewhere.example.edu/keys",
        deployment_id="1",
        actor="operator:test",
        now=here.clock(),
    )
    approve(here.db, platform_id, actor="operator:test", now=here.clock())
    frame, own = Frame(here), ["'self'", here.lms.url]
    login = frame.login()
    asked = read_step(login)
    sent = {"state": asked["state"], "id_token": frame.token(asked)}
    waiting = frame.send("POST", "/lti/launch", FOREIGN, **sent)
    shell = frame.prove(sent, asked["secret"])
    assert [framers(answer) for answer in (login, waiting, shell)] == [own, own, own]


# --- platform storage and sessionStorage ---------------------------------------------------------


@pytest.mark.parametrize("store", ["platform", "session"])
def test_whole_way_without_a_cookie(here: Rig, store: str) -> None:
    frame = Frame(here)
    asked = frame.begun()
    form = frame.launch(asked)
    assert answered(here, asked) is None, "not used up before the proof"
    shell = marks(frame.prove(form, asked["secret"], store).text)
    row = answered(here, asked)
    assert row is not None
    assert row.storage == store
    redeemed = frame.redeem(shell["code"]).json()
    assert redeemed["path"] == shell["path"]
    assert frame.open(redeemed["path"], redeemed["bearer"]) == 200
    assert frame.open(redeemed["path"], shell["code"]) == 401
    assert frame.send("GET", redeemed["path"]).status_code == 401
    with here.db.reading() as session:
        stored = set(session.scalars(select(BrowserSession.token_hash)))
    assert redeemed["bearer"] not in stored
    assert token_hash(redeemed["bearer"]) in stored


def test_where_the_cookie_stuck_no_bearer_is_made(here: Rig) -> None:
    frame = Frame(here)
    asked = frame.begun()
    answer = frame.prove(frame.launch(asked), asked["secret"])
    frame.cookies = {"__Host-tassel": answer.cookies["__Host-tassel"]}
    redeemed = frame.redeem(marks(answer.text)["code"]).json()
    assert redeemed["bearer"] is None
    assert frame.send("GET", redeemed["path"]).status_code == 200


@pytest.mark.parametrize("secret", ["", "wrong", "another login's", "the hash in the state"])
def test_wrong_proof_is_refused_and_uses_nothing_up(here: Rig, secret: str) -> None:
    frame = Frame(here)
    asked = frame.begun()
    form = frame.launch(asked)
    shown = {
        "another login's": Frame(here).begun()["secret"],
        "the hash in the state": token_hash(asked["secret"]),
    }.get(secret, secret)
    before = counted(here, BrowserSession)
    refused = frame.prove(form, shown)
    assert (refused.status_code, "browser-not-proven" in refused.text) == (400, True)
    assert "Set-Cookie" not in refused.headers
    assert form["id_token"] not in refused.text
    assert counted(here, BrowserSession) == before
    assert frame.prove(form, asked["secret"]).status_code == 200, "the right one still serves"


@pytest.mark.parametrize("store", ["", "cookie", "anything"])
def test_unknown_store_is_refused(here: Rig, store: str) -> None:
    frame = Frame(here)
    asked = frame.begun()
    assert frame.prove(frame.launch(asked), asked["secret"], store).status_code == 400
    assert answered(here, asked) is None


def test_strangers_launch_lets_nobody_in(here: Rig) -> None:
    """Login CSRF: an attacker's own state, token and secret, posted by the victim's browser."""
    attacker, victim = Frame(here), Frame(here)
    asked = attacker.begun()
    before = counted(here, BrowserSession)
    form = victim.launch(asked)
    for headers in (FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
        sent = form | {"binding": asked["secret"], "store": "session"}
        assert victim.send("POST", "/lti/prove", headers, **sent).status_code == 403
    assert victim.send("POST", "/lti/prove", **sent).status_code == 403, "who says nothing neither"
    victims = victim.begun()
    assert victim.prove(form, victims["secret"]).status_code == 400
    assert counted(here, BrowserSession) == before


def test_token_of_another_login_is_refused(here: Rig) -> None:
    """The victim's proven login with a token that was made for the attacker's."""
    frame = Frame(here)
    mine, theirs = frame.begun(), Frame(here).begun()
    form = frame.launch(mine) | {"id_token": frame.token(theirs)}
    refused = frame.prove(form, mine["secret"])
    assert (refused.status_code, "wrong-nonce" in refused.text) == (400, True)
    assert answered(here, mine) is None


def test_replayed_and_late_proofs_are_refused(here: Rig) -> None:
    frame = Frame(here)
    asked, slow = frame.begun(), frame.begun()
    form, late = frame.launch(asked), frame.launch(slow)
    assert frame.prove(form, asked["secret"]).status_code == 200
    again = frame.prove(form, asked["secret"])
    assert (again.status_code, "state-used" in again.text) == (400, True)
    here.clock.ahead += timedelta(minutes=11)
    assert "state-unknown" in frame.prove(late, slow["secret"]).text


def test_one_of_two_equal_proofs_at_once_is_let_in(here: Rig) -> None:
    frame = Frame(here)
    asked = frame.begun()
    form = frame.launch(asked)
    assert at_once(lambda: frame.prove(form, asked["secret"]).status_code) == [200, 400]


def at_once(act: Any) -> list[int]:
    """What two calls at the same moment answer, sorted."""
    start = threading.Barrier(2)

    def run() -> int:
        start.wait()
        return int(act())

    with ThreadPoolExecutor(2) as pool:
        return sorted(future.result() for future in [pool.submit(run), pool.submit(run)])


# --- codes ---------------------------------------------------------------------------------------


def test_code_serves_once(here: Rig) -> None:
    frame = Frame(here)
    code = frame.code()["code"]
    assert frame.redeem(code).status_code == 200
    assert frame.redeem(code).status_code == 401
    assert Frame(here).redeem(code).status_code == 401
    assert frame.redeem(new_token()).status_code == 401
    assert frame.redeem("").status_code == 401


def test_code_is_exchanged_by_one_of_two_at_once(here: Rig) -> None:
    frame = Frame(here)
    code = frame.code()["code"]
    assert at_once(lambda: frame.redeem(code).status_code) == [200, 401]


def test_code_lives_a_minute(here: Rig) -> None:
    frame = Frame(here)
    code = frame.code()["code"]
    here.clock.ahead += timedelta(seconds=61)
    assert frame.redeem(code).status_code == 401


def test_other_sites_exchange_no_code(here: Rig) -> None:
    frame = Frame(here)
    code = frame.code()["code"]
    for headers in (FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}, {}):
        assert frame.redeem(code, headers).status_code == 403
    assert frame.redeem(code).status_code == 200, "and none of them used it up"


# --- a new tab -----------------------------------------------------------------------------------


def signed_in(here: Rig) -> tuple[Frame, str, str]:
    """A document without a cookie, its bearer and its page."""
    frame = Frame(here)
    redeemed = frame.redeem(frame.code()["code"]).json()
    return frame, redeemed["bearer"], redeemed["path"]


def tab_code(frame: Frame, bearer: str, path: str) -> requests.Response:
    sent = OURS | {"Authorization": f"Bearer {bearer}"}
    return frame.send("POST", "/lti/tab-code", sent, path=path)


def test_new_tab_has_a_session_of_its_own(here: Rig) -> None:
    frame, bearer, path = signed_in(here)
    code = tab_code(frame, bearer, path + "/settings").json()["code"]
    tab = Frame(here)
    for headers in (FOREIGN, {}):
        assert tab.send("POST", "/lti/tab", headers, code=code).status_code == 403
    shell = marks(tab.send("POST", "/lti/tab", OURS, code=code).text)
    redeemed = tab.redeem(shell["code"]).json()
    assert redeemed["path"] == path + "/settings"
    assert redeemed["bearer"] != bearer
    assert tab.open(path, redeemed["bearer"]) == 200
    assert frame.open(path, bearer) == 200, "the first document goes on"
    assert tab.send("POST", "/lti/tab", OURS, code=code).status_code == 401


def test_new_tab_keeps_what_the_browser_has_open_and_takes_no_operators_rights(here: Rig) -> None:
    frame, bearer, path = signed_in(here)
    kept = new_token()
    now = here.clock()
    until = now + timedelta(hours=1)
    with here.db.transaction() as session:
        framed = session.scalars(
            select(BrowserSession).where(BrowserSession.token_hash == token_hash(bearer))
        ).one()
        other = BrowserSession(token_hash=token_hash(kept), created_at=now, expires_at=until)
        session.add(other)
        session.flush()
        for owner, scope in ((framed.id, "operator"), (other.id, "course:elsewhere")):
            operator = "op" if scope == "operator" else None
            session.add(
                Grant(
                    session_id=owner,
                    scope=scope,
                    role="operator",
                    operator=operator,
                    created_at=now,
                    expires_at=until,
                )
            )
        other_id = other.id
    tab = Frame(here)
    tab.cookies = {"__Host-tassel": kept}
    code = tab_code(frame, bearer, path).json()["code"]
    shell = marks(tab.send("POST", "/lti/tab", OURS, code=code).text)
    assert tab.redeem(shell["code"]).json() == {"path": path, "bearer": None}
    assert tab.send("GET", path).status_code == 200
    with here.db.reading() as session:
        scopes = set(session.scalars(select(Grant.scope).where(Grant.session_id == other_id)))
    assert "course:elsewhere" in scopes
    assert "operator" not in scopes


@pytest.mark.parametrize(
    "path",
    [
        "",
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "javascript:alert(1)",
        "courses",
        "/a\nb",
        "/\t/evil.example",
        "/" + "a" * 600,
    ],
)
def test_only_a_path_of_ours_opens_in_a_tab(signed: tuple[Frame, str, str], path: str) -> None:
    frame, bearer, _ = signed
    assert tab_code(frame, bearer, path).status_code == 422


@pytest.fixture(scope="module")
def signed(campus_rig: Rig) -> tuple[Frame, str, str]:
    return signed_in(campus_rig)


def test_nobody_without_a_session_gets_a_tab(here: Rig) -> None:
    assert tab_code(Frame(here), new_token(), "/courses/1").status_code == 401
    assert Frame(here).send("POST", "/lti/tab-code", OURS, path="/courses/1").status_code == 401


# --- the login again -----------------------------------------------------------------------------


def test_login_begins_again_in_a_tab(here: Rig) -> None:
    """Also out of a sandboxed frame, which has no origin to show."""
    frame = Frame(here)
    asked = frame.begun()
    sandboxed = FOREIGN | {"Origin": "null", "Sec-Fetch-Dest": "document"}
    answer = frame.send("POST", "/lti/again", sandboxed, state=asked["state"])
    fresh = read_step(answer)
    assert (fresh["login_hint"], fresh["lti_message_hint"]) == ("8", HINT)
    for name in ("state", "nonce", "secret"):
        assert fresh[name] != asked[name]
    assert fresh["secret"] in answer.headers["Set-Cookie"]
    form = frame.launch(fresh)
    assert frame.prove(form, asked["secret"]).status_code == 400, (
        "the frame's secret is not the tab's"
    )
    assert frame.prove(form, fresh["secret"]).status_code == 200


def test_only_a_login_that_waits_begins_again(here: Rig) -> None:
    frame = Frame(here)
    used, slow = frame.begun(), frame.begun()
    assert frame.prove(frame.launch(used), used["secret"]).status_code == 200
    assert "state-used" in frame.send("POST", "/lti/again", OURS, state=used["state"]).text
    assert "state-unknown" in frame.send("POST", "/lti/again", OURS, state=new_token()).text
    here.clock.ahead += timedelta(minutes=11)
    assert "state-unknown" in frame.send("POST", "/lti/again", OURS, state=slow["state"]).text
