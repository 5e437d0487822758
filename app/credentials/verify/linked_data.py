"""Which statements a credential makes: contexts, names, addresses, and the canonical text.

A JSON-LD reader drops what no context defines and misreads what is no address, silently; so these
parts of a badge would be shown to people although no signature covers them. Contexts come from the
pinned files of the house and are never fetched. Canonicalization goes through the metered processor
of ``openbadgeslib``, because a graph of a few kilobytes can be made to take it years.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyoxigraph
from openbadgeslib.ob3 import _canon_guard, _structure_screen
from pyld import jsonld
from pyld.documentloader.base import RemoteDocument

from app.credentials import contexts
from app.credentials.verify.limits import OverLimitError, Run
from app.credentials.verify.reading import Sealed, named_types
from app.credentials.verify.report import Cause, Finding, failed, passed, unknown
from app.errors import Invalid
from app.words import Said, say

ED25519_2020: Final = "https://w3id.org/security/suites/ed25519-2020/v1"
_OPEN_BADGES_301: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json"
_OPEN_BADGES_302: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json"
_EXTENSIONS: Final = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"

_FOREIGN: Final = {
    _OPEN_BADGES_301: (
        "ob-v3p0-context-3.0.1.json",
        "5f3d9dd6288ef437ff8286cf95ffbff609c748a66f24a1e9450c45ca64be1571",
    ),
    _OPEN_BADGES_302: (
        "ob-v3p0-context-3.0.2.json",
        "00666ad080ba407687ed1846b7f5e7495f5019042b202a727de47c48a1755c53",
    ),
    _EXTENSIONS: (
        "ob-v3p0-extensions.json",
        "87c06c81bc2317663bf288d740d94fddd2818c4342b186270ff6371dfaa63f93",
    ),
}
"""Contexts that we never sign with but that other issuers use; pinned in the same way."""

KNOWN: Final[Mapping[str, dict[str, Any]]] = {
    **{url: contexts.pinned(url) for url in contexts.PINNED},
    **{url: contexts.read_pinned(name, sha) for url, (name, sha) in _FOREIGN.items()},
    # It defines kinds of keys and proofs only. Read as empty, so that a badge which really used one
    # of its names would be told about a name without a meaning, never pass unread.
    ED25519_2020: {"@context": {}},
}
OPEN_BADGES: Final = frozenset({contexts.OPEN_BADGES, _OPEN_BADGES_301, _OPEN_BADGES_302})

_WITH_OPEN_BADGES: Final = frozenset(
    {"OpenBadgeCredential", "AchievementCredential", "EndorsementCredential"}
)
_SCOPED: Final = _structure_screen.scoped_terms(KNOWN.values())
_OWN_MEMBERS: Final = frozenset(
    {
        "credentialStatus",
        "credentialSubject",
        "issuer",
        "proof",
        "refreshService",
        "validFrom",
        "validUntil",
    }
)
_VALUE_KEYWORDS: Final = frozenset({"@value", "@language", "@direction", "@type"})
_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20<>\"{}|\\^`]+")
_NOT_JSON_LD: Final = (
    jsonld.JsonLdError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What PyLD raises on documents that are none; met by putting odd values into good ones."""


def check_contexts(document: Mapping[str, Any]) -> Finding:
    """Whether every ``@context`` is a known address, and the outermost ones stand as they must."""
    listed = document.get("@context")
    urls = listed if isinstance(listed, list) else [listed]
    for entry in (*urls, *_inner_contexts(document)):
        if not isinstance(entry, str):
            return unknown(
                say("A context is written into the badge; it could give words any meaning.")
            )
        if entry not in KNOWN:
            return unknown(
                say(
                    "The context %(entry)r is not known here; none is ever fetched.",
                    entry=entry[:200],
                )
            )
    problem = _misplaced_context(urls, frozenset(named_types(document)))
    return problem or passed(say("Every vocabulary that it uses is a published one."))


