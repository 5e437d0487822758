"""An app of our own that reads badges over the Open Badges API, written from the specification."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from jsonschema import Draft201909Validator
from werkzeug.test import TestResponse

ROOT = "/ims/ob/v3p0"
SCOPE = "https://purl.imsglobal.org/spec/ob/v3p0/scope/"
READ, PROFILE, OFFLINE = f"{SCOPE}credential.readonly", f"{SCOPE}profile.readonly", "offline_access"
HOME = "https://portfolio.example.org/back?tenant=7"


def path_of(address: str) -> str:
    """Addresses of the service lead to the test client."""
    return address.removeprefix("http://127.0.0.1:8080")


@dataclass
class App:
    """One app; ``http`` has no cookies and comes from another site."""

    http: FlaskClient
    name: str = "Portfolio"
    method: str = "client_secret_basic"
    redirect: str = HOME
    scope: str = f"{READ} {PROFILE} {OFFLINE}"
    client: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Any] = field(default_factory=dict)
    verifier: str = ""

    def register(self, **said: Any) -> App:
        """Discovery, then registration."""
        described = self.http.get(f"{ROOT}/discovery").json
        security = described["components"]["securitySchemes"]["OAuth2ACG"]
        self.places = security["flows"]["authorizationCode"]
        answer = self.http.post(
            path_of(security["x-imssf-registrationUrl"]),
            json={
                "client_name": self.name,
                "client_uri": "https://portfolio.example.org/",
                "logo_uri": "http://169.254.169.254/latest/meta-data",
                "redirect_uris": [self.redirect],
                "token_endpoint_auth_method": self.method,
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "scope": self.scope,
            }
            | said,
        )
        assert answer.status_code == 201, answer.text
        self.client = answer.json
        return self

    def asks(self, **other: str) -> dict[str, str]:
        """What the browser brings to the authorization page."""
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return {
            "response_type": "code",
            "client_id": self.client["client_id"],
            "redirect_uri": self.redirect,
            "scope": self.scope,
            "state": "s-1",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        } | other

    def code(self, browser: FlaskClient, answer: str = "allow", **other: str) -> str:
        """The learner opens the page and presses a button; the code that comes back."""
        said = self.answered(browser, answer, **other)
        return said.get("code", "")

    def answered(self, browser: FlaskClient, answer: str, **other: str) -> dict[str, str]:
        page = browser.get(
            path_of(self.places["authorizationUrl"]), query_string=self.asks(**other)
        )
        assert page.status_code == 200, page.text
        return self.press(browser, page.text, answer)

    def press(self, browser: FlaskClient, page: str, answer: str) -> dict[str, str]:
        """Send the first form of the page, as a browser would."""
        form = page[page.index("<form") : page.index("</form>")]
        action = unescape(re.search(r'action="([^"]+)"', form)[1])
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        sent = {name: unescape(value) for name, value in fields} | {"answer": answer}
        back = browser.post(action, data=sent)
        assert back.status_code == 303, back.text
        address = back.headers["Location"]
        assert address.startswith(self.redirect), address
        said = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert said["state"] == "s-1"
        assert said["iss"] == f"http://127.0.0.1:8080{ROOT}"
        return said

    def token(self, **form: str) -> TestResponse:
        """Ask the token endpoint, saying who it is by its own method."""
        return self._post("token", form)

    def revoke(self, token: str) -> TestResponse:
        return self._post("revoke", {"token": token})

    def _post(self, door: str, form: dict[str, str]) -> TestResponse:
        headers = {"Sec-Fetch-Site": "cross-site"}
        name, secret = self.client["client_id"], self.client.get("client_secret", "")
        if self.method == "client_secret_basic":
            word = base64.b64encode(f"{name}:{secret}".encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        else:
            form = form | {"client_id": name} | ({"client_secret": secret} if secret else {})
        return self.http.post(f"{ROOT}/oauth/{door}", data=form, headers=headers)

    def redeem(self, code: str, **other: str) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }
        return self.token(**form | other)

    def refresh(self, token: str, **other: str) -> TestResponse:
        return self.token(grant_type="refresh_token", refresh_token=token, **other)

    def connect(self, browser: FlaskClient) -> dict[str, Any]:
        """The whole way; the token answer."""
        answer = self.redeem(self.code(browser))
        assert answer.status_code == 200, answer.text
        return answer.json

    def get(self, what: str, access: str, accept: str = "application/json") -> TestResponse:
        headers = {"Authorization": f"Bearer {access}", "Accept": accept}
        return self.http.get(f"{ROOT}/{what}", headers=headers)


def schema(material: Path, name: str) -> Draft201909Validator:
    """An official schema of Open Badges 3.0."""
    file = material / "standards" / "openbadges" / f"ob_v3p0_{name}_schema.json"
    return Draft201909Validator(json.loads(file.read_text("utf-8")))
