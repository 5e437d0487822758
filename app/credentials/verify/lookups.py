"""The guarded way to the names in a stranger's document."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.credentials.verify.limits import Lookup
from app.errors import Invalid, UpstreamError
from app.http import HttpClient, origin_of
from app.words import say

_ACCEPT = {"Accept": "application/vc, application/vc+ld+json, application/json;q=0.9, */*;q=0.5"}

_TIMEOUT = (4.0, 8.0)
"""Seconds to connect and between bytes: somebody is waiting, and there may be many names."""


def guarded(http: HttpClient, resolve: Mapping[str, str] | None = None) -> Lookup:
    """A look-up through ``http``, whose guards refuse addresses inside this network.

    :param resolve: origin -> the address that answers for it instead. Only these names lead there:
        a document that names such an address itself is refused like any other.
    :raises Invalid: not an origin, or an address that is neither https nor on loopback.
    """
    table = {_origin(name): _target(url) for name, url in (resolve or {}).items()}
    trusted = HttpClient(tuple(origin_of(url) for url in table.values()))

    def lookup(url: str) -> bytes:
        parts = urlsplit(url)
        instead = table.get(origin_of(url)) if parts.scheme in {"http", "https"} else None
        if instead is None:
            return _get(http, url, parts.hostname or url[:100])
        rest = parts.path + (f"?{parts.query}" if parts.query else "")
        return _get(trusted, instead + rest, parts.hostname or "")

    def checked(url: str) -> bytes:
        try:
            return lookup(url)
        except ValueError:
            raise UpstreamError(
                "bad-address",
                f"{url[:200]!r} is not a web address.",
                system="the web",
                permanent=True,
            ) from None

    return checked


def _get(http: HttpClient, url: str, system: str) -> bytes:
    return http.request("GET", url, system=system, headers=_ACCEPT, timeout=_TIMEOUT).content


def _origin(name: str) -> str:
    try:
        parts = urlsplit(name)
        whole = parts.scheme in {"https", "http"} and bool(parts.hostname)
        if whole and parts.path in {"", "/"} and not parts.query and not parts.fragment:
            return origin_of(name)
    except ValueError:
        pass
    raise Invalid(
        "bad-origin", say("%(name)r is not an origin such as https://campus.example.", name=name)
    )


def _target(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/")
    if parts.scheme == "http" and _loopback(parts.hostname or ""):
        return url.rstrip("/")
    raise Invalid("bad-address", say("%(url)r is neither https nor on this machine.", url=url))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
