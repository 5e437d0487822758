"""Tassel beside a real demo LMS: login, launch and services over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from cryptography.fernet import Fernet
from flask import Flask
from werkzeug.serving import make_server

from app.db import Database
from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.http import HttpClient
from app.lti.launch import LaunchContext, Login, begin_login, prove_launch
from app.lti.registration import approve, register_manual
from app.main import compose, create_app
from app.pipeline.campus import Campus
from app.secrets import SecretBox
from app.settings import load

COURSE = "STAT 101"


class Clock:
    """The real time plus what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Rig:
    """One LMS and one tool that knows it. ``tool`` is what the LMS's control says about us."""

    lms: LmsServer
    campus: Campus
    clock: Clock
    tools: list[dict[str, Any]] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)

    @property
    def db(self) -> Database:
        return self.campus.db

    def control(self, command: str, **body: Any) -> dict[str, Any]:
        answer = requests.request("POST", f"{self.lms.url}/_control/{command}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def add_registration(self, lms: str, **extra: Any) -> dict[str, Any]:
        """Register us by hand on both sides; active at once."""
        base = self.campus.settings.public_url
        tool = self.control(
            "registration",
            name="Tassel",
            login_url=f"{base}/lti/login",
            redirect_uris=[f"{base}/lti/launch"],
            keyset_url=f"{base}/lti/jwks",
            target_url=f"{base}/lti/launch",
            **extra,
        )
        platform_id = register_manual(
            self.db,
            self.campus.box,
            name="Demo LMS",
            lms=lms,
            origin=self.lms.url,
            issuer=tool["issuer"],
            client_id=tool["client_id"],
            auth_url=tool["authorization_endpoint"],
            token_url=tool["token_endpoint"],
            jwks_url=tool["jwks_uri"],
            deployment_id=tool["deployment_id"],
            actor="operator:test",
            now=self.clock(),
        )
        approve(self.db, platform_id, actor="operator:test", now=self.clock())
        self.tools.append(tool)
        self.platforms.append(platform_id)
        return tool

    def login(self, tool: int = 0, **changes: str) -> Login:
        params = {
            "iss": self.tools[tool]["issuer"],
            "client_id": self.tools[tool]["client_id"],
            "login_hint": "8",
            "lti_message_hint": "hint",
            "target_link_uri": f"{self.campus.settings.public_url}/lti/launch",
        } | changes
        campus = self.campus
        return begin_login(self.db, campus.box, campus.settings, params, self.clock(), None)

    def forged(self, login: Login, **order: Any) -> dict[str, str]:
        """The form post that answers ``login`` with an id_token as ordered."""
        nonce = parse_qs(urlsplit(login.redirect_url).query)["nonce"][0]
        order = {"person": 12, "course": COURSE, "nonce": nonce} | order
        return {"state": login.state, "id_token": self.control("forge", **order)["id_token"]}

    def finish(self, form: dict[str, str], binding: str | None) -> LaunchContext:
        campus, now = self.campus, self.clock()
        proven = prove_launch(
            campus.db, campus.box, campus.http, campus.settings, form, binding, now
        )
        proven.use_up(campus.db, now)
        return proven.context

    def launch(self, **order: Any) -> LaunchContext:
        login = self.login()
        return self.finish(self.forged(login, **order), login.binding)


class Door:
    """A WSGI application that is chosen once the port is known."""

    def __init__(self) -> None:
        self.app: Flask | None = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        assert self.app is not None
        return self.app(environ, start_response)


@contextmanager
def running(app: Any) -> Iterator[int]:
    """Serve a WSGI application on a free loopback port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def tool_beside(
    lms_url: str, db: Database, folder: str, *others: str
) -> Iterator[tuple[Campus, Clock]]:
    """The whole web application on a free port, beside the LMSs at ``lms_url`` and ``others``."""
    door, clock = Door(), Clock()
    with running(door) as port:
        settings = load(
            {
                "TASSEL_PUBLIC_URL": f"http://127.0.0.1:{port}",
                "TASSEL_ALLOWED_ORIGINS": ",".join((lms_url, *others)),
                "TASSEL_DATA_DIR": folder,
                "TASSEL_DATABASE_URL": db.url,
            }
        )
        box = SecretBox([Fernet.generate_key().decode()])
        http = HttpClient((lms_url, *others))
        campus = compose(settings, db, box, http, clock)
        door.app = create_app(settings, campus)
        yield campus, clock
        http.close()


@contextmanager
def rig(db: Database, folder: str, mode: str = "moodle", learners: int = 30) -> Iterator[Rig]:
    """Start both, register the tool once."""
    with (
        serve(create_lms(LmsConfig(mode=mode, learners=learners))) as lms,
        tool_beside(lms.url, db, folder) as (campus, clock),
    ):
        made = Rig(lms, campus, clock)
        made.add_registration(mode)
        yield made
