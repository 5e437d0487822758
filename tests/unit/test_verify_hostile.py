"""Documents that were made to exhaust, to lead inside, or to break the reader: bounded and refused."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread
from typing import Any

import pytest

from app.credentials import contexts, status
from app.credentials.verify import Report, Result, guarded, verify
from app.credentials.verify.limits import MAX_FILE_BYTES, MAX_LOOKUPS
from app.errors import Invalid
from app.http import HttpClient
from tests.forging import (
    ED,
    LIST,
    NOW,
    PARTNER,
    RSA,
    Document,
    badge,
    changed,
    chunk,
    endorsement,
    entry,
    part,
    png,
    record,
    seal,
    status_list,
    svg,
    text,
    token,
    world,
)

CPU_SECONDS = 12.0
"""Of this thread; far above what any takes here, far below what each would without its bound."""
MEGABYTES = 250
CREATOR = "credentialSubject.achievement.creator"


def bounded(document: bytes) -> Report:
    """What is said about ``document``, within time and memory."""
    place = world()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.thread_time()
    report = verify(document, place.lookup, NOW)
    assert time.thread_time() - began < CPU_SECONDS
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEGABYTES * 1024
    assert len(place.asked) <= MAX_LOOKUPS
    return report


def unproved(document: Document) -> bytes:
    """With a proof that has the right form; making a right one would cost what the bomb costs."""
    return text({**document, "proof": seal(badge(), ED)["proof"]})


def graph(edges: dict[int, list[int]]) -> bytes:
    """A badge whose achievement has creators without names that know each other."""
    people = [
        {
            "id": f"_:n{node}",
            "type": ["Profile"],
            "parentOrg": [{"id": f"_:n{other}", "type": ["Profile"]} for other in others],
        }
        for node, others in edges.items()
    ]
    return unproved(changed(badge(), CREATOR, people))


def clique(size: int) -> bytes:
    return graph({n: [m for m in range(size) if m != n] for n in range(size)})


def ring(size: int) -> bytes:
    return graph({n: [(n + 1) % size, (n - 1) % size] for n in range(size)})


def circulant(size: int) -> bytes:
    steps = (1, 2, 5, 9)
    return graph({n: [(n + s) % size for s in steps] for n in range(size)})


def nested(depth: int) -> bytes:
    inner: Any = {"id": "https://x.example/end", "type": ["Profile"]}
    for _ in range(depth):
        inner = {"type": ["Profile"], "parentOrg": inner}
    return unproved(changed(badge(), CREATOR, inner))


def endorsed_endlessly(depth: int) -> bytes:
    inner = seal(endorsement(), PARTNER)
    for _ in range(depth):
        inner = {**inner, "endorsement": [inner]}
    return unproved({**badge(), "endorsement": [inner]})


def with_context(*more: Any) -> bytes:
    return unproved(changed(badge(), "@context", [*badge()["@context"], *more]))


def crowd(count: int) -> bytes:
    """A record of badges of as many issuers, each to be looked up."""
    inside = [changed(badge(), "issuer.id", f"did:web:i{n}.example") for n in range(count)]
    proof = {**seal(badge(), ED)["proof"]}
    sealed = [
        {
            **document,
            "proof": {**proof, "verificationMethod": f"{document['issuer']['id']}#k"},
        }
        for document in inside
    ]
    return unproved(record(*sealed))


LIMITED: dict[str, Callable[[], bytes]] = {
    "a clique of blank nodes": lambda: clique(10),
    "a large clique": lambda: clique(30),
    "a ring of blank nodes": lambda: ring(150),
    "a circulant graph": lambda: circulant(100),
    "deep lists": lambda: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "lists without end": lambda: b'{"a":' + b"[" * 500_000,
    "deep objects": lambda: nested(200),
    "endorsements of endorsements": lambda: endorsed_endlessly(12),
    "many values": lambda: unproved(
        changed(badge(), "credentialSubject.achievement.tag", [str(n) for n in range(60_000)])
    ),
    "many distinct values of one name": lambda: unproved(
        changed(badge(), "credentialSubject.achievement.tag", [str(n) for n in range(25_000)])
    ),
    "many objects": lambda: unproved({**badge(), "evidence": [{}] * 20_000}),
    "many typed objects": lambda: unproved(
        {**badge(), "evidence": [{"type": ["Evidence"]}] * 5_000}
    ),
    "many types": lambda: unproved(changed(badge(), "type", ["VerifiableCredential"] * 5_000)),
    "many contexts": lambda: with_context(*[contexts.OPEN_BADGES] * 10_000),
    "contexts everywhere": lambda: unproved(
        {**badge(), "evidence": [{"@context": [contexts.OPEN_BADGES] * 8}] * 2_000}
    ),
    "many badges in a record": lambda: unproved(record(*[seal(badge(), ED)] * 130)),
    "many issuers": lambda: crowd(40),
    "a large document": lambda: unproved({**badge(), "description": "x" * 1_100_000}),
    "a large file": lambda: b" " * (MAX_FILE_BYTES + 1),
    "a large token": lambda: part(b"x" * 2_000_000) + b"." + part(b"{}") + b".x",
    "a packed bomb in a PNG": lambda: png(b" " * 300_000_000, compressed=True),
    "a PNG of very many chunks": lambda: png()[:33] + chunk(b"tEXt", b"") * 100_000 + png()[33:],
    "an SVG of very many elements": lambda: svg(before="<a>" * 100_000),
}


@pytest.mark.parametrize("name", LIMITED)
def test_what_costs_too_much_is_refused_and_says_so(name: str) -> None:
    report = bounded(LIMITED[name]())
    told = [check for check in report.checks if check.name == "limits"]
    assert [check.result for check in told] == [Result.UNKNOWN], report
    assert told[0].why.endswith(".")
    assert report.verdict in {"unknown", "invalid"}


def laughs(levels: int = 12) -> str:
    lines = ['<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, levels)]
    return f"<!DOCTYPE svg [{''.join(lines)}]>"


REFUSED: dict[str, Callable[[], bytes]] = {
    "a billion laughs": lambda: svg(before=laughs()).replace(b"</svg>", b"&a11;</svg>"),
    "a file in an entity": lambda: svg(
        before='<!DOCTYPE svg [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    ).replace(b"</svg>", b"&f;</svg>"),
    "a document type elsewhere": lambda: svg(
        before='<!DOCTYPE svg SYSTEM "https://stranger.example/x.dtd">'
    ),
    "a PNG that claims to be long": lambda: (
        png()[:33] + struct.pack(">I", 0xFFFFFFF0) + b"iTXtopenbadgecredential\0"
    ),
    "a PNG whose packed part is cut off": lambda: (
        png()[:33]
        + chunk(b"iTXt", b"openbadgecredential\0\1\0\0\0" + zlib.compress(b"x" * 999)[:-9])
        + png()[33:]
    ),
    "a very large number": lambda: b'{"a": ' + b"9" * 900_000 + b"}",
    "very many equal names": lambda: b"{" + b'"a":1,' * 100_000 + b'"a":1}',
    "distinct names and two equal ones": lambda: (
        b"{" + b"".join(b'"%d":1,' % n for n in range(70_000)) + b'"x":1,"x":1}'
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_honest_file_has_is_refused(name: str) -> None:
    report = bounded(REFUSED[name]())
    assert [(check.name, check.result) for check in report.checks] == [("document", Result.FAIL)]


def failing(report: Report, name: str) -> str:
    """Why the check did not pass."""
    [check] = [check for check in report.checks if check.name == name]
    assert check.result in {Result.FAIL, Result.UNKNOWN}, report
    assert report.verdict != "valid"
    return check.why


CONTEXTS = {
    "on the web": "https://stranger.example/context.json",
    "inside this network": "http://169.254.169.254/latest",
    "on this machine": "file:///etc/passwd",
    "written into it": {"name": "https://stranger.example/name"},
    "written into it, and large": {f"n{n}": f"https://x.example/{n}" for n in range(20_000)},
    "importing another": {"@import": "https://stranger.example/context.json"},
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_context_is_never_fetched(name: str) -> None:
    """Looked at without the limits where a large one is refused by these already."""
    place = world()
    report = verify(with_context(CONTEXTS[name]), place.lookup, NOW)
    assert "https://stranger.example/context.json" not in place.asked
    assert not [url for url in place.asked if "169.254" in url or url.startswith("file")]
    assert report.verdict == "unknown"
    told = {check.name for check in report.checks if check.result is Result.UNKNOWN}
    assert told & {"contexts", "limits"}


def test_a_status_list_that_unpacks_to_much_is_refused() -> None:
    packed = gzip.compress(bytes(300_000_000), 9)
    bomb = "u" + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    place = world()
    place.put(LIST, seal(changed(status_list(), "credentialSubject.encodedList", bomb), ED))
    began = time.thread_time()
    report = verify(text(seal(badge(), ED)), place.lookup, NOW)
    assert time.thread_time() - began < CPU_SECONDS
    assert "larger than 8 MiB" in failing(report, "status")


@pytest.mark.parametrize("name", ["proof", "credentialStatus"])
def test_very_many_parts_are_not_worked_through(name: str) -> None:
    many = {"proof": [seal(badge(), ED)["proof"]] * 500, "credentialStatus": [entry()] * 500}
    report = bounded(text({**seal(badge(), ED), name: many[name]}))
    assert failing(report, {"proof": "proof", "credentialStatus": "status"}[name])


def test_keys_and_signatures_of_absurd_size_are_refused() -> None:
    long = changed(seal(badge(), ED), "proof.proofValue", "z" + "2" * 500_000)
    assert "base58btc" in failing(bounded(text(long)), "proof")
    name = "did:key:z" + "2" * 400_000
    method = changed(seal(badge(), ED), "proof.verificationMethod", f"{name}#{name[8:]}")
    assert failing(bounded(text(method)), "key")
    modulus = base64.urlsafe_b64encode(b"\xff" * 500_000).decode()
    header = {"kid": None, "jwk": {"kty": "RSA", "n": modulus, "e": "AQAB"}}
    assert failing(bounded(token(badge(), RSA, header)), "key")


# Where a document may lead ----------------------------------------------------------------------


class _Counting(BaseHTTPRequestHandler):
    """A service inside the network; it keeps what it was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Keep the test's output readable."""


