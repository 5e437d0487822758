"""The client for the LMS's services: line items, results and scores (AGS 2.0), members (NRPS 2.0).

One call is one or more HTTP requests with a bearer token of the course's registration; nothing
here opens a transaction around them. What an LMS does otherwise stands in ``lti.platforms``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.db import Database
from app.errors import NotFound, UpstreamError
from app.http import HttpClient, Response
from app.lti import wire
from app.lti.addresses import safe_origin
from app.lti.keys import SigningKey
from app.lti.paging import next_url
from app.lti.platforms import lms_for
from app.lti.tokens import Registered, Tokens
from app.lti.vocabulary import (
    LINE_ITEM_READ_SCOPE,
    LINE_ITEM_SCOPE,
    LINE_ITEM_TYPE,
    LINE_ITEMS_TYPE,
    MEMBERS_SCOPE,
    MEMBERS_TYPE,
    NOTICES_SCOPE,
    RESULT_SCOPE,
    RESULTS_TYPE,
    SCORE_SCOPE,
    SCORE_TYPE,
)
from app.lti.wire import AgsResult, LineItem, Member
from app.models import Platform
from app.secrets import SecretBox

__all__ = ["AgsResult", "LineItem", "LtiServices", "Member"]

MAX_PAGES = 2000
THROTTLED_SECONDS = 10.0
"""How long to wait for an LMS that asks to slow down and does not say for how long."""


class LtiServices:
    """AGS and NRPS of every registered LMS. Thread-safe."""

    def __init__(
        self, db: Database, box: SecretBox, http: HttpClient, clock: Callable[[], datetime]
    ) -> None:
        """``clock`` returns aware UTC."""
        self._db, self._http = db, http
        self._tokens = Tokens(db, box, http, clock)

    def token(self, platform_id: str, scopes: Sequence[str]) -> str:
        """A bearer token for ``scopes``. UpstreamError when the LMS gives none."""
        return self._tokens.get(self._platform(platform_id), scopes)

    def ask_token(self, platform_id: str, scopes: Sequence[str]) -> Response:
        """The answer of the token endpoint to a new request, also before the approval."""
        return self._tokens.ask(self._platform(platform_id, ("active", "pending")), scopes)

    def signing_key(self) -> SigningKey:
        """Our key for messages that a browser carries to an LMS."""
        return self._tokens.signing_key()

    def line_items(self, platform_id: str, url: str) -> list[LineItem]:
        """Every line item that the LMS shows us in the collection at ``url``."""
        platform = self._platform(platform_id)
        return list(self._items(platform, url, url, _read_scopes(platform)))

    def results(self, platform_id: str, lineitem_url: str) -> Iterator[AgsResult]:
        """The present grades of one line item, page by page; the end means that all were read."""
        platform = self._platform(platform_id)
        url = wire.sub_path(lineitem_url, "results")
        for page in self._pages(platform, url, (RESULT_SCOPE,), RESULTS_TYPE):
            for row in wire.rows(page, "the list of results", platform.name):
                found = wire.result(row)
                if found is not None:
                    yield found

    def find_or_create_line_item(
        self,
        platform_id: str,
        url: str,
        label: str,
        maximum: Decimal,
        tag: str,
        resource_id: str,
        resource_link_id: str | None = None,
    ) -> LineItem:
        """Our column with this tag and resource id in the collection at ``url``; made if missing.

        ``resource_link_id``: the link that it belongs to, where the LMS wants one. Looking first makes it safe to call again after a lost answer.
        """
        platform = self._platform(platform_id)
        scopes = _manage_scopes(platform)
        known = self.find_line_item(platform_id, url, tag, resource_id)
        if known is not None:
            return known
        body = {
            "label": label,
            "scoreMaximum": wire.json_number(maximum),
            "tag": tag,
            "resourceId": resource_id,
            **({"resourceLinkId": resource_link_id} if resource_link_id else {}),
            **platform.lms.own_column(),
        }
        media = {"Content-Type": LINE_ITEM_TYPE, "Accept": LINE_ITEM_TYPE}
        answer = self._call(platform, "POST", url, scopes, media, body)
        made = wire.rows([wire.decoded(answer)], "a new column", platform.name)
        item_or_none = wire.line_item(made[0], url, platform.name) if made else None
        if item_or_none is None:
            raise _unreadable(platform, "the answer to a new column")
        return item_or_none

    def find_line_item(
        self, platform_id: str, url: str, tag: str, resource_id: str
    ) -> LineItem | None:
        """Our column with this tag and resource id in the collection at ``url``, if it is there."""
        platform = self._platform(platform_id)
        filtered = wire.with_query(url, {"tag": tag, "resource_id": resource_id})
        for item in self._items(platform, filtered, url, _manage_scopes(platform)):
            if item.tag == tag and item.resource_id == resource_id:
                return item
        return None

    def rename_line_item(self, platform_id: str, item: LineItem, label: str) -> None:
        """Give our column another name; everything else is sent as the LMS holds it (AGS 3.2.6)."""
        platform = self._platform(platform_id)
        body = {
            "label": label,
            "scoreMaximum": wire.json_number(item.maximum),
            "tag": item.tag,
            "resourceId": item.resource_id,
            "resourceLinkId": item.resource_link_id,
        }
        media = {"Content-Type": LINE_ITEM_TYPE, "Accept": LINE_ITEM_TYPE}
        sent = {name: value for name, value in body.items() if value is not None}
        self._call(platform, "PUT", item.url, _manage_scopes(platform), media, sent)

    def post_score(
        self,
        platform_id: str,
        lineitem_url: str,
        user_id: str,
        given: Decimal | None,
        maximum: Decimal,
        timestamp: datetime,
        comment: str | None,
    ) -> None:
        """Send one score; ``given`` empty takes it back. ``timestamp`` must rise per person.

        UpstreamError "ags-stale-timestamp" when the LMS holds something newer, "ags-user-refused"
        when this person cannot be graded there.
        """
        platform = self._platform(platform_id)
        body: dict[str, Any] = {
            "userId": user_id,
            "timestamp": timestamp.astimezone(UTC).isoformat(timespec="milliseconds"),
            **platform.lms.score_message(given),
        }
        if given is not None:
            body["scoreGiven"] = wire.json_number(given)
            body["scoreMaximum"] = wire.json_number(maximum)
        if comment is not None:
            body["comment"] = comment
        media = {"Content-Type": SCORE_TYPE, "Accept": "*/*"}
        url = wire.sub_path(lineitem_url, "scores")
        answer = self._call(
            platform, "POST", url, (SCORE_SCOPE,), media, body, refusals=(400, 403, 404, 409, 422)
        )
        if answer.status >= 400:
            raise _score_refusal(platform, answer)

    def score_timestamp(self, platform_id: str, now: datetime, last: datetime | None) -> datetime:
        """The time to stamp a person's next score with, after one that was stamped ``last``."""
        return self._platform(platform_id).lms.score_timestamp(now, last)

    def members(self, platform_id: str, url: str, rlid: str | None = None) -> Iterator[Member]:
        """The roster at ``url``, page by page; the end means that all were read."""
        platform = self._platform(platform_id)
        address = wire.with_query(url, {"rlid": rlid} if rlid else {})
        for page in self._pages(platform, address, (MEMBERS_SCOPE,), MEMBERS_TYPE):
            listed = page.get("members") if isinstance(page, dict) else None
            for row in wire.rows(listed, "the list of members", platform.name):
                found = wire.member(row)
                if found is not None:
                    yield found

    def order_notices(self, platform_id: str, url: str, kind: str, handler: str) -> None:
        """Let the LMS send notices of a ``kind`` to ``handler`` (notification service 1.0)."""
        platform = self._platform(platform_id)
        body = {"notice_type": kind, "handler": handler}
        media = {"Content-Type": "application/json", "Accept": "application/json"}
        self._call(platform, "PUT", url, (NOTICES_SCOPE,), media, body)

    # --- the requests ------------------------------------------------------------------------

    def _items(
        self, platform: Registered, address: str, collection: str, scopes: Sequence[str]
    ) -> Iterator[LineItem]:
        for page in self._pages(platform, address, scopes, LINE_ITEMS_TYPE):
            for row in wire.rows(page, "the list of columns", platform.name):
                item = wire.line_item(row, collection, platform.name)
                if item is not None:
                    yield item

    def _pages(
        self, platform: Registered, url: str, scopes: Sequence[str], media: str
    ) -> Iterator[Any]:
        """The decoded body of each page. A list that cannot be read to its end raises."""
        limit = platform.lms.page_limit
        following: str | None = wire.with_query(url, {"limit": str(limit)} if limit else {})
        seen: set[str] = set()
        while following is not None:
            if following in seen or len(seen) >= MAX_PAGES:
                raise _unreadable(platform, "a list whose pages never end")
            if safe_origin(following) != safe_origin(url):
                raise _unreadable(platform, "a list whose next page is on another site")
            seen.add(following)
            answer = self._call(platform, "GET", following, scopes, {"Accept": media})
            yield wire.decoded(answer)
            following = next_url(answer.headers.get("Link"), following)

    def _call(
        self,
        platform: Registered,
        method: str,
        url: str,
        scopes: Sequence[str],
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        refusals: tuple[int, ...] = (),
    ) -> Response:
        """One request with a bearer; a 401 drops the token and is tried once more."""
        answer = self._send(platform, method, url, scopes, headers, body)
        if answer.status == 401:
            self._tokens.drop(platform, scopes)
            answer = self._send(platform, method, url, scopes, headers, body)
        if answer.status >= 300 and answer.status not in refusals:
            raise _refusal(platform, answer)
        return answer

    def _send(
        self,
        platform: Registered,
        method: str,
        url: str,
        scopes: Sequence[str],
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
    ) -> Response:
        bearer = {"Authorization": f"Bearer {self._tokens.get(platform, scopes)}"}
        return self._http.request(
            method,
            url,
            system=platform.name,
            headers={**headers, **bearer},
            data=None if body is None else json.dumps(body).encode("utf-8"),
            ok=lambda status: status < 500 and status != 429,
        )

    def _platform(self, platform_id: str, states: tuple[str, ...] = ("active",)) -> Registered:
        with self._db.reading() as session:
            row = session.get(Platform, platform_id)
            if row is None or row.state not in states:
                raise NotFound(
                    "no-platform",
                    "This LMS is not registered, or its registration is not active.",
                    fix="An operator can see and approve registrations under Platforms.",
                )
            return Registered(
                row.id,
                row.client_id,
                row.token_url,
                row.token_audience,
                frozenset(row.scopes_granted),
                lms_for(row.installation.lms),
                row.installation.name,
            )


