"""Registration by invitation and by hand, against both vendors and against impostors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from sqlalchemy import select, update

from app.db import Database
from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.demo.visitor import Page, Visitor
from app.errors import Conflict, Invalid, NotFound, UpstreamError
from app.lti import registration
from app.lti.vocabulary import (
    DEEP_LINK,
    PLATFORM_CONFIGURATION,
    RESOURCE_LINK,
    SCOPES,
    TOOL_CONFIGURATION,
)
from app.models import AuditEntry, Deployment, Installation, Invitation, Platform, ToolKey
from app.pipeline.campus import Campus
from tests.integration.lti_rig import Clock, running, tool_beside

ADMIN, TEACHER = 2, 8


@dataclass
class Stage:
    """A demo LMS, Tassel, and an administrator's browser at the LMS."""

    lms: LmsServer
    campus: Campus
    clock: Clock
    browser: Visitor

    def invite(self) -> str:
        token = registration.invite(self.campus.db, self.lms.url, self.clock())
        return f"{self.campus.settings.public_url}/lti/register/{token}"

    def platforms(self) -> list[Platform]:
        with self.campus.db.reading() as session:
            return list(session.scalars(select(Platform)))

    def approve(self, platform_id: str) -> None:
        registration.approve(self.campus.db, platform_id, actor="operator:test", now=self.clock())


@contextmanager
def staged(db: Database, folder: str, mode: str) -> Iterator[Stage]:
    with (
        serve(create_lms(LmsConfig(mode=mode))) as lms,
        tool_beside(lms.url, db, folder) as (campus, clock),
        Visitor() as browser,
    ):
        browser.become(lms.url, ADMIN)
        yield Stage(lms, campus, clock, browser)


@pytest.fixture
def moodle(db: Database, tmp_path: Path) -> Iterator[Stage]:
    with staged(db, str(tmp_path), "moodle") as stage:
        yield stage


@pytest.fixture
def canvas(db: Database, tmp_path: Path) -> Iterator[Stage]:
    with staged(db, str(tmp_path), "canvas") as stage:
        yield stage


# --- by invitation -----------------------------------------------------------------------------


def test_whole_way_with_the_deployment_in_the_answer(moodle: Stage) -> None:
    page = moodle.browser.register(moodle.lms.url, moodle.invite())
    assert "Tassel is registered" in page.text
    assert "lti_close.js" in page.html
    platform = moodle.platforms()[0]
    assert (platform.state, platform.issuer) == ("pending", moodle.lms.url)
    assert set(platform.scopes_granted) == set(SCOPES)
    moodle.browser.become(moodle.lms.url, TEACHER)
    refused = moodle.browser.launch(moodle.lms.url, 3)
    assert (refused.status, "platform-pending" in refused.text) == (400, True)
    framers = refused.headers["Content-Security-Policy"].rpartition("frame-ancestors")[2]
    assert "*" in framers.split(), "an LMS that is not approved yet must be able to show this"
    moodle.approve(platform.id)
    assert "/courses/" in moodle.browser.launch(moodle.lms.url, 3).url


def test_whole_way_with_the_deployment_seen_at_launch(canvas: Stage) -> None:
    canvas.browser.register(canvas.lms.url, canvas.invite())
    platform = canvas.platforms()[0]
    assert platform.issuer == "https://canvas.instructure.com"
    canvas.approve(platform.id)
    canvas.browser.become(canvas.lms.url, TEACHER)
    refused = canvas.browser.launch(canvas.lms.url, 3)
    assert (refused.status, "deployment-pending" in refused.text) == (400, True)
    with canvas.campus.db.reading() as session:
        row = session.scalars(select(Deployment)).one()
    assert row.state == "pending"
    registration.approve_deployment(
        canvas.campus.db, row.id, actor="operator:test", now=canvas.clock()
    )
    assert "/courses/" in canvas.browser.launch(canvas.lms.url, 3).url


def test_invited_lms_alone_may_frame_the_page(moodle: Stage) -> None:
    page = shown(moodle, moodle.invite())
    policy = page.headers["Content-Security-Policy"]
    assert f"frame-ancestors 'self' {moodle.lms.url}" in policy
    dead = moodle.browser.get(f"{moodle.campus.settings.public_url}/lti/register/made-up")
    assert dead.status == 404
    assert moodle.lms.url not in dead.headers["Content-Security-Policy"]


