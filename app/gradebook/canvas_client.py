"""Canvas's REST interface over HTTP: OAuth 2, opaque pages, one request at a time, patience.

Seen in its source: throttled = 403 "Rate Limit Exceeded" (or 429), a bad token = 401 with
``WWW-Authenticate``, missing rights = 401 or 403 without it. A User-Agent is mandatory; the outbound
client always sends one. Page tokens are case-sensitive and are followed as they came.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from requests.utils import parse_header_links

from app.errors import UpstreamError
from app.gradebook.grants import LOST, Access, Refused, Tokens
from app.http import HttpClient, Response, origin_of

SYSTEM = "Canvas"
MAX_PAGES = 20_000
SHORT_WAITS = (1.0, 3.0)
"""Seconds slept on the spot when throttled; after that the reading is put off."""
PUT_OFF_SECONDS = 30.0
LOW = 40.0
"""Remaining quota under which a breath is taken: a request is charged about 50 in advance."""
ROUTES = (
    "courses/:id",
    "courses/:course_id/assignments",
    "courses/:course_id/users",
    "courses/:course_id/students/submissions",
)
SCOPES = tuple(f"url:GET|/api/v1/{route}" for route in ROUTES)
CONCLUDED = "course-concluded"


@dataclass(frozen=True)
class Answer:
    """One page: its rows or object, the address of the next one, the server's time."""

    body: Any
    next: str | None
    at: datetime | None


