"""Addresses that came from outside, read without ever failing. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.http import origin_of


def safe_origin(url: str) -> str:
    """``scheme://host[:port]`` of a web address with a host and without a user; "" for all else."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.username is None:
            return origin_of(url)
    except ValueError:  # a port that is no number, half an IPv6 address
        return ""
    return ""


def path_of(url: str) -> str:
    """The path of an address whose origin is known to be good."""
    return urlsplit(url).path
