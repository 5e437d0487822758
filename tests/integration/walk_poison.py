"""Hostile content in every text that the database keeps, and what a page must never make of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import html5lib
from flask.testing import FlaskClient
from sqlalchemy import JSON, Column, String, Table, select, update
from werkzeug.test import TestResponse

from app.db import Base
from app.pipeline.campus import Campus

EVIL = "\u202e'\"--></title></textarea><x-pwn onclick=pwn()>{{1234567*3}}${pwn()}"
"""Breaks out of text, both kinds of attributes, comments, titles and text areas; a template that is
evaluated shows 3703701."""

EVIL_URL = 'javascript:pwn()//"><x-pwn onclick=pwn()>'

EVALUATED = "3703701"

KEPT = {
    "state", "kind", "source", "lms", "role", "launch_role", "roster_role", "admin_role", "scope",
    "scopes", "operation", "outcome", "trigger", "unit", "regrade", "occurrence_by", "occurrence",
    "design", "palette", "keeper", "fragment", "storage", "locale", "time_zone", "notices_state",
    "case_id", "subject_id", "salt", "embedded_key", "token_key", "sha256", "slug", "did", "kid",
    "public_multibase", "sealed", "lti11_secret", "jwt", "signed", "previous_hash", "hash", "nonce",
    "verifier", "path", "context_id", "tx_code", "launch_fingerprint", "notice_id", "holder",
}  # fmt: skip
"""Columns of words that the program itself chose, of keys, hashes and sealed things."""

CHECKED = {
    "issuer.url": "only https:// comes through the form: test_a_web_address_is_one",
    "competency.uri": "only addresses come through the import: test_a_web_address_is_one",
    "framework.uri": "no form and no import writes it",
    "content_selection.return_url": "only the LMS's own site comes through the launch",
    "installation.origin": "an origin, checked when it is registered",
    "invitation.lms_origin": "an origin, checked when it is typed",
    "platform.issuer": "an address, checked when it is registered",
}
"""Addresses that a page uses as such, with what lets none in that is not http or https."""


WHO = (
    "Nearby-instructor", "Nearby-learner", "Nearby-administrator", "Nearby-privacy", "operator", "",
)  # fmt: skip
"""Sessions of the rig that open everything between them, and nobody."""


def say(text: str) -> str:
    """What somebody hostile calls it."""
    return f"{text} {EVIL}"


def poison(campus: Campus) -> set[str]:
    """Store hostile content wherever content from outside can stand; what was reached."""
    reached = set()
    with campus.db.transaction() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                value = _for(table, column)
                if value is not None:
                    session.execute(update(table).values({column: value}))
                    reached.add(f"{table.name}.{column.name}")
            for column in table.columns:
                if isinstance(column.type, JSON) and column.name in (
                    "problem",
                    "findings",
                    "detail",
                ):
                    _poison_json(session, table, column)
                    reached.add(f"{table.name}.{column.name}")
    return reached


def _for(table: Table, column: Column[Any]) -> str | None:
    """The hostile value of a column; None where it cannot hold any."""
    name = f"{table.name}.{column.name}"
    if not isinstance(column.type, String) or column.primary_key or column.foreign_keys:
        return None
    if column.unique or column.name in KEPT or column.name.endswith("_hash") or name in CHECKED:
        return None
    if any(column.name in [one.name for one in index.columns] for index in _unique(table)):
        return None
    evil = EVIL_URL if column.name.endswith(("url", "uri")) else EVIL
    return evil[: column.type.length or len(evil)]


def _unique(table: Table) -> list[Any]:
    """Sets of columns that are unique together, and so cannot all be equal."""
    return [one for one in table.constraints if one.__class__.__name__ == "UniqueConstraint"]


def _poison_json(session: Any, table: Table, column: Column[Any]) -> None:
    told = {"code": "evil", "message": EVIL, "fix": EVIL, "name": EVIL, "detail": EVIL}
    value: Any = told
    if column.name == "findings":
        told = {"title": EVIL, "message": EVIL, "fix": EVIL, "who": EVIL}
        value = [{"key": "jwks", "state": state, **told} for state in ("bad", "good", "warn")]
    session.execute(update(table).values({column: value}))


# --- what a page may hold --------------------------------------------------------------------

NEVER = {"x-pwn", "iframe", "object", "embed", "base", "style", "applet", "frame"}
ADDRESSES = {
    "href",
    "src",
    "action",
    "formaction",
    "data",
    "poster",
    "cite",
    "background",
    "srcset",
}
SCHEMES = {"", "http", "https", "mailto", "openid-credential-offer"}


def problems(text: str) -> list[str]:
    """What makes a page of ours dangerous; empty for a good one."""
    found = ["a template was evaluated"] if EVALUATED in text else []
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    for element in parser.parse(text).iter():
        if isinstance(element.tag, str):
            found.extend(_of(element))
    return found


def _of(element: Element) -> Iterator[str]:
    tag = element.tag.rpartition("}")[2].lower()
    if tag in NEVER:
        yield f"<{tag}>"
    if tag == "script" and (element.text or not element.get("src", "").startswith("/static/")):
        yield "a script of somebody else"
    if tag == "meta" and "javascript" in element.get("content", "").lower():
        yield "a script as a refresh"
    for name, value in element.attrib.items():
        yield from _of_attribute(tag, name.rpartition("}")[2].lower(), value)


def _of_attribute(tag: str, name: str, value: str) -> Iterator[str]:
    if name.startswith(("on", "hx-on")) or name in ("style", "srcdoc"):
        yield f"{tag} {name}={value}"
    if name in ("hx-vals", "hx-headers", "hx-vars") and value.strip().startswith(
        ("js:", "javascript:")
    ):
        yield f"{tag} {name}={value}"
    if name in ADDRESSES or name in ("hx-get", "hx-post"):
        scheme = urlsplit(value.strip().replace("\t", "").replace("\n", "")).scheme.lower()
        picture = tag == "img" and value.startswith(("data:image/png", "data:image/svg+xml"))
        if scheme not in SCHEMES and not picture:
            yield f"{tag} {name}={value}"


def stored_evil(campus: Campus) -> int:
    """How many rows hold it."""
    count = 0
    with campus.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)).mappings():
                count += "x-pwn" in repr(dict(row))
    return count


# --- answers ---------------------------------------------------------------------------------


def ask(
    client: FlaskClient, who: str, url: str, method: str = "GET", **sent: object
) -> TestResponse:
    headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
    if who:
        headers["Authorization"] = f"Bearer {who}"
    answer = client.open(url, method=method, headers=headers, **sent)
    answer.get_data()
    answer.close()
    return answer


def is_page(answer: TestResponse) -> bool:
    return answer.mimetype == "text/html"


def check(answer: TestResponse, what: str) -> None:
    """No answer is dangerous, whatever its type says."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff", what
    if 300 <= answer.status_code < 400:
        return
    policy = answer.headers["Content-Security-Policy"]
    # No script at all may run on the one page that any site frames.
    assert policy.replace(" script-src 'self';", "").startswith(
        "default-src 'none'; style-src 'self';"
    ), what
    assert "unsafe" not in policy, what
    assert "base-uri 'none'" in policy, what
    assert policy.count("frame-ancestors") == 1, what
    if is_page(answer):
        assert problems(answer.text) == [], what
    elif answer.mimetype.endswith("xml"):
        names = {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(answer.text).iter()}
        assert not names & {"script", "foreignObject", "x-pwn", "a"}, what
