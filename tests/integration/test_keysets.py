"""The LMS's keys as we keep them: for as long as it says, fetched by one of many, never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask, Response, jsonify, request
from joserfc.jwk import RSAKey
from sqlalchemy import select, update

from app.db import Database
from app.errors import LaunchRefused
from app.http import HttpClient
from app.lti.keysets import public_key
from app.models import Platform
from tests.integration.lti_rig import Rig, rig, running


class KeyHost:
    """A key set whose headers and keys a test chooses."""

    def __init__(self) -> None:
        self.app = Flask("keys")
        self.app.add_url_rule("/keys", "keys", self._keys)
        self.headers: dict[str, str] = {}
        self.broken = False
        self.served = 0
        self.kids = ["one"]
        self.pause = threading.Event()
        self.pause.set()

    def _keys(self) -> Response:
        self.served += 1
        self.pause.wait(5)
        if self.broken:
            return Response("<h1>Maintenance</h1>", 503)
        assert request.headers["User-Agent"].startswith("Tassel/")
        answer = jsonify(keys=[KEY.as_dict(private=False) | {"kid": kid} for kid in self.kids])
        answer.headers.update(self.headers)
        return answer


KEY = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})


@pytest.fixture
def host(db: Database, tmp_path: Path) -> Iterator[tuple[Rig, KeyHost, HttpClient]]:
    keys = KeyHost()
    with running(keys.app) as port, rig(db, str(tmp_path), learners=12) as here:
        origin = f"http://127.0.0.1:{port}"
        with db.transaction() as session:
            session.execute(update(Platform).values(jwks_url=f"{origin}/keys"))
        http = HttpClient((origin,))
        yield here, keys, http
        http.close()


def ask(host: tuple[Rig, KeyHost, HttpClient], kid: str = "one", after: float = 0) -> object:
    here, _, http = host
    with here.db.reading() as session:
        platform = session.scalars(select(Platform)).one()
        _ = platform.installation
    return public_key(here.db, http, platform, kid, here.clock() + timedelta(seconds=after))


@pytest.mark.parametrize(
    ("header", "kept"),
    [("max-age=600", 600), ("public, MAX-AGE = 7200", 7200), ("", 3600), ("no-store", 3600)],
)
def test_the_lms_says_how_long_its_keys_are_kept(
    host: tuple[Rig, KeyHost, HttpClient], header: str, kept: int
) -> None:
    host[1].headers = {"Cache-Control": header} if header else {}
    ask(host)
    ask(host, after=kept - 30)
    assert host[1].served == 1
    ask(host, after=kept + 30)
    assert host[1].served == 2


@pytest.mark.parametrize(("seconds", "kept"), [(0, 60), (10**9, 86_400)])
def test_within_a_minute_and_a_day(
    host: tuple[Rig, KeyHost, HttpClient], seconds: int, kept: int
) -> None:
    host[1].headers = {"Cache-Control": f"max-age={seconds}"}
    ask(host)
    ask(host, after=kept - 5)
    assert host[1].served == 1
    ask(host, after=kept + 5)
    assert host[1].served == 2


def test_an_unknown_key_is_looked_for_once_a_minute(
    host: tuple[Rig, KeyHost, HttpClient],
) -> None:
    ask(host)
    for _ in range(3):
        with pytest.raises(LaunchRefused):
            ask(host, "two", after=61)
    assert host[1].served == 2
    host[1].kids.append("two")
    assert ask(host, "two", after=130) is not None
    assert host[1].served == 3


def test_the_last_good_set_goes_on_serving(host: tuple[Rig, KeyHost, HttpClient]) -> None:
    ask(host)
    host[1].broken = True
    for hours in (2, 4, 80):
        assert ask(host, after=hours * 3600) is not None
    assert host[1].served == 4


def test_many_at_once_send_one(host: tuple[Rig, KeyHost, HttpClient]) -> None:
    """The claim is a row of the database, so it holds between processes as well as threads."""
    ask(host)
    host[1].pause.clear()
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(host, after=7200))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join(0.3)
    host[1].pause.set()
    for thread in threads:
        thread.join()
    assert host[1].served == 2
    assert len(found) == 6
    assert all(found), "those who do not fetch use the last good set"
