"""Every way out of Tassel whose address somebody else chooses, with every attack on it.

A door is one place where such an address reaches the network, gone through as the outside can: by a
route, or by what the worker does. ``DOORS`` names them all; ``test_every_way_out_is_a_door`` finds
calls of the outbound client that have none.
"""

from __future__ import annotations

import ast
import gzip
import inspect
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt
import pytest
from sqlalchemy import select

from app import http as outbound
from app.errors import AppError
from app.gradebook.grants import Tokens
from app.http import HttpClient
from app.lti import registration, selftest
from app.lti.services import LtiServices
from app.lti.vocabulary import (
    LINE_ITEM_READ_SCOPE,
    LINE_ITEM_SCOPE,
    PLATFORM_CONFIGURATION,
    RESULT_SCOPE,
    SCOPES,
    SCORE_SCOPE,
)
from app.models import (
    Connection,
    CourseColumn,
    CourseSource,
    Deployment,
    GradeAccess,
    GradeGrant,
    Platform,
)
from app.pipeline import connections, grade_tokens, sources
from tests.integration.outbound_stage import (
    FINE,
    HOSTILE,
    Place,
    Stage,
    dialled,
    reply,
    stage,
    told,
)

ROOT = Path(__file__).parents[2]
READING = [LINE_ITEM_READ_SCOPE, RESULT_SCOPE]
WRITING = [LINE_ITEM_SCOPE, SCORE_SCOPE]
Act = Callable[[], str]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("doors")) as made:
        yield made


def shown(here: Stage, path: str, form: dict[str, str] | None = None, cookie: str = "") -> str:
    """The code on the page that a stranger gets; a page that is no answer to them fails."""
    client = here.stranger()
    headers = {"Cookie": cookie}
    if form is None:
        answer = client.get(path, headers=headers)
    else:
        answer = client.post(path, data=form, headers=headers)
    assert answer.status_code in (200, 400, 403, 422, 502), answer.text
    return code_in(answer.text)


def code_in(page: str) -> str:
    assert "Traceback" not in page
    found = re.search(r"<code>([a-z0-9-]+)</code>", page)
    return found[1] if found else "none"


def told_or(act: Act) -> str:
    """The code that ``act`` gives, or that of the error which it ends with."""
    try:
        return act()
    except AppError as error:
        return error.code


# --- registration ------------------------------------------------------------------------------


def configuration(here: Stage, base: str) -> Act:
    def act() -> str:
        token = registration.invite(here.campus.db, base, here.campus.clock())
        there = quote(f"{base}{HOSTILE}/config")
        return shown(here, f"/lti/register/{token}?openid_configuration={there}")

    return lambda: told_or(act)


def registration_endpoint(here: Stage, base: str) -> Act:
    out = here.outside
    config = {
        "issuer": out.url,
        "authorization_endpoint": f"{out.url}/auth",
        "token_endpoint": f"{out.url}/token",
        "jwks_uri": f"{out.url}/keys",
        "registration_endpoint": f"{base}{HOSTILE}/register",
        PLATFORM_CONFIGURATION: {"product_family_code": "moodle"},
    }
    there = out.show(f"{FINE}/config", config)
    token = registration.invite(here.campus.db, out.url, here.campus.clock())
    form = {"openid_configuration": there, "registration_token": "secret-of-the-lms"}
    return lambda: shown(here, f"/lti/register/{token}", form)


# --- keys --------------------------------------------------------------------------------------


def signed(here: Stage, place: Place, **claims: Any) -> str:
    now = here.campus.clock().timestamp()
    body = {"iss": place.issuer, "aud": place.client_id, "sub": "12", "iat": now, "exp": now + 60}
    return jwt.encode(body | claims, here.key, "RS256", headers={"kid": "k1"})


def keys_at_launch(here: Stage, base: str) -> Act:
    place = here.place(jwks_url=f"{base}{HOSTILE}/keys")
    target = f"{here.campus.settings.public_url}/lti/launch"
    login = {"iss": place.issuer, "login_hint": "1", "target_link_uri": target}
    begun = here.client.get(f"/lti/login/{place.platform_id}", query_string=login)
    query = parse_qs(urlsplit(begun.headers["Location"]).query)
    cookie = begun.headers["Set-Cookie"].partition(";")[0]
    token = signed(here, place, nonce=query["nonce"][0])
    form = {"state": query["state"][0], "id_token": token}
    return lambda: shown(here, "/lti/launch", form, cookie)


