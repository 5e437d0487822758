"""The one way out: every request to another system passes here.

Guards: addresses are checked at connect time (public ones only, unless the exact origin is
allowed), https only outside allowed origins, time-outs, a cap on the body, redirects only inside
one origin. Every failure becomes one ``UpstreamError``. ``app.dialling`` makes the connections.
"""

from __future__ import annotations

import json as jsonlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from app.dialling import Dialler, ForbiddenAddress, until
from app.errors import UpstreamError
from app.words import Said, say

USER_AGENT = "Tassel/0.1 (LTI tool)"
TIMEOUT = (5.0, 20.0)
TOTAL_SECONDS = 60.0
MAX_BYTES = 20_000_000
MAX_REDIRECTS = 3
_ODD = re.compile(r"[\\\s\x00-\x1f\x7f]")
"""Characters that two readers of one address take differently."""


@dataclass(frozen=True)
class Response:
    """What came back: status, headers (case-insensitive mapping) and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    system: str = field(default="")

    def json(self) -> Any:
        """The body as JSON whatever its media type says; UpstreamError when it is not JSON."""
        try:
            return jsonlib.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise UpstreamError(
                "upstream-not-json",
                say(
                    "%(system)s answered %(status)s with something that is not JSON.",
                    system=self.system,
                    status=self.status,
                ),
                system=self.system,
                permanent=False,
                status=self.status,
                body=self.text,
                fix="Often a login or maintenance page. Tassel tries again by itself.",
            ) from error

    @property
    def text(self) -> str:
        """The body as text, undecodable bytes replaced."""
        return self.content.decode("utf-8", "replace")


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of ``url``, lower-case, default ports left out."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


class HttpClient:
    """Outbound HTTP with guards. Thread-safe: one ``requests`` session per thread."""

    def __init__(self, allowed_origins: tuple[str, ...] = ()) -> None:
        """``allowed_origins``: exact origins exempt from the public-https rule."""
        self._allowed = frozenset(origin_of(origin) for origin in allowed_origins)
        self._local = threading.local()

    def request(
        self,
        method: str,
        url: str,
        *,
        system: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        auth: Any = None,
        timeout: tuple[float, float] | None = None,
        ok: Callable[[int], bool] = lambda status: status < 400,
    ) -> Response:
        """Send one request and read the whole answer.

        ``system`` names the peer for people. A status for which ``ok`` is false raises
        UpstreamError (permanent for 4xx except 401, 403, 408, 425 and 429). Transport failures,
        forbidden addresses, over-long and over-slow bodies raise UpstreamError too.
        """
        deadline = time.monotonic() + TOTAL_SECONDS
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(method, url, system, headers, json, data, auth, timeout, deadline)
            target = _redirect(answer, method)
            if target is None:
                break
            if not _is_address(target) or origin_of(target) != origin_of(url):
                raise _refused(system, say("%(url)s redirects to another site", url=url))
            url = target
        if not ok(answer.status):
            raise failure(answer)
        return answer

    def get(self, url: str, *, system: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET ``url``; see ``request``."""
        return self.request("GET", url, system=system, headers=headers)

    def _once(
        self,
        method: str,
        url: str,
        system: str,
        headers: Mapping[str, str] | None,
        json: Any,
        data: Any,
        auth: Any,
        timeout: tuple[float, float] | None,
        deadline: float,
    ) -> Response:
        session = self._session(self._check_url(url, system))
        try:
            with (
                until(deadline),
                session.request(
                    method,
                    url,
                    headers={"User-Agent": USER_AGENT, **(headers or {})},
                    json=json,
                    data=data,
                    auth=auth,
                    timeout=timeout or TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                ) as raw,
            ):
                content = _read(raw, system)
                return Response(raw.status_code, raw.headers, content, url, system)
        except ForbiddenAddress as error:
            raise _refused(system, error.why) from error
        except (requests.RequestException, HTTPError, ValueError) as error:
            if _forbidden(error):
                raise _refused(
                    system, say("its name leads to an address inside this network")
                ) from error
            if time.monotonic() >= deadline:
                raise _too_much(None, system, say("too slow")) from error
            raise UpstreamError(
                "upstream-unreachable",
                say(
                    "%(system)s could not be reached at %(origin)s (%(error)s).",
                    system=system,
                    origin=origin_of(url),
                    error=type(error).__name__,
                ),
                system=system,
                permanent=False,
                fix="Check that the system is running and reachable from this server.",
            ) from error

    def _check_url(self, url: str, system: str) -> bool:
        """Whether the address is one of the allowed origins; refuses anything but public https."""
        if not _is_address(url):
            raise _refused(system, say("what it names is not a web address"))
        if origin_of(url) in self._allowed:
            return True
        if urlsplit(url).scheme != "https":
            raise _refused(
                system, say("%(origin)s is not a public https address", origin=origin_of(url))
            )
        return False

    def _session(self, allowed: bool) -> requests.Session:
        name = "open" if allowed else "guarded"
        session: requests.Session | None = getattr(self._local, name, None)
        if session is None:
            session = _Session()
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            adapter = Dialler(guarded=not allowed)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            setattr(self._local, name, session)
        return session

    def close(self) -> None:
        """Close this thread's connections."""
        for name in ("open", "guarded"):
            session: requests.Session | None = getattr(self._local, name, None)
            if session is not None:
                session.close()
                delattr(self._local, name)


