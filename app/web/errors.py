"""From the error tree to HTTP: one page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

import structlog
from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError

from app.errors import (
    AppError,
    Conflict,
    Forbidden,
    Invalid,
    LaunchRefused,
    NotFound,
    Unauthenticated,
    UpstreamError,
)
from app.web import imsx
from app.web.locale import spoken

STATUS: dict[type[AppError], int] = {
    NotFound: 404,
    Forbidden: 403,
    Unauthenticated: 401,
    Invalid: 422,
    Conflict: 409,
    LaunchRefused: 400,
    UpstreamError: 502,
}

_HTTP = {
    404: ("There is no such page.", ""),
    405: ("This address does not take that request.", ""),
    503: ("The server is busy with other checks.", "Wait a moment, then try again."),
    429: ("Too many requests came in a short time.", "Wait a minute, then try again."),
}

log = structlog.get_logger()


def register(app: Flask) -> None:
    """Install the handlers."""
    app.register_error_handler(AppError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def status_of(error: AppError) -> int:
    """HTTP status of an expected error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def _expected(error: AppError) -> Response:
    status = status_of(error)
    log.info("refused", code=error.code, status=status, endpoint=request.endpoint)
    return answer(status, error.code, error.message, error.fix, getattr(error, "fields", {}))


def _http(error: HTTPException) -> Response:
    if error.response is not None:
        return make_response(error.response)
    status = error.code or 500
    message, fix = _HTTP.get(status, (error.name, ""))
    made = answer(status, f"http-{status}", message, fix)
    told = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    made.headers.update(told)
    return made


def _unexpected(error: Exception) -> Response:
    log.error("unexpected", endpoint=request.endpoint, exc_info=error)
    return answer(
        InternalServerError.code,
        "unexpected",
        "Something went wrong on our side. Nothing that was saved is lost.",
        "Try again; if it stays, the operator finds the cause in the log by the request id.",
    )


def answer(
    status: int, code: str, message: str, fix: str, fields: dict[str, str] | None = None
) -> Response:
    """One error as page or problem, by what the caller reads."""
    if request.path.startswith("/api/"):
        body = {"type": f"about:blank#{code}", "title": message, "status": status, "code": code}
        if fix:
            body["detail"] = fix
        if fields:
            body["errors"] = fields
        problem = jsonify(body)
        problem.status_code = status
        problem.mimetype = "application/problem+json"
        return problem
    if request.path.startswith("/ims/"):
        return imsx.status_info(status, " ".join((message, fix)).strip())
    page = render_template(
        "error.html", status=status, code=code, message=spoken(message), fix=spoken(fix)
    )
    return make_response(page, status)
