"""The JSON-LD contexts that our signatures depend on: pinned, local, never fetched.

A context decides which statements a Data Integrity signature covers, and copies with different
content circulate under one address (``context-3.0.3.json`` exists in at least three). Therefore
the exact bytes are pinned by SHA-256: a wrong hash refuses the import of this module, and an
address that is not pinned is refused at use. The files themselves ship inside the Python package
``openbadgeslib`` as package data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final

from app.errors import ConfigurationError, Invalid

CREDENTIALS: Final = "https://www.w3.org/ns/credentials/v2"
"""The W3C Verifiable Credentials 2.0 context; always the first one of a credential."""

OPEN_BADGES: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
"""The Open Badges 3.0 context; always the second one of a badge."""

CLR: Final = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
MULTIKEY: Final = "https://w3id.org/security/multikey/v1"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"

PINNED: Final[Mapping[str, tuple[str, str]]] = {
    CREDENTIALS: (
        "credentials-v2.json",
        "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    ),
    OPEN_BADGES: (
        "ob-v3p0-context-3.0.3.json",
        "3d34f4d4ef1bce691106e63798beb5e7b862ba841423f5ee1e53ab7ddf3bca84",
    ),
    CLR: (
        "clr_context_2.0.1.json",
        "880f1902d4158f2f33ce06af41b90719977cd1ea337a9de2e41edb3ff5e543d6",
    ),
    MULTIKEY: (
        "security-multikey-v1.json",
        "ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597",
    ),
    DATA_INTEGRITY: (
        "security-data-integrity-v2.json",
        "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4",
    ),
}
"""Address -> (file in the package data, SHA-256 of its bytes in hex)."""

_PACKAGE = "openbadgeslib.ob3.contexts"
_ALWAYS_KEPT = frozenset({"@protected", "@version", "@propagate", "@import", "id", "type"})


def read_pinned(name: str, sha256: str) -> dict[str, Any]:
    """One context file out of the package data.

    :raises ConfigurationError: the file is missing or is not byte for byte the pinned one.
    """
    try:
        raw = resources.files(_PACKAGE).joinpath(name).read_bytes()
    except (OSError, ModuleNotFoundError) as missing:
        raise ConfigurationError([f"JSON-LD context {name} is not installed: {missing}"]) from None
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ConfigurationError(
            [
                (
                    f"JSON-LD context {name} is not the pinned one (its SHA-256 is {found}): install "
                    f"the locked version of openbadgeslib, which has {sha256}"
                )
            ]
        )
    document: dict[str, Any] = json.loads(raw)
    return document


_DOCUMENTS: Final = {url: read_pinned(name, sha) for url, (name, sha) in PINNED.items()}


def pinned(url: str) -> dict[str, Any]:
    """The context document that stands at ``url``. Shared: read it, do not change it.

    :raises Invalid: the address is not pinned (code ``unknown-context``).
    """
    try:
        return _DOCUMENTS[url]
    except (KeyError, TypeError):
        raise Invalid(
            "unknown-context",
            f"The JSON-LD context {url!r} is not one that Tassel knows; none is ever fetched.",
        ) from None


def raw(url: str) -> bytes:
    """The exact bytes of the context at ``url``, whose hash is pinned. Raises KeyError."""
    return resources.files(_PACKAGE).joinpath(PINNED[url][0]).read_bytes()


def context_urls(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The addresses in the top-level ``@context`` of ``document``, in order.

    :raises Invalid: an inline context (it could redefine what is signed) or an unknown address.
    """
    urls = _listed(document.get("@context"))
    for url in urls:
        pinned(url)
    return tuple(urls)


def hashes_used(document: Mapping[str, Any]) -> dict[str, str]:
    """Address -> SHA-256 of every context that ``document`` names; kept with each credential."""
    return {url: PINNED[url][1] for url in context_urls(document)}


def trim(contexts: Sequence[str], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``contexts`` inlined, cut to the terms that ``document`` uses, and flattened.

    Processing contexts is most of the cost of canonicalizing a badge: it uses a third of the terms,
    and every typed node inside it opens a scope of its own. Where each term in use has one and the
    same definition in all scopes, the scopes are lifted into one flat context; else they stay.
    Whether the result still means the same is not decided here: ``proofs.data_integrity.check_trim``
    compares with the full contexts.
    """
    used = frozenset(_names(document))
    cut = [_cut(pinned(url)["@context"], _closure(url, used)) for url in contexts]
    flat: dict[str, Any] = {}
    for term, definition in _definitions(cut):
        if flat.setdefault(term, definition) != definition:
            return cut
    return [flat]


def term_names(document: Mapping[str, Any]) -> frozenset[str]:
    """Every name in ``document`` that a context may define: its keys and its type values."""
    return frozenset(_names(document))


def unmapped(document: Mapping[str, Any]) -> list[str]:
    """Names in ``document`` (property names, types) that none of its contexts defines anywhere.

    JSON-LD drops them silently, so whatever they say is not signed. Absolute IRIs are no names.

    :raises Invalid: see :func:`context_urls`.
    """
    known = frozenset().union(*(_TERMS[url] for url in context_urls(document)))
    found = dict.fromkeys(_names(document))
    return [name for name in found if name not in known and ":" not in name]


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "@context":
                continue
            yield key
            if key in {"type", "proofPurpose"}:
                yield from (name for name in _listed(value) if isinstance(name, str))
            else:
                yield from _names(value)
    elif isinstance(node, list):
        for item in node:
            yield from _names(item)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _closure(url: str, used: frozenset[str]) -> frozenset[str]:
    """``used`` and the terms that kept definitions are spelled with (``AchievementCredential``)."""
    definitions: dict[str, Any] = pinned(url)["@context"]
    needed = set(used)
    waiting = [name for name in used if name in definitions]
    while waiting:
        definition = definitions[waiting.pop()]
        target = definition.get("@id") if isinstance(definition, Mapping) else definition
        for name in (target, str(target).partition(":")[0]):
            if name in definitions and name not in needed:
                needed.add(name)
                waiting.append(name)
    return frozenset(needed)


def _cut(context: Mapping[str, Any], used: frozenset[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for term, definition in context.items():
        if term not in used and term not in _ALWAYS_KEPT:
            continue
        kept[term] = definition
        if isinstance(definition, Mapping) and isinstance(definition.get("@context"), Mapping):
            kept[term] = {**definition, "@context": _cut(definition["@context"], used)}
    return kept


def _definitions(cut: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Every definition in every scope, spelled in one way and without the scope it opens."""
    for context in cut:
        for term, definition in context.items():
            if not isinstance(definition, Mapping):
                if not term.startswith("@"):
                    yield term, definition
                continue
            bare = dict(definition)
            scope = bare.pop("@context", {})
            if scope is None:
                bare["@context"] = None
            yield term, bare["@id"] if bare.keys() == {"@id"} else bare
            yield from _definitions([scope or {}])


_TERMS: Final = {
    url: frozenset(term for term, _ in _definitions([document["@context"]]))
    for url, document in _DOCUMENTS.items()
}
"""Address -> every term that the context defines, in whatever scope."""
