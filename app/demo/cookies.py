"""A browser's cookies, with the rules that decide whether a tool inside a frame works.

RFC 6265bis for Secure, SameSite, Path and expiry; CHIPS for Partitioned; third-party cookies are
blocked unless partitioned. http on a loopback name counts as secure, as in browsers. Cookies are
shared by all ports of a host, also as in browsers.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cookie:
    """One stored cookie of one host (Domain attributes are not followed)."""

    name: str
    value: str
    host: str
    path: str
    secure: bool
    same_site: str
    partition: str
    http_only: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Where a request happens: the site of the top page, who started it, and how.

    ``cross_site`` says that another site started it; ``top_level_get`` that it is a plain
    navigation of the whole window, which Lax cookies survive.
    """

    top_site: str
    cross_site: bool
    top_level_get: bool


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def trustworthy(url: str) -> bool:
    """Whether browsers accept and send Secure cookies here."""
    split = urlsplit(url)
    return split.scheme == "https" or is_loopback(split.hostname or "")


def site(url: str) -> str:
    """The site of a URL: scheme and registrable domain, the bare host for addresses and localhost.

    The registrable domain is taken as the last two labels, which is enough for example names.
    """
    split = urlsplit(url)
    host = split.hostname or ""
    labels = host.split(".")
    bare = is_loopback(host) or labels[-1].isdigit()
    return f"{split.scheme}://{host if bare else '.'.join(labels[-2:])}"


class CookieStore:
    """All cookies of one browser."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str, str], Cookie] = {}

    def __iter__(self) -> object:
        """The stored cookies."""
        return iter(self._cookies.values())

    def header(self, url: str, context: Context) -> str:
        """The Cookie header of a request, "" for none."""
        found = [one for one in self._cookies.values() if _sent(one, url, context)]
        found.sort(key=lambda one: -len(one.path))
        return "; ".join(f"{one.name}={one.value}" for one in found)

    def store(self, url: str, set_cookie: str, context: Context, now: datetime) -> None:
        """Take one Set-Cookie header, or refuse it as a browser does."""
        pair, *rest = set_cookie.split(";")
        name, _, value = pair.strip().partition("=")
        attributes = {}
        for text in rest:
            key, _, found = text.strip().partition("=")
            attributes[key.lower()] = found
        cookie = _cookie(url, name, value, attributes, context)
        if cookie is None:
            return
        place = (cookie.host, cookie.path, cookie.name, cookie.partition)
        self._cookies.pop(place, None)
        if not _expired(attributes, now):
            self._cookies[place] = cookie


def _cookie(
    url: str, name: str, value: str, attributes: dict[str, str], context: Context
) -> Cookie | None:
    """The cookie to keep, or None when the browser would refuse it."""
    secure = "secure" in attributes
    same_site = attributes.get("samesite", "").lower() or "lax"
    third_party = site(url) != context.top_site
    partitioned = "partitioned" in attributes
    refused = (
        not name
        or (secure and not trustworthy(url))
        or (same_site == "none" and not secure)
        or (partitioned and not secure)
        or (third_party and (not partitioned or same_site != "none"))
        or (name.startswith("__Host-") and (not secure or attributes.get("path") != "/"))
        or (name.startswith("__Secure-") and not secure)
    )
    if refused:
        return None
    split = urlsplit(url)
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = split.path.rsplit("/", 1)[0] or "/"
    return Cookie(
        name=name,
        value=value,
        host=split.hostname or "",
        path=path,
        secure=secure,
        same_site=same_site,
        partition=context.top_site if partitioned else "",
        http_only="httponly" in attributes,
    )


def _expired(attributes: dict[str, str], now: datetime) -> bool:
    """Max-Age wins over Expires."""
    if "max-age" in attributes:
        try:
            return now + timedelta(seconds=int(attributes["max-age"])) <= now
        except ValueError:
            return False
    if "expires" in attributes:
        try:
            return parsedate_to_datetime(attributes["expires"]).astimezone(UTC) <= now
        except ValueError:
            return False
    return False


def _sent(cookie: Cookie, url: str, context: Context) -> bool:
    """Whether this cookie goes with a request."""
    split = urlsplit(url)
    path = split.path or "/"
    under = path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/")
    if cookie.host != split.hostname or not under:
        return False
    if cookie.secure and not trustworthy(url):
        return False
    third_party = site(url) != context.top_site
    if cookie.partition:
        return cookie.partition == context.top_site
    if third_party:
        return False
    if not context.cross_site or cookie.same_site == "none":
        return True
    return cookie.same_site == "lax" and context.top_level_get
