"""The payloads of the REST adapter, judged by Prism with the official OneRoster 1.2 file.

Prism is a mock server that nobody here wrote: it validates each request against the OpenAPI file
and refuses what does not fit. It keeps nothing, so only the requests are judged. Its token comes
from a few lines below, because the official file has no token endpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from app.delivery.port import Outcome, Target
from app.delivery.sis import ADAPTERS
from app.http import HttpClient
from tests.contract.sis_rigs import award, withdrawn

pytestmark = pytest.mark.interop

PRISM = Path(__file__).parents[2] / "node_modules/@stoplight/prism-cli/dist/index.js"
GRADEBOOK = "standards/oneroster/onerosterv1p2gradebookservice_openapi3_v1p0.json"
START_TRIES = 600


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def prism(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Prism."""
    node = shutil.which("node")
    if node is None or not PRISM.is_file():
        reason = "Prism is not installed (make setup installs it from package.json)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    log = tmp_path_factory.mktemp("prism") / "prism.log"
    port = _free_port()
    command = [node, str(PRISM), "mock", str(material / GRADEBOOK), "--errors"]
    with (
        log.open("w") as out,
        subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as program,
    ):
        for _ in range(START_TRIES):
            if _answers(port) or program.poll() is not None:
                break
            time.sleep(0.05)
        assert program.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
        program.terminate()


@pytest.fixture(scope="module")
def tokens() -> Iterator[str]:
    """The address of a desk that gives everybody a token."""
    app = Flask(__name__)
    app.add_url_rule(
        "/token", view_func=lambda: {"access_token": "any", "expires_in": 600}, methods=["POST"]
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Recording(HttpClient):
    """Keeps what was sent to the gradebook."""

    def __init__(self, *origins: str) -> None:
        super().__init__(origins)
        self.sent: list[tuple[str, str, Any]] = []

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        if not url.endswith("/token"):
            self.sent.append((method, url, kwargs.get("json")))
        return super().request(method, url, **kwargs)


@pytest.fixture
def http(prism: str, tokens: str) -> Iterator[Recording]:
    client = Recording(prism, tokens)
    yield client
    client.close()


def make(prism: str, tokens: str, http: HttpClient, **config: str) -> Target:
    values = {
        "connection_id": "prism",
        "name": "Prism",
        "gradebook_url": prism,
        "rostering_url": prism,
        "token_url": f"{tokens}/token",
        "client_id": "tassel",
        "category_id": "CAT-MICRO",
        "school_id": "SCHOOL-1",
    }
    return ADAPTERS["oneroster_rest"].build(values | config, {"client_secret": "x"}, http)


def send(target: Target, facts: Any, operation: str) -> Outcome:
    return target.send_many([("d", facts, operation)])["d"]


AWARDS = [
    award(),
    award(competencies=(), credential_url=None, course_label=""),
    award(achievement_name="Größe & Maß – 統計", achievement_description=""),
    award(learner_sis_id="S 1/2", awarded_at=datetime(2026, 1, 1, 0, 0, 0, 999, tzinfo=UTC)),
]


@pytest.mark.parametrize("facts", AWARDS)
@pytest.mark.parametrize("record", ["assessmentResult", "result"])
@pytest.mark.parametrize("score", ["true", "false"])
def test_every_award_is_accepted(
    prism: str, tokens: str, http: Recording, record: str, score: str, facts: Any
) -> None:
    """Line item and result pass the official file, with and without optional parts."""
    outcome = send(make(prism, tokens, http, record=record, score=score), facts, "create")
    assert outcome.kind == "sent", outcome
    assert [method for method, _, _ in http.sent] == ["PUT", "PUT"]


@pytest.mark.parametrize("record", ["assessmentResult", "result"])
@pytest.mark.parametrize("revoke", ["delete", "mark"])
def test_every_withdrawal_is_accepted(
    prism: str, tokens: str, http: Recording, record: str, revoke: str
) -> None:
    """Both ways of taking a record back."""
    facts = award(**withdrawn(award()))
    outcome = send(make(prism, tokens, http, record=record, revoke=revoke), facts, "revoke")
    assert outcome.kind == "sent", outcome


def test_prism_can_refuse(prism: str, tokens: str, http: Recording) -> None:
    """The control: one change to a payload that was accepted, and Prism says no."""
    assert send(make(prism, tokens, http), award(), "create").kind == "sent"
    _, url, payload = http.sent[-1]
    headers = {"Authorization": "Bearer any"}
    spoils = [
        {"scoreDate": None},
        {"late": True},
        {"scoreStatus": "passed"},
        {"surprise": 1},
        {"scoreDate": "20 November"},
    ]
    for spoil in spoils:
        spoiled = {"assessmentResult": payload["assessmentResult"] | spoil}
        answer = requests.request("PUT", url, json=spoiled, headers=headers, timeout=30)
        assert answer.status_code == 422, (spoil, answer.text)
    assert requests.request("PUT", url, json=payload, timeout=30).status_code == 401


def test_a_refusal_is_explained(prism: str, tokens: str, http: Recording) -> None:
    """A real refusal in an envelope of its own kind still gives a reason that people can read."""
    target = make(prism, tokens, http)
    lines = {line.name: line for line in target.test()}
    assert lines["Write records"].state == "green", lines["Write records"]
    (empty,) = [body for method, _, body in http.sent if method == "PUT"]
    assert json.dumps(empty) == '{"assessmentLineItem": {}}'
