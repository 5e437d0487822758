"""The canonical text of a document, three ways: the RDF engines stand behind this door.

Only what signs or checks Data Integrity proofs loads it, when it first does: the engines take
some twenty megabytes of memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import pyoxigraph
from pyld import jsonld
from pyld.documentloader.base import RemoteDocument
from pyld.options import ExpandOptions, NormalizeOptions

from app.credentials import contexts
from app.credentials.proofs import skeleton
from app.errors import Invalid

_NOT_JSON_LD: Final = (jsonld.JsonLdError, ValueError, AttributeError, RecursionError)
"""What PyLD raises on documents that are none; all but the first were met by mutating good ones."""


def filled(document: Mapping[str, Any]) -> bytes | None:
    """Canonical N-Quads from the skeleton of the template; None where that does not serve."""
    return skeleton.canonical(document, statements)


def fast(document: Mapping[str, Any]) -> bytes:
    """Canonical N-Quads (RDFC-1.0) by pyoxigraph, contexts trimmed and inlined.

    :raises Invalid: an unknown context, or not JSON-LD (code ``not-json-ld``).
    """
    dataset = pyoxigraph.Dataset(statements(document))
    dataset.canonicalize(pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0)
    lines = sorted(f"{quad} .\n" for quad in dataset)
    return "".join(lines).encode()


def statements(document: Mapping[str, Any]) -> list[pyoxigraph.Quad]:
    """What ``document`` says, read with its contexts trimmed and inlined.

    A credential inside that names the same contexts is read with them as well. One that names others
    is refused by the parser, which fetches nothing.
    """
    urls = contexts.context_urls(document)
    body = {name: value for name, value in document.items() if name != "@context"}
    inlined = _trimmed(urls, contexts.term_names(document))
    written = json.dumps(body)
    if '"@context"' in written:
        written = json.dumps(_without(body, document["@context"]))
    text = f'{{"@context":{inlined},{written[1:]}'
    try:
        return list(pyoxigraph.parse(text, pyoxigraph.RdfFormat.JSON_LD))
    except (SyntaxError, ValueError) as problem:
        raise Invalid("not-json-ld", f"The document is not valid JSON-LD: {problem}") from None


def _without(node: Any, listed: Any) -> Any:
    """A copy of ``node`` in which no object repeats the contexts ``listed``."""
    if isinstance(node, dict):
        kept = {name: part for name, part in node.items() if (name, part) != ("@context", listed)}
        return {name: _without(part, listed) for name, part in kept.items()}
    return [_without(part, listed) for part in node] if isinstance(node, list) else node


def reference(document: Mapping[str, Any]) -> bytes:
    """Canonical N-Quads by PyLD with the full pinned contexts.

    :raises Invalid: an unknown context, or not JSON-LD (code ``not-json-ld``).
    """
    contexts.context_urls(document)
    options = NormalizeOptions(
        algorithm="URDNA2015",
        format="application/n-quads",
        documentLoader=document_loader,
    )
    try:
        text: str = jsonld.normalize(dict(document), options)
    except _NOT_JSON_LD as problem:
        raise Invalid("not-json-ld", f"The document is not valid JSON-LD: {problem}") from None
    return text.encode()


def misplaced(document: Mapping[str, Any]) -> list[str]:
    """Property names that stand where the contexts do not define them, so that JSON-LD drops them.

    :raises Invalid: an unknown context, or not JSON-LD (code ``not-json-ld``).
    """
    dropped: list[str | None] = []
    options = ExpandOptions(documentLoader=document_loader)
    try:
        jsonld.expand(dict(document), options, on_property_dropped=dropped.append)
    except _NOT_JSON_LD as problem:
        raise Invalid("not-json-ld", f"The document is not valid JSON-LD: {problem}") from None
    return [term for term in dict.fromkeys(dropped) if term]


@lru_cache(maxsize=256)
def _trimmed(urls: tuple[str, ...], names: frozenset[str]) -> str:
    """Trimmed contexts as JSON text; a campus has few combinations of terms."""
    return json.dumps(contexts.trim(urls, dict.fromkeys(names, "")), separators=(",", ":"))


def document_loader(url: str, options: Mapping[str, Any]) -> RemoteDocument:
    """A PyLD document loader that answers from the pinned contexts and never opens a connection.

    :raises Invalid: see :func:`contexts.pinned`.
    """
    del options
    return RemoteDocument(
        contentType="application/ld+json",
        contextUrl=None,
        documentUrl=url,
        document=contexts.pinned(url),
    )
