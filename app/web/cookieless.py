"""Sessions of browsers that keep no cookie of ours: a one-time code becomes a bearer.

The bearer lives in the memory of one document, which stays loaded and asks for every page with it
(``static/bearer.js``). A code is good for a minute and once; no token ever stands in an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flask import request
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.orm import Session

from app.db import table_of
from app.errors import Invalid
from app.models import BrowserSession, Grant, SessionCode
from app.secrets import new_token, token_hash
from app.web.landing import Landing
from app.web.session import (
    campus,
    carry_grant,
    cookie_name,
    enter_session,
    living_session,
    not_signed_in,
    open_session,
    presented_token,
)

CODE_LIFE: Final = timedelta(minutes=1)
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,499}")
"""A path of this site with its query: no other host, no control character."""


def admit_unkept(landing: Landing) -> tuple[str, str]:
    """Let in a browser that may not keep our cookie: the session's token and a code.

    The document that gets the code turns it into a bearer (``redeem``), or learns that the cookie
    stuck after all.
    """
    with campus().db.transaction() as session:
        opened = enter_session(session, landing)
        return opened.token, _code(session, opened.id, landing.path)


def _code(session: Session, session_id: str, path: str) -> str:
    """A single-use code for a session, good for a minute."""
    now, code = campus().clock(), new_token()
    codes = table_of(SessionCode)
    connection = session.connection()
    connection.execute(delete(codes).where(codes.c.expires_at < now))
    row = {"code_hash": token_hash(code), "session_id": session_id, "path": path}
    connection.execute(insert(codes), row | {"expires_at": now + CODE_LIFE})
    return code


@dataclass(frozen=True)
class Redeemed:
    """What a code gave: the page to open and the bearer, None where the cookie stuck."""

    path: str
    bearer: str | None


def redeem(code: str) -> Redeemed:
    """Use a code up. Where this request shows the session's cookie, no bearer is made.

    The bearer replaces the token that the cookie would have carried. Raises Unauthenticated for a
    code that was used, is older than a minute or never was.
    """
    with campus().db.transaction() as session:
        spent = _spend(session, code)
        row = session.get_one(BrowserSession, spent.session_id)
        if row.token_hash == token_hash(request.cookies.get(cookie_name(), "")):
            return Redeemed(spent.path, None)
        bearer = new_token()
        row.token_hash = token_hash(bearer)
        return Redeemed(spent.path, bearer)


def tab_code(path: str) -> str:
    """A code with which a new tab can open ``path`` in the session of this request.

    Raises Unauthenticated without a living session, Invalid for what is no path of ours.
    """
    if not _PATH.fullmatch(path):
        raise Invalid("bad-path", "Only a page of Tassel can be opened in a new tab.")
    now = campus().clock()
    with campus().db.transaction() as session:
        known = living_session(session, presented_token() or "", now)
        if known is None:
            raise not_signed_in()
        return _code(session, known.id, path)


def open_tab(code: str) -> tuple[str, str, str]:
    """The session of a new tab with what the old one may open in courses: token, new code, path.

    Whatever else this browser has open in tabs of its own stays open. An operator's rights are not
    carried: they have a way in of their own.
    """
    now = campus().clock()
    with campus().db.transaction() as session:
        spent = _spend(session, code)
        opened = open_session(session, now)
        lasting = select(Grant).where(
            Grant.session_id == spent.session_id, Grant.expires_at > now, Grant.operator.is_(None)
        )
        if opened.id != spent.session_id:
            for grant in session.scalars(lasting).all():
                carry_grant(session, opened, grant)
        return opened.token, _code(session, opened.id, spent.path), spent.path


def _spend(session: Session, code: str) -> Row[Any, Any]:
    """The session and path of a code, which is gone with that: of two at once one gets it."""
    codes = table_of(SessionCode)
    spent = session.connection().execute(
        delete(codes)
        .where(codes.c.code_hash == token_hash(code), codes.c.expires_at > campus().clock())
        .returning(codes.c.session_id, codes.c.path)
    )
    found = spent.first()
    if found is None:
        raise not_signed_in()
    return found
