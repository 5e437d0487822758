"""How many launches a core verifies, ours against ``ltijs``, on SQLite and on PostgreSQL, in one run.

``python -m tests.bench.bench_launch [--rounds 7] [--count 120]``

A launch is what the browser does: login initiation, then the form post with the id_token, up to
the moment when the tool knows who came: our answer that lets the person in, and the peer's page
behind its own redirect, because it hands a launch over only there. A class of people launches again
and again. Both tools run as servers of their own, each with one
registered LMS whose key set they fetch from the same address, cookies on and every check on; the
id_tokens are signed by the driver. What counts is the CPU time (user and system) of the server's
processes, read from /proc, as the median of interleaved rounds after a warm-up. The database
server's own CPU is not counted on either side. Prints JSON; exit code 1 when a ratio is below its
target.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit
from uuid import uuid4

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, jsonify
from jwt.algorithms import RSAAlgorithm
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from app import schema
from app.db import Database
from app.demo.stage import free_port
from app.lti.registration import approve, register_manual
from app.main import utc_now
from app.secrets import SecretBox
from tests.integration.lti_rig import running

ROOT = Path(__file__).parents[2]
PEER = ROOT / "tests/bench/ltijs"
TARGETS = {"sqlite": 7.0, "postgresql": 2.0}
SIDES = ("ours", "ltijs", "floor")
CLIENT = "bench-client"
KEY = "B" * 43 + "="
PEOPLE = 30
START_SECONDS = 60.0
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"

Round = Callable[[int], float]
"""Launches that often; the CPU seconds of the server."""


class Lms:
    """Signs id_tokens and publishes its key; the driver's own CPU counts for nobody."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._keys = {"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]}
        self._people = cycle([str(uuid4()) for _ in range(PEOPLE)])
        self.app = Flask("bench_lms")
        self.app.add_url_rule("/keys", view_func=lambda: jsonify(self._keys))
        self.url = ""

    def token(self, nonce: str, target: str) -> str:
        """An ordinary launch of a learner."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": next(self._people),
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "name": "Ada Example",
            "given_name": "Ada",
            "family_name": "Example",
            "email": "ada@example.org",
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "version": "1.3.0",
            CLAIM + "deployment_id": "1",
            CLAIM + "target_link_uri": target,
            CLAIM + "context": {"id": "c1", "label": "BENCH 1", "title": "Bench"},
            CLAIM + "resource_link": {"id": "r1", "title": "Tassel"},
            CLAIM + "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "one"})


def launches(lms: Lms, login: str, target: str, pids: Callable[[], set[int]]) -> Round:
    """Each launch by a browser without cookies; anything but an admission stops the measurement.

    One connection is kept alive, as a proxy in front keeps its own.
    """
    browser = requests.Session()

    def run(count: int) -> float:
        before = cpu_seconds(pids())
        for _ in range(count):
            browser.cookies.clear()
            _launch(browser, lms, login, target)
        return cpu_seconds(pids()) - before

    return run


def _launch(browser: requests.Session, lms: Lms, login: str, target: str) -> None:
    form = {
        "iss": lms.url,
        "client_id": CLIENT,
        "login_hint": "1",
        "lti_message_hint": "hint",
        "target_link_uri": target,
    }
    begun = browser.post(login, data=form, allow_redirects=False, timeout=30)
    assert begun.status_code == 302, (begun.status_code, begun.text[:500])
    query = parse_qs(urlsplit(begun.headers["Location"]).query)
    cookies = "; ".join(f"{one.name}={one.value}" for one in browser.cookies)
    token = lms.token(query["nonce"][0], target)
    answer = browser.post(
        query["redirect_uri"][0],
        data={"state": query["state"][0], "id_token": token},
        headers={"Cookie": cookies},  # loopback http counts as secure for browsers only
        allow_redirects=False,
        timeout=30,
    )
    assert answer.status_code in (302, 303), (answer.status_code, answer.text[:500])
    arrived = answer.headers["Location"]
    if "ltik=" in arrived:
        cookies = "; ".join(f"{one.name}={one.value}" for one in browser.cookies)
        page = browser.get(urljoin(login, arrived), headers={"Cookie": cookies}, timeout=30)
        assert page.text == "launched", page.text[:500]
    else:
        assert "/courses/" in arrived, arrived


def cpu_seconds(pids: set[int]) -> float:
    """User and system time of the processes, ended threads included."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> set[int]:
    """A process and those that it started."""
    found, waiting = {pid}, [pid]
    while waiting:
        children = Path(f"/proc/{waiting.pop()}/task").glob("*/children")
        for child in " ".join(file.read_text() for file in children).split():
            found.add(int(child))
            waiting.append(int(child))
    return found