def keys_at_notice(here: Stage, base: str) -> Act:
    place = here.place(jwks_url=f"{base}{HOSTILE}/keys")
    body = {"notices": [{"jwt": signed(here, place)}]}

    def act() -> str:
        answer = here.client.post(f"/lti/notices/{place.platform_id}", json=body)
        assert answer.status_code == 502
        return code_in(answer.text)

    return act


# --- services of the LMS -----------------------------------------------------------------------


def token_endpoint(here: Stage, base: str) -> Act:
    services = {"memberships": f"{here.outside.url}{FINE}/members"}
    place = here.place(token_url=f"{base}{HOSTILE}/token", services=services)
    return lambda: here.collected(place)


def members(here: Stage, base: str) -> Act:
    place = here.place(services={"memberships": f"{base}{HOSTILE}/members"})
    return lambda: here.collected(place)


def members_next(here: Stage, base: str) -> Act:
    ada = {"user_id": "99", "roles": ["Learner"], "name": "Eve"}
    link = f'Link: <{base}{HOSTILE}/members>; rel="next"'
    first = here.outside.show(f"{FINE}/members", {"members": [ada]}, link)
    place = here.place(services={"memberships": first})
    return lambda: here.collected(place)


def columns(here: Stage, base: str) -> Act:
    services = {"lineitems": f"{base}{HOSTILE}/items", "ags_scopes": READING}
    place = here.place(services=services)
    return lambda: here.collected(place)


def columns_next(here: Stage, base: str) -> Act:
    first = here.outside.show(f"{FINE}/items", [], f"Link: <{base}{HOSTILE}/items>; rel=next")
    place = here.place(services={"lineitems": first, "ags_scopes": READING})
    return lambda: here.collected(place)


def results(here: Stage, base: str) -> Act:
    item = {"id": f"{base}{HOSTILE}/item", "label": "Quiz", "scoreMaximum": 10}
    services = {"lineitems": here.outside.show(f"{FINE}/items", [item]), "ags_scopes": READING}
    place = here.place(services=services)
    return lambda: here.collected(place)


def results_next(here: Stage, base: str) -> Act:
    out = here.outside
    item = {"id": f"{out.url}{FINE}/item", "label": "Quiz", "scoreMaximum": 10}
    given = {"userId": "12", "resultScore": 1, "resultMaximum": 10}
    out.show(f"{FINE}/item/results", [given], f"Link: <{base}{HOSTILE}/more>; rel=next")
    services = {"lineitems": out.show(f"{FINE}/items", [item]), "ags_scopes": READING}
    place = here.place(services=services)
    return lambda: here.collected(place)


def own_column(here: Stage, base: str) -> Act:
    services = {"lineitems": f"{base}{HOSTILE}/items", "ags_scopes": WRITING}
    place = here.place(services=services)
    return lambda: here.sent(place)


def made_column(here: Stage, base: str) -> Act:
    """The LMS says where the column stands that it has made for us."""
    out = here.outside
    made = {"id": f"{base}{HOSTILE}/item", "label": "Data", "scoreMaximum": 100}
    out.show(f"POST {FINE}/own", made)
    services = {"lineitems": out.show(f"GET {FINE}/own", []), "ags_scopes": WRITING}
    place = here.place(services=services)
    return lambda: here.sent(place)


def score(here: Stage, base: str) -> Act:
    return known_column(here, base, "Badge: Data")


def column_name(here: Stage, base: str) -> Act:
    return known_column(here, base, "An older name")


