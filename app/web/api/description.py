"""The OpenAPI description, made from the routes, their models and the access table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Flask, Response, current_app, jsonify

from app.web import errors
from app.web.access import TABLE
from app.web.api.blueprint import bp
from app.web.api.schemas import Problem

PROBLEM_TYPE: Final = "application/problem+json"
_PROBLEMS: Final = {
    "401": "No living token.",
    "403": "The token lacks the scope.",
    "404": "There is no such thing.",
    "409": "The present state refuses it.",
    "422": "The input cannot be accepted.",
    "429": "Too many requests; see Retry-After.",
}


def make_app(import_name: str, **options: Any) -> APIFlask:
    """The Flask application that the API's decorators need; it serves no page of its own."""
    app = APIFlask(
        import_name,
        title="Tassel",
        version="1",
        spec_path=None,
        docs_path=None,
        json_errors=False,
        **options,
    )
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        VALIDATION_ERROR_DESCRIPTION=_PROBLEMS["422"],
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=False,
        JSON_SORT_KEYS=False,
    )
    app.error_processor(_refused)
    app.spec_processor(partial(describe, app))
    return app


def register(app: Flask) -> None:
    """Put the API into the application."""
    app.register_blueprint(bp)


@bp.get("/openapi.json")
@bp.doc(hide=True)
def description() -> Response:
    """This description."""
    assert isinstance(current_app, APIFlask)
    return jsonify(current_app.spec)


def _refused(error: HTTPError) -> Response:
    """Refused input as one problem that names each field."""
    detail = error.detail if isinstance(error.detail, dict) else {}
    fields = {
        str(name): " ".join(str(text) for text in texts)
        for place in detail.values()
        if isinstance(place, dict)
        for name, texts in place.items()
    }
    return errors.answer(
        error.status_code, "bad-request", "The input cannot be accepted.", "", fields
    )


def describe(app: Flask, spec: dict[str, Any]) -> dict[str, Any]:
    """Add what the decorators do not know: names, scopes from the access table, the problems."""
    components = spec.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token."}
    }
    for endpoint, operation in _operations(app, spec):
        scope = TABLE[endpoint].who.removeprefix("api:")
        operation["operationId"] = endpoint.removeprefix("api.")
        operation["security"] = [] if scope == "public" else [{"token": [scope]}]
        needs = "Needs no token." if scope == "public" else f"Needs the scope `{scope}`."
        operation["description"] = needs
        for status, meaning in _PROBLEMS.items():
            operation["responses"].setdefault(status, _problem(meaning))
    return spec


def _problem(meaning: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": meaning, "content": {PROBLEM_TYPE: {"schema": schema}}}


def _operations(app: Flask, spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Endpoint and operation of every described route."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = spec.get("paths", {}).get(path, {}).get(method.lower())
            if operation is not None:
                yield rule.endpoint, operation
