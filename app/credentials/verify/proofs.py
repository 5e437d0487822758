"""Embedded proofs (W3C Data Integrity): the cryptosuites that Tassel can check, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from app.credentials.verify import crypto, dids, jcs, linked_data
from app.credentials.verify.limits import MAX_PROOFS, Run
from app.credentials.verify.report import (
    Finding,
    Result,
    absent,
    failed,
    passed,
    together,
    unknown,
)
from app.credentials.verify.times import moment
from app.errors import Invalid
from app.words import as_said, say


@dataclass(frozen=True, slots=True)
class Suite:
    """How a kind of proof is checked."""

    keys: frozenset[str]
    options: Callable[[Mapping[str, Any], Mapping[str, Any], Run], bytes]
    """(proof without its value, document) -> canonical bytes."""
    body: Callable[[Mapping[str, Any], Mapping[str, Any], Run], bytes]
    by_contexts: bool = True
    """Whether it needs to know the contexts."""


def check(
    document: Mapping[str, Any], proofs: Sequence[Any], issuer: str, run: Run, readable: bool
) -> dict[str, Finding]:
    """Findings ``purpose``, ``key`` and ``proof`` over all proofs of ``document``.

    A proof of a kind that Tassel does not know says nothing if another one holds; each one that it
    does know must hold.

    :param readable: whether every context is known.
    :raises OverLimitError: canonicalization or look-ups went over their bounds.
    """
    if not proofs:
        nothing = absent(say("There is no proof."))
        return {"purpose": nothing, "key": nothing, "proof": failed(say("It is not signed."))}
    if len(proofs) > MAX_PROOFS:
        why = unknown(say("It has more than %(most)s proofs.", most=MAX_PROOFS))
        return {"purpose": why, "key": why, "proof": why}
    found = [_check_one(document, proof, issuer, run, readable) for proof in proofs]
    telling = [row for row in found if "key" in row or row["proof"].result is Result.FAIL]
    merged = {}
    for name in ("purpose", "key", "proof"):
        listed = [row[name] for row in telling or found if name in row]
        merged[name] = (
            together(listed) if listed else absent(say("See the check of the signature."))
        )
    return merged


def _check_one(
    document: Mapping[str, Any], proof: Any, issuer: str, run: Run, readable: bool
) -> dict[str, Finding]:
    if not isinstance(proof, dict):
        return {"proof": failed(say("The proof is no object."))}
    name = proof.get("cryptosuite") if proof.get("type") == _DATA_INTEGRITY else proof.get("type")
    suite = SUITES.get(name) if isinstance(name, str) else None
    if suite is None:
        what = say("Tassel cannot check signatures of the kind %(name)r.", name=str(name)[:60])
        return {
            "proof": unknown(what) if isinstance(name, str) else failed(say("It names no kind."))
        }
    owner = dids.find(proof.get("verificationMethod"), issuer, run, moment(proof.get("created")))
    return {
        "purpose": _purpose(proof),
        "key": owner.finding,
        "proof": _signature(document, proof, suite, owner, run, readable),
    }


def _purpose(proof: Mapping[str, Any]) -> Finding:
    if proof.get("proofPurpose") != "assertionMethod":
        return failed(say("The signature was made for something else than a statement."))
    return passed(say("The signature was made for statements such as a badge."))


def _signature(
    document: Mapping[str, Any],
    proof: Mapping[str, Any],
    suite: Suite,
    owner: dids.Found,
    run: Run,
    readable: bool,
) -> Finding:
    if owner.key is None:
        if owner.finding.result is Result.UNKNOWN:
            return unknown(say("Without the key nobody can say."))
        return absent(say("There is no key to check it with; see the check of the key."))
    if owner.key.kind not in suite.keys:
        return failed(
            say("This kind of signature is not made with a %(kind)s key.", kind=owner.key.kind)
        )
    if suite.by_contexts and not readable:
        return unknown(say("What was signed depends on a context that is not known here."))
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    try:
        digest = owner.key.hash
        data = _hashed(suite.options(options, document, run), digest)
        data += _hashed(suite.body(options, document, run), digest)
        holds = owner.key.verifies(crypto.base58btc(proof.get("proofValue")), data)
    except Invalid as problem:
        return failed(as_said(problem.message))
    if not holds:
        return failed(say("The signature does not match: something was changed after signing."))
    return passed(say("The signature matches every word."))


def _hashed(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _rdf_options(options: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> bytes:
    config = {**options, "@context": document["@context"]}
    odd = linked_data.odd_name(options)
    dropped = [odd] if odd else linked_data.dropped_names(config, run)
    if dropped:
        raise Invalid(
            "unsigned",
            say(
                "The proof holds %(dropped)r, which readers do not understand alike.",
                dropped=dropped[0][:100],
            ),
        )
    return linked_data.canonical(config, run)


def _rdf_body(options: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> bytes:
    del options
    return linked_data.canonical(document, run)


def _jcs_options(options: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> bytes:
    del document, run
    return jcs.canonical(options)


def _jcs_body(options: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> bytes:
    """The document under the contexts of the proof (vc-di-eddsa 3.3.2)."""
    del run
    if "@context" not in options:
        return jcs.canonical(document)
    proved, own = _list(options["@context"]), _list(document.get("@context"))
    if own[: len(proved)] != proved:
        raise Invalid("bad-context", say("The proof was made under other contexts."))
    return jcs.canonical({**document, "@context": options["@context"]})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _options_2020(options: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> bytes:
    """The four statements of an Ed25519Signature2020, whose context is not held here."""
    del run
    wanted = {"type", "created", "verificationMethod", "proofPurpose"}
    method = options.get("verificationMethod")
    if options.keys() != wanted or moment(options["created"]) is None:
        raise Invalid("bad-proof", say("The proof does not have the members of its kind."))
    if linked_data.ED25519_2020 not in _list(document.get("@context")):
        raise Invalid("bad-context", say("The context that defines this kind of proof is missing."))
    security = "https://w3id.org/security#"
    rdf_type = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
    created = f'"{options["created"]}"^^<http://www.w3.org/2001/XMLSchema#dateTime>'
    lines = (
        f"<http://purl.org/dc/terms/created> {created}",
        f"<{rdf_type}> <{security}Ed25519Signature2020>",
        f"<{security}proofPurpose> <{security}{options['proofPurpose']}>",
        f"<{security}verificationMethod> <{method}>",
    )
    return "".join(f"_:c14n0 {line} .\n" for line in lines).encode()


_DATA_INTEGRITY: Final = "DataIntegrityProof"
_ED25519: Final = frozenset({"Ed25519"})
_ECDSA: Final = frozenset({"P-256", "P-384"})

SUITES: Final[Mapping[str, Suite]] = {
    "eddsa-rdfc-2022": Suite(_ED25519, _rdf_options, _rdf_body),
    "ecdsa-rdfc-2019": Suite(_ECDSA, _rdf_options, _rdf_body),
    "eddsa-jcs-2022": Suite(_ED25519, _jcs_options, _jcs_body, by_contexts=False),
    "ecdsa-jcs-2019": Suite(_ECDSA, _jcs_options, _jcs_body, by_contexts=False),
    "Ed25519Signature2020": Suite(_ED25519, _options_2020, _rdf_body),
}
"""Cryptosuite (or type, for the one kind from before Data Integrity) -> how it is checked."""
