"""A launch that checks the signature and nothing else, on the same web server: the least there is.

No state, no nonce, no registration, no database: what is left is HTTP, Flask and the signature. The
measurement shows it beside the tool, so that a ratio can be held against what the stack allows.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import jwt
import requests
from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue

LMS, CLIENT = os.environ["FLOOR_LMS"], os.environ["FLOOR_CLIENT"]
app = Flask(__name__)


@lru_cache
def key(kid: str) -> Any:
    """The LMS's key, fetched once."""
    found = requests.get(f"{LMS}/keys", timeout=10).json()["keys"]
    return next(jwt.PyJWK(one).key for one in found if one["kid"] == kid)


def with_cookie(answer: Any, name: str) -> Response:
    """An answer with one cookie like the tool's."""
    kept: Response = answer
    kept.set_cookie(
        name,
        secrets.token_urlsafe(32),
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
    )
    return kept


@app.post("/lti/login")
def login() -> ResponseReturnValue:
    """Back to the LMS."""
    asked = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": CLIENT,
        "redirect_uri": request.host_url + "lti/launch",
        "login_hint": request.form["login_hint"],
        "lti_message_hint": request.form["lti_message_hint"],
        "state": secrets.token_urlsafe(32),
        "nonce": secrets.token_urlsafe(32),
    }
    return with_cookie(redirect(f"{LMS}/auth?{urlencode(asked)}"), "launch")


@app.post("/lti/launch")
def launch() -> ResponseReturnValue:
    """In, if the signature is the LMS's."""
    token = request.form["id_token"]
    kid = jwt.get_unverified_header(token)["kid"]
    jwt.decode(token, key(kid), algorithms=["RS256"], audience=CLIENT)
    return with_cookie(redirect("/courses/1", 303), "session")


@app.get("/healthz")
def healthz() -> str:
    """Ready."""
    return "ok"
