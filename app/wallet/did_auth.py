"""Whether a wallet holds the key of its DID: the signed presentation of a VC-API exchange.

Such a presentation says two things, that it is one and who the holder is. So nothing of a stranger's
JSON-LD is processed here: only these members and published contexts are let in, and what was signed
(RDFC-1.0 of the presentation and of the proof's options; W3C vc-data-integrity 4.2, vc-di-eddsa 3.2,
and the older Ed25519Signature2020) is written down directly. Pure: the caller owns the challenge.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.credentials import contexts
from app.credentials.verify import crypto
from app.credentials.verify.times import moment
from app.errors import Invalid
from app.wallet.errors import WalletRefused

CREDENTIALS_1: Final = "https://www.w3.org/2018/credentials/v1"
ED25519_2020: Final = "https://w3id.org/security/suites/ed25519-2020/v1"
CRYPTOSUITE: Final = "eddsa-rdfc-2022"
SUITES: Final = ("Ed25519Signature2020", CRYPTOSUITE)
LEEWAY: Final = timedelta(minutes=2)
OLDEST: Final = timedelta(minutes=15)

_FIRST: Final = frozenset({CREDENTIALS_1, contexts.CREDENTIALS})
_CONTEXTS: Final = _FIRST | {ED25519_2020, contexts.DATA_INTEGRITY}
"""All of them mean the same by the few names that are let in."""
_MEMBERS: Final = frozenset({"@context", "type", "id", "holder", "verifiableCredential", "proof"})
_NEEDED: Final = frozenset(
    {"type", "created", "verificationMethod", "proofPurpose", "proofValue", "challenge"}
)
_ALLOWED: Final = _NEEDED | {"cryptosuite", "domain", "expires"}
_DID_KEY: Final = re.compile(r"did:key:(z6Mk[1-9A-HJ-NP-Za-km-z]{44})")
_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,300}")

_RDF_TYPE: Final = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_W3C: Final = "https://www.w3.org/2018/credentials#"
_SECURITY: Final = "https://w3id.org/security#"
_XSD_TIME: Final = "<http://www.w3.org/2001/XMLSchema#dateTime>"


@dataclass(frozen=True)
class Asked:
    """What the exchange asked for. Both texts are ours: letters, digits and ``:/.-_`` only."""

    challenge: str
    domain: str
    domain_said: bool
    """Whether the wallet was told the domain, so that its proof has to name it."""


def prove(presentation: Mapping[str, Any], asked: Asked, now: datetime) -> str:
    """The DID whose key signed ``presentation`` for this exchange.

    :raises WalletRefused: ``invalid_proof``, with the part that is wrong.
    """
    holder, key = _holder(presentation)
    proof = _proof(presentation)
    _purpose(proof, holder, key, asked)
    _fresh(proof, now)
    options, names_suite = _options(proof, presentation)
    signed = _hash(options) + _hash(_statements(presentation, holder))
    try:
        good = crypto.from_multikey(key).verifies(crypto.base58btc(proof["proofValue"]), signed)
    except Invalid as problem:
        raise _refused(problem.message) from None
    if not good:
        raise _refused(f"The signature ({names_suite}) is not the holder's.")
    return holder


def _refused(why: str) -> WalletRefused:
    return WalletRefused("invalid_proof", why)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _holder(presentation: Mapping[str, Any]) -> tuple[str, str]:
    """The holder's DID and the key in it; the presentation says that and nothing else."""
    odd = presentation.keys() - _MEMBERS
    if odd or presentation.get("verifiableCredential", []) != []:
        raise _refused(
            "A presentation that proves a key holds @context, type, holder and proof only."
        )
    if _listed(presentation.get("type")) != ["VerifiablePresentation"]:
        raise _refused("This is not a VerifiablePresentation.")
    named = _listed(presentation.get("@context"))
    if not all(isinstance(url, str) for url in named) or not _CONTEXTS.issuperset(named):
        raise _refused("The presentation names a context that is not known here.")
    if not named or named[0] not in _FIRST or len({*named, *_FIRST}) != len(named) + 1:
        raise _refused("The first context must be that of W3C credentials, once.")
    found = _DID_KEY.fullmatch(str(presentation.get("holder")))
    if found is None:
        raise _refused("The holder must be a did:key with an Ed25519 key.")
    return found[0], found[1]


