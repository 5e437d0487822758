"""What the answer of a OneRoster server means for a delivery.

Servers refuse in four shapes (observed): ``imsx_StatusInfo`` bare as the binding says, the same
wrapped in a member of that name, ``imsx_codeMinor`` as plain text, and a bare ``detail`` with text
or a list. Some answer 200 with a failure inside, or with a login page. All are read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from app.delivery.port import RAW_LIMIT, Answer, Outcome
from app.delivery.sis.messages import OPERATOR, SIS_ADMIN

_BUSY = frozenset({408, 425, 429})
_LOCKED = frozenset({409, 423})
_BY_MINOR = {
    "unauthorisedrequest": 401,
    "forbidden": 403,
    "unknownobject": 404,
    "invaliddata": 422,
    "deletefailure": 422,
    "server_busy": 429,
    "internal_server_error": 500,
}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as read: ``body`` is its JSON if it is JSON, else None."""

    status: int
    body: Any
    looks_html: bool
    blank: bool
    declared_json: bool
    description: str
    minor: str
    failure: bool
    retry_after: float | None
    raw: str

    @property
    def unreadable(self) -> bool:
        """Whether a page, or broken JSON, came where data was due."""
        return not self.blank and self.body is None and (self.looks_html or self.declared_json)


def listen(answer: Answer, secrets: Iterable[str]) -> Said:
    """Read an answer; every one of ``secrets`` is masked in what is kept of it."""
    text = answer.content.decode("utf-8", "replace").strip()
    media = answer.headers.get("Content-Type", "").lower()
    body = _json(text)
    info = _status_info(body)
    return Said(
        status=answer.status,
        body=body,
        looks_html="html" in media or text.startswith("<"),
        blank=not text,
        declared_json="json" in media or text[:1] in ("{", "["),
        description=mask(_description(body, info), secrets),
        minor=_minor(info),
        failure=str(info.get("imsx_codeMajor", "")).lower() in ("failure", "unsupported"),
        retry_after=_seconds(answer.headers.get("Retry-After", "")),
        raw=mask(text, secrets)[:RAW_LIMIT],
    )


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret in it replaced; empty secrets are no secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "•••")
    return text


def judge(said: Said, system: str) -> Outcome | None:
    """The outcome of an answer that is not a success, or None when it is one."""
    status = said.status
    if said.failure and status < 400:
        status = _BY_MINOR.get(said.minor, 422)
    if status < 300 and not said.unreadable:
        return None
    return replace(_verdict(status, said, system), status=said.status, raw=said.raw)


def _verdict(status: int, said: Said, system: str) -> Outcome:
    """The outcome for an effective status; the first line that fits decides."""
    if status in (401, 403):
        return unauthorized(system, said)
    if status in _BUSY:
        return _busy(system, said)
    if status >= 500:
        return _broken_server(system, said)
    if said.unreadable or 300 <= status < 400:
        return _not_data(system, said)
    if status in _LOCKED:
        return _locked(system, said)
    return _refused(status, system, said)


def unauthorized(system: str, said: Said) -> Outcome:
    """The credentials or their permissions are refused: the connection needs somebody."""
    return Outcome(
        "later",
        "sis-unauthorized",
        f"{system} does not accept Tassel's credentials, or they lack a permission"
        f" ({said.status}). {_quote(said)}",
        fix="Check in the SIS that the client is active, that its secret has not expired and that"
        " it may write assessment and gradebook records; then test the connection here.",
        who=SIS_ADMIN,
        attention=True,
    )


def _busy(system: str, said: Said) -> Outcome:
    return Outcome(
        "later",
        "sis-busy",
        f"{system} is busy and asked Tassel to come back later ({said.status}).",
        fix="Nothing to do: Tassel waits as long as it was asked to and tries again.",
        who=SIS_ADMIN,
        retry_after=said.retry_after,
    )


def _broken_server(system: str, said: Said) -> Outcome:
    return Outcome(
        "later",
        "sis-server-error",
        f"{system} failed while it handled the record ({said.status}). {_quote(said)}",
        fix="Tassel tries again by itself. If it goes on, give the SIS administrator the time and"
        " the answer shown here.",
        who=SIS_ADMIN,
        retry_after=said.retry_after,
    )


def _not_data(system: str, said: Said) -> Outcome:
    what = "a web page" if said.looks_html else "something that cannot be read"
    return Outcome(
        "later",
        "sis-not-data",
        f"{system} answered with {what} instead of data ({said.status}), so it is not known"
        " whether the record was kept.",
        fix="Often a login or maintenance page, or a wrong address: Tassel tries again by itself;"
        " if it goes on, check the gradebook address of the connection.",
        who=OPERATOR,
        retry_after=said.retry_after,
    )


def _locked(system: str, said: Said) -> Outcome:
    return Outcome(
        "never",
        "sis-locked",
        f"{system} keeps this record closed to changes ({said.status}). {_quote(said)}",
        fix="Open the grading period or unlock the record in the SIS, then press Retry.",
        who=SIS_ADMIN,
    )


def _refused(status: int, system: str, said: Said) -> Outcome:
    if status == 404:
        return Outcome(
            "never",
            "sis-unknown-object",
            f"{system} does not know something that the record points at. {_quote(said)}",
            fix="Check that the learner, and the class and category if they are used, exist in the"
            " SIS under the ids shown in the payload; then press Retry.",
            who=SIS_ADMIN,
        )
    return Outcome(
        "never",
        "sis-refused-data",
        f"{system} refused the record ({said.status}). {_quote(said)}",
        fix="Mend what the SIS names, there or in the mapping of this connection; then press"
        " Retry.",
        who=SIS_ADMIN,
    )


def _quote(said: Said) -> str:
    return f"It said: {said.description}" if said.description else "It gave no reason."


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _status_info(body: Any) -> dict[str, Any]:
    """The status block, wrapped or bare; empty when there is none."""
    if not isinstance(body, dict):
        return {}
    inner = body.get("imsx_StatusInfo", body)
    inner = inner if isinstance(inner, dict) else body
    return inner if any(key.startswith("imsx_") for key in inner) else {}


def _minor(info: dict[str, Any]) -> str:
    """The first minor code, whether nested as the binding says or plain text."""
    code = info.get("imsx_CodeMinor", info.get("imsx_codeMinor", ""))
    if isinstance(code, dict):
        fields = code.get("imsx_codeMinorField")
        first = fields[0] if isinstance(fields, list) and fields else fields
        code = first.get("imsx_codeMinorFieldValue", "") if isinstance(first, dict) else ""
    return str(code).lower()


def _description(body: Any, info: dict[str, Any]) -> str:
    """The sentence that explains a refusal, from whichever member holds one."""
    found = info.get("imsx_description")
    if not found and isinstance(body, dict):
        found = next((body[k] for k in ("detail", "message", "error") if body.get(k)), None)
    if not found:
        found = _minor(info)
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return re.sub(r"\s+", " ", text)[:500]


def _seconds(value: str) -> float | None:
    """Retry-After in its form of seconds (RFC 9110 10.2.3); dates are left to our own backoff."""
    return float(value) if value.strip().isdecimal() else None