def _read_scopes(platform: Registered) -> tuple[str, ...]:
    """The read-only scope where we have it: some LMSs do not let ``lineitem`` alone read."""
    read_only = not platform.scopes or LINE_ITEM_READ_SCOPE in platform.scopes
    return (LINE_ITEM_READ_SCOPE,) if read_only else (LINE_ITEM_SCOPE,)


def _manage_scopes(platform: Registered) -> tuple[str, ...]:
    """``lineitem``, and to read with it the read-only scope as well where we have it."""
    return tuple({LINE_ITEM_SCOPE, *_read_scopes(platform)})


def _refusal(platform: Registered, answer: Response) -> UpstreamError:
    """What a refused request means, and who can do something about it."""
    status, name = answer.status, platform.name
    if platform.lms.is_throttled(status, answer.headers, answer.text):
        return _error(
            "lti-throttled",
            f"{name} asks Tassel to slow down.",
            platform,
            answer,
            fix="Tassel waits and goes on by itself.",
            wait=THROTTLED_SECONDS,
        )
    if status in (401, 403):
        return _error(
            "lti-not-allowed",
            f"{name} does not let Tassel read or write here ({status}).",
            platform,
            answer,
            fix=f"The administrator of {name} can allow grades and members in the settings of the tool; a concluded course is closed to all tools.",
        )
    if status == 404:
        return _error(
            "lti-gone",
            f"{name} does not know this course or column (any more).",
            platform,
            answer,
            permanent=True,
            fix="Open Tassel once from the course, so that the LMS names its present addresses.",
        )
    if status < 400:  # what was sent stayed at the door
        return _error(
            f"upstream-{status}",
            f"{name} sent Tassel on to another address ({status}).",
            platform,
            answer,
            fix=f"Often a login or maintenance page; Tassel tries again. If it stays, the administrator of {name} should check the public address that it names for its services.",
        )
    return _error(
        f"upstream-{status}",
        f"{name} refused the request ({status}).",
        platform,
        answer,
        permanent=True,
        fix=f"Ask the administrator of {name} what its log says about it.",
    )


