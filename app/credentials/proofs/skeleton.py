"""The RDF of a badge from the RDF of its template: what differs from learner to learner is put in.

Reading JSON-LD is most of the cost of a signature, and all badges of one wording read the same but
for a few values. So a document is split into its shape and those values; the shape is read once,
with a mark in each place, and the statements of a badge are the shape's with the values for the
marks. Blank nodes are named anew for every badge, by the whole of RDFC-1.0, since their order
depends on the values. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pyoxigraph as ox

Path = tuple[str, ...]

_IRIS: Final[tuple[Path, ...]] = (
    ("id",),
    ("credentialSubject", "id"),
    ("credentialStatus", "id"),
    ("credentialStatus", "statusListCredential"),
    ("evidence", "*", "id"),
)
_TEXTS: Final[tuple[Path, ...]] = (
    ("validFrom",),
    ("validUntil",),
    ("credentialStatus", "statusListIndex"),
    ("credentialSubject", "identifier", "*", "identityHash"),
    ("credentialSubject", "identifier", "*", "salt"),
    ("credentialSubject", "result", "*", "value"),
    ("evidence", "*", "name"),
    ("evidence", "*", "narrative"),
)
"""Where the badges of one wording differ. A place that is missing here only costs time: each of its
values makes a shape of its own."""
_MARK: Final = "urn:tassel:mark:"
_IRI: Final = re.compile(r"(?:urn:uuid:|https?://|did:)[!#-;=?-Z_a-z~]+")
"""Absolute and without anything that N-Quads escapes or JSON-LD resolves."""
_DOT_SEGMENT: Final = re.compile(r"/\.\.?(?:[/?#]|$)")

Parse = Callable[[Mapping[str, Any]], Iterable[ox.Quad]]


Line = tuple[Any, str, Any]
"""Subject, predicate and object as they are written; a marked one still as a term."""


@dataclass(frozen=True)
class Skeleton:
    """The statements of a shape, by how much of them is the same in all its badges.

    ``marks`` are the terms that a badge's values stand for. What names no blank node is written
    already: ``lines`` as a whole, ``gaps`` but for the marks. What names one is ``fixed`` or
    ``open``.
    """

    marks: tuple[Any, ...]
    lines: tuple[str, ...]
    gaps: tuple[Line, ...]
    fixed: tuple[ox.Quad, ...]
    open: tuple[tuple[Any, ox.NamedNode, Any, Any], ...]


def canonical(document: Mapping[str, Any], parse: Parse) -> bytes | None:
    """Canonical N-Quads of ``document``, or None when it has to be read as a whole.

    ``parse`` reads a JSON-LD document with trimmed contexts into statements; it is called once for
    each shape. The result is the same as that of reading, canonicalizing and sorting. A document that
    holds marks of its own is read as a whole.
    """
    values: list[str] = []
    shape = dict(document)
    for path in _IRIS:
        _cut(shape, path, values, _is_iri)
    for path in _TEXTS:
        _cut(shape, path, values, _is_text)
    text = json.dumps(shape, separators=(",", ":"))
    found = _skeleton(text, len(values), parse) if text.count(_MARK) == len(values) else None
    if found is None:
        return None
    try:
        return _fill(found, values)
    except ValueError:  # no IRI after all
        return None


def _is_iri(value: str) -> bool:
    return bool(_IRI.fullmatch(value)) and not _DOT_SEGMENT.search(value)


def _is_text(_value: str) -> bool:
    return True


def _cut(node: dict[str, Any], path: Path, values: list[str], fits: Callable[[str], bool]) -> None:
    """Put a mark for the value at ``path``, which goes to ``values``; copies what it changes."""
    name, *rest = path
    found = node.get(name)
    if not rest:
        if isinstance(found, str) and fits(found):
            node[name] = f"{_MARK}{len(values)}"
            values.append(found)
    elif rest[0] == "*" and isinstance(found, list):
        node[name] = [dict(one) if isinstance(one, dict) else one for one in found]
        for one in node[name]:
            if isinstance(one, dict):
                _cut(one, tuple(rest[1:]), values, fits)
    elif rest[0] != "*" and isinstance(found, dict):
        node[name] = dict(found)
        _cut(node[name], tuple(rest), values, fits)


@lru_cache(maxsize=256)
def _skeleton(shape: str, count: int, parse: Parse) -> Skeleton | None:
    """None when one of the ``count`` marks is lost on the way: its value would not be signed."""
    quads = list(parse(json.loads(shape)))
    marks = {term for quad in quads for term in (quad.subject, quad.object) if _marked(term)}
    if {_number(term) for term in marks} != set(range(count)):
        return None
    blank = [quad for quad in quads if any(isinstance(term, ox.BlankNode) for term in quad)]
    plain = [quad for quad in quads if quad not in blank]
    return Skeleton(
        tuple(marks),
        tuple(f"{quad} .\n" for quad in plain if not _open(quad)),
        tuple(_line(quad) for quad in plain if _open(quad)),
        tuple(quad for quad in blank if not _open(quad)),
        tuple((q.subject, q.predicate, q.object, q.graph_name) for q in blank if _open(q)),
    )


def _marked(term: Any) -> bool:
    return not isinstance(term, ox.BlankNode) and str(term.value).startswith(_MARK)


def _number(mark: Any) -> int:
    return int(mark.value.removeprefix(_MARK))


def _open(quad: ox.Quad) -> bool:
    return _marked(quad.subject) or _marked(quad.object)


def _line(quad: ox.Quad) -> Line:
    first, last = (term if _marked(term) else str(term) for term in (quad.subject, quad.object))
    return first, str(quad.predicate), last


def _fill(found: Skeleton, values: list[str]) -> bytes:
    made = {mark: _value(mark, values) for mark in found.marks}
    open_quads = [ox.Quad(made.get(s, s), p, made.get(o, o), g) for s, p, o, g in found.open]
    dataset = ox.Dataset([*found.fixed, *open_quads])
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    lines = {f"{quad} .\n" for quad in dataset}
    lines.update(f"{made.get(s, s)} {p} {made.get(o, o)} .\n" for s, p, o in found.gaps)
    lines.update(found.lines)
    return "".join(sorted(lines)).encode()


def _value(mark: Any, values: list[str]) -> Any:
    """The value for a mark, of the mark's kind."""
    value = values[_number(mark)]
    if isinstance(mark, ox.NamedNode):
        return ox.NamedNode(value)
    if mark.language:
        return ox.Literal(value, language=mark.language)
    return ox.Literal(value, datatype=mark.datatype)
