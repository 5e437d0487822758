"""Believe X-Forwarded-* headers from configured proxies only; strip them from everybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
FORWARDED = ("FOR", "PROTO", "HOST", "PORT", "PREFIX")


class TrustedProxies:
    """WSGI middleware: ``trusting`` handles requests of known proxies, ``plain`` all others."""

    def __init__(
        self, plain: Wsgi, trusting: Wsgi, networks: tuple[IPv4Network | IPv6Network, ...]
    ) -> None:
        """``networks``: addresses of our own reverse proxies."""
        self._plain = plain
        self._trusting = trusting
        self._networks = networks

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Choose by the address of the peer."""
        if self._trusted(environ.get("REMOTE_ADDR", "")):
            return self._trusting(environ, start_response)
        for name in FORWARDED:
            environ.pop(f"HTTP_X_FORWARDED_{name}", None)
        return self._plain(environ, start_response)

    def _trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