def _score_refusal(platform: Registered, answer: Response) -> UpstreamError:
    """A refused score: too old, or for somebody who has no cell there."""
    name = platform.name
    if platform.lms.is_stale(answer.status, answer.text):
        return _error(
            "ags-stale-timestamp",
            f"{name} holds a newer grade for this person.",
            platform,
            answer,
            fix="Tassel reads the grade again before it sends another.",
        )
    if not platform.lms.refuses_person(answer.status, answer.text):
        return _refusal(platform, answer)
    return _error(
        "ags-user-refused",
        f"{name} takes no score for this person ({answer.status}).",
        platform,
        answer,
        permanent=True,
        fix="Only enrolled learners can be graded: the teacher can check the enrolment in the course.",
    )


def _unreadable(platform: Registered, what: str) -> UpstreamError:
    return UpstreamError(
        "lti-unreadable",
        f"{platform.name} sent {what}.",
        system=platform.name,
        permanent=False,
        fix=f"What was read before stays. If this does not pass, the administrator of {platform.name} should know.",
    )


def _error(
    code: str,
    message: str,
    platform: Registered,
    answer: Response,
    *,
    permanent: bool = False,
    fix: str = "",
    wait: float | None = None,
) -> UpstreamError:
    """``wait``: seconds until it makes sense to ask again, where the answer does not say."""
    said = answer.headers.get("Retry-After", "")
    return UpstreamError(
        code,
        message,
        system=platform.name,
        permanent=permanent,
        fix=fix,
        status=answer.status,
        retry_after=float(said) if said.isdigit() else wait,
        body=answer.text,
    )
