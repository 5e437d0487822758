"""What it means when an LMS gives no token, as far as its answer says it. Pure.

RFC 6749 5.2 knows five words; LMSs add texts of their own, web pages, and bodies that are no JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from app.http import Response
from app.lti.platforms import Lms

_TIME = re.compile(r"expired|not yet valid|\biat\b|clock", re.IGNORECASE)
_AUDIENCE = re.compile(r"\baud\b|audience", re.IGNORECASE)
_KEY = re.compile(r"\bkid\b|key|signature|jwk", re.IGNORECASE)


@dataclass(frozen=True)
class Trouble:
    """``kind``: page | scope | clock | audience | key | client | busy | other."""

    kind: str
    message: str
    fix: str


@dataclass(frozen=True)
class Asked:
    """What is known besides the answer."""

    lms: Lms
    name: str
    """The installation's name, for messages."""
    token_url: str
    client_id: str
    has_launched: bool
    """People came in through this registration, so its client id is right."""
    keys_were_read: bool
    """Somebody read our key set while the LMS thought about its answer."""


def explain(answer: Response, asked: Asked) -> Trouble:
    """The most likely reason for a refusal, what to do, in that order of evidence."""
    if answer.status == 429 or answer.status >= 500:
        return Trouble(
            "busy",
            f"{asked.name} answered {answer.status}: it is busy or out of order.",
            "Try again in some minutes. If it stays, its log says why.",
        )
    body = _body(answer)
    if body is None and _is_page(answer):
        return _page(answer, asked)
    said = f"{body.get('error', '')} {body.get('error_description', '')}" if body else answer.text
    return _by_words(answer, asked, said)


def _body(answer: Response) -> dict[str, Any] | None:
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_page(answer: Response) -> bool:
    return answer.status == 404 or answer.text.lstrip().startswith("<")


def _page(answer: Response, asked: Asked) -> Trouble:
    """A page where a token should be: typical of an LMS that could not fetch our keys."""
    message = f"{asked.name} answered with a web page ({answer.status}) instead of a token."
    address = f"Check the token address of the registration: {asked.token_url}"
    if asked.keys_were_read:
        return Trouble("page", message, address)
    return Trouble(
        "page",
        f"{message} It most likely cannot fetch Tassel's keys, or the token address is wrong.",
        f"{asked.lms.advice_on('keys')} {address}",
    )


def _by_words(answer: Response, asked: Asked, said: str) -> Trouble:
    name, advice = asked.name, asked.lms.advice_on
    if "invalid_scope" in said:
        return Trouble(
            "scope",
            f"{name} knows Tassel and allows it no service at all.",
            advice("scopes"),
        )
    if _TIME.search(said):
        return Trouble(
            "clock",
            f"{name} finds the time in Tassel's request wrong: one of the two clocks is off.",
            "Let both servers take their time from a time server (NTP).",
        )
    if _AUDIENCE.search(said):
        return Trouble(
            "audience",
            f"{name} says that Tassel's request is addressed to somebody else.",
            "Enter the token audience that the LMS names into the registration, or leave it empty if it names none.",
        )
    if _KEY.search(said):
        return Trouble(
            "key",
            f"{name} does not find the key that Tassel signs with.",
            advice("keys"),
        )
    if answer.status in (400, 401, 403):
        return _client(asked)
    return Trouble(
        "other",
        f"{name} gave no token ({answer.status}).",
        f"The log of {name} says why.",
    )


def _client(asked: Asked) -> Trouble:
    """No reason given: the client id, the switch, or our signature."""
    if asked.has_launched:
        return Trouble(
            "client",
            f"{asked.name} does not accept Tassel any more. People came in through this registration before, so the tool was most likely switched off or removed there.",
            asked.lms.advice_on("inactive"),
        )
    return Trouble(
        "client",
        f"{asked.name} does not know the client id {asked.client_id}, or the tool is not switched on there.",
        f"{asked.lms.advice_on('inactive')} Compare the client id with the one that the LMS shows.",
    )
