"""A wallet written from OpenID4VCI 1.0 (final); shares no code with the application."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return text


def well_known(issuer: str, name: str) -> str:
    """12.2.2: the well-known part stands between the host and the path of the identifier."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{parts.path.rstrip('/')}"


class Ed25519Key:
    """Named by did:key."""

    alg = "EdDSA"

    def __init__(self) -> None:
        self._key = ed25519.Ed25519PrivateKey.generate()
        name = "z" + base58(b"\xed\x01" + self._key.public_key().public_bytes_raw())
        self.did = f"did:key:{name}"
        self.kid = f"{self.did}#{name}"

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


class P256Key:
    """Named by did:jwk."""

    alg = "ES256"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64(point.x.to_bytes(32)),
            "y": b64(point.y.to_bytes(32)),
        }
        self.did = "did:jwk:" + b64(json.dumps(jwk).encode())
        self.kid = f"{self.did}#0"

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


class Wallet:
    """One key and what the wallet learnt from an offer; ``route`` says where a host really is."""

    def __init__(self, key: Ed25519Key | P256Key, now: int) -> None:
        self.key, self.now = key, now
        self.http = requests.Session()

    def open(self, link: str) -> Wallet:
        """Read the offer and both metadata documents."""
        asked = urlsplit(link)
        assert asked.scheme == "openid-credential-offer"
        uri = parse_qs(asked.query)["credential_offer_uri"][0]
        self.offer = self._json(self.http.get(uri, timeout=10))
        self.issuer = self.offer["credential_issuer"]
        self.metadata = self._json(
            self.http.get(well_known(self.issuer, "openid-credential-issuer"), timeout=10)
        )
        assert self.metadata["credential_issuer"] == self.issuer
        server = (self.metadata.get("authorization_servers") or [self.issuer])[0]
        self.server = self._json(
            self.http.get(well_known(server, "oauth-authorization-server"), timeout=10)
        )
        assert self.server["issuer"] == server
        assert GRANT in self.server["grant_types_supported"]
        return self

    @staticmethod
    def _json(answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("application/json")
        return answer.json()

    @property
    def code(self) -> str:
        return self.offer["grants"][GRANT]["pre-authorized_code"]

    def ask_token(self, tx_code: str | None, code: str | None = None) -> requests.Response:
        form = {"grant_type": GRANT, "pre-authorized_code": code or self.code, "tx_code": tx_code}
        return self.http.post(self.server["token_endpoint"], data=form, timeout=10)

    def token(self, tx_code: str) -> str:
        answer = self._json(self.ask_token(tx_code))
        assert answer["token_type"].lower() == "bearer"
        self.access = answer["access_token"]
        return self.access

    def nonce(self) -> str:
        return self._json(self.http.post(self.metadata["nonce_endpoint"], timeout=10))["c_nonce"]

    def proof(self, header: dict[str, Any] | None = None, signer: Any = None, **claims: Any) -> str:
        """Appendix F.1; ``header`` and ``claims`` override (None leaves a member out)."""
        head = {"typ": "openid4vci-proof+jwt", "alg": self.key.alg, "kid": self.key.kid}
        head |= header or {}
        body = {"aud": self.issuer, "iat": self.now, **claims}
        if "nonce" not in body:
            body["nonce"] = self.nonce()
        parts = [
            b64(json.dumps({k: v for k, v in part.items() if v is not None}).encode())
            for part in (head, body)
        ]
        signature = (signer or self.key).sign(".".join(parts).encode())
        if head["alg"] == "none":
            signature = b""
        return ".".join([*parts, b64(signature)])

    def ask(self, configuration: str, proof: str, access: str | None = None) -> requests.Response:
        body = {"credential_configuration_id": configuration, "proofs": {"jwt": [proof]}}
        return self.http.post(
            self.metadata["credential_endpoint"],
            json=body,
            headers={"Authorization": f"Bearer {access or self.access}"},
            timeout=10,
        )

    def configuration(self, form: str) -> str:
        """The id of the offered configuration with this format."""
        known = self.metadata["credential_configurations_supported"]
        return next(
            name
            for name in self.offer["credential_configuration_ids"]
            if known[name]["format"] == form
        )

    def take(self, form: str) -> Any:
        """One credential in a format."""
        answer = self._json(self.ask(self.configuration(form), self.proof()))
        self.notification = answer["notification_id"]
        (one,) = answer["credentials"]
        return one["credential"]

    def tell(self, event: str, notification: str | None = None) -> requests.Response:
        return self.http.post(
            self.metadata["notification_endpoint"],
            json={"notification_id": notification or self.notification, "event": event},
            headers={"Authorization": f"Bearer {self.access}"},
            timeout=10,
        )