def known_column(here: Stage, base: str, label: str) -> Act:
    """A column whose address we have kept from before."""
    services = {"lineitems": f"{here.outside.url}{FINE}/own", "ags_scopes": WRITING}
    place = here.place(services=services)
    tag, badge = f"tassel-badge-{place.achievement_id}", place.achievement_id
    item = {"id": f"{base}{HOSTILE}/item", "label": label, "scoreMaximum": 1}
    here.outside.show(f"{FINE}/own", [item | {"tag": tag, "resourceId": badge}])
    with here.campus.db.transaction() as session:
        session.add(
            CourseColumn(
                course_id=place.course_id, achievement_id=place.achievement_id,
                tag=tag, label=label, maximum=Decimal(1),
                url=f"{base}{HOSTILE}/item",
            )
        )  # fmt: skip
    return lambda: here.sent(place)


def notice_order(here: Stage, base: str) -> Act:
    place = here.place()
    here.change(Deployment, place.deployment_id, notices_url=f"{base}{HOSTILE}/notices")

    def act() -> str:
        assert here.collected(place) == "none"
        with here.campus.db.reading() as session:
            return session.get_one(Deployment, place.deployment_id).notices_state

    return act


# --- the self-test -----------------------------------------------------------------------------


def findings(here: Stage, place: Place, *keys: str) -> Act:
    def act() -> str:
        page = here.client.post(f"/operator/platforms/{place.platform_id}/check")
        assert page.status_code == 303
        assert here.client.get(page.headers["Location"]).status_code == 200
        with here.campus.db.reading() as session:
            found = selftest.stored(session.get_one(Platform, place.platform_id))
        return " ".join(sorted({one.state for one in found if one.key in keys}))

    return act


def selftest_keys(here: Stage, base: str) -> Act:
    return findings(here, here.place(jwks_url=f"{base}{HOSTILE}/keys"), "their_keys")


def selftest_token(here: Stage, base: str) -> Act:
    return findings(here, here.place(token_url=f"{base}{HOSTILE}/token"), "token")


def selftest_course(here: Stage, base: str) -> Act:
    there = {"lineitems": f"{base}{HOSTILE}/items", "memberships": f"{base}{HOSTILE}/members"}
    place = here.place(services=there)
    here.change(Platform, place.platform_id, scopes_asked=list(SCOPES))
    return findings(here, place, "roster", "columns")


def selftest_ourselves(here: Stage, base: str) -> Act:
    """Our own name, which may lead to anybody: only the operator chooses it."""
    place = here.place()

    def act() -> str:
        with here.settings(public_url=base + HOSTILE):
            campus = here.app.extensions["tassel"]
            found = selftest.run(
                campus.db, campus.http, campus.lti, campus.settings, campus.clock, place.platform_id
            )
        return next(one.state for one in found if one.key == "our_keys")

    return act


# --- Canvas and Moodle -------------------------------------------------------------------------


def canvas_key(here: Stage, base: str) -> Act:
    place = here.place(lms="canvas")
    page = f"/operator/platforms/{place.platform_id}/key"
    form = {"base_url": base, "client_id": "1", "client_secret": "secret-of-canvas"}

    def act() -> str:
        here.outside.everywhere = True
        if here.client.post(page, data=form).status_code == 422:
            return "access-form"
        assert here.client.post(f"{page}/test").status_code == 303
        assert here.client.get(page).status_code == 200
        with here.campus.db.reading() as session:
            row = session.scalars(
                select(GradeAccess).where(GradeAccess.installation_id == place.installation_id)
            ).one()
        return str((row.problem or {}).get("code", "none"))

    return act


def granted(here: Stage, place: Place, base: str, source: str, *, life: int | None = None) -> str:
    """The operator's entry, a person's authorisation and a course that reads with it."""
    campus, now = here.campus, here.campus.clock()
    secret = campus.box.seal(b'{"client_secret": "secret-of-canvas"}')
    with campus.db.transaction() as session:
        access = GradeAccess(
            installation_id=place.installation_id, source=source, base_url=base, client_id="1",
            sealed=secret, created_at=now,
        )  # fmt: skip
        session.add(access)
        session.flush()
        tokens = Tokens("access-of-ada", "refresh-of-ada", life, "8", "Ada")
        grant = campus.grants.keep(session, access.id, tokens, place.person_id)
        session.add(
            CourseSource(
                course_id=place.course_id, source=source, grant_id=grant.id, course_key="5",
                connected_by=place.person_id, created_at=now,
            )
        )  # fmt: skip
        return access.id


