"""Faults on request: how the demo systems learn to fail the way real ones do.

A ``FaultBox`` holds rules; ``install_faults`` makes a Flask app obey them and keep a log of what it
was asked. The two nastiest kinds, ``commit_then_hang`` and ``commit_then_drop``, do the work and
lose the answer, which is what a client sees when a proxy in front of a real LMS or SIS times out.

Control routes (JSON, never faulted, never logged):

=======  ====================  ==============================================================
GET      /_control/faults      ``{"faults": [rule with its id and hits, ...]}``
POST     /_control/faults      add one rule, answer ``{"id": ...}``; 400 names what is wrong
DELETE   /_control/faults      remove every rule and release every request that hangs
GET      /_control/requests    the log and its counters, see ``RequestLog.dump``
DELETE   /_control/requests    empty the log
=======  ====================  ==============================================================
"""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from flask import Flask, Response, abort, g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.errors import Invalid

CONTROL = "/_control/"
LOG_LIMIT = 100_000

_HTML = (
    '<!doctype html><html lang="en"><title>Maintenance</title>'
    "<h1>We will be back soon</h1><p>The service is being upgraded.</p></html>"
)


class Rule(BaseModel):
    """One fault. Seconds for ``delay`` and ``retry_after``; ``times`` None means for ever.

    ``body`` and ``content_type`` replace what ``status`` and ``html`` answer, so that a test can
    say a foreign error envelope word for word.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    kind: Literal[
        "status", "html", "slow", "drop_before", "commit_then_hang", "commit_then_drop", "huge"
    ]
    method: str | None = None
    status: int | None = Field(default=None, ge=100, le=599)
    times: int | None = Field(default=1, ge=1)
    delay: float = Field(default=0, ge=0)
    retry_after: float | None = Field(default=None, ge=0)
    probability: float = Field(default=1, ge=0, le=1)
    seed: int = 0
    body: str | None = None
    content_type: str | None = None

    @field_validator("path")
    @classmethod
    def _is_regex(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


@dataclass
class _Armed:
    """A rule with what it has used up; guarded by the lock of its box."""

    id: str
    rule: Rule
    draws: int = 0
    hits: int = 0

    def take(self, method: str, path: str) -> bool:
        """Say whether this rule strikes now, and count it if so."""
        rule = self.rule
        if rule.times is not None and self.hits >= rule.times:
            return False
        if rule.method is not None and rule.method.upper() != method:
            return False
        if not re.search(rule.path, path) or self._draw() >= rule.probability:
            return False
        self.hits += 1
        return True

    def _draw(self) -> float:
        """A number in [0, 1) that depends only on the seed and on how many came before."""
        self.draws += 1
        digest = hashlib.sha256(f"{self.rule.seed}:{self.draws}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48


class FaultBox:
    """The rules of one app, safe to change while it serves. The first rule that matches strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._ids = itertools.count(1)
        self._released = threading.Event()

    def add(self, rule: dict[str, Any]) -> str:
        """Arm a rule and return its id; raises ``Invalid`` (code ``bad-fault``) naming each field."""
        try:
            checked = Rule.model_validate(rule)
        except ValidationError as error:
            fields = {str(e["loc"][0] if e["loc"] else "rule"): e["msg"] for e in error.errors()}
            raise Invalid("bad-fault", "This fault rule cannot be used.", fields=fields) from error
        with self._lock:
            armed = _Armed(f"fault-{next(self._ids)}", checked)
            self._armed.append(armed)
        return armed.id

    def clear(self) -> None:
        """Remove every rule and let every request that hangs go on at once."""
        with self._lock:
            self._armed.clear()
            self._released.set()
            self._released = threading.Event()

    def dump(self) -> list[dict[str, Any]]:
        """Every rule as it was given, with its ``id`` and its ``hits``."""
        with self._lock:
            return [{"id": a.id, "hits": a.hits, **a.rule.model_dump()} for a in self._armed]

    def strike(self, method: str, path: str) -> Strike | None:
        """What this request must suffer, if anything; using a rule up counts."""
        with self._lock:
            rule = next((a.rule for a in self._armed if a.take(method, path)), None)
            return Strike(rule, self._released) if rule else None


@dataclass(frozen=True)
class Strike:
    """A rule at work on one request; ``released`` is set when the box is cleared."""

    rule: Rule
    released: threading.Event