def _misplaced_context(urls: list[Any], types: frozenset[str]) -> Finding | None:
    if urls[:1] != [contexts.CREDENTIALS]:
        return failed(say("The first context must be %(context)s.", context=contexts.CREDENTIALS))
    if types & _WITH_OPEN_BADGES and not OPEN_BADGES & set(urls):
        return failed(say("The context of Open Badges 3.0 is missing."))
    if "ClrCredential" in types and contexts.CLR not in urls:
        return failed(say("The context of the Comprehensive Learner Record is missing."))
    return failed(say("A context is named twice.")) if len(set(urls)) < len(urls) else None


def _inner_contexts(document: Mapping[str, Any]) -> Iterator[Any]:
    """Entries of every ``@context`` inside; embedded credentials included."""
    waiting = [part for name, part in document.items() if name != "@context"]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            listed = node.get("@context", [])
            yield from listed if isinstance(listed, list) else [listed]
            waiting += [part for name, part in node.items() if name != "@context"]
        elif isinstance(node, list):
            waiting += node


def check_terms(document: Mapping[str, Any], run: Run, *, sealed_as_text: bool) -> Finding:
    """Whether every name has a meaning, every address is complete and every text is plain.

    :param document: without the credentials inside it, which are checked as their own.
    :param sealed_as_text: a token signs every byte, so a name without a meaning is signed too.
    """
    odd = odd_name(document)
    if odd:
        return failed(
            say(
                "It uses the JSON-LD keyword %(name)r, which plain readers do not understand.",
                name=odd,
            )
        )
    if _repeats_id(document):
        return failed(say("Another object inside claims the credential's own id."))
    dropped: list[str] = []
    try:
        expanded = _expand(document, run, dropped)
    except _NOT_JSON_LD as problem:
        return failed(say("It is not valid JSON-LD: %(problem)s", problem=_said(problem)))
    wrong = next(_bad_values(expanded), None)
    if wrong:
        return failed(wrong)
    if dropped and not sealed_as_text:
        return failed(
            say(
                "No context defines %(name)r there, so no signature covers what it says.",
                name=dropped[0],
            ),
            Cause.TYPE,
        )
    if dropped:
        return passed(
            say(
                "%(name)r has no defined meaning, but the token signs it as text.",
                name=dropped[0],
            )
        )
    return passed(say("Every name has a meaning, and every address is complete."))


def screen(sealed: Sealed) -> None:
    """Refuse what would be slow to expand, in the document or in its proofs.

    :raises OverLimitError: more objects, types or contexts than a record of a hundred badges has.
    """
    try:
        _structure_screen.screen({**sealed.document, "proof": sealed.proofs}, scoped=_SCOPED)
    except _structure_screen.StructureLimitExceeded as problem:
        raise OverLimitError(
            say("Tassel stopped reading: %(problem)s.", problem=str(problem))
        ) from None


def canonical(document: Mapping[str, Any], run: Run) -> bytes:
    """Canonical N-Quads (RDFC-1.0) of ``document``.

    :raises Invalid: not JSON-LD (code ``not-json-ld``).
    :raises OverLimitError: it would take too long.
    """
    try:
        text: str = _canon_guard.canonize(jsonld, document, _load, run.work)
    except (
        _canon_guard.CanonicalizationWorkExceeded,
        _canon_guard.CanonicalizationGuardUnavailable,
    ) as problem:
        raise OverLimitError(
            say("Tassel stopped reading: %(problem)s.", problem=str(problem))
        ) from None
    except RecursionError:
        raise OverLimitError(say("The credential is nested too deeply.")) from None
    except _NOT_JSON_LD as problem:
        raise Invalid(
            "not-json-ld", say("It is not valid JSON-LD: %(problem)s", problem=_said(problem))
        ) from None
    if any(unicodedata.category(c) == "Cc" and c != "\n" for c in text):
        return _escaped(text)
    return text.encode()


def _escaped(text: str) -> bytes:
    """PyLD leaves control characters as they are, where RDFC-1.0 escapes them."""
    try:
        dataset = pyoxigraph.Dataset(pyoxigraph.parse(text, pyoxigraph.RdfFormat.N_QUADS))
    except SyntaxError as problem:
        raise Invalid(
            "not-json-ld", say("It makes no statements: %(problem)s", problem=str(problem))
        ) from None
    dataset.canonicalize(pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0)
    return "".join(sorted(f"{quad} .\n" for quad in dataset)).encode()


