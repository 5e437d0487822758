"""The fault box against a real threaded server: each kind is seen by a real client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from app.demo.faults import FaultBox, install_faults
from app.errors import Invalid


@dataclass
class Served:
    """A small app with one counter, on a free port."""

    url: str
    box: FaultBox
    done: list[str]

    def arm(self, **rule: object) -> None:
        answer = requests.request("POST", f"{self.url}/_control/faults", json=rule, timeout=5)
        assert answer.status_code == 201, answer.text

    def put(self, name: str = "a", timeout: float = 5) -> requests.Response:
        return requests.put(f"{self.url}/things/{name}", timeout=timeout)

    def log(self) -> dict:
        return requests.request("GET", f"{self.url}/_control/requests", timeout=5).json()


@pytest.fixture
def served() -> Iterator[Served]:
    app = Flask(__name__)
    box = FaultBox()
    install_faults(app, box)
    done: list[str] = []

    @app.put("/things/<name>")
    def put(name: str) -> dict[str, str]:
        done.append(name)
        return {"stored": name}

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", box, done)
    box.clear()
    server.shutdown()
    thread.join()
    server.server_close()


def test_status_with_retry_after_strikes_as_often_as_told(served: Served) -> None:
    served.arm(path="^/things/", kind="status", status=429, times=2, retry_after=7)
    answers = [served.put() for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert served.done == ["a"]


def test_method_and_path_choose_the_victims(served: Served) -> None:
    served.arm(path="/things/b$", method="put", kind="status", status=503, times=None)
    served.arm(path="/things/a", method="GET", kind="status", status=500, times=None)
    assert [served.put(n).status_code for n in "abab"] == [200, 503, 200, 503]


@pytest.mark.parametrize(("given", "seen"), [({}, 200), ({"status": 502}, 502)])
def test_html_instead_of_the_answer(served: Served, given: dict, seen: int) -> None:
    served.arm(path="/", kind="html", **given)
    answer = served.put()
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        seen,
        "text/html; charset=utf-8",
    )
    assert served.done == []


def test_body_is_said_word_for_word(served: Served) -> None:
    served.arm(path="/", kind="status", status=422, body='{"detail": "no"}')
    assert served.put().json() == {"detail": "no"}


def test_drop_before_never_reaches_the_handler(served: Served) -> None:
    served.arm(path="/things", kind="drop_before")
    with pytest.raises(requests.ConnectionError):
        served.put()
    assert served.done == []
    assert served.log()["requests"][0]["status"] is None


def test_commit_then_drop_loses_only_the_answer(served: Served) -> None:
    served.arm(path="/things", kind="commit_then_drop")
    with pytest.raises(requests.ConnectionError):
        served.put()
    assert served.done == ["a"]
    assert served.log()["requests"][0] | {"at": ""} == {
        "method": "PUT",
        "path": "/things/a",
        "status": 200,
        "fault": "commit_then_drop",
        "at": "",
    }


def test_commit_then_hang_answers_too_late_and_clear_releases_it(served: Served) -> None:
    served.arm(path="/things", kind="commit_then_hang", delay=3600)
    with pytest.raises(requests.ReadTimeout):
        served.put(timeout=0.2)
    assert served.done == ["a"]
    served.arm(path="/things", kind="commit_then_hang", delay=3600)
    late: list[int] = []
    thread = threading.Thread(target=lambda: late.append(served.put(timeout=60).status_code))
    thread.start()
    while len(served.done) < 2:
        thread.join(0.01)
    assert late == []
    assert requests.delete(f"{served.url}/_control/faults", timeout=5).status_code == 204
    thread.join()
    assert late == [200]


def test_slow_runs_the_handler_afterwards(served: Served) -> None:
    served.arm(path="/things", kind="slow", delay=0.05)
    assert served.put().status_code == 200
    assert served.done == ["a"]


def test_huge_never_ends(served: Served) -> None:
    served.arm(path="/things", kind="huge")
    with requests.put(f"{served.url}/things/a", stream=True, timeout=5) as answer:
        read = 0
        for chunk in answer.iter_content(65536):
            read += len(chunk)
            if read > 5_000_000:
                break
    assert read > 5_000_000


def test_probability_is_drawn_from_the_seed(served: Served) -> None:
    def run(seed: int) -> list[int]:
        served.box.clear()
        served.box.add(
            {"path": "/", "kind": "status", "times": None, "probability": 0.4, "seed": seed}
        )
        return [served.put().status_code for _ in range(40)]

    first = run(1)
    assert first == run(1) != run(2)
    assert 6 < first.count(500) < 26


def test_log_counts_by_route_and_keeps_ids(served: Served) -> None:
    served.put("x")
    served.put("y")
    dump = served.log()
    assert dump["total"] == 2
    assert dump["counts"] == {"PUT /things/<name>": {"200": 2}}
    assert [r["path"] for r in dump["requests"]] == ["/things/x", "/things/y"]
    requests.delete(f"{served.url}/_control/requests", timeout=5)
    assert served.log() == {"total": 0, "counts": {}, "requests": []}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"path": "(", "kind": "slow"}, "path"),
        ({"path": "/", "kind": "explode"}, "kind"),
        ({"path": "/", "kind": "slow", "typo": 1}, "typo"),
        ({"path": "/", "kind": "slow", "times": 0}, "times"),
    ],
)
def test_a_bad_rule_is_named(served: Served, rule: dict, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        served.box.add(rule)
    assert field in caught.value.fields
    answer = requests.request("POST", f"{served.url}/_control/faults", json=rule, timeout=5)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


def test_rules_are_listed_with_their_hits(served: Served) -> None:
    served.arm(path="/things", kind="status", status=500, times=5)
    served.put()
    (rule,) = requests.request("GET", f"{served.url}/_control/faults", timeout=5).json()["faults"]
    assert (rule["kind"], rule["hits"], rule["times"]) == ("status", 1, 5)


def test_the_answer_waits_for_the_end_of_the_request(served: Served) -> None:
    """An answer before that is lost when the connection is closed over the unread rest."""
    served.arm(method="PUT", path="/things/a", kind="status", status=401)
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(b"PUT /things/a HTTP/1.0\r\nContent-Length: 4\r\n\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        connection.sendall(b"late")
        assert b" 401 " in connection.recv(100)
