"""The ``Link`` header (RFC 8288) as LMSs really send it. Pure.

Known faults: typographic quotes around the relation, ``&amp;`` in the address, UTF-8 that the HTTP
layer read as Latin-1. Paths and queries are case-sensitive and stay as they came.
"""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urljoin

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;,]+))", re.IGNORECASE)
_QUOTES = str.maketrans(dict.fromkeys("“”„‟″«»", '"') | {"‘": "'", "’": "'"})


def next_url(header: str | None, base: str) -> str | None:
    """The absolute address of the next page, or None; ``base`` resolves a relative one."""
    for link in _LINK.finditer(_readable(header or "")):
        relation = _REL.search(link[2])
        if relation is None:
            continue
        words: str = relation[1] or relation[2] or relation[3] or ""
        if "next" in words.lower().split():
            return _absolute(base, link[1].strip().replace("&amp;", "&"))
    return None


def _absolute(base: str, address: str) -> str:
    """``address`` seen from ``base``; as it is when it is no address at all."""
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def _readable(header: str) -> str:
    """The header with straight quotes, decoded as UTF-8 where its bytes are that."""
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode("utf-8")
    return header.translate(_QUOTES)
