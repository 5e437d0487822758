"""Registrations of apps (RFC 7591): anybody may make one, so it proves nothing and is cheap to lose.

What an app says of itself is checked for form, shown to learners as its own words, and never fetched.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.models import AppClient
from app.secrets import new_token, token_hash
from app.wallet.errors import WalletRefused

_SCOPE: Final = "https://purl.imsglobal.org/spec/ob/v3p0/scope/"
READ: Final = f"{_SCOPE}credential.readonly"
PROFILE: Final = f"{_SCOPE}profile.readonly"
OFFLINE: Final = "offline_access"
SCOPES: Final = (READ, PROFILE, OFFLINE)
"""Everything an app may be given. Writing is not among it: badges are made here only."""
AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")
GRANTS: Final = ("authorization_code", "refresh_token")
UNUSED_LIFE: Final = timedelta(days=1)
MOST_UNUSED: Final = 2000
MOST_REDIRECTS: Final = 10
LONGEST: Final = 500
"""Characters of an address."""
LONGEST_NAME: Final = 100
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|::1")
_ID: Final = re.compile(r"[0-9a-f-]{36}")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_PRINTABLE: Final = re.compile(r"[!#-;=?-\[\]_a-z~%]+")


@dataclass(frozen=True)
class Registered:
    """What an app is told once; the database keeps a hash of the secret."""

    client: AppClient
    secret: str | None


def register(session: Session, said: Mapping[str, Any], now: datetime) -> Registered:
    """Keep what an app says of itself.

    Scopes that are not given out here are left out of the answer, as RFC 7591 (3.2.1) allows. Raises
    WalletRefused (``invalid_redirect_uri``, ``invalid_client_metadata``).
    """
    redirects = _redirects(said.get("redirect_uris"))
    method = said.get("token_endpoint_auth_method", AUTH_METHODS[0])
    if method not in AUTH_METHODS:
        raise _bad("token_endpoint_auth_method must be client_secret_basic, _post or none.")
    _must_contain(said, "grant_types", GRANTS[0])
    _must_contain(said, "response_types", "code")
    secret = None if method == "none" else new_token(32)
    client = AppClient(
        name=_name(said.get("client_name"), redirects[0]),
        uri=_home(said.get("client_uri")),
        redirect_uris=redirects,
        scopes=_scopes(said.get("scope")),
        auth_method=method,
        secret_hash=token_hash(secret) if secret else None,
        created_at=now,
    )
    _make_room(session, now)
    session.add(client)
    session.flush()
    return Registered(client, secret)


def _make_room(session: Session, now: datetime) -> None:
    """Registrations that nobody used go after a day, the oldest of many before: whoever makes thousands
    pushes out thousands of their own and shuts the door to nobody.
    """
    unused = AppClient.used_at.is_(None)
    session.execute(delete(AppClient).where(unused, AppClient.created_at < now - UNUSED_LIFE))
    newest = select(AppClient.id).where(unused).order_by(AppClient.created_at.desc(), AppClient.id)
    too_many = AppClient.id.in_(newest.offset(MOST_UNUSED - 1))
    session.execute(delete(AppClient).where(unused, too_many))


def _must_contain(said: Mapping[str, Any], key: str, needed: str) -> None:
    value = said.get(key, [needed])
    if not isinstance(value, list) or needed not in value:
        raise _bad(f"{key} must contain {needed}.")


def _scopes(value: object) -> list[str]:
    asked = (READ if value is None else value if isinstance(value, str) else "").split()
    given = [scope for scope in SCOPES if scope in asked]
    if not {READ, PROFILE} & set(given):
        raise _bad(f"scope must contain {READ} or {PROFILE}.")
    return given


def _name(value: object, redirect: str) -> str:
    """The name without anything that could change how the rest of a page reads."""
    if value is None:
        return urlsplit(redirect).netloc[:LONGEST_NAME]
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(name) <= LONGEST_NAME or any(unicodedata.category(c)[0] == "C" for c in name):
        raise _bad(f"client_name must be a text of 1 to {LONGEST_NAME} printable characters.")
    return name


def _home(value: object) -> str | None:
    if value is None:
        return None
    if _address(value).scheme != "https":
        raise _bad("client_uri must be an https address.")
    return str(value)


def _redirects(value: object) -> list[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_REDIRECTS:
        raise _wrong_redirect(f"redirect_uris must be a list of 1 to {MOST_REDIRECTS} addresses.")
    for one in value:
        try:
            parts = _address(one)
        except WalletRefused:
            raise _wrong_redirect("A redirect URI is not an address.") from None
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or "#" in one:
            raise _wrong_redirect(
                "A redirect URI must be https, or http on loopback, without a fragment."
            )
    return [str(one) for one in value]


def _address(value: object) -> SplitResult:
    """An absolute address of printable ASCII with a plain host and no user. Raises WalletRefused."""
    if (
        not isinstance(value, str)
        or len(value) > LONGEST
        or not _PRINTABLE.fullmatch(value.lower())
    ):
        raise _bad("An address is too long or has characters that do not belong into one.")
    try:
        parts = urlsplit(value)
        named = parts.port is None or parts.port > 0
    except ValueError:
        raise _bad("An address cannot be read.") from None
    if not named or "@" in parts.netloc or not _HOST.fullmatch(parts.hostname or ""):
        raise _bad("An address has no plain host.")
    return parts


def _bad(message: str) -> WalletRefused:
    return WalletRefused("invalid_client_metadata", message)


def _wrong_redirect(message: str) -> WalletRefused:
    return WalletRefused("invalid_redirect_uri", message)


def by_id(session: Session, client_id: str) -> AppClient | None:
    """The app of this ``client_id``, unless it was ended."""
    found = session.get(AppClient, client_id) if _ID.fullmatch(client_id) else None
    return found if found and found.ended_at is None else None


def authenticate(session: Session, client_id: str, secret: str | None, method: str) -> AppClient:
    """The app that proved who it is by the method it registered. Raises WalletRefused (401)."""
    client = by_id(session, client_id)
    if client is not None and client.auth_method == method:
        if client.secret_hash is None:
            return client
        if secrets.compare_digest(client.secret_hash, token_hash(secret or "")):
            return client
    raise WalletRefused("invalid_client", "The app is unknown or has not proved who it is.", 401)