def shown(stage: Stage, invite: str) -> Page:
    """The confirmation page inside the LMS's frame."""
    stage.browser.get(stage.lms.url + "/admin/tools")
    stage.browser.submit("register", url=invite)
    return stage.browser.enter_frame("tool")


def test_looking_at_the_page_changes_nothing(moodle: Stage) -> None:
    page = shown(moodle, moodle.invite())
    assert "Demo" not in page.title
    assert moodle.platforms() == []
    assert moodle.lms.app.extensions["demo_lms"].tools == {}
    with moodle.campus.db.reading() as session:
        assert session.scalars(select(Invitation.used_at)).one() is None


def test_link_works_once(moodle: Stage) -> None:
    invite = moodle.invite()
    moodle.browser.register(moodle.lms.url, invite)
    moodle.browser.get(moodle.lms.url + "/admin/tools")
    moodle.browser.submit("register", url=invite)
    moodle.browser.submit("new")
    assert moodle.browser.enter_frame("tool").status == 404
    assert len(moodle.platforms()) == 1


def test_link_dies_after_a_week(moodle: Stage) -> None:
    invite = moodle.invite()
    moodle.clock.ahead = timedelta(days=8)
    assert shown(moodle, invite).status == 404


def test_update_keeps_the_registration_and_its_approval(moodle: Stage) -> None:
    moodle.browser.register(moodle.lms.url, moodle.invite())
    before = moodle.platforms()[0]
    moodle.approve(before.id)
    page = moodle.browser.register(moodle.lms.url, moodle.invite(), choice="update")
    assert "brought up to date" in page.text
    after = moodle.platforms()
    assert [(row.id, row.state, row.client_id) for row in after] == [
        (before.id, "active", before.client_id)
    ]


def test_second_registration_is_the_same_campus_of_people(moodle: Stage) -> None:
    for _ in range(2):
        moodle.browser.register(moodle.lms.url, moodle.invite(), choice="new")
    rows = moodle.platforms()
    assert len({row.client_id for row in rows}) == 2
    assert len({row.installation_id for row in rows}) == 1


def test_every_step_is_in_the_audit_log(moodle: Stage) -> None:
    moodle.browser.register(moodle.lms.url, moodle.invite())
    platform_id = moodle.platforms()[0].id
    moodle.approve(platform_id)
    registration.disable(moodle.campus.db, platform_id, actor="operator:test", now=moodle.clock())
    with moodle.campus.db.reading() as session:
        found = session.execute(select(AuditEntry.action, AuditEntry.subject)).all()
    invited, *found = [row for row in found if not row.subject.startswith("tool-key")]
    assert invited.action == "platform.invited"
    assert [row.action for row in found] == [
        "platform.registered",
        "platform.approved",
        "platform.disabled",
    ]
    assert {row.subject for row in found} == {f"platform:{platform_id}"}


def test_our_pages_are_framed_by_active_lmss_only(moodle: Stage) -> None:
    db = moodle.campus.db
    moodle.browser.register(moodle.lms.url, moodle.invite())
    assert registration.frame_origins(db) == ()
    moodle.approve(moodle.platforms()[0].id)
    assert registration.frame_origins(db) == (moodle.lms.url,)


@pytest.mark.parametrize("origin", ["", "lms.example", "ftp://x", "https://u:p@x", "http://[x"])
def test_invitation_needs_an_origin(moodle: Stage, origin: str) -> None:
    with pytest.raises(Invalid):
        registration.invite(moodle.campus.db, origin, moodle.clock())


# --- impostors ---------------------------------------------------------------------------------


class Impostor:
    """A platform whose configuration and answers a test can bend."""

    def __init__(self) -> None:
        self.app = Flask("impostor")
        self.app.add_url_rule("/configuration", "configuration", self._configuration)
        self.app.add_url_rule("/register", "register", self._register, methods=["POST"])
        self.origin = ""
        self.changes: dict[str, Any] = {}
        self.answer: tuple[Any, int] = ({"client_id": "c-1"}, 200)
        self.once = False
        """The configuration was given out and is not given again."""
        self.sent: list[tuple[str, Any]] = []

    def _configuration(self) -> Response | tuple[str, int]:
        if self.once:
            return "used", 401
        found = {
            "issuer": self.origin,
            "authorization_endpoint": self.origin + "/auth",
            "token_endpoint": self.origin + "/token",
            "jwks_uri": self.origin + "/keys",
            "registration_endpoint": self.origin + "/register",
            "scopes_supported": list(SCOPES[:2]),
            PLATFORM_CONFIGURATION: {"product_family_code": "other", "version": "1"},
        }
        return jsonify({**found, **self.changes})

    def _register(self) -> tuple[Response, int]:
        self.sent.append((request.headers.get("Authorization", ""), request.get_json()))
        return jsonify(self.answer[0]), self.answer[1]


