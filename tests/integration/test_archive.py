"""The issuer archive answers for a server that is gone."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner

from app.cli import main
from app.credentials import contexts
from app.errors import NotFound
from app.pipeline import archive, revoke
from app.pipeline.campus import Campus
from tests.integration.issuer_rig import awards, badged, credentials
from tests.integration.trip import Trip


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = badged(campus, learners=2)
    revoke.revoke(campus, awards(campus)[0].id, "By mistake", "test")
    return made


@pytest.fixture
def unpacked(trip: Trip, tmp_path: Path) -> Path:
    content = archive.make(trip.campus, "campus", "test")
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        found.extractall(tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def served(unpacked: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(unpacked / "www"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_badges_are_judged_by_the_archive_alone(trip: Trip, served: str, tmp_path: Path) -> None:
    """With the command that the archive's own README names."""
    verdicts = []
    for number, credential in enumerate(credentials(trip.campus)):
        path = tmp_path / f"{number}.json"
        path.write_bytes(credential.document)
        origins = [trip.campus.settings.public_url, "https://127.0.0.1:8080"]
        resolve = [part for one in origins for part in ("--resolve", f"{one}={served}")]
        done = CliRunner().invoke(main, ["verify", str(path), *resolve])
        verdicts.append(json.loads(done.stdout)["verdict"])
    revoked = awards(trip.campus)[0].id
    wanted = ["invalid" if c.award_id == revoked else "valid" for c in credentials(trip.campus)]
    assert verdicts == wanted


def test_the_manifest_is_signed_and_covers_every_file(unpacked: Path) -> None:
    token = (unpacked / "manifest.jwt").read_text()
    kid = jwt.get_unverified_header(token)["kid"]
    keys = json.loads((unpacked / "www/issuers/campus/jwks.json").read_text())["keys"]
    (key,) = [one for one in keys if one["kid"] == kid]
    manifest = jwt.decode(
        token, jwt.PyJWK(key), algorithms=["ES256"], options={"verify_iat": False}
    )
    assert manifest == json.loads((unpacked / "manifest.json").read_text())
    files = {str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json", "manifest.jwt"}
    for name, sha in manifest["files"].items():
        assert hashlib.sha256((unpacked / name).read_bytes()).hexdigest() == sha
    assert datetime.fromtimestamp(manifest["iat"]).year == 2026  # noqa: DTZ006


def test_contexts_lie_there_by_their_hash(unpacked: Path) -> None:
    index = json.loads((unpacked / "contexts/index.json").read_text())
    assert set(index) == set(contexts.PINNED)
    for sha in index.values():
        content = (unpacked / f"contexts/{sha}.json").read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha


def test_no_learner_is_in_it(unpacked: Path) -> None:
    for path in unpacked.rglob("*"):
        if path.is_file():
            assert b"l0@example.edu" not in path.read_bytes()
    assert "--resolve http://127.0.0.1:8080=" in (unpacked / "README.txt").read_text()


def test_an_unknown_issuer_has_no_archive(campus: Campus) -> None:
    with pytest.raises(NotFound):
        archive.make(campus, "nobody", "test")
