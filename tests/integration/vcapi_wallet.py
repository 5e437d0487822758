"""A wallet of the VC-API kind, as the Learner Credential Wallet: shares no code with the application.

Proofs are made through JSON-LD by PyLD (W3C vc-data-integrity 4.2 and vc-di-eddsa 3.2), where the
application writes its statements down directly.
"""

from __future__ import annotations

import copy
import hashlib
import html
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from pyld import jsonld

from tests.integration.oid4vci_wallet import Ed25519Key, base58

CREDENTIALS = "https://www.w3.org/ns/credentials/v2"
SIGNATURE_2020 = "https://w3id.org/security/suites/ed25519-2020/v1"
RDFC, OLD = "eddsa-rdfc-2022", "Ed25519Signature2020"
SUITES = (RDFC, OLD)

_SEC = "https://w3id.org/security#"
_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
_DOCUMENTS = {
    CREDENTIALS: json.loads(
        resources.files("openbadgeslib.ob3.contexts").joinpath("credentials-v2.json").read_bytes()
    ),
    # What the suite's specification says its terms mean.
    SIGNATURE_2020: {
        "@context": {
            OLD: {
                "@id": _SEC + OLD,
                "@context": {
                    "created": {"@id": "http://purl.org/dc/terms/created", "@type": _TIME},
                    "expires": {"@id": _SEC + "expiration", "@type": _TIME},
                    "challenge": _SEC + "challenge",
                    "domain": _SEC + "domain",
                    "verificationMethod": {"@id": _SEC + "verificationMethod", "@type": "@id"},
                    "proofPurpose": {"@id": _SEC + "proofPurpose", "@type": "@vocab"},
                    "authentication": _SEC + "authenticationMethod",
                    "assertionMethod": _SEC + "assertionMethod",
                },
            }
        }
    },
}

Change = Callable[[dict[str, Any]], Any]


def _hash(document: dict[str, Any]) -> bytes:
    def load(url: str, options: object) -> dict[str, Any]:
        del options
        return {"documentUrl": url, "contextUrl": None, "document": _DOCUMENTS[url]}

    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": load}
    return hashlib.sha256(jsonld.normalize(document, options).encode()).digest()


class ExchangeWallet:
    """One key, and what the wallet learnt from a link."""

    def __init__(self, link: str, now: datetime, key: Ed25519Key | None = None) -> None:
        self.key, self.now = key or Ed25519Key(), now
        self.http = requests.Session()
        opened = urlsplit(link)
        assert (opened.netloc, opened.path) == ("lcw.app", "/request.html")
        asked = {name: values[0] for name, values in parse_qs(opened.query).items()}
        assert asked["auth_type"] == "bearer"
        assert asked["issuer"]
        self.challenge, self.url = asked["challenge"], asked["vc_request_url"]
        self.domain: str | None = None

    def begin(self, body: bytes = b"{}") -> dict[str, Any]:
        """The first message of the protocol: what has to be proven."""
        answer = self.post(body)
        assert answer.status_code == 200, answer.text
        request = answer.json()["verifiablePresentationRequest"]
        assert [one["type"] for one in request["query"]] == ["DIDAuthentication"]
        assert request["challenge"] == self.challenge
        self.domain = request["domain"]
        self.url = request["interact"]["service"][0]["serviceEndpoint"]
        return request

    def prove(
        self,
        suite: str = RDFC,
        *,
        document: Change = lambda _: None,
        options: Change = lambda _: None,
        after: Change = lambda _: None,
        signer: Ed25519Key | None = None,
    ) -> dict[str, Any]:
        """A signed presentation; ``document`` and ``options`` change it before it is signed."""
        presentation: dict[str, Any] = {
            "@context": [CREDENTIALS] + ([SIGNATURE_2020] if suite == OLD else []),
            "type": ["VerifiablePresentation"],
            "holder": self.key.did,
        }
        document(presentation)
        proof: dict[str, Any] = {
            "type": suite if suite == OLD else "DataIntegrityProof",
            "created": f"{self.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "verificationMethod": self.key.kid,
            "proofPurpose": "authentication",
            "challenge": self.challenge,
        }
        if suite != OLD:
            proof["cryptosuite"] = suite
        if self.domain:
            proof["domain"] = self.domain
        options(proof)
        signed = _hash({"@context": presentation["@context"], **proof}) + _hash(presentation)
        proof["proofValue"] = "z" + base58((signer or self.key).sign(signed))
        made = {**presentation, "proof": proof}
        after(made)
        return copy.deepcopy(made)

    def post(self, body: Any) -> requests.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self.http.post(self.url, data=raw, headers=headers, timeout=10)

    def send(self, proof: dict[str, Any]) -> requests.Response:
        """As the wallet came: bare by its link, named when the protocol was begun."""
        return self.post({"verifiablePresentation": proof} if self.domain else proof)

    @staticmethod
    def read(answer: requests.Response) -> dict[str, Any]:
        """The one credential, read as the wallet reads it: entities first, then JSON."""
        assert answer.status_code == 200, answer.text
        said = json.loads(html.unescape(answer.text))
        presentation = said.get("verifiablePresentation", said)
        assert "VerifiablePresentation" in presentation["type"]
        (one,) = presentation["verifiableCredential"]
        return one

    def take(self, suite: str = RDFC) -> dict[str, Any]:
        return self.read(self.send(self.prove(suite)))
