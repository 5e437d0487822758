"""How a connection to another system is made: to checked addresses, and never longer than agreed.

``app.http`` says what may be asked; the classes here are what ``requests`` dials with. A time-out of a
socket only bounds one silence. The bound on the whole answer (status, headers, sizes of chunks, body
and trailers alike) is kept by ``_Timed``, below everything that reads.
"""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from app.words import Said, say

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_agreed = threading.local()


class ForbiddenAddress(OSError):
    """A name that resolves to loopback, a private network or another non-public address."""

    def __init__(self, why: Said) -> None:
        super().__init__(why)
        self.why = why


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """What this thread dials and reads inside ends at ``deadline`` (``time.monotonic``)."""
    _agreed.deadline = deadline
    try:
        yield
    finally:
        del _agreed.deadline


def _left() -> float:
    """Seconds that are left; TimeoutError when none are."""
    deadline: float = _agreed.deadline
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the whole answer took too long")
    return left


def public_addresses(host: str, port: int) -> list[str]:
    """Resolve ``host`` and return its addresses; ForbiddenAddress if any of them is not public.

    The connection is then made to one of exactly these addresses, so a second look-up cannot
    answer differently (DNS rebinding).
    """
    found = [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not _is_public(ipaddress.ip_address(address.split("%")[0])):
            raise ForbiddenAddress(
                say(
                    "%(host)s leads to %(address)s, which is not a public address",
                    host=host,
                    address=address,
                )
            )
    return found


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the whole internet sees this address as one and the same machine.

    The IPv4 address inside a mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052) address is what counts: a
    gateway unwraps those on the way, so a public prefix may lead inside. Of the others only global
    unicast (RFC 4291 2.4) is public, whatever the library's table of exceptions has missed.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            address = ipaddress.IPv4Address(address.packed[-4:])
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


class _Timed(io.RawIOBase):
    """The bytes of a socket, as long as there is time; each silence as long as the socket allows."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock, self._silence = raw, sock, sock.gettimeout()

    def readable(self) -> bool:
        """A socket's bytes are only read here."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """What has come; TimeoutError at the end of the time."""
        left = _left()
        self._sock.settimeout(left if self._silence is None else min(self._silence, left))
        found: int | None = self._raw.readinto(buffer)
        return found

    def fileno(self) -> int:
        """The socket's."""
        return self._raw.fileno()

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock))


class _OpenConnection(HTTPConnection):
    response_class = _TimedResponse


class _OpenSecureConnection(HTTPSConnection):
    response_class = _TimedResponse


class _GuardedConnection(HTTPSConnection):
    """Connects only to addresses that were checked in the same moment."""

    response_class = _TimedResponse

    def _new_conn(self) -> socket.socket:
        last: OSError | None = None
        port = self.port or 443
        for address in public_addresses(self.host, port):
            try:
                patience = min(self.timeout or _left(), _left())
                return socket.create_connection((address, port), patience)
            except OSError as error:
                last = error
        raise NewConnectionError(self, f"no address of {self.host} answers: {last}")


class _NoPlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        raise ForbiddenAddress(say("plain http is not used outside allowed origins"))


class _OpenPool(HTTPConnectionPool):
    ConnectionCls = _OpenConnection


class _OpenSecurePool(HTTPSConnectionPool):
    ConnectionCls = _OpenSecureConnection


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection


class _NoPlainPool(HTTPConnectionPool):
    ConnectionCls = _NoPlainConnection


_OPEN = {"http": _OpenPool, "https": _OpenSecurePool}
_GUARDED = {"http": _NoPlainPool, "https": _GuardedPool}


class Dialler(HTTPAdapter):
    """What a session dials with: every address, or only public ones. Nothing is tried twice."""

    def __init__(self, *, guarded: bool) -> None:
        self._guarded = guarded
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Swap the pool classes of this adapter only."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _GUARDED if self._guarded else _OPEN