@contextmanager
def tassel(lms: Lms, database: str, folder: Path) -> Iterator[Round]:
    """Our web server as it runs on a campus, with the LMS registered and approved."""
    schema.upgrade(database)
    db = Database(database)
    platform_id = register_manual(
        db,
        SecretBox([KEY]),
        name="Bench",
        lms="generic",
        origin=lms.url,
        issuer=lms.url,
        client_id=CLIENT,
        auth_url=f"{lms.url}/auth",
        token_url=f"{lms.url}/token",
        jwks_url=f"{lms.url}/keys",
        deployment_id="1",
        actor="operator:bench",
        now=utc_now(),
    )
    approve(db, platform_id, actor="operator:bench", now=utc_now())
    db.close()
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = {name: v for name, v in os.environ.items() if not name.startswith("TASSEL_")}
    environment |= {
        "TASSEL_PUBLIC_URL": base,
        "TASSEL_BIND": f"127.0.0.1:{port}",
        "TASSEL_DATA_DIR": str(folder),
        "TASSEL_DATABASE_URL": database,
        "TASSEL_MASTER_KEY": KEY,
        "TASSEL_ALLOWED_ORIGINS": lms.url,
        "TASSEL_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "app.cli", "web"]
    with _server(command, environment, f"{base}/healthz") as process:
        yield launches(lms, f"{base}/lti/login", f"{base}/lti/launch", lambda: tree(process.pid))


@contextmanager
def floor(lms: Lms) -> Iterator[Round]:
    """The least that our web server can do for a launch (``tests.bench.floor``)."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "8"]
    command += ["--bind", f"127.0.0.1:{port}", "tests.bench.floor:app"]
    environment = dict(os.environ) | {"FLOOR_LMS": lms.url, "FLOOR_CLIENT": CLIENT}
    with _server(command, environment, f"{base}/healthz") as process:
        yield launches(lms, f"{base}/lti/login", f"{base}/lti/launch", lambda: tree(process.pid))


@contextmanager
def ltijs(lms: Lms, database: list[Any]) -> Iterator[Round]:
    """The peer, as its guide shows it."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    given = {
        "port": port,
        "issuer": lms.url,
        "client": CLIENT,
        "auth": f"{lms.url}/auth",
        "token": f"{lms.url}/token",
        "keys": f"{lms.url}/keys",
        "database": database,
    }
    command = ["node", str(PEER / "server.mjs"), json.dumps(given)]
    environment = dict(os.environ) | {"NODE_ENV": "production"}
    with _server(command, environment, f"{base}/keys") as process:
        yield launches(lms, f"{base}/login", f"{base}/launch", lambda: tree(process.pid))


@contextmanager
def _server(
    command: list[str], environment: dict[str, str], ready: str
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    requests.get(ready, timeout=5)
                    break
                except requests.RequestException:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise SystemExit(log.read().decode()[-3000:]) from None
                    time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def postgresql(address: str) -> Iterator[tuple[str, list[Any]]]:
    """Two new databases on the server: the address for us, the arguments for the peer."""
    server = make_url(address)
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    names = [f"tassel_bench_{uuid4().hex[:8]}_{who}" for who in ("ours", "peer")]
    with admin.connect() as connection:
        for name in names:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    options = {
        "host": server.host or "127.0.0.1",
        "port": server.port or 5432,
        "dialect": "postgres",
        "logging": False,
    }
    try:
        ours = server.set(database=names[0]).render_as_string(hide_password=False)
        yield ours, [names[1], server.username, server.password or "", options]
    finally:
        with admin.connect() as connection:
            for name in names:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        admin.dispose()


def measure(rounds: int, count: int, postgres: str) -> dict[str, Any]:
    """Median launches per CPU second of each contender, and the ratio on each database."""
    lms = Lms()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tassel-bench-")))
        lms.url = f"http://127.0.0.1:{stack.enter_context(running(lms.app))}"
        storage = {"host": "127.0.0.1", "dialect": "sqlite", "logging": False}
        storage["storage"] = str(folder / "peer.db")
        ours, theirs = stack.enter_context(postgresql(postgres))
        contenders = {
            "sqlite": (
                stack.enter_context(tassel(lms, f"sqlite:///{folder / 'ours.db'}", folder / "a")),
                stack.enter_context(ltijs(lms, ["bench", "", "", storage])),
                stack.enter_context(floor(lms)),
            ),
            "postgresql": (
                stack.enter_context(tassel(lms, ours, folder / "b")),
                stack.enter_context(ltijs(lms, theirs)),
            ),
        }
        taken: dict[tuple[str, int], list[float]] = {}
        for turn in range(rounds + 1):
            for database, pair in contenders.items():
                for side, run in enumerate(pair):
                    seconds = run(count)
                    if turn:  # the first round warms up
                        taken.setdefault((database, side), []).append(seconds)
    rates = {
        f"{SIDES[side]}, {database}": round(count / median(seconds), 1)
        for (database, side), seconds in taken.items()
    }
    return {
        "measure": "launches per second of the server's CPU, median of interleaved rounds",
        "rounds": rounds,
        "count": count,
        "rates": rates,
        "ratios": {
            database: round(rates[f"ours, {database}"] / rates[f"ltijs, {database}"], 2)
            for database in contenders
        },
        "targets": TARGETS,
        "a signature check alone, without a database, would be": round(
            rates["floor, sqlite"] / rates["ltijs, sqlite"], 2
        ),
    }


def install_peer() -> None:
    """The peer's packages stand apart from ours: only this measurement needs them."""
    if not shutil.which("npm"):
        sys.stderr.write("cannot measure: npm is missing\n")
        raise SystemExit(2)
    if not (PEER / "node_modules/.package-lock.json").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=PEER, check=True, stdout=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Launch rate against ltijs.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--postgresql", default="postgresql+psycopg://root@127.0.0.1:5432/postgres")
    chosen = parser.parse_args(arguments)
    install_peer()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    result = measure(chosen.rounds, chosen.count, chosen.postgresql)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    good = all(result["ratios"][name] >= target for name, target in TARGETS.items())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