def canvas_consent(here: Stage, base: str) -> Act:
    place = here.place(lms="canvas")
    with here.campus.db.transaction() as session:
        session.add(
            GradeAccess(
                installation_id=place.installation_id, source="canvas_rest", base_url=base,
                client_id="1", created_at=here.campus.clock(),
            )
        )  # fmt: skip
    ticket = sources.ask(here.campus, place.course_id, "canvas_rest", place.person_id)
    begun = here.client.post("/grades/start", data={"ticket": ticket})
    cookie = begun.headers["Set-Cookie"].partition(";")[0]

    def act() -> str:
        here.outside.everywhere = True
        return shown(here, f"/grades/connected?code=c&state={quote(ticket)}", cookie=cookie)

    return act


def canvas_reading(here: Stage, base: str) -> Act:
    place = here.place(lms="canvas")
    granted(here, place, base + HOSTILE, "canvas_rest")
    return lambda: here.collected(place)


def canvas_next(here: Stage, base: str) -> Act:
    place, out = here.place(lms="canvas"), here.outside
    granted(here, place, out.url + FINE, "canvas_rest")
    link = f'Link: <{base}{HOSTILE}/more>; rel="next"'
    out.show(f"{FINE}/api/v1/courses/5/assignments", [], link)
    return lambda: here.collected(place)


def canvas_renewal(here: Stage, base: str) -> Act:
    place = here.place(lms="canvas")
    granted(here, place, base + HOSTILE, "canvas_rest", life=1)

    def act() -> str:
        code = here.collected(place)
        with here.campus.db.reading() as session:
            grant = session.scalars(
                select(GradeGrant).where(GradeGrant.person_id == place.person_id)
            ).one()
        assert (grant.state, grant.refreshing_until) == ("active", None)
        return code

    return act


def canvas_return(here: Stage, base: str) -> Act:
    """Giving the authorisation back is tried once; our copy goes in any case."""
    place = here.place(lms="canvas")
    granted(here, place, base + HOSTILE, "canvas_rest")

    def act() -> str:
        sources.disconnect(here.campus, place.course_id, "canvas_rest", "test")
        with here.campus.db.reading() as session:
            chosen = select(CourseSource.state).where(CourseSource.course_id == place.course_id)
            return str(session.scalars(chosen).one())

    return act


def moodle_token(here: Stage, base: str) -> Act:
    place = here.place(lms="moodle", issuer=f"{base}{HOSTILE}/{next(here.numbers)}")
    with here.campus.db.transaction() as session:
        session.get_one(Platform, place.platform_id).installation.origin = base
    token = "0123456789abcdef0123456789abcdef"
    actor = f"person:{place.person_id}"
    return lambda: told(
        lambda: grade_tokens.connect_course(
            here.campus, place.course_id, token, place.person_id, actor
        )
    )


def moodle_reading(here: Stage, base: str) -> Act:
    place = here.place(lms="moodle")
    granted(here, place, base + HOSTILE, "moodle_ws")
    return lambda: here.collected(place)


# --- the campus's sign-in ----------------------------------------------------------------------


def provider(here: Stage, token: str, keys: str) -> Act:
    """A sign-in up to the way back, with these addresses in the provider's description."""
    issuer = f"{here.outside.url}{FINE}/idp"
    about = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": token,
        "jwks_uri": keys,
    }
    here.outside.show(f"{FINE}/idp/.well-known/openid-configuration", about)

    def act() -> str:
        with here.settings(oidc_issuer=issuer, oidc_client_id="t", oidc_client_secret="secret"):
            begun = here.stranger().post("/operator/sign-in")
            state = parse_qs(urlsplit(begun.headers["Refresh"]).query)["state"][0]
            cookie = begun.headers["Set-Cookie"].partition(";")[0]
            path = f"/operator/sign-in/callback?code=c&state={quote(state)}"
            return shown(here, path, cookie=cookie)

    return act