@pytest.fixture
def inside() -> Iterator[tuple[int, list[str]]]:
    """Port and log of a service on loopback."""
    asked: list[str] = []
    handler = type("Handler", (_Counting,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, asked
    server.shutdown()
    thread.join()
    server.server_close()


HOSTS = ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"]


@pytest.mark.parametrize("host", HOSTS)
def test_no_name_leads_inside(host: str, inside: tuple[int, list[str]]) -> None:
    """By the DID, the key of a token, the key's address, or the status list; mapped names or not."""
    port, asked = inside
    http = HttpClient()
    lookup = guarded(http, {"https://campus.example": f"http://127.0.0.1:{port}/campus"})
    issuer = f"did:web:{host.replace(':', '%3A')}%3A{port}"
    documents = {
        "did": text(
            changed(
                {**seal(badge(), ED), "issuer": issuer}, "proof.verificationMethod", f"{issuer}#k"
            )
        ),
        "kid": token(badge(), header={"kid": f"https://{host}:{port}/key"}),
        "plain kid": token(badge(), header={"kid": f"http://{host}:{port}/key"}),
        "jwk": token(badge(issuer), header={"kid": None, "jwk": RSA.key.public.jwk}),
    }
    for name, document in documents.items():
        assert failing(verify(document, lookup, NOW), "key"), name
    for scheme in ("https", "http", "ftp", "file", "gopher"):
        url = f"{scheme}://{host}:{port}/status"
        listed = text({**seal(badge(), ED), "credentialStatus": entry(url=url)})
        assert "Tassel does not contact" in failing(verify(listed, lookup, NOW), "status")
    http.close()
    led = [path for path in asked if not path.startswith("/campus/")]
    assert led == []


def test_a_resolved_name_is_answered_from_there_only(inside: tuple[int, list[str]]) -> None:
    port, asked = inside
    http = HttpClient()
    lookup = guarded(http, {"https://campus.example": f"http://127.0.0.1:{port}/campus"})
    assert lookup("https://campus.example/status/1?x=y#z") == b"{}"
    assert asked == ["/campus/status/1?x=y"]
    http.close()


@pytest.mark.parametrize(
    "pair",
    [
        ("https://campus.example", "http://10.0.0.1"),
        ("https://campus.example", "http://campus.test:8080"),
        ("https://campus.example", "file:///etc"),
        ("https://campus.example/path", "http://127.0.0.1:1"),
        ("campus.example", "http://127.0.0.1:1"),
        ("https://[x", "http://127.0.0.1:1"),
    ],
)
def test_a_name_is_resolved_to_this_machine_or_by_https(pair: tuple[str, str]) -> None:
    with pytest.raises(Invalid):
        guarded(HttpClient(), dict([pair]))


def test_a_name_that_is_no_address_is_told() -> None:
    http = HttpClient()
    for url in ("https://[x/status", "https://a b/status", "not an address", ""):
        listed = text(seal(changed(badge(), "credentialStatus", entry()), ED))
        document = listed.replace(json.dumps(LIST).encode(), json.dumps(url).encode())
        assert verify(document, guarded(http), NOW).verdict != "valid"
    http.close()


# Whatever stands where ----------------------------------------------------------------------------

ODD: list[Any] = [
    None,
    5,
    True,
    10**400,
    "",
    "x",
    "http://[bad",
    "did:web:a:%ZZ",
    "\0",
    [],
    {},
    [[]],
    [None],
    {"type": 5},
    {"@value": 5},
    {"@context": {"a": "b"}},
]


def places(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    listed: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        listed = list(node.items())
    elif isinstance(node, list):
        listed = list(enumerate(node))
    for step, value in listed:
        yield from places(value, (*way, step))


def replaced(document: Document, way: tuple[Any, ...], value: Any) -> Document:
    copied = copy.deepcopy(document)
    node: Any = copied
    for step in way[:-1]:
        node = node[step]
    node[way[-1]] = value
    return copied


def test_no_odd_value_breaks_the_verifier_or_passes() -> None:
    """A seeded sample of all pairs of place and value; every one is signed, so that all must see."""
    rng = Random(20261120)
    sealed = seal({**badge(), "endorsement": [seal(endorsement(), PARTNER)]}, ED)
    listed = json.loads(world().pages[LIST])
    for _ in range(25):
        value = rng.choice(ODD)
        report = verify(
            text(replaced(sealed, rng.choice(list(places(sealed))), value)), world().lookup, NOW
        )
        assert report.verdict != "valid"
        place = world()
        place.put(LIST, replaced(listed, rng.choice(list(places(listed))), value))
        assert verify(text(sealed), place.lookup, NOW).verdict != "valid"


def test_the_bounds_leave_room_for_an_honest_record() -> None:
    """Thirty endorsed badges: what a learner may have at the end."""
    both = [seal(endorsement(), PARTNER)]
    inside_it = [seal({**badge(number=n), "endorsement": both}, ED) for n in range(30)]
    report = bounded(text(seal(record(*inside_it), ED)))
    assert report.verdict == "valid"
    assert status.SIZE == 131_072
