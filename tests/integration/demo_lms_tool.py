"""A minimal LTI tool that shares nothing with the LMS or with the real tool: PyJWT and requests."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any
from urllib.parse import urlencode

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, jsonify, redirect, request
from jwt.algorithms import RSAAlgorithm
from werkzeug.serving import make_server

AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
NRPS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
SCOPES = [AGS + one for one in ("lineitem", "lineitem.readonly", "result.readonly", "score")]
LINE_ITEM = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
SCORE = "application/vnd.ims.lis.v1.score+json"
MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
ENDPOINT = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
ROSTER = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
CUSTOM = {
    "sis": "$Person.sourcedId",
    "class": "$CourseSection.sourcedId",
    "sections": "$Canvas.course.sectionSisSourceIds",
    "due": "$ResourceLink.submission.endDateTime",
    "fixed": "hello",
}


class Tool:
    """A tool on a free port; keeps what the LMS sent it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "tool-1"
        self.published = True
        self.logins: list[dict[str, str]] = []
        self.login_methods: list[str] = []
        self.login_sites: list[str] = []
        self.launches: list[dict[str, Any]] = []
        self.raw: list[dict[str, str]] = []
        self.registered: dict[str, Any] = {}
        self.configuration: dict[str, Any] = {}
        self.registration_status = 0
        self.auth_overrides: dict[str, str | None] = {}
        self.session = requests.Session()
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.session.close()

    def _app(self) -> Flask:
        app = Flask("demo_lms_tool")
        app.add_url_rule("/jwks", view_func=self.jwks)
        app.add_url_rule("/login", view_func=self.login, methods=["GET", "POST"])
        app.add_url_rule("/launch", view_func=self.launch, methods=["POST"])
        app.add_url_rule("/register", view_func=self.register)
        app.add_url_rule("/select", view_func=self.select, methods=["POST"])
        return app

    def jwks(self) -> Response:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        keys = [public | {"kid": self.kid, "alg": "RS256", "use": "sig"}]
        return jsonify(keys=keys if self.published else [])

    def login(self) -> Any:
        sent = request.values.to_dict()
        self.logins.append(sent)
        self.login_methods.append(request.method)
        self.login_sites.append(request.headers.get("Sec-Fetch-Site", ""))
        query: dict[str, str | None] = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": self.registered["client_id"],
            "redirect_uri": self.url + "/launch",
            "login_hint": sent["login_hint"],
            "lti_message_hint": sent["lti_message_hint"],
            "state": "state-" + secrets.token_hex(4),
            "nonce": "nonce-" + secrets.token_hex(4),
        }
        query |= self.auth_overrides
        kept = {name: value for name, value in query.items() if value is not None}
        return redirect(f"{self.configuration['authorization_endpoint']}?{urlencode(kept)}")

    def launch(self) -> Response:
        form = request.form.to_dict()
        self.raw.append(form)
        if "id_token" not in form:
            return Response("<h1>No launch</h1>", content_type="text/html")
        self.launches.append(self.verify(form["id_token"]))
        return Response("<h1>Launched</h1>", content_type="text/html")

    def verify(self, token: str) -> dict[str, Any]:
        """The claims, with signature, audience and times checked."""
        with requests.Session() as session:
            keys = session.get(self.configuration["jwks_uri"], timeout=10).json()
        kid = jwt.get_unverified_header(token)["kid"]
        key = jwt.PyJWKSet.from_dict(keys)[kid].key
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=self.registered["client_id"],
            issuer=self.configuration["issuer"],
            leeway=5,
        )
        return claims

    def metadata(self, scopes: list[str] | None = None) -> dict[str, Any]:
        return {
            "application_type": "web",
            "response_types": ["id_token"],
            "grant_types": ["implicit", "client_credentials"],
            "initiate_login_uri": self.url + "/login",
            "redirect_uris": [self.url + "/launch", self.url + "/select"],
            "client_name": "Minimal tool",
            "jwks_uri": self.url + "/jwks",
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": " ".join([*SCOPES, NRPS] if scopes is None else scopes),
            "https://purl.imsglobal.org/spec/lti-tool-configuration": {
                "domain": self.url.removeprefix("http://"),
                "description": "minimal",
                "target_link_uri": self.url + "/launch",
                "custom_parameters": CUSTOM,
                "claims": ["iss", "sub", "name", "given_name", "family_name", "email"],
                "messages": [
                    {"type": "LtiResourceLinkRequest"},
                    {"type": "LtiDeepLinkingRequest", "target_link_uri": self.url + "/select"},
                ],
            },
        }

    def register(self) -> Response:
        """Dynamic registration as a tool does it, inside the LMS's frame."""
        headers = {"Authorization": "Bearer " + request.args["registration_token"]}
        with requests.Session() as session:
            found = session.get(request.args["openid_configuration"], headers=headers, timeout=10)
            if found.status_code != 200:
                self.registration_status = found.status_code
                return Response("<h1>Refused</h1>", content_type="text/html")
            self.configuration = found.json()
            answer = session.post(
                self.configuration["registration_endpoint"],
                json=self.metadata(),
                headers=headers,
                timeout=10,
            )
        self.registration_status = answer.status_code
        if answer.ok:
            self.registered = answer.json()
        return Response("<h1>Registered</h1>", content_type="text/html")

    def select(self) -> Response:
        """Answer a content selection with one graded link and one file."""
        claims = self.verify(request.form["id_token"])
        self.launches.append(claims)
        settings = claims["https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"]
        now = int(time.time())
        answer = {
            "iss": self.registered["client_id"],
            "aud": [self.configuration["issuer"]],
            "iat": now,
            "exp": now + 300,
            "nonce": secrets.token_hex(8),
            CLAIM + "deployment_id": claims[CLAIM + "deployment_id"],
            CLAIM + "message_type": "LtiDeepLinkingResponse",
            CLAIM + "version": "1.3.0",
            "https://purl.imsglobal.org/spec/lti-dl/claim/data": settings.get("data"),
            "https://purl.imsglobal.org/spec/lti-dl/claim/content_items": [
                {
                    "type": "ltiResourceLink",
                    "title": "Chosen activity",
                    "url": self.url + "/launch?thing=42",
                    "custom": {"thing": "42"},
                    "lineItem": {"scoreMaximum": 50, "tag": "dl-tag", "resourceId": "res-42"},
                },
                {"type": "file", "title": "A file", "url": self.url + "/file"},
            ],
        }
        form = (
            f'<form method="post" action="{settings["deep_link_return_url"].replace("&", "&amp;")}">'
            f'<input type="hidden" name="JWT" value="{self.sign(answer)}"><button>Go</button></form>'
        )
        return Response(form, content_type="text/html")

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})

    def assertion(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.registered["client_id"],
            "sub": self.registered["client_id"],
            "aud": self.configuration["token_endpoint"],
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
        }
        return self.sign(claims | changes)

    def ask_token(self, scopes: list[str], **changes: Any) -> requests.Response:
        return self.session.post(
            self.configuration["token_endpoint"],
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self.assertion(**changes),
                "scope": " ".join(scopes),
            },
            timeout=10,
        )

    def call(
        self,
        method: str,
        url: str,
        accept: str = "",
        content_type: str = "",
        *,
        token: str | None = None,
        headers: dict[str, str | None] | None = None,
        **kwargs: Any,
    ) -> requests.Response:
        """A service call with a token of all scopes, unless another is given."""
        if token is None:
            token = self.ask_token([*SCOPES, NRPS]).json()["access_token"]
        sent: dict[str, str | None] = {"Authorization": "Bearer " + token}
        if accept:
            sent["Accept"] = accept
        if content_type:
            sent["Content-Type"] = content_type
        return self.session.request(
            method, url, headers=sent | (headers or {}), timeout=20, allow_redirects=False, **kwargs
        )
