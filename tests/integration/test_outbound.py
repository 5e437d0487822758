"""The one way out: what somebody else chose must not lead inside, nor to endless answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import http as outbound
from app.errors import UpstreamError
from app.http import HttpClient


@contextmanager
def answering(raw: bytes, *, drip: float = 0, endless: bool = False) -> Iterator[str]:
    """A server that says ``raw`` to everybody; ``endless`` repeats the last bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                _say(peer)

    def _say(peer: socket.socket) -> None:
        try:
            peer.recv(65536)
            peer.sendall(raw)
            while endless and not stop.wait(drip):
                peer.sendall(b"x" * (1 if drip else 65536))
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient()
    yield made
    made.close()


def code(client: HttpClient, url: str, method: str = "GET") -> str:
    with pytest.raises(UpstreamError) as caught:
        client.request(method, url, system="Campus LMS")
    assert caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    "url",
    [
        "http://lms.example.edu/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://0.0.0.0/",
        "https://100.64.0.1/",
        "https://2130706433/",
        "https://user:pw@lms.example.edu/",
        "file:///etc/passwd",
        "gopher://lms.example.edu/",
    ],
)
def test_inside_addresses_are_never_contacted(client: HttpClient, url: str) -> None:
    assert code(client, url) == "upstream-forbidden-address"


def test_a_name_that_leads_inside_is_refused_at_connect_time(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the address that is connected to is the one that was checked."""
    with answering(reply(b"secret")) as inside:
        port = int(inside.rsplit(":", 1)[1])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
        assert code(client, f"https://evil.example:{port}/") == "upstream-forbidden-address"


def test_one_bad_address_among_good_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("1.1.1.1", "10.1.1.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    with pytest.raises(outbound.ForbiddenAddress):
        outbound.public_addresses("mixed.example", 443)


def test_an_allowed_origin_is_exact(client: HttpClient) -> None:
    with answering(reply(b"{}")) as origin:
        allowed = HttpClient((origin,))
        assert allowed.get(origin + "/x", system="LMS").json() == {}
        assert code(allowed, "http://127.0.0.1:1/x") == "upstream-forbidden-address"
        assert code(client, origin + "/x") == "upstream-forbidden-address"
        allowed.close()


def test_redirects_stay_on_the_origin() -> None:
    with answering(reply(b"inside")) as other:
        redirect = reply(b"", f"Location: {other}/", status="302 Found")
        with answering(redirect) as origin:
            client = HttpClient((origin, other))
            with pytest.raises(UpstreamError) as caught:
                client.get(origin, system="LMS")
            assert caught.value.code == "upstream-forbidden-address"
            client.close()


def test_a_post_is_never_redirected() -> None:
    redirect = reply(b"", "Location: /elsewhere", status="307 Temporary Redirect")
    with answering(redirect) as origin:
        client = HttpClient((origin,))
        assert client.request("POST", origin, system="LMS", data=b"secret").status == 307
        client.close()


def test_an_endless_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MAX_BYTES", 300_000)
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with answering(endless, endless=True) as origin:
        client = HttpClient((origin,))
        assert code(client, origin) == "upstream-too-much"
        client.close()


def test_a_dripping_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.5)
    slow = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with answering(slow, endless=True, drip=0.05) as origin:
        client = HttpClient((origin,))
        assert code(client, origin) == "upstream-too-much"
        client.close()


@pytest.mark.parametrize(
    ("status", "permanent"),
    [("401 No", False), ("404 No", True), ("422 No", True), ("429 No", False), ("503 No", False)],
)
def test_what_is_worth_repeating(status: str, permanent: bool) -> None:
    with answering(reply(b"why", "Retry-After: 7", status=status)) as origin:
        client = HttpClient((origin,))
        with pytest.raises(UpstreamError) as caught:
            client.get(origin, system="Campus SIS")
        client.close()
    assert caught.value.permanent is permanent
    assert caught.value.retry_after == 7
    assert caught.value.body == "why"


def test_html_instead_of_json_says_so() -> None:
    with answering(reply(b"<html>Down for maintenance</html>")) as origin:
        client = HttpClient((origin,))
        answer = client.get(origin, system="Campus SIS")
        with pytest.raises(UpstreamError) as caught:
            answer.json()
        client.close()
    assert caught.value.code == "upstream-not-json"
    assert not caught.value.permanent


def test_nobody_listening_is_a_clear_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = HttpClient((f"http://127.0.0.1:{port}",))
    assert code(client, f"http://127.0.0.1:{port}/") == "upstream-unreachable"
    client.close()
