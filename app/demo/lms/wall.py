"""A wall in front of the tool: what a browser that keeps none of its cookies makes of it.

No page can forbid cookies to the page it frames, so the demo stands between browser and tool and,
while the switch says so, lets no cookie through in either direction and takes the scripts' own way
to them. It speaks TLS, with a
certificate of its own making, because some engines keep no ``Secure`` cookie of a loopback http
address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from app.demo.lms.state import Campus

_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
_COOKIES = {"cookie", "set-cookie"}
_SCRIPT = "/_wall/no-cookies.js"
_NO_COOKIES = 'Object.defineProperty(document, "cookie", { get: () => "", set: () => {} });'
_SECONDS = 120


def wall_of(lms: Flask) -> AbstractContextManager[object]:
    """The wall that the configuration of a demo LMS asks for, if any."""
    campus: Campus = lms.extensions["demo_lms"]
    if not campus.config.wall:
        return nullcontext()
    public, target = campus.config.wall.split("=", 1)
    return Wall(campus, public, target)


class Wall:
    """Serves the tool at ``target`` under the https address ``public``; a context manager."""

    def __init__(self, campus: Campus, public: str, target: str) -> None:
        address = urlsplit(public)
        self._target = target
        self._campus = campus
        self._folder = TemporaryDirectory()
        self._server = make_server(
            address.hostname or "127.0.0.1",
            address.port or 0,
            self,
            threaded=True,
            request_handler=_QuietHandler,
            ssl_context=_certificate(Path(self._folder.name), address.hostname or "127.0.0.1"),
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Wall:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._folder.cleanup()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """WSGI: pass one request on and its answer back."""
        return self._pass_on(Request(environ))(environ, start)

    def _pass_on(self, asked: Request) -> Response:
        if asked.path == _SCRIPT:
            return Response(_NO_COOKIES, content_type="text/javascript")
        blocked = self._campus.framing.cookies == "blocked"
        kept = _kept_headers(blocked)
        path = asked.full_path if asked.query_string else asked.path
        try:
            answer = requests.request(
                asked.method,
                self._target + path,
                headers={name: value for name, value in asked.headers if kept(name)}
                | {"Accept-Encoding": "identity"},
                data=asked.get_data(),
                allow_redirects=False,
                timeout=_SECONDS,
                stream=True,
            )
        except requests.RequestException:
            return Response("The tool does not answer.", 502)
        body = answer.raw.read(decode_content=False)
        if blocked and answer.headers.get("Content-Type", "").startswith("text/html"):
            body = body.replace(b"<head>", f'<head><script src="{_SCRIPT}"></script>'.encode(), 1)
        passed = Response(body, answer.status_code)
        passed.headers.clear()
        for name, value in answer.raw.headers.items():
            if kept(name):
                passed.headers.add(name, value)
        return passed


def _kept_headers(blocked: bool) -> Callable[[str], bool]:
    dropped = _HOP | {"content-length"} | (_COOKIES if blocked else set())
    return lambda name: name.lower() not in dropped


class _QuietHandler(WSGIRequestHandler):
    """Says nothing about requests, and ends each connection after its answer: a post that finds a
    connection closed which was kept open is lost in Firefox.
    """

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


def _certificate(folder: Path, host: str) -> tuple[str, str]:
    """Files with a fresh certificate that ``host`` signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(certificate), str(private)