def sign_in(here: Stage, base: str) -> Act:
    def act() -> str:
        issuer = base + HOSTILE
        with here.settings(oidc_issuer=issuer, oidc_client_id="t", oidc_client_secret="secret"):
            return shown(here, "/operator/sign-in", {})

    return act


def sign_in_token(here: Stage, base: str) -> Act:
    return provider(here, f"{base}{HOSTILE}/token", f"{here.outside.url}{FINE}/keys")


def sign_in_keys(here: Stage, base: str) -> Act:
    token = here.outside.show(f"{FINE}/idp/token", {"id_token": "a.b.c"})
    return provider(here, token, f"{base}{HOSTILE}/keys")


# --- the SIS -----------------------------------------------------------------------------------


def sis(here: Stage, **addresses: str) -> Connection:
    out = here.outside
    token = {"access_token": "t-of-the-sis", "expires_in": 3600}
    config = {
        "name": "Campus SIS",
        "gradebook_url": f"{out.url}{FINE}/ims/oneroster/gradebook/v1p2",
        "token_url": out.show(f"{FINE}/sis-token", token),
        "client_id": "tassel",
        "record": "assessmentResult",
    } | addresses
    return Connection(
        kind="oneroster_rest", name="Campus SIS", config=config, state="active",
        sealed=here.campus.box.seal(json.dumps({"client_secret": "secret-of-sis"}).encode()),
        created_at=here.campus.clock(),
    )  # fmt: skip


def sis_token(here: Stage, base: str) -> Act:
    place = here.place()
    return lambda: here.sent(place, sis(here, token_url=f"{base}{HOSTILE}/token"))


def sis_records(here: Stage, base: str) -> Act:
    place, there = here.place(), f"{base}{HOSTILE}/ims/oneroster/gradebook/v1p2"
    return lambda: here.sent(place, sis(here, gradebook_url=there))


def sis_test(here: Stage, base: str) -> Act:
    row = sis(here, gradebook_url=f"{base}{HOSTILE}/ims/oneroster/gradebook/v1p2")
    with here.campus.db.transaction() as session:
        session.add(row)

    def act() -> str:
        assert here.client.post(f"/operator/connections/{row.id}/test").status_code == 200
        lines = connections.test(here.campus, row)
        return " ".join(sorted({line.state for line in lines[1:]}))

    return act


# --- the table ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Door:
    """``go`` sets the address and gives back the act that leads there.

    ``calls`` are the calls of the outbound client that it reaches, ``services`` methods of the LTI
    client; ``own`` is how it may end besides in an error of the outbound client. ``ours``: only the
    operator can choose the address, so it may lead anywhere.
    """

    go: Callable[[Stage, str], Act]
    calls: tuple[str, ...]
    services: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    ours: bool = False