@dataclass
class Trial:
    """An impostor that was invited, and Tassel."""

    lms: Impostor
    campus: Campus
    clock: Clock
    token: str

    def register(self, path: str = "/configuration") -> registration.Registration:
        campus = self.campus
        return registration.register(
            campus.db,
            campus.box,
            campus.http,
            campus.settings,
            self.token,
            path if path.startswith("http") else self.lms.origin + path,
            "secret",
            now=self.clock(),
        )


@pytest.fixture
def trial(db: Database, tmp_path: Path) -> Iterator[Trial]:
    lms = Impostor()
    with running(lms.app) as port:
        lms.origin = f"http://127.0.0.1:{port}"
        with tool_beside(lms.origin, db, str(tmp_path)) as (campus, clock):
            token = registration.invite(db, lms.origin, clock())
            yield Trial(lms, campus, clock, token)


def test_request_holds_what_the_standard_asks(trial: Trial) -> None:
    made = trial.register()
    assert made.waiting
    assert set(made.missing_scopes) == set(SCOPES[2:])
    bearer, sent = trial.lms.sent[0]
    base = trial.campus.settings.public_url
    assert bearer == "Bearer secret"
    assert sent["scope"] == " ".join(SCOPES[:2])
    assert sent["redirect_uris"] == [f"{base}/lti/launch"]
    assert (sent["jwks_uri"], sent["initiate_login_uri"]) == (
        f"{base}/lti/jwks",
        f"{base}/lti/login",
    )
    assert sent["token_endpoint_auth_method"] == "private_key_jwt"
    about = sent[TOOL_CONFIGURATION]
    assert about["target_link_uri"] == f"{base}/lti/launch"
    assert [message["type"] for message in about["messages"]] == [RESOURCE_LINK, DEEP_LINK]
    with trial.campus.db.reading() as session:
        assert session.scalars(select(ToolKey)).all(), "our key set must be there before the answer"


@pytest.mark.parametrize(
    "name",
    ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"],
)
@pytest.mark.parametrize("value", ["https://evil.example/x", "", "rubbish", "http://[x"])
def test_endpoint_on_another_site_is_refused(trial: Trial, name: str, value: str) -> None:
    trial.lms.changes = {name: value}
    with pytest.raises(Invalid) as refusal:
        trial.register()
    assert refusal.value.code == "foreign-configuration"
    assert name in refusal.value.fix
    assert trial.lms.sent == []


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("other", "token_endpoint", "https://sso.canvaslms.com/login/oauth2/token"),
        ("other", "issuer", "https://canvas.instructure.com"),
        ("moodle", "jwks_uri", "https://sso.canvaslms.com/api/lti/security/jwks"),
        ("canvas", "token_endpoint", "https://auth.brightspace.com/core/connect/token"),
        ("canvas", "issuer", "https://blackboard.com"),
        ("canvas", "jwks_uri", "https://sso.canvaslms.com.evil.example/jwks"),
        ("desire2learn", "authorization_endpoint", "https://developer.blackboard.com/x"),
        ("blackboardlearn", "issuer", "https://canvas.instructure.com"),
    ],
)
def test_a_vendor_s_hosts_are_for_that_vendor_only(
    trial: Trial, family: str, name: str, value: str
) -> None:
    about = {"product_family_code": family, "version": "1"}
    trial.lms.changes = {name: value, PLATFORM_CONFIGURATION: about}
    with pytest.raises(Invalid) as refusal:
        trial.register()
    assert refusal.value.code == "foreign-configuration"
    assert trial.lms.sent == []


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/configuration", "http://127.0.0.1:1/x", "file:///etc/passwd", ""],
)
def test_configuration_from_elsewhere_is_not_fetched(trial: Trial, address: str) -> None:
    with pytest.raises(Invalid):
        trial.register(address or "http://")


