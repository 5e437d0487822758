"""A hosts file for one run: which public origin is really served at which loopback address."""

from __future__ import annotations

from collections.abc import Mapping


def real_address(hosts: Mapping[str, str], url: str) -> str:
    """``url`` with its origin replaced where ``hosts`` names another one."""
    for public, loopback in hosts.items():
        if url == public or url.startswith((public + "/", public + "?")):
            return loopback + url[len(public) :]
    return url


def read_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    """``https://name=http://127.0.0.1:1234`` words as a mapping."""
    return dict(pair.split("=", 1) for pair in pairs)