def odd_name(document: Mapping[str, Any]) -> str | None:
    """A name in ``document`` that only JSON-LD readers understand."""
    return next(_odd_names(document), None)


def dropped_names(document: Mapping[str, Any], run: Run) -> list[str]:
    """Names in ``document`` that its contexts do not define.

    :raises Invalid: not JSON-LD (code ``not-json-ld``).
    """
    dropped: list[str] = []
    try:
        _expand(document, run, dropped)
    except _NOT_JSON_LD as problem:
        raise Invalid(
            "not-json-ld", say("It is not valid JSON-LD: %(problem)s", problem=_said(problem))
        ) from None
    return dropped


def _load(url: str, options: Mapping[str, Any]) -> RemoteDocument:
    del options
    return RemoteDocument(
        contentType="application/ld+json",
        contextUrl=None,
        documentUrl=url,
        document=KNOWN[url],
    )


def _expand(document: Mapping[str, Any], run: Run, dropped: list[str]) -> Any:
    # A cache of its own, as PyLD's are not made for threads; and no base, since PyLD would
    # complete a relative address with one that it makes up.
    options: Any = {
        "base": None,
        "documentLoader": _load,
        "contextResolver": jsonld.ContextResolver(run.contexts, _load),
    }
    try:
        return jsonld.expand(
            dict(document), options, on_property_dropped=lambda name: dropped.append(str(name))
        )
    except RecursionError:
        raise OverLimitError(say("The credential is nested too deeply.")) from None


def _said(problem: Exception) -> str:
    return str(problem).partition("\n")[0][:200]


def _odd_names(node: Any) -> Iterator[str]:
    """Keywords, and names written out as addresses.

    Both mean the same to a JSON-LD reader as the plain name, so that a status or an end can be hidden
    from everybody else without breaking the signature.
    """
    if isinstance(node, dict):
        allowed = _VALUE_KEYWORDS if "@value" in node else frozenset()
        for name, part in node.items():
            if name == "@context":
                continue
            if (name.startswith("@") or ":" in name) and name not in allowed:
                yield name
            yield from _odd_names(part)
    elif isinstance(node, list):
        for part in node:
            yield from _odd_names(part)


def tells_elsewhere(document: Mapping[str, Any]) -> bool:
    """Whether an object inside, be it in an endorsement, says what only the credential may say of itself."""
    own = document.get("id")
    waiting = list(document.values())
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if own is not None and node.get("id") == own and _OWN_MEMBERS & node.keys():
                return True
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return False


def _repeats_id(document: Mapping[str, Any]) -> bool:
    """Whether an object inside speaks about the credential itself.

    The statements of both objects would count as one, so a date or a status could be moved out of
    sight without breaking the signature.
    """
    own = document.get("id")
    waiting = list(document.values())
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if own is not None and node.get("id") == own and len(node) > 1:
                return True
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return False


def _bad_values(node: Any) -> Iterator[Said]:
    """What is wrong with the addresses and texts of an expanded document."""
    if isinstance(node, list):
        for part in node:
            yield from _bad_values(part)
    elif isinstance(node, dict):
        for name, part in node.items():
            if name in {"@id", "@type"}:
                yield from _bad_addresses(part, "type" if name == "@type" else "address")
            elif name == "@value":
                yield from _bad_text(part)
            else:
                yield from _bad_values(part)


def _bad_addresses(part: Any, what: str) -> Iterator[Said]:
    for address in part if isinstance(part, list) else [part]:
        if isinstance(address, str) and not (
            _IRI.fullmatch(address) or address == "@json" or address.startswith("_:")
        ):
            yield (
                say(
                    "%(address)r is no complete address, so no signature covers it.",
                    address=address[:100],
                )
                if what == "address"
                else say("The type %(address)r is defined by no context.", address=address[:100])
            )


def _bad_text(text: Any) -> Iterator[Said]:
    if isinstance(text, str) and not text.isprintable():
        for character in text:
            if unicodedata.category(character) == "Cc" and character not in "\t\n\r":
                yield say(
                    "A text holds the control character U+%(code)s.", code=f"{ord(character):04X}"
                )
