"""The blueprint of the Open Badges API, its addresses, and its refusals in the words of OAuth 2 or 1EdTech."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, jsonify, request

from app.errors import AppError
from app.wallet.errors import WalletRefused
from app.web import errors, imsx
from app.web.session import campus

ROOT: Final = "/ims/ob/v3p0"
bp = Blueprint("apps", __name__)
OAUTH: Final = ("apps.register", "apps.token", "apps.revoke")
"""Endpoints that answer like an OAuth 2 server; the others like a 1EdTech service."""


def base() -> str:
    """Address of the service, which is also the identifier of its authorization server."""
    return campus().settings.public_url + ROOT


@bp.errorhandler(AppError)
def refused(error: AppError) -> Response:
    """The error as the asked endpoint says it."""
    status = error.status if isinstance(error, WalletRefused) else errors.status_of(error)
    if request.endpoint in OAUTH:
        code = error.code if isinstance(error, WalletRefused) else "invalid_request"
        answer = jsonify(error=code, error_description=error.message)
        answer.status_code = status
    else:
        answer = imsx.status_info(status, error.message)
    if status == 401:
        basic = request.endpoint in OAUTH
        answer.headers["WWW-Authenticate"] = (
            'Basic realm="tassel"' if basic else f'Bearer error="{error.code}"'
        )
    if status == 403:
        answer.headers["WWW-Authenticate"] = f'Bearer error="{error.code}"'
    return answer


@bp.after_request
def _open_to_apps(answer: Response) -> Response:
    """Some apps are web pages of other origins; what guards is the token, no cookie. The page is ours."""
    if request.endpoint != "apps.ask":
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        answer.headers["Access-Control-Expose-Headers"] = "Link, X-Total-Count"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer
