"""A small world of issuers, and everything needed to seal a credential in it, well or badly.

Sealing is done here with PyLD and :mod:`cryptography` by the text of the standards, apart from the
code that signs and the code that verifies, so that a mistake of theirs cannot cancel out.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any

import base58
import pyoxigraph
from pyld import jsonld
from pyld.documentloader.base import RemoteDocument

from app.credentials import contexts, keys, status
from app.credentials.proofs import canonical as canonical_texts
from app.errors import UpstreamError

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
CAMPUS = "did:web:campus.example:issuers:cs"
CAMPUS_DID = "https://campus.example/issuers/cs/did.json"
STRANGER = "did:web:stranger.example"
LIST = "https://campus.example/status/1"
SUSPENSIONS = "https://campus.example/status/2"
CREATED = "2026-09-02T08:00:00Z"
REVOKED, FREE = 11, 94_567
ACHIEVEMENT_ID = "https://campus.example/achievements/tables"
MAIL, SALT = "ada@campus.example", "6f1d0c9ae5b84f3b"

Document = dict[str, Any]


@dataclass(frozen=True)
class Name:
    """A key under the name by which signatures call it."""

    method: str
    key: keys.SigningKey

    @property
    def did(self) -> str:
        return self.method.partition("#")[0]


def made(kind: keys.KeyKind, did: str, fragment: str) -> Name:
    return Name(f"{did}#{fragment}", keys.generate(kind))


def did_key(kind: keys.KeyKind = keys.KeyKind.ED25519) -> Name:
    key = keys.generate(kind)
    return Name(f"did:key:{key.public.multikey}#{key.public.multikey}", key)


ED, RSA, P256 = (
    made(keys.KeyKind.ED25519, CAMPUS, "ed"),
    made(keys.KeyKind.RSA_2048, CAMPUS, "rsa"),
    made(keys.KeyKind.P256, CAMPUS, "p256"),
)
LOGIN = made(keys.KeyKind.ED25519, CAMPUS, "login")
"""The campus's key that is listed for authentication only."""
FOREIGN = made(keys.KeyKind.ED25519, STRANGER, "ed")
HOLDER, PARTNER, SMALL = did_key(), did_key(), did_key()


@dataclass
class World:
    """What the names in the documents lead to."""

    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def lookup(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise UpstreamError("upstream-404", f"{url} answered 404.", system=url, permanent=True)
        return self.pages[url]

    def put(self, url: str, value: Any) -> None:
        self.pages[url] = value if isinstance(value, bytes) else json.dumps(value).encode()

    def get(self, url: str) -> Any:
        return json.loads(self.pages[url])


def listed(name: Name, **changes: Any) -> Document:
    """A key as it stands in a DID document."""
    entry = {"id": name.method, "type": "JsonWebKey", "controller": name.did}
    return {**entry, "publicKeyJwk": name.key.public.jwk, **changes}


def did_document(did: str, asserting: list[Name], login: list[Name]) -> Document:
    return {
        "id": did,
        "verificationMethod": [listed(name) for name in (*asserting, *login)],
        "assertionMethod": [name.method for name in asserting],
        "authentication": [name.method for name in login],
    }


def world() -> World:
    """Everything in order: one entry of each list is set, :data:`REVOKED`."""
    return World(dict(_pages()))


@lru_cache(maxsize=1)
def _pages() -> dict[str, bytes]:
    made_world = World()
    made_world.put(CAMPUS_DID, did_document(CAMPUS, [ED, RSA, P256], [LOGIN]))
    made_world.put(
        "https://stranger.example/.well-known/did.json", did_document(STRANGER, [FOREIGN], [])
    )
    made_world.put("https://campus.example/.well-known/jwks.json", {"keys": [RSA.key.public.jwk]})
    made_world.put("https://campus.example/keys/rsa", {**RSA.key.public.jwk, "kid": "x"})
    made_world.put("https://stranger.example/keys/rsa", RSA.key.public.jwk)
    made_world.put(LIST, seal(status_list(), ED))
    made_world.put(SUSPENSIONS, seal(status_list(SUSPENSIONS, purpose="suspension"), ED))
    return made_world.pages


def status_list(url: str = LIST, issuer: str = CAMPUS, purpose: str = "revocation") -> Document:
    return {
        "@context": [contexts.CREDENTIALS],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": "2026-09-01T00:00:00Z",
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": status.encode(status.with_set([REVOKED])),
        },
    }


def entry(index: int = FREE, url: str = LIST, **changes: Any) -> Document:
    return {
        "id": f"{url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(index),
        "statusListCredential": url,
        **changes,
    }


def badge(issuer: str = CAMPUS, number: int = 1) -> Document:
    """An unsealed badge with every part that a fault may sit in."""
    return {
        "@context": [contexts.CREDENTIALS, contexts.OPEN_BADGES],
        "id": f"urn:uuid:00000000-0000-4000-8000-{number:012}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "Reading tables",
        "description": "Reads a table and says what it means.",
        "image": {"id": "https://campus.example/b.png", "type": "Image", "caption": "A shield"},
        "issuer": {
            "id": issuer,
            "type": ["Profile"],
            "name": "Department of Computing",
            "url": "https://campus.example",
        },
        "validFrom": "2026-09-01T00:00:00Z",
        "validUntil": "2028-09-01T00:00:00Z",
        "credentialSubject": {
            "id": "urn:uuid:11111111-0000-4000-8000-000000000001",
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "hashed": True,
                    "identityHash": "sha256$" + hashlib.sha256((MAIL + SALT).encode()).hexdigest(),
                    "identityType": "emailAddress",
                    "salt": SALT,
                }
            ],
            "achievement": {
                "id": ACHIEVEMENT_ID,
                "type": ["Achievement"],
                "name": "Reading tables",
                "description": "Reads a table and says what it means.",
                "criteria": {"narrative": "At least **80 %** in the project."},
                "creditsAvailable": 2.5,
                "alignment": [
                    {
                        "type": ["Alignment"],
                        "targetName": "analyse data",
                        "targetUrl": "https://skills.example/1",
                    }
                ],
                "resultDescription": [
                    {
                        "id": "urn:uuid:22222222-0000-4000-8000-000000000001",
                        "type": ["ResultDescription"],
                        "name": "Project",
                        "resultType": "Percent",
                        "valueMax": "100",
                    }
                ],
            },
            "result": [
                {
                    "type": ["Result"],
                    "value": "93",
                    "resultDescription": "urn:uuid:22222222-0000-4000-8000-000000000001",
                }
            ],
        },
        "evidence": [
            {"id": "https://campus.example/e/1", "type": ["Evidence"], "name": "The project"}
        ],
        "credentialStatus": entry(),
    }


def endorsement(target: str = ACHIEVEMENT_ID) -> Document:
    return {
        "@context": [contexts.CREDENTIALS, contexts.OPEN_BADGES],
        "id": "urn:uuid:00000000-0000-4000-8000-0000000e0001",
        "type": ["VerifiableCredential", "EndorsementCredential"],
        "name": "Industry endorsement",
        "issuer": {"id": PARTNER.did, "type": ["Profile"], "name": "Partner Ltd"},
        "validFrom": "2026-09-01T00:00:00Z",
        "credentialSubject": {
            "id": target,
            "type": ["EndorsementSubject"],
            "endorsementComment": "What we ask of junior analysts.",
        },
    }


def record(*inside: Any) -> Document:
    """An unsealed learner record around sealed badges."""
    return {
        "@context": [contexts.CREDENTIALS, contexts.CLR, contexts.OPEN_BADGES],
        "id": "urn:uuid:00000000-0000-4000-8000-0000000c0001",
        "type": ["VerifiableCredential", "ClrCredential"],
        "name": "Learner record",
        "issuer": {"id": CAMPUS, "type": ["Profile"], "name": "Campus"},
        "validFrom": "2026-09-05T00:00:00Z",
        "credentialSubject": {
            "id": "urn:uuid:11111111-0000-4000-8000-000000000001",
            "type": ["ClrSubject"],
            "verifiableCredential": list(inside),
            "association": [
                {
                    "type": "Association",
                    "associationType": "isChildOf",
                    "sourceId": ACHIEVEMENT_ID,
                    "targetId": "https://campus.example/achievements/analyst",
                }
            ],
        },
    }