class _Session(requests.Session):
    """Asks for what it is told and looks no further."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: to prepare the next request, the library would read the whole body of this answer."""
        return None


def _read(raw: requests.Response, system: str) -> bytes:
    """The whole body, refused past MAX_BYTES (unpacked).

    ``read1`` gives what has come, while a plain read waits for a full block and so gathers what a
    peer packed small.
    """
    parts: list[bytes] = []
    size = 0
    while chunk := raw.raw.read1(65536, decode_content=True):
        size += len(chunk)
        if size > MAX_BYTES:
            raise _too_much(raw.status_code, system, say("too large"))
        parts.append(chunk)
    return b"".join(parts)


def _too_much(status: int | None, system: str, why: Said) -> UpstreamError:
    return UpstreamError(
        "upstream-too-much",
        say("The answer of %(system)s was %(why)s and was cut off.", system=system, why=why),
        system=system,
        permanent=False,
        status=status,
        fix="Ask the administrator of that system what it sends at this address.",
    )


def _is_address(url: str) -> bool:
    """Whether all who read ``url`` see the same host in it: one host, no user, nothing odd."""
    try:
        parts = urlsplit(url)
        return (
            bool(parts.hostname)
            and "@" not in parts.netloc
            and not _ODD.search(url)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # a port that is no number, half an IPv6 address
        return False


def _redirect(answer: Response, method: str) -> str | None:
    """Where a redirect of a safe method leads, else None."""
    if answer.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
        return None
    location = answer.headers.get("Location", "")
    try:
        return urljoin(answer.url, location) if location else None
    except ValueError:  # half an IPv6 address: not a place to go to
        return location


def _forbidden(error: BaseException) -> bool:
    """Whether a guard stands somewhere in the chain of causes."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ForbiddenAddress):
            return True
        reason = getattr(seen, "reason", None)
        if isinstance(reason, ForbiddenAddress):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _refused(system: str, why: Said) -> UpstreamError:
    return UpstreamError(
        "upstream-forbidden-address",
        say("Tassel does not contact %(system)s: %(why)s.", system=system, why=why),
        system=system,
        permanent=True,
        fix="If this system stands inside your network, the operator can add its exact origin to TASSEL_ALLOWED_ORIGINS.",
    )


def failure(answer: Response) -> UpstreamError:
    """The error for an answer with a bad status; permanent for 4xx that asking again does not mend."""
    status = answer.status
    passing = status >= 500 or status in (401, 403, 408, 425, 429)
    return UpstreamError(
        f"upstream-{status}",
        say("%(system)s answered %(status)s.", system=answer.system, status=status),
        system=answer.system,
        permanent=not passing,
        status=status,
        retry_after=_retry_after(answer),
        body=answer.text[:2000],
    )


def _retry_after(answer: Response) -> float | None:
    """Seconds asked for by the peer (RFC 9110 10.2.3, delta form only)."""
    value = answer.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None
