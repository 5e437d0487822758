"""The one way out: what somebody else chose must not lead inside, nor to endless answers."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import dialling
from app import http as outbound
from app.errors import UpstreamError
from app.http import HttpClient


@contextmanager
def answering(
    raw: bytes,
    *,
    drip: float = 0,
    endless: bool = False,
    again: bytes = b"",
    heard: list[bytes] | None = None,
) -> Iterator[str]:
    """A server that says ``raw`` to everybody; ``endless`` goes on with ``again`` (or with x)."""
    more = again or b"x" * (1 if drip else 65536)
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
            asked = peer.recv(65536)
            if heard is not None:
                heard.append(asked)
            peer.sendall(raw)
            while endless and not stop.wait(drip):
                peer.sendall(more)
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
        "https://[64:ff9b:1::7f00:1]/",
        "https://[::7f00:1]/",
        "https://[fec0::1]/",
        "https://[5f00::1]/",
        "https://lms.example.edu:port/",
        "https://lms.example.edu:99999/",
        "https://[::1/",
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
    with pytest.raises(dialling.ForbiddenAddress):
        dialling.public_addresses("mixed.example", 443)


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


def test_two_readings_of_an_address_are_none() -> None:
    """``urlsplit`` sees the allowed host behind the backslash, the dialler the one before it."""
    with answering(reply(b"secret")) as inside, answering(reply(b"{}")) as origin:
        client = HttpClient((origin,))
        host = origin.partition("://")[2]
        for sly in (f"{inside}\\@{host}/", f"{inside}\\\\@{host}/x", f"http://me@{host}/"):
            assert code(client, sly) == "upstream-forbidden-address"
        client.close()


@pytest.mark.parametrize(
    "location", ["https://[::1", "//lms.example.edu:port/", "http://127.0.0.1:99999/", "https:///"]
)
def test_a_redirect_to_no_address_is_refused(location: str) -> None:
    with answering(reply(b"", f"Location: {location}", status="302 Found")) as origin:
        client = HttpClient((origin,))
        assert code(client, origin) == "upstream-forbidden-address"
        client.close()


@pytest.mark.parametrize(
    ("raw", "drip", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", 0.05, b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", 0.05, b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", 0.05, b"A: b\r\n"),
        (b"", 0, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=["header", "size of a chunk", "trailers", "never the answer itself"],
)
def test_no_part_of_an_answer_holds_the_line(
    raw: bytes, drip: float, again: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.4)
    with answering(raw, endless=True, drip=drip, again=again) as origin:
        client, began = HttpClient((origin,)), time.monotonic()
        assert code(client, origin) == "upstream-too-much"
        assert time.monotonic() - began < 3
        client.close()


def test_packed_nothing_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that unpack to no byte: the reader would look for the first byte for ever."""
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.4)
    packer = zlib.compressobj(wbits=31)
    start = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    empty = b"\x00\x00\x00\xff\xff"
    with answering(head + start, endless=True, again=empty * 1000) as origin:
        client = HttpClient((origin,))
        assert code(client, origin) == "upstream-too-much"
        client.close()


def test_a_name_with_a_thousand_dead_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its time to fail; together they get no more than one request may take."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443))] * 1000
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.4)
    tried = []

    def dead(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(timeout)
        time.sleep(0.1)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", dead)
    client = HttpClient()
    assert code(client, "https://lms.example.edu/").startswith("upstream-")
    assert 0 < len(tried) < 10
    client.close()


def test_json_without_bottom_is_no_json() -> None:
    with answering(reply(b"[" * 200_000)) as origin:
        client = HttpClient((origin,))
        answer = client.get(origin, system="Campus SIS")
        with pytest.raises(UpstreamError) as caught:
            answer.json()
        client.close()
    assert caught.value.code == "upstream-not-json"


def test_no_cookie_is_kept_for_anybody() -> None:
    """Registrations of many LMSs go through one session: nothing of one may reach another."""
    heard: list[bytes] = []
    with answering(reply(b"{}", "Set-Cookie: a=b; Path=/"), heard=heard) as origin:
        client = HttpClient((origin,))
        client.get(origin, system="LMS")
        client.get(origin, system="LMS")
        client.close()
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


def test_an_endless_body_behind_a_redirect_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """``requests`` would read it whole to see where the redirect leads."""
    monkeypatch.setattr(outbound, "MAX_BYTES", 300_000)
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 2.0)
    raw = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nConnection: close\r\n\r\n"
    with answering(raw, endless=True) as origin:
        client, began = HttpClient((origin,)), time.monotonic()
        assert code(client, origin) == "upstream-too-much"
        assert time.monotonic() - began < 1.5, "by its size, not only by the time"
        client.close()
