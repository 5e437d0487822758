"""A HashiCorp Vault with a transit engine over real HTTP, as its API documentation says it answers."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

from cryptography.hazmat.primitives import serialization
from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from app.credentials.keys import KeyKind, SigningKey, generate

TOKEN = "s.vault-token"
TYPES = {
    "ed25519": KeyKind.ED25519,
    "ecdsa-p256": KeyKind.P256,
    "rsa-2048": KeyKind.RSA_2048,
}


class _Quiet(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        """Say nothing."""


class FakeVault:
    """``fault``: none | sealed | forbidden | slow | stranger (signs with another key)."""

    def __init__(self) -> None:
        self.keys: dict[str, SigningKey] = {}
        self.fault = ""
        self.signed = 0
        self.stop_after = -1
        app = Flask("vault")
        app.before_request(self._guard)
        app.add_url_rule("/v1/transit/keys/<name>", view_func=self._key, methods=["GET", "POST"])
        app.add_url_rule("/v1/transit/sign/<name>", view_func=self._sign, methods=["POST"])
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _guard(self) -> tuple[Response, int] | None:
        if self.fault == "sealed" or self.signed == self.stop_after:
            return jsonify(errors=["Vault is sealed"]), 503
        if self.fault == "forbidden" or request.headers.get("X-Vault-Token") != TOKEN:
            return jsonify(errors=["permission denied"]), 403
        if self.fault == "slow":
            time.sleep(1.5)
        return None

    def _key(self, name: str) -> Any:
        if request.method == "POST":
            body = request.get_json()
            if body["type"] not in TYPES:
                return jsonify(errors=[f"unknown key type {body['type']}"]), 400
            self.keys.setdefault(name, generate(TYPES[body["type"]]))
            return "", 204
        if name not in self.keys:
            return jsonify(errors=[]), 404
        key = self.keys[name]
        if key.kind is KeyKind.ED25519:
            public = base64.b64encode(key.public.raw.public_bytes_raw()).decode()  # type: ignore[union-attr]
        else:
            public = key.public.raw.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ).decode()
        kind = next(text for text, value in TYPES.items() if value is key.kind)
        versions = {"1": {"name": kind, "public_key": public}}
        return jsonify(data={"name": name, "type": kind, "latest_version": 1, "keys": versions})

    def _sign(self, name: str) -> Any:
        body = request.get_json()
        if name not in self.keys:
            return jsonify(errors=["signing key not found"]), 400
        key = self.keys[name] if self.fault != "stranger" else generate(self.keys[name].kind)
        if key.kind is KeyKind.RSA_2048 and body.get("signature_algorithm") != "pkcs1v15":
            return jsonify(errors=["this fake makes no PSS signatures"]), 400
        if key.kind is KeyKind.P256 and body.get("marshaling_algorithm") != "jws":
            return jsonify(errors=["this fake makes no ASN.1 signatures"]), 400
        raw = key.sign(base64.b64decode(body["input"], validate=True))
        self.signed += 1
        text = base64.b64encode(raw).decode()
        if body.get("marshaling_algorithm") == "jws":
            text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return jsonify(data={"signature": f"vault:v1:{text}", "key_version": 1})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