def seal(document: Document, name: Name, **options: Any) -> Document:
    """``document`` with a Data Integrity proof; ``options`` change it before signing, None drops."""
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": CREATED,
        "verificationMethod": name.method,
        "proofPurpose": "assertionMethod",
        **options,
    }
    proof = {member: value for member, value in proof.items() if value is not None}
    turned = plain_jcs if "jcs" in str(proof.get("cryptosuite")) else canonical
    config = {**proof, "@context": document["@context"]} if turned is canonical else proof
    data = b"".join(hashlib.sha256(turned(part)).digest() for part in (config, document))
    value = "z" + base58.b58encode(name.key.sign(data)).decode()
    return {**document, "proof": {**proof, "proofValue": value}}


def _load(url: str, options: Mapping[str, Any]) -> RemoteDocument:
    """The house's pinned contexts, and the extensions of 1EdTech from the same package."""
    if url.endswith("/extensions.json"):
        files = resources.files("openbadgeslib.ob3.contexts")
        document = json.loads(files.joinpath("ob-v3p0-extensions.json").read_text())
        return RemoteDocument(
            contentType="application/ld+json", contextUrl=None, documentUrl=url, document=document
        )
    return canonical_texts.document_loader(url, options)


def canonical(document: Document) -> bytes:
    text = jsonld.normalize(
        document,
        {
            "algorithm": "URDNA2015",
            "format": "application/n-quads",
            "documentLoader": _load,
        },
    )
    # PyLD leaves control characters as they are; RDFC-1.0 escapes them.
    quads = pyoxigraph.Dataset(pyoxigraph.parse(text, pyoxigraph.RdfFormat.N_QUADS))
    return "".join(sorted(f"{quad} .\n" for quad in quads)).encode()


def plain_jcs(document: Document) -> bytes:
    """RFC 8785 for documents without odd numbers or names."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def part(value: Any) -> bytes:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def token(
    document: Document,
    name: Name = RSA,
    header: Mapping[str, Any] | None = None,
    claims: Mapping[str, Any] | None = None,
) -> bytes:
    """``document`` as a compact JWS; the changes are made before signing, and None drops."""
    own = {
        "iss": document["issuer"]["id"],
        "sub": document["credentialSubject"].get("id"),
        "jti": document["id"],
        "nbf": seconds(document["validFrom"]),
    }
    if "validUntil" in document:
        own["exp"] = seconds(document["validUntil"])
    top = {"alg": name.key.public.kind.algorithm, "kid": name.method, "typ": "JWT"}
    kept_top = {k: v for k, v in {**top, **(header or {})}.items() if v is not None}
    kept = {k: v for k, v in {**document, **own, **(claims or {})}.items() if v is not None}
    signed = part(kept_top) + b"." + part(kept)
    return signed + b"." + part(name.key.sign(signed))


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def changed(document: Document, path: str, value: Any = None) -> Document:
    """A copy in which the member at ``path`` (``a.b.0.c``) is ``value``; None takes it away."""
    copied = copy.deepcopy(document)
    *way, last = path.split(".")
    node: Any = copied
    for step in way:
        node = node[int(step)] if isinstance(node, list) else node[step]
    if isinstance(node, list):
        node[int(last)] = value
    elif value is None:
        del node[last]
    else:
        node[last] = value
    return copied


def text(document: Document) -> bytes:
    return json.dumps(document).encode("ascii")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(*inside: bytes, compressed: bool = False) -> bytes:
    """One grey pixel with credentials baked into it."""
    pixel = chunk(b"IDAT", zlib.compress(b"\0\0"))
    baked = b"".join(
        chunk(
            b"iTXt",
            b"openbadgecredential\0"
            + (b"\1\0\0\0" + zlib.compress(raw) if compressed else b"\0\0\0\0" + raw),
        )
        for raw in inside
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + baked + pixel + chunk(b"IEND", b"")


def svg(*inside: bytes, before: str = "") -> bytes:
    """An empty picture with credentials baked into it, tokens as attribute and JSON as text."""
    space = 'xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0"'
    nodes = "".join(
        f"<openbadges:credential><![CDATA[{raw.decode()}]]></openbadges:credential>"
        if raw.startswith(b"{")
        else f'<openbadges:credential verify="{raw.decode()}"/>'
        for raw in inside
    )
    return f'{before}<svg xmlns="http://www.w3.org/2000/svg" {space}>{nodes}</svg>'.encode()
