"""The page that a partner's link opens: what the badge says, and the ways to endorse it.

Nothing here knows a learner, and nobody signs in: who has the link may endorse, and what comes back
is believed for its signature only. A browser that can sign makes the key by itself; the private
half never comes here, and the browser is told every word that it signs.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Any

import base58
from flask import (
    Blueprint,
    Response,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import force_locale
from flask_babel import gettext as _

from app.credentials import endorsement, wording
from app.credentials.details import Details
from app.credentials.endorsement import Endorser
from app.credentials.proofs import data_integrity
from app.credentials.verify import Report
from app.errors import AppError, Conflict, Invalid
from app.pipeline import endorse
from app.pipeline.endorse import Invited
from app.web import badge_words
from app.web.locale import spoken
from app.web.public.verdicts import lines
from app.web.public.verify import judge
from app.web.session import campus

bp = Blueprint("endorser", __name__, url_prefix="/endorse/<token>")

MAX_BODY = 100_000
"""Bytes of a form: twice the largest endorsement and what forms put around it."""
ED25519 = b"\xed\x01"
"""Multicodec of a public key."""


@bp.after_request
def _secret(answer: Response) -> Response:
    """The address is the right to endorse: it goes nowhere else, and no search engine keeps it."""
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


@bp.get("")
def invited(token: str) -> Response:
    """The badge and the form; once used, what became of the endorsement."""
    return _page(token, endorse.look(campus(), token))


def _page(
    token: str, found: Invited, report: Report | None = None, problem: str = "", status: int = 200
) -> Response:
    document = found.row.document
    page = render_template(
        "public/endorse.html",
        token=token,
        found=found,
        version=found.version,
        facts=badge_words.facts(Details.from_json(found.version.details)),
        about=endorse.about(campus(), found.row.achievement_id),
        says=endorsement.read(document) if document else None,
        lines=[line for line in lines(report) if line.mark != "good"] if report else [],
        problem=problem,
    )
    return make_response(page, status)


@bp.post("")
def receive(token: str) -> Response:
    """Take a signed endorsement, as a file or as text."""
    request.max_content_length = MAX_BODY
    found = endorse.look(campus(), token)
    try:
        report = endorse.receive(campus(), token, _brought(), _seen(), judge)
    except (Invalid, Conflict) as problem:
        return _page(token, endorse.look(campus(), token), problem=_said(problem), status=422)
    if report.verdict != "valid":
        return _page(token, found, report, status=422)
    return make_response(redirect(url_for("endorser.invited", token=token), 303))


def _brought() -> bytes:
    file = request.files.get("file")
    content = file.read() if file else b""
    return content or request.form.get("text", "").encode()


def _seen() -> int:
    """Number of the wording that the page showed."""
    written = request.form.get("seen", "")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 9 else 0


def _said(problem: AppError) -> str:
    return f"{spoken(problem.message)} {spoken(problem.fix)}".strip()


@bp.post("/words")
def words(token: str) -> Response:
    """What a browser with a key is going to sign: the document, and both texts that are hashed.

    The browser hashes them itself (vc-di-eddsa 3.2.4: options first), so that it can show every word.
    """
    request.max_content_length = MAX_BODY
    found = endorse.look(campus(), token)
    try:
        return _words(found)
    except (Invalid, Conflict) as problem:
        return make_response(jsonify(problem=_field_problem(problem)), 422)


def _field_problem(problem: AppError) -> str:
    names = {"name": _("The name"), "url": _("The web address"), "comment": _("The statement")}
    wrong = problem.fields if isinstance(problem, Invalid) else {}
    for field, label in names.items():
        if field in wrong:
            return _("%(what)s cannot be signed as it is.", what=label)
    return _said(problem)


def _words(found: Invited) -> Response:
    if not found.open:
        raise Conflict("endorsement-given", _("This link was used: it takes one endorsement."))
    now, form = campus().clock(), request.form
    did = _did(form.get("key", ""))
    name, url, comment = (form.get(field, "").strip() for field in ("name", "url", "comment"))
    comment = comment.replace("\r\n", "\n")
    if not name or len(name) > endorsement.NAME_LENGTH or len(comment) > endorsement.COMMENT_LENGTH:
        raise Invalid("endorser-name", _("Write who endorses, and at most 2,000 characters."))
    with force_locale(Details.from_json(found.version.details).language):
        title = _("Endorsement of “%(badge)s”", badge=found.version.name)
    document = endorsement.unsigned(
        credential_id=f"urn:uuid:{uuid.uuid4()}",
        about=endorse.about(campus(), found.row.achievement_id),
        title=title,
        endorser=Endorser(did, name, url or None),
        comment=comment,
        valid_from=now,
    )
    created, method = wording.timestamp(now, "now"), f"{did}#{did.removeprefix('did:key:')}"
    answer: dict[str, Any] = {
        "document": document,
        "proof": data_integrity.options(created, method),
        "texts": [
            data_integrity.options_text(created, method),
            data_integrity.canonical_reference(document).decode(),
        ],
    }
    return jsonify(answer)


def _did(key: str) -> str:
    """The did:key of an Ed25519 public key as base64url. Raises Invalid."""
    try:
        raw = base64.urlsafe_b64decode(key[:60] + "=" * (-len(key[:60]) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 32:
        raise Invalid("bad-key", _("The key is not one that this page can sign with."))
    return "did:key:z" + base58.b58encode(ED25519 + raw).decode("ascii")


@bp.post("/withdraw")
def take_back(token: str) -> Response:
    """The partner does not stand behind it any more."""
    endorse.take_back(campus(), token)
    return make_response(redirect(url_for("endorser.invited", token=token), 303))