SERVICE = ("app/lti/services.py:_send",)
REST = ("app/gradebook/canvas_client.py:_patiently",)
FOREIGN = frozenset({"lti-foreign-address"})
PAGED = frozenset({"lti-unreadable"})
STRANGE = frozenset({"canvas-strange-answer"})
DOORS = (
    Door(configuration, ("app/lti/registration.py:_configuration",), own=frozenset({"bad-origin"})),
    Door(
        registration_endpoint,
        ("app/lti/registration.py:register",),
        own=frozenset({"foreign-configuration"}),
    ),
    Door(keys_at_launch, ("app/lti/keysets.py:_fetch",)),
    Door(keys_at_notice, ("app/lti/keysets.py:_fetch",)),
    Door(token_endpoint, ("app/lti/tokens.py:_request",)),
    Door(members, SERVICE, ("members",)),
    Door(members_next, SERVICE, ("members",), PAGED),
    Door(columns, SERVICE, ("line_items",)),
    Door(columns_next, SERVICE, ("line_items",), PAGED),
    Door(results, SERVICE, ("results",), FOREIGN | PAGED),
    Door(results_next, SERVICE, ("results",), PAGED),
    Door(own_column, SERVICE, ("find_or_create_line_item", "find_line_item")),
    Door(made_column, SERVICE, ("find_or_create_line_item",), FOREIGN),
    Door(score, SERVICE, ("post_score",)),
    Door(column_name, SERVICE, ("rename_line_item",)),
    Door(notice_order, SERVICE, ("order_notices",), frozenset({"refused"})),
    Door(selftest_keys, ("app/lti/selftest/trust.py:their_keys",), own=frozenset({"bad"})),
    Door(selftest_token, ("app/lti/tokens.py:_request",), ("ask_token",), own=frozenset({"bad"})),
    Door(selftest_course, SERVICE, ("members", "line_items"), own=frozenset({"bad"})),
    Door(
        selftest_ourselves,
        ("app/lti/selftest/trust.py:our_keys",),
        own=frozenset({"warn"}),
        ours=True,
    ),
    Door(canvas_key, ("app/gradebook/canvas_client.py:tokens",), own=frozenset({"access-form"})),
    Door(canvas_consent, ("app/gradebook/canvas_client.py:tokens",)),
    Door(canvas_reading, REST),
    Door(canvas_next, REST, own=STRANGE),
    Door(canvas_renewal, ("app/gradebook/canvas_client.py:tokens",)),
    Door(canvas_return, ("app/gradebook/canvas_client.py:revoke",), own=frozenset({"off"})),
    Door(moodle_token, ("app/gradebook/moodle_ws.py:_call",)),
    Door(moodle_reading, ("app/gradebook/moodle_ws.py:_call",)),
    Door(sign_in, ("app/web/campus_login.py:_discover",), own=frozenset({"sign-in-broken"})),
    Door(sign_in_token, ("app/web/campus_login.py:_exchange",), own=frozenset({"sign-in-broken"})),
    Door(sign_in_keys, ("app/web/campus_login.py:_verified",)),
    Door(sis_token, ("app/delivery/sis/oneroster_token.py:_fetch",)),
    Door(sis_records, ("app/delivery/sis/oneroster_rest.py:ask",)),
    Door(sis_test, ("app/delivery/sis/oneroster_rest.py:ask",), own=frozenset({"amber red"})),
)
UNSENT = {"score_timestamp", "signing_key", "token"}
"""What the LTI client answers without asking, and the token that every other method gets itself."""


# --- addresses ---------------------------------------------------------------------------------

NAMES = {"loopback.example": "127.0.0.1", "metadata.example": "169.254.169.254"}
ADDRESSES = (
    "http://127.0.0.1:{port}",
    "https://[::1]:{port}",
    "https://loopback.example:{port}",
    "https://metadata.example",
    "http://127.0.0.1:{port}\\@{allowed}",
)
"""One of each kind; every other spelling is tried on the client, in ``test_outbound``."""


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of somebody else that lead inside."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real(NAMES.get(host, host), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def quiet(here: Stage) -> None:
    """A new attack: nothing was heard or dialled yet."""
    for server in (here.outside, here.other, here.inside):
        server.heard.clear()
        server.pages.clear()
        server.everywhere = False
    dialled.clear()


def nothing_inside_was_reached(here: Stage) -> None:
    ourselves = urlsplit(here.campus.settings.public_url).port
    fine = {here.outside.port, here.other.port, ourselves}
    assert [one for one in dialled if one[0] != "127.0.0.1" or one[1] not in fine] == []
    assert here.inside.heard == []


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("door", [d for d in DOORS if not d.ours], ids=lambda d: d.go.__name__)
@pytest.mark.usefixtures("dns", "quiet")
def test_no_door_leads_inside(here: Stage, door: Door, address: str) -> None:
    allowed = here.outside.url.partition("://")[2]
    act = door.go(here, address.format(port=here.inside.port, allowed=allowed))
    before = here.kept()
    code = act()
    nothing_inside_was_reached(here)
    assert code in {"upstream-forbidden-address", "sis-address-forbidden"} | door.own
    assert before <= here.kept()