class CanvasClient:
    """Thread-safe; requests with one authorisation go one after the other."""

    def __init__(self, http: HttpClient, sleep: Callable[[float], None]) -> None:
        """``sleep`` waits for seconds; tests count instead."""
        self._http, self._sleep = http, sleep
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    # --- OAuth 2 -----------------------------------------------------------------------------

    def authorise_url(self, access: Access, redirect_uri: str, state: str) -> str:
        """The consent page. Scopes are ignored by keys that do not enforce them."""
        query = {
            "client_id": access.client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
            "purpose": "Tassel",
            "scope": " ".join(SCOPES),
        }
        return f"{access.base_url}/login/oauth2/auth?{urlencode(query)}"

    def tokens(self, access: Access, values: Mapping[str, str]) -> Tokens:
        """Ask the token endpoint. Raises Refused for a code or token that is not taken."""
        form = {
            "client_id": access.client_id,
            "client_secret": access.secrets.get("client_secret", ""),
            **values,
        }
        url = f"{access.base_url}/login/oauth2/token"
        answer = self._http.request(
            "POST", url, system=SYSTEM, data=form, ok=lambda status: status < 500 and status != 429
        )
        if answer.status in (400, 401, 403):
            raise _refusal(answer)
        found = answer.json() if answer.status < 400 else None
        if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
            raise strange("the request for a token", answer)
        refresh, seconds = found.get("refresh_token"), found.get("expires_in")
        user = found["user"] if isinstance(found.get("user"), dict) else {}
        return Tokens(
            found["access_token"],
            refresh if isinstance(refresh, str) and refresh else None,
            seconds if type(seconds) is int and seconds > 0 else None,
            str(user.get("id") or ""),
            str(user.get("name") or ""),
        )

    def revoke(self, access: Access, token: str) -> None:
        """Give the token back (DELETE login/oauth2/token)."""
        self._http.request(
            "DELETE",
            f"{access.base_url}/login/oauth2/token",
            system=SYSTEM,
            headers={"Authorization": f"Bearer {token}"},
        )

    # --- reading -----------------------------------------------------------------------------

    def pages(self, url: str, turn: str, token: Callable[[str | None], str]) -> Iterator[Answer]:
        """Every page from ``url`` on. ``token(used)`` gives a token, a newer one than ``used``."""
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            if following in seen or len(seen) >= MAX_PAGES:
                raise strange("a list, whose pages go in a circle", None)
            seen.add(following)
            page = self.get(following, turn, token)
            if page.next is not None and origin_of(page.next) != origin_of(url):
                raise strange("a list, whose next page is on another site", None)
            following = page.next
            yield page

    def get(self, url: str, turn: str, token: Callable[[str | None], str]) -> Answer:
        """One page; renews the token once, waits a little when throttled."""
        with self._turns[turn]:
            answer = self._patiently(url, token)
        try:
            body = json.loads(answer.content, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise strange("a request", answer) from error
        return Answer(body, _next(answer), _date(answer))

    def _patiently(self, url: str, token: Callable[[str | None], str]) -> Response:
        bearer, renewed = token(None), False
        waits = list(SHORT_WAITS)
        while True:
            answer = self._http.request(
                "GET",
                url,
                system=SYSTEM,
                headers={"Authorization": f"Bearer {bearer}"},
                ok=lambda status: status < 500,
            )
            if _throttled(answer):
                if not waits:
                    raise _busy(answer)
                self._sleep(waits.pop(0))
                continue
            if answer.status == 401 and "WWW-Authenticate" in answer.headers and not renewed:
                bearer, renewed = token(bearer), True
                continue
            if answer.status >= 400:
                raise _failure(answer)
            if _remaining(answer) < LOW:
                self._sleep(SHORT_WAITS[0])
            return answer


def _next(answer: Response) -> str | None:
    for link in parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next":
            return str(link["url"])
    return None


def _date(answer: Response) -> datetime | None:
    """The server's own clock: what a cursor is made of."""
    try:
        return parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None


def _remaining(answer: Response) -> float:
    try:
        return float(answer.headers.get("X-Rate-Limit-Remaining", "inf"))
    except ValueError:
        return float("inf")


def _throttled(answer: Response) -> bool:
    if answer.status == 429:
        return True
    spent = _remaining(answer) <= 0 or "rate limit exceeded" in answer.text[:300].lower()
    return answer.status == 403 and spent


def _busy(answer: Response) -> UpstreamError:
    asked = answer.headers.get("Retry-After", "")
    return UpstreamError(
        "canvas-busy",
        "Canvas asks Tassel to slow down.",
        system=SYSTEM,
        permanent=False,
        status=answer.status,
        retry_after=float(asked) if asked.isdigit() else PUT_OFF_SECONDS,
        fix="Tassel goes on by itself where it stopped.",
    )


def _failure(answer: Response) -> UpstreamError:
    if answer.status == 404:
        return UpstreamError(
            CONCLUDED,
            "Canvas does not know this course any more.",
            system=SYSTEM,
            permanent=True,
            status=404,
            fix="Badges and grades that were read stay. If the course was moved, open Tassel from the new one.",
        )
    if answer.status in (401, 403):
        return UpstreamError(
            LOST,
            "The account that connected Canvas may not read the grades of this course (any more).",
            system=SYSTEM,
            permanent=True,
            status=answer.status,
            fix="A teacher of the course connects Canvas again, or the Canvas administrator gives that account the permission to view all grades.",
        )
    return UpstreamError(
        f"upstream-{answer.status}",
        f"Canvas answered {answer.status}.",
        system=SYSTEM,
        permanent=True,
        status=answer.status,
    )


def _refusal(answer: Response) -> Exception:
    """Why the token endpoint refused: the key, or this authorisation."""
    if "invalid_client" in answer.text[:500]:
        return UpstreamError(
            "canvas-key-refused",
            "Canvas does not accept the developer key.",
            system=SYSTEM,
            permanent=True,
            status=answer.status,
            fix="The operator compares id and secret with Admin > Developer Keys in Canvas, and that the key is on.",
        )
    return Refused()


def strange(what: str, answer: Response | None) -> UpstreamError:
    """An answer that is none of Canvas's; what was read before stays."""
    return UpstreamError(
        "canvas-strange-answer",
        f"Canvas answered {what} in a way that Tassel cannot read.",
        system=SYSTEM,
        permanent=False,
        status=answer.status if answer else None,
        fix="What was read before stays. Tassel tries again at the next reading.",
    )