def test_configuration_page_that_is_missing_is_an_error(trial: Trial) -> None:
    with pytest.raises(UpstreamError):
        trial.register("/nothing")


@pytest.mark.parametrize("answer", [({}, 200), ({"client_id": ""}, 200), ([], 200), ({}, 403)])
def test_link_survives_a_refusing_lms(trial: Trial, answer: tuple[Any, int]) -> None:
    trial.lms.answer = answer
    with pytest.raises(UpstreamError):
        trial.register()
    trial.lms.answer = ({"client_id": "c-2"}, 201)
    assert trial.register().waiting


def test_another_lms_cannot_take_a_registration_over(trial: Trial) -> None:
    """Same issuer and client id, other LMS: its keys would sign as the first one's people."""
    first = trial.register()
    with trial.campus.db.transaction() as session:
        session.execute(update(Installation).values(origin="https://first.example"))
    second = registration.invite(trial.campus.db, trial.lms.origin, trial.clock())
    trial.token = second
    with pytest.raises(Conflict) as refusal:
        trial.register()
    assert refusal.value.code == "registered-elsewhere"
    with trial.campus.db.reading() as session:
        assert [row.id for row in session.scalars(select(Platform))] == [first.platform_id]


def test_new_addresses_need_a_new_approval(trial: Trial) -> None:
    made = trial.register()
    registration.approve(
        trial.campus.db, made.platform_id, actor="operator:test", now=trial.clock()
    )
    trial.lms.changes = {"jwks_uri": trial.lms.origin + "/other-keys"}
    trial.token = registration.invite(trial.campus.db, trial.lms.origin, trial.clock())
    assert trial.register().waiting


def test_a_configuration_that_is_given_out_once_is_enough(trial: Trial) -> None:
    """Some LMSs put a one-time token into its address and send no registration token at all."""
    campus, address = trial.campus, trial.lms.origin + "/configuration"
    seen = registration.preview(
        campus.db, campus.box, campus.http, trial.token, address, "", trial.clock()
    )
    trial.lms.once = True
    parts = (campus.db, campus.box, campus.http, campus.settings)
    with pytest.raises(UpstreamError):
        registration.register(*parts, trial.token, address, "", trial.clock())
    made = registration.register(
        *parts, trial.token, address, "", trial.clock(), carried=seen.carried
    )
    assert made.waiting
    assert trial.lms.sent[0][0] == "", "no bearer where the LMS gave none"


def test_a_carried_configuration_is_for_one_invitation_and_an_hour(trial: Trial) -> None:
    campus, address = trial.campus, trial.lms.origin + "/configuration"
    parts = (campus.db, campus.box, campus.http)
    other = registration.invite(trial.campus.db, trial.lms.origin, trial.clock())
    seen = registration.preview(*parts, other, address, "", trial.clock())
    mine = registration.preview(*parts, trial.token, address, "", trial.clock())
    trial.lms.once = True
    for hours, carried in ((0, seen.carried), (0, "rubbish"), (2, mine.carried)):
        trial.clock.ahead = timedelta(hours=hours)
        with pytest.raises(UpstreamError):
            registration.register(
                *parts, campus.settings, trial.token, address, "", trial.clock(), carried=carried
            )
    assert trial.lms.sent == []


# --- by hand -----------------------------------------------------------------------------------


def test_manual_form_names_every_mistake(trial: Trial) -> None:
    with pytest.raises(Invalid) as refusal:
        registration.register_manual(
            trial.campus.db,
            trial.campus.box,
            name="",
            lms="unheard-of",
            origin="lms.example",
            issuer="https://ok.example",
            client_id="",
            auth_url="",
            token_url="javascript:alert(1)",
            jwks_url="https://[x",
            actor="operator:test",
            now=trial.clock(),
        )
    assert set(refusal.value.fields) == {
        "lms",
        "origin",
        "client_id",
        "auth_url",
        "token_url",
        "jwks_url",
    }


def test_unknown_registration_cannot_be_approved(trial: Trial) -> None:
    with pytest.raises(NotFound):
        registration.approve(trial.campus.db, "nothing", actor="operator:test", now=trial.clock())