# --- answers -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """What the outside answers. ``seconds`` is all the time that a request gets meanwhile."""

    start: bytes
    again: bytes = b""
    pause: float = 0
    seconds: float = 20

    def __call__(self, peer: socket.socket) -> None:
        peer.sendall(self.start)
        while self.again:
            peer.sendall(self.again)
            time.sleep(self.pause)


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
BODY = HEAD + b"Content-Type: application/json\r\n\r\n"
BOMB = reply(gzip.compress(bytes(20_000_000)), "Content-Encoding: gzip")
ATTACKS = {
    "endless": Attack(BODY, b" " * 65536),
    "bomb": Attack(BOMB),
    "slow body": Attack(BODY, b" ", 0.02, 0.15),
    "deep": Attack(reply(b"[" * 100_000)),
    "a number": Attack(reply(b"5")),
}
BY_SIZE_OR_TIME = frozenset({"endless", "bomb", "slow body"})


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("door", DOORS, ids=lambda d: d.go.__name__)
@pytest.mark.usefixtures("quiet")
def test_no_answer_holds_or_breaks_a_door(
    here: Stage, door: Door, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.outside.attack = attack = ATTACKS[name]
    monkeypatch.setattr(outbound, "MAX_BYTES", 200_000)
    act = door.go(here, here.outside.url)
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", attack.seconds)
    before, began = here.kept(), time.monotonic()
    code = act()
    assert here.outside.attacked(), here.outside.heard
    assert time.monotonic() - began < 5
    if name in BY_SIZE_OR_TIME:
        assert code in {"upstream-too-much", "sis-answer-too-long"} | door.own
    assert code not in {"unexpected", "internal-error"}
    nothing_inside_was_reached(here)
    assert before <= here.kept()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("inside", "302 Found"),
        ("another allowed system", "307 Temporary Redirect"),
    ],
)
@pytest.mark.parametrize("door", DOORS, ids=lambda d: d.go.__name__)
@pytest.mark.usefixtures("quiet")
def test_no_door_follows_a_redirect_to_another_site(
    here: Stage, door: Door, target: str, status: str
) -> None:
    """Not even to a system that may be asked: what it is asked is not for others to choose."""
    there = {
        "inside": here.inside.url,
        "another allowed system": here.other.url,
    }[target]
    here.outside.attack = Attack(reply(b"", f"Location: {there}/admin", status=status))
    act = door.go(here, here.outside.url)
    before = here.kept()
    code = act()
    assert here.outside.attacked()
    assert here.other.heard == []
    nothing_inside_was_reached(here)
    assert code not in {"unexpected", "internal-error", "none", "sent"}
    assert before <= here.kept()


# --- the table is whole ------------------------------------------------------------------------


def calls_of_the_client() -> set[str]:
    """``file:function`` of every call with ``system=``, which all calls of HttpClient need."""
    found = set()
    for path in (ROOT / "app").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name in ("app/http.py", "app/dialling.py") or name.startswith("app/demo/"):
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.Lambda) and any(
                map(_asks, ast.walk(function))
            ):
                found.add(f"{name}:{getattr(function, 'name', 'lambda')}")
    return found


def _asks(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "request")
        and any(one.arg == "system" for one in node.keywords)
    )


ATTACKED_ELSEWHERE = {
    "app/credentials/verify/lookups.py:_get": "unit/test_verify_hostile",
    "app/credentials/vault.py:_ask": "a setting of this server; integration/test_vault",
}
"""Ways out without a door here, and why."""


def test_every_way_out_is_a_door() -> None:
    doors = {call for door in DOORS for call in door.calls}
    assert calls_of_the_client() == {*doors, *ATTACKED_ELSEWHERE}


def test_every_way_to_call_the_client_is_seen() -> None:
    """It has two methods that ask; whoever adds one has to look here."""
    public = {name for name, _ in inspect.getmembers(HttpClient, inspect.isfunction)}
    assert {name for name in public if name[0] != "_"} == {"get", "request", "close"}
    for name in ("get", "request"):
        system = inspect.signature(getattr(HttpClient, name)).parameters["system"]
        assert (system.kind, system.default) == (system.KEYWORD_ONLY, system.empty)


def test_every_service_of_an_lms_is_a_door() -> None:
    methods = {name for name, _ in inspect.getmembers(LtiServices, inspect.isfunction)}
    public = {name for name in methods if name[0] != "_"} - UNSENT
    assert public == {name for door in DOORS for name in door.services}
