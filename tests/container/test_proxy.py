"""The nginx configuration that ships with Tassel, in a real nginx, with TLS."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.container.running import free_port, is_ready, wait_until

pytestmark = pytest.mark.container

SHIPPED = Path(__file__).parents[2] / "lti_config/proxy/nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:" + os.defpath)
TASSEL = Path(sys.executable).with_name("tassel")


class Echo(BaseHTTPRequestHandler):
    """An application that answers with the headers it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class Proxy:
    """An nginx of this test with the shipped configuration, its names and ports replaced."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.plain, self.tls = free_port(), free_port()
        self.log = folder / "access.log"
        certificate = folder / "localhost.pem"
        write_certificate(certificate)
        self.context = ssl.create_default_context(cafile=certificate)
        (folder / "tassel.conf").write_text(
            replaced(
                SHIPPED.read_text(),
                {
                    "server 127.0.0.1:8080;": f"server 127.0.0.1:{upstream};",
                    "listen 80;": f"listen 127.0.0.1:{self.plain};",
                    "listen 443 ": f"listen 127.0.0.1:{self.tls} ",
                    "listen [::]:80;": "",
                    "listen [::]:443 ssl http2;": "",
                    "badges.example.edu;": "localhost;",
                    "/etc/ssl/private/badges.example.edu.pem": str(certificate),
                    "/var/log/nginx/tassel.log": str(self.log),
                },
            )
        )
        own = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        main = folder / "nginx.conf"
        main.write_text(
            f"daemon off;\nuser {getpass.getuser()};\npid {folder}/pid;\nevents {{}}\n"
            f"http {{\n{own}include {folder}/tassel.conf;\n}}\n"
        )
        assert NGINX
        self.process = subprocess.Popen(
            [NGINX, "-p", folder, "-e", folder / "error.log", "-c", main], stdin=subprocess.DEVNULL
        )
        wait_until(self.answers, "nginx answering", lambda: self.process.poll() is None)

    def answers(self) -> bool:
        """Whether the TLS door is open."""
        try:
            self.request("GET", "/")
        except OSError:
            return False
        return True

    def request(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request over TLS, the certificate checked."""
        connection = http.client.HTTPSConnection(
            "localhost", self.tls, timeout=20, context=self.context
        )
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def stop(self) -> None:
        """End nginx in order: what it did is in its log afterwards."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)


def replaced(text: str, changes: dict[str, str]) -> str:
    """``text`` with each change made; a line that is no longer there fails the test."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_certificate(path: Path) -> None:
    """A certificate of localhost that signs itself, and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=12))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.touch(mode=0o600)
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Callable[[int], Proxy]]:
    """Start nginx in front of a port of 127.0.0.1."""
    if NGINX is None:
        pytest.skip("needs nginx (Debian: apt install nginx-light)")
    started: list[Proxy] = []

    def begin(upstream: int) -> Proxy:
        started.append(Proxy(tmp_path, upstream))
        return started[-1]

    yield begin
    for proxy in started:
        proxy.stop()


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of an application that answers with the headers it was sent."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_replaces_what_a_client_claims(proxied: Callable[[int], Proxy], echo: int) -> None:
    """Tassel is told the real address, scheme and host, whatever the browser says."""
    proxy = proxied(echo)
    _, body = proxy.request(
        "GET",
        "/",
        headers={
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=203.0.113.9",
        },
    )
    seen = json.loads(body)
    assert seen["host"] == seen["x-forwarded-host"] == f"localhost:{proxy.tls}"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert "forwarded" not in seen


def test_plain_http_only_leads_to_https(proxied: Callable[[int], Proxy], echo: int) -> None:
    """The plain door serves nothing but the way to the other one."""
    proxy = proxied(echo)
    connection = http.client.HTTPConnection("localhost", proxy.plain, timeout=20)
    connection.request("GET", "/courses/7?tab=near")
    answer = connection.getresponse()
    connection.close()
    assert answer.status == 301
    assert answer.headers["Location"] == "https://localhost/courses/7?tab=near"


def test_keeps_people_out_of_its_log(proxied: Callable[[int], Proxy], echo: int) -> None:
    """The id that an LMS puts into a launch's query is in no log line; the path is."""
    proxy = proxied(echo)
    proxy.request(
        "GET", "/lti/login?login_hint=person-17", headers={"Referer": "https://lms/?u=person-17"}
    )
    proxy.stop()
    logged = proxy.log.read_text()
    assert "/lti/login" in logged
    assert "person-17" not in logged


def test_an_operator_signs_in_through_it(proxied: Callable[[int], Proxy], tmp_path: Path) -> None:
    """The real Tassel behind it: ready, metrics only inside, and a form passes its origin check."""
    port = free_port()
    proxy = proxied(port)
    origin = f"https://localhost:{proxy.tls}"
    environment = {
        "PATH": os.defpath,
        "TASSEL_BIND": f"127.0.0.1:{port}",
        "TASSEL_DATA_DIR": str(tmp_path / "data"),
        "TASSEL_PUBLIC_URL": origin,
        "TASSEL_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    with (tmp_path / "tassel.log").open("wb") as output:
        tassel = subprocess.Popen(
            [TASSEL, "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: is_ready(port), "readiness", lambda: tassel.poll() is None)
        answer, _ = proxy.request("GET", "/readyz")
        assert answer.status == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert proxy.request("GET", "/metrics")[0].status == 404

        made = subprocess.run(
            [TASSEL, "admin", "link"], env=environment, capture_output=True, text=True, check=True
        )
        link = re.search(rf"{origin}\S+", made.stdout)
        assert link, made.stdout
        path = urlsplit(link[0]).path
        assert proxy.request("GET", path)[0].status == 200

        foreign, _ = proxy.request("POST", path, headers={"Origin": "https://evil.example"})
        assert foreign.status == 403
        entered, _ = proxy.request("POST", path, headers={"Origin": origin})
        assert entered.status == 303
        assert "Secure" in entered.headers["Set-Cookie"]
    finally:
        tassel.terminate()
        tassel.wait(60)
