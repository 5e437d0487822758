"""Data Integrity proofs with the cryptosuite eddsa-rdfc-2022 (W3C vc-di-eddsa, section 3.2).

The document is turned into RDF, canonicalized with RDFC-1.0 and hashed; so is the proof without its
value; both hashes, proof first, are signed with Ed25519. Three ways to the same canonical text:
the statements of the template with the learner's values put in (:mod:`skeleton`, for signing),
pyoxigraph with contexts trimmed to the terms in use (fast), and PyLD with the full contexts (the
reference). :func:`check_trim` says whether they agree for a template; a template for which they do
not is signed with ``fast=False``. The engines are loaded when they are first used, not before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import base58

from app.credentials import contexts, wording
from app.credentials.keys import KeyKind, PublicKey, Signer
from app.credentials.proofs.errors import ProofError
from app.errors import Invalid
from app.words import as_said, say

CRYPTOSUITE: Final = "eddsa-rdfc-2022"
_PROOF_MEMBERS: Final = frozenset(
    {"type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}
)
MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 40
"""Levels of objects and lists; our badges have eight. Canonicalizing is cubic in the depth."""

_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def sign(document: Mapping[str, Any], signer: Signer, *, now: datetime, fast: bool = True) -> bytes:
    """``document`` with a proof by ``signer``, as the ASCII JSON that is kept for ever.

    The verification method is the issuer's DID and the key's fragment. ASCII (``\\uXXXX`` escapes)
    since readers of baked images trip over anything else; the signed RDF is the same.

    :param now: becomes ``created``.
    :param fast: trimmed contexts; give False where :func:`check_trim` said no.
    :raises Invalid: not an Ed25519 key, a context that is not pinned, or JSON-LD that cannot be
        turned into RDF.
    """
    if signer.public.kind is not KeyKind.ED25519:
        raise Invalid("bad-key", f"{CRYPTOSUITE} needs an Ed25519 key.")
    created = wording.timestamp(now, "now")
    method = f"{issuer_of(document)}#{signer.public.fragment}"
    signature = signer.sign(options_hash(created, method) + _signed_hash(document, fast))
    proof = {
        **options(created, method),
        "proofValue": "z" + base58.b58encode(signature).decode("ascii"),
    }
    return json.dumps({**document, "proof": proof}, separators=(",", ":")).encode("ascii")


def verify(signed: bytes, key: PublicKey, *, fast: bool = False) -> dict[str, Any]:
    """The document in ``signed``, if its one proof is by ``key`` in the name of its issuer.

    A name that no context maps is refused, since nothing signs what it says: an image that stands
    twice in a badge with one copy garbled would canonicalize to the same statements.

    Proof only: time, status and the shape of the document are not looked at. Size and depth are
    bounded (:data:`MAX_BYTES`, :data:`MAX_DEPTH`), which stops accidents; a graph that was made to
    be slow to canonicalize has to be screened before it comes here.

    :param fast: True only for what we signed with ``fast`` ourselves a moment ago: trimmed contexts
        also map a term that stands outside its scope, where the full ones drop it.
    :raises ProofError: the proof does not hold, or is of another form than ours.
    """
    document = _parse(signed)
    proof = document.pop("proof", None)
    if not isinstance(proof, dict) or proof.keys() != _PROOF_MEMBERS:
        raise ProofError(say("There is not exactly one proof with the expected members."))
    try:
        method = f"{issuer_of(document)}#{key.fragment}"
        unsigned = contexts.unmapped(document) or ([] if fast else misplaced(document))
        digest = _document_hash(document, fast)
    except Invalid as problem:
        raise ProofError(as_said(problem.message)) from None
    if unsigned:
        raise ProofError(
            say("The document holds %(unsigned)r, which no signature covers.", unsigned=unsigned[0])
        )
    expected = {
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    if any(proof[name] != value for name, value in expected.items()):
        raise ProofError(say("The proof is not an assertion by %(key)s.", key=method))
    if not _TIMESTAMP.fullmatch(str(proof["created"])):
        raise ProofError(say("The time of the proof is not in UTC with whole seconds."))
    data = options_hash(proof["created"], method) + digest
    if not key.verifies(_decode(proof["proofValue"]), data):
        raise ProofError(say("The signature does not match the document."))
    return document


def check_trim(document: Mapping[str, Any]) -> bool:
    """Whether the fast path signs ``document`` exactly as the reference does, byte for byte.

    Asked once per template version, with a sample document of it; the answer is stored and decides
    ``fast`` for every badge of that version.
    """
    try:
        reference = canonical_reference(document)
        filled = _filled(document) or reference
        return canonical_fast(document) == filled == reference
    except Invalid:
        return False


def canonical_fast(document: Mapping[str, Any]) -> bytes:
    """See :func:`app.credentials.proofs.canonical.fast`."""
    from app.credentials.proofs import canonical  # noqa: PLC0415 - large, and idle without it

    return canonical.fast(document)


def canonical_reference(document: Mapping[str, Any]) -> bytes:
    """See :func:`app.credentials.proofs.canonical.reference`."""
    from app.credentials.proofs import canonical  # noqa: PLC0415 - large, and idle without it

    return canonical.reference(document)


def misplaced(document: Mapping[str, Any]) -> list[str]:
    """See :func:`app.credentials.proofs.canonical.misplaced`."""
    from app.credentials.proofs import canonical  # noqa: PLC0415 - large, and idle without it

    return canonical.misplaced(document)


def options(created: str, method: str) -> dict[str, str]:
    """A proof as it is hashed, without its value."""
    return {
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "created": created,
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }


def options_hash(created: str, method: str) -> bytes:
    """SHA-256 of the canonical proof options."""
    return hashlib.sha256(options_text(created, method).encode()).digest()


def options_text(created: str, method: str) -> str:
    """The canonical proof options.

    The options always are the same five statements about one blank node, so their canonical form
    is written down directly instead of going through JSON-LD. ``method`` must be a valid IRI.
    """
    return (
        f'_:c14n0 <http://purl.org/dc/terms/created> "{created}"'
        "^^<http://www.w3.org/2001/XMLSchema#dateTime> .\n"
        "_:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
        " <https://w3id.org/security#DataIntegrityProof> .\n"
        f'_:c14n0 <https://w3id.org/security#cryptosuite> "{CRYPTOSUITE}"'
        "^^<https://w3id.org/security#cryptosuiteString> .\n"
        "_:c14n0 <https://w3id.org/security#proofPurpose>"
        " <https://w3id.org/security#assertionMethod> .\n"
        f"_:c14n0 <https://w3id.org/security#verificationMethod> <{method}> .\n"
    )


def issuer_of(document: Mapping[str, Any]) -> str:
    """The issuer's id, from either form that the data model allows (string or object).

    :raises Invalid: there is none (code ``no-issuer``).
    """
    issuer = document.get("issuer")
    identifier = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    if not isinstance(identifier, str):
        raise Invalid("no-issuer", "The document names no issuer.")
    return identifier


def _filled(document: Mapping[str, Any]) -> bytes | None:
    from app.credentials.proofs import canonical  # noqa: PLC0415 - large, and idle without it

    return canonical.filled(document)


def _signed_hash(document: Mapping[str, Any], fast: bool) -> bytes:
    """The same as :func:`_document_hash`, from the template's skeleton where that serves.

    Checking goes the longer way, so whoever checks what was signed checks the skeleton too.
    """
    filled = _filled(document) if fast else None
    return hashlib.sha256(filled).digest() if filled else _document_hash(document, fast)


def _document_hash(document: Mapping[str, Any], fast: bool) -> bytes:
    canonical = canonical_fast(document) if fast else canonical_reference(document)
    return hashlib.sha256(canonical).digest()


def _parse(signed: bytes) -> dict[str, Any]:
    if len(signed) > MAX_BYTES:
        raise ProofError(say("The credential is larger than %(most)s bytes.", most=MAX_BYTES))
    try:
        document = json.loads(signed)
    except (ValueError, RecursionError):
        raise ProofError(say("This is not JSON.")) from None
    if not isinstance(document, dict):
        raise ProofError(say("This is not a JSON object."))
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
    if level:
        raise ProofError(
            say("The credential is nested more than %(most)s levels deep.", most=MAX_DEPTH)
        )
    return document


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _decode(proof_value: object) -> bytes:
    if not isinstance(proof_value, str) or not proof_value.startswith("z"):
        raise ProofError(say("The proof value is not base58btc."))
    try:
        return base58.b58decode(proof_value[1:])
    except ValueError:
        raise ProofError(say("The proof value is not base58btc.")) from None
