"""The verifier for everybody: our badges and anybody's, each check in plain words.

A page for people (a file, a text or an address) and the same for programs. Nothing that was sent
is kept or logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Final
from urllib.parse import urlsplit

from flask import Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.test import TestResponse

from app.credentials.verify import (
    MAX_FILE_BYTES,
    Check,
    Lookup,
    Report,
    Result,
    guarded,
    say,
    verify,
)
from app.errors import Invalid, UpstreamError
from app.models import Award, Credential
from app.web import session
from app.web.locale import spoken
from app.web.public.blueprint import bp
from app.web.public.verdicts import Line, lines

MAX_TEXT: Final = 1_000_000
NAMES: Final = frozenset(
    f"public.{name}"
    for name in (
        "achievement",
        "badge",
        "credential_json",
        "credential_jwt",
        "credential_png",
        "did_document",
        "endorsement",
        "issuer",
        "jwks",
        "status_list",
    )
)
"""What credentials name, and shared badges; this server reads nothing else of itself."""
ROOM: Final = 2
"""Checks at a time in one process: each may wait for slow names of strangers."""
_room = BoundedSemaphore(ROOM)


@bp.get("/verify")
def verify_form() -> ResponseReturnValue:
    """Where a stranger brings a badge."""
    return _shown(None, "")


@bp.post("/verify")
def verify_shown() -> ResponseReturnValue:
    """What can be said about the badge that was brought."""
    try:
        return _shown(judge(_brought()), "")
    except (Invalid, UpstreamError) as problem:
        return _shown(None, spoken(problem.message)), 422


@contextmanager
def room() -> Iterator[None]:
    """A place for one check. ServiceUnavailable when all are taken: the pages need threads too."""
    if not _room.acquire(blocking=False):
        raise ServiceUnavailable(retry_after=10)
    try:
        yield
    finally:
        _room.release()


def judge(document: bytes) -> Report:
    """Everything that can be said about a document now, with names looked up."""
    if len(document) > MAX_FILE_BYTES:
        raise Invalid("too-large", say("The file is larger than any badge."))
    with room():
        return _with_hold(verify(document, _lookup(), session.campus().clock()))


def _with_hold(report: Report) -> Report:
    """The report with what only this server knows: that the badge is on hold here."""
    kind, _, identifier = str((report.document or {}).get("id", "")).rpartition(":")
    if report.verdict == "invalid" or kind != "urn:uuid":
        return report
    with session.campus().db.reading() as db:
        held = db.scalar(
            select(Award.held_at)
            .join(Credential, Credential.award_id == Award.id)
            .where(Credential.id == identifier)
        )
    if held is None:
        return report
    why = say("The issuer is looking into it. Do not rely on it until that has ended.")
    return replace(report, checks=(*report.checks, Check("hold", Result.UNKNOWN, why)))


def _shown(report: Report | None, problem: str) -> Response:
    found: list[Line] = lines(report) if report else []
    page = render_template("public/verify.html", report=report, lines=found, problem=problem)
    answer = make_response(page)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _brought() -> bytes:
    """The bytes of the form: a file, a pasted text, or what stands at a pasted address.

    Invalid when there is nothing; UpstreamError when the address gives nothing.
    """
    request.max_content_length = MAX_FILE_BYTES + MAX_TEXT
    file = request.files.get("file")
    content = file.read(MAX_FILE_BYTES + 1) if file else b""
    if content:
        return content
    text = request.form.get("text", "").strip()
    if not text or len(text) > MAX_TEXT:
        raise Invalid(
            "nothing-brought", say("Choose a file, or paste a credential or its address.")
        )
    if text.startswith(("https://", "http://")) and not any(sign.isspace() for sign in text):
        with room():
            return _lookup()(text)
    return text.encode()


def _lookup() -> Lookup:
    """Own names are answered by this server itself, others by the guarded way out."""
    here = session.campus()
    outside, own = guarded(here.http), urlsplit(here.settings.public_url).netloc

    def lookup(url: str) -> bytes:
        parts = urlsplit(url)
        return _own(parts.path, parts.query) if parts.netloc == own else outside(url)

    return lookup


def _own(path: str, query: str) -> bytes:
    """What this server shows everybody under a name of a credential, without the network between.

    UpstreamError when that is nothing.
    """
    answer = _asked(path, query) if _is_name(path) else None
    if answer is not None and answer.status_code == 200:
        return bytes(answer.data)
    if answer is not None and answer.status_code == 409:
        why = say(
            "The badge at %(path)s is on hold: its issuer is looking into it.", path=path[:200]
        )
    else:
        why = say(
            "This server has nothing to show at %(path)s. If a badge was shared there, its owner has"
            " closed the link, or the link has ended.",
            path=path[:200],
        )
    raise UpstreamError("not-here", why, system="this server", permanent=True)


def _is_name(path: str) -> bool:
    try:
        endpoint, _ = current_app.url_map.bind("").match(path, "GET")
    except HTTPException:
        return False
    return endpoint in NAMES


def _asked(path: str, query: str) -> TestResponse:
    """The same request as the caller could make, counted as the caller's."""
    return current_app.test_client(use_cookies=False).get(
        path,
        query_string=query,
        base_url=session.campus().settings.public_url,
        headers={"Accept": "application/vc+ld+json, application/json"},
        environ_overrides={"REMOTE_ADDR": request.remote_addr or ""},
    )
