"""Credentials that nobody here made, of every proof form, judged by ``tassel verify``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from tests.interop.samples import ORIGIN, write_story

pytestmark = pytest.mark.interop

SAMPLES = 22


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep the test's output readable."""


def serve(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def command(path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """In this process, as starting one for each file would take longer than judging it."""
    done = CliRunner().invoke(main, ["verify", *options, str(path)])
    assert done.stderr == "", done.stderr
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture(scope="module")
def campus(material: Path) -> Iterator[str]:
    yield from serve(material / "verify/samples/www/campus.example")


def test_every_sample_is_accepted(material: Path, campus: str) -> None:
    """The one that is signed by JCS only as well: its suite is in the table."""
    files = sorted((material / "verify/samples/valid").iterdir())
    assert len(files) >= SAMPLES
    answers = {
        path.name: command(path, "--resolve", f"https://campus.example={campus}") for path in files
    }
    refused = {name: report for name, (code, report) in answers.items() if code != 0}
    assert refused == {}
    assert {report["verdict"] for _, report in answers.values()} == {"valid"}


def test_without_the_names_nothing_is_vouched_for(material: Path) -> None:
    """The reserved name ``campus.example`` leads nowhere, so that its keys are not known."""
    code, report = command(material / "verify/samples/valid/jwt-rs256-kid-did.jwt")
    assert (code, report["verdict"]) == (2, "unknown")
    unknown = {row["name"] for row in report["checks"] if row["result"] == "unknown"}
    assert unknown == {"key", "proof"}


def test_what_we_issue_is_judged_as_it_must_be(tmp_path: Path) -> None:
    """JSON, both tokens and pictures; retired key accepted, revoked ones refused, changed ones too."""
    write_story(tmp_path, learners=3)
    expected = {"0": 0, "1": 0, "2": 1}
    server = serve(tmp_path / "www")
    option = ("--resolve", f"{ORIGIN}={next(server)}")
    for path in sorted((tmp_path / "credentials").iterdir()):
        code, report = command(path, *option)
        failed = [row["name"] for row in report["checks"] if row["result"] == "fail"]
        assert code == expected[path.name[0]], (path.name, report)
        assert failed == (["status"] if code else []), path.name
    changed = tmp_path / "changed.json"
    text = (tmp_path / "credentials/0.json").read_text()
    changed.write_text(text.replace("Two lines", "Ten lines"))
    code, report = command(changed, *option)
    assert [row["name"] for row in report["checks"] if row["result"] == "fail"] == ["proof"]
    assert code == 1
    next(server, None)