@dataclass
class RequestLog:
    """What the app was asked: the newest requests, and counters that never forget."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _entries: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LOG_LIMIT))
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def record(self, entry: dict[str, Any], route: str) -> None:
        """Add one request; ``route`` is the path pattern that its counter stands under."""
        with self._lock:
            self._entries.append(entry)
            self._counts[f"{entry['method']} {route}", str(entry["status"])] += 1

    def clear(self) -> None:
        """Forget everything, counters too."""
        with self._lock:
            self._entries.clear()
            self._counts.clear()

    def dump(self) -> dict[str, Any]:
        """``total``, ``counts`` ({"PUT /a/<id>": {"200": n}}) and ``requests``, oldest first.

        A request has method, path (with ids), status, fault (kind or None) and at (UTC ISO). The
        status is what the handler answered even when the answer was then lost; it is None when
        the handler never ran.
        """
        with self._lock:
            counts: dict[str, dict[str, int]] = {}
            for (route, status), number in sorted(self._counts.items()):
                counts.setdefault(route, {})[status] = number
            total = sum(self._counts.values())
            return {"total": total, "counts": counts, "requests": list(self._entries)}


def install_faults(app: Flask, box: FaultBox) -> RequestLog:
    """Make ``app`` obey ``box`` and log its requests; returns the log.

    Call it before other hooks are registered: faults then strike before authentication, and the
    log sees the answer after everybody else has touched it.
    """
    log = RequestLog()

    @app.before_request
    def _before() -> Response | None:
        # Whoever closes with a part of the request unread resets the connection, and the answer may
        # be lost with it: the peers played here read to the end first, as web servers do.
        request.get_data()
        if request.path.startswith(CONTROL):
            return None
        g.fault = box.strike(request.method, request.path)
        return _instead_of_handler(g.fault) if g.fault else None

    @app.after_request
    def _after(response: Response) -> Response:
        if request.path.startswith(CONTROL):
            return response
        strike: Strike | None = g.get("fault")
        _record(log, strike.rule if strike else None, response)
        return _spoil_answer(strike, response) if strike else response

    _control_routes(app, box, log)
    return log


def _instead_of_handler(strike: Strike) -> Response | None:
    """Answer in the handler's place, or None to let it run."""
    rule = strike.rule
    match rule.kind:
        case "slow":
            strike.released.wait(rule.delay)
        case "status":
            return _plain(
                rule, rule.status or 500, '{"error": "injected fault"}', "application/json"
            )
        case "html":
            return _plain(rule, rule.status or 200, _HTML, "text/html; charset=utf-8")
        case "huge":
            return Response(
                _endless(strike.released), rule.status or 200, content_type="application/json"
            )
        case "drop_before":
            return Response(status=500)
        case _:
            pass
    return None


def _plain(rule: Rule, status: int, body: str, content_type: str) -> Response:
    text = body if rule.body is None else rule.body
    response = Response(text, status, content_type=rule.content_type or content_type)
    if rule.retry_after is not None:
        response.headers["Retry-After"] = f"{rule.retry_after:g}"
    return response


def _endless(released: threading.Event) -> Iterator[bytes]:
    """A JSON array that never ends, until the reader hangs up or the rules are cleared."""
    yield b"["
    while not released.is_set():
        yield b'"padding",' * 1000


def _spoil_answer(strike: Strike, response: Response) -> Response:
    """Hold the answer back or lose it. The request stands in the log by now, whoever looks."""
    if strike.rule.kind == "commit_then_hang":
        strike.released.wait(strike.rule.delay)
    elif strike.rule.kind in ("commit_then_drop", "drop_before"):
        _hang_up()
    return response


def _hang_up() -> None:
    """Cut the connection under the server's feet; the later write fails and is dropped quietly.

    Only ``shutdown``: the server closes the descriptor itself. Werkzeug and gunicorn publish the
    socket under their own names; under a server that does not, the fault cannot be played.
    """
    found = request.environ.get("werkzeug.socket") or request.environ.get("gunicorn.socket")
    if found is None:
        abort(501, "this server does not show its socket, so a connection cannot be dropped")
    cast(socket.socket, found).shutdown(socket.SHUT_RDWR)


def _record(log: RequestLog, rule: Rule | None, response: Response) -> None:
    kind = rule.kind if rule else None
    entry = {
        "method": request.method,
        "path": request.path,
        "status": None if kind == "drop_before" else response.status_code,
        "fault": kind,
        "at": datetime.now(UTC).isoformat(),
    }
    log.record(entry, request.url_rule.rule if request.url_rule else request.path)


def _control_routes(app: Flask, box: FaultBox, log: RequestLog) -> None:
    @app.get("/_control/faults")
    def list_faults() -> Response:
        return jsonify(faults=box.dump())

    @app.post("/_control/faults")
    def add_fault() -> tuple[Response, int]:
        rule = request.get_json()
        try:
            return jsonify(id=box.add(rule)), 201
        except Invalid as error:
            return jsonify(code=error.code, message=error.message, fields=error.fields), 400

    @app.delete("/_control/faults")
    def clear_faults() -> tuple[str, int]:
        box.clear()
        return "", 204

    @app.get("/_control/requests")
    def list_requests() -> Response:
        return jsonify(log.dump())

    @app.delete("/_control/requests")
    def clear_requests() -> tuple[str, int]:
        log.clear()
        return "", 204