def _proof(presentation: Mapping[str, Any]) -> dict[str, Any]:
    proofs = _listed(presentation.get("proof"))
    if len(proofs) != 1 or not isinstance(proofs[0], dict):
        raise _refused("There must be exactly one proof.")
    proof = proofs[0]
    if not _NEEDED <= proof.keys() <= _ALLOWED:
        raise _refused("The proof does not have the members of its kind.")
    if not all(isinstance(value, str) for value in proof.values()):
        raise _refused("The members of the proof are not text.")
    return proof


def _purpose(proof: Mapping[str, str], holder: str, key: str, asked: Asked) -> None:
    """For us, for this exchange, to prove who it is."""
    if proof["proofPurpose"] != "authentication":
        raise _refused("The proof was made for another purpose than authentication.")
    if proof["verificationMethod"] != f"{holder}#{key}":
        raise _refused("The proof was not made with the holder's key.")
    if not secrets.compare_digest(proof["challenge"].encode(), asked.challenge.encode()):
        raise _refused("The proof answers another challenge.")
    if "domain" not in proof and asked.domain_said:
        raise _refused("The proof names no domain.")
    if proof.get("domain", asked.domain) != asked.domain:
        raise _refused("The proof was made for another domain.")


def _fresh(proof: Mapping[str, str], now: datetime) -> None:
    created = moment(proof["created"])
    if created is None or not -LEEWAY <= now - created <= OLDEST:
        raise _refused("The proof was not made just now.")
    if "expires" in proof:
        ends = moment(proof["expires"])
        if ends is None or ends < now - LEEWAY:
            raise _refused("The proof is over.")


def _options(proof: Mapping[str, str], presentation: Mapping[str, Any]) -> tuple[list[str], str]:
    """The statements of the proof about itself, and the name of its kind."""
    kind, suite = proof["type"], proof.get("cryptosuite")
    named = _listed(presentation["@context"])
    said = [
        f'<http://purl.org/dc/terms/created> "{proof["created"]}"^^{_XSD_TIME}',
        f"{_RDF_TYPE} <{_SECURITY}{kind}>",
        f'<{_SECURITY}challenge> "{proof["challenge"]}"',
        f"<{_SECURITY}proofPurpose> <{_SECURITY}authenticationMethod>",
        f"<{_SECURITY}verificationMethod> <{proof['verificationMethod']}>",
    ]
    if "domain" in proof:
        said.append(f'<{_SECURITY}domain> "{proof["domain"]}"')
    if "expires" in proof:
        said.append(f'<{_SECURITY}expiration> "{proof["expires"]}"^^{_XSD_TIME}')
    if kind == "DataIntegrityProof" and suite == CRYPTOSUITE:
        if not {contexts.CREDENTIALS, contexts.DATA_INTEGRITY} & set(named):
            raise _refused("The context that defines this kind of proof is missing.")
        said.append(f'<{_SECURITY}cryptosuite> "{suite}"^^<{_SECURITY}cryptosuiteString>')
        return ["_:c14n0 " + line for line in said], CRYPTOSUITE
    if kind == "Ed25519Signature2020" and suite is None:
        if ED25519_2020 not in named:
            raise _refused("The context that defines this kind of proof is missing.")
        return ["_:c14n0 " + line for line in said], kind
    raise _refused(f"The proof must be one of {', '.join(SUITES)}.")


def _statements(presentation: Mapping[str, Any], holder: str) -> list[str]:
    """What the presentation says."""
    subject = "_:c14n0"
    if "id" in presentation:
        if not isinstance(presentation["id"], str) or not _ID.fullmatch(presentation["id"]):
            raise _refused("The id of the presentation is no complete address.")
        subject = f"<{presentation['id']}>"
    return [
        f"{subject} {_RDF_TYPE} <{_W3C}VerifiablePresentation>",
        f"{subject} <{_W3C}holder> <{holder}>",
    ]


def _hash(lines: list[str]) -> bytes:
    """SHA-256 of the statements as canonical N-Quads."""
    return hashlib.sha256("".join(sorted(f"{line} .\n" for line in lines)).encode()).digest()
