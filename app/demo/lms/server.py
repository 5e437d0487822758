"""The app and a small threaded server for it."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any

from flask import Flask, Response, render_template, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app.demo.faults import FaultBox, install_faults
from app.demo.lms.admin import admin_blueprint
from app.demo.lms.ags import ags_blueprint
from app.demo.lms.campus import build_campus
from app.demo.lms.canvas_oauth import canvas_oauth_blueprint
from app.demo.lms.canvas_rest import canvas_rest_blueprint
from app.demo.lms.config import LmsConfig
from app.demo.lms.control import control_blueprint
from app.demo.lms.deep_link import deep_link_blueprint
from app.demo.lms.gradebook import gradebook_blueprint
from app.demo.lms.moodle_control import moodle_control_blueprint
from app.demo.lms.moodle_keys import moodle_keys_blueprint
from app.demo.lms.moodle_ws import moodle_ws_blueprint
from app.demo.lms.notices import notices_blueprint
from app.demo.lms.nrps import nrps_blueprint
from app.demo.lms.oidc import oidc_blueprint
from app.demo.lms.pages import pages_blueprint
from app.demo.lms.registration import registration_blueprint, registration_error
from app.demo.lms.service import campus
from app.demo.lms.tokens import ToolKeys, token_blueprint
from app.errors import AppError, Conflict, Forbidden, NotFound, Unauthenticated

_STATUS: dict[type[AppError], int] = {
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
}


def create_lms(config: LmsConfig) -> Flask:
    """A demo LMS with its campus, ready to serve. Raises ``Invalid`` for an unknown mode."""
    app = Flask("app.demo.lms", static_folder="static", template_folder="templates")
    app.json = _OrderedJson(app)
    here = build_campus(config)
    app.extensions["demo_lms"] = here
    install_faults(app, FaultBox())
    keys = app.extensions["demo_tool_keys"] = ToolKeys(config.hosts)
    vendor = here.vendor
    for blueprint in (
        pages_blueprint(),
        gradebook_blueprint(),
        admin_blueprint(),
        oidc_blueprint(vendor),
        registration_blueprint(vendor),
        token_blueprint(vendor, keys),
        ags_blueprint(vendor),
        nrps_blueprint(vendor),
        notices_blueprint(),
        moodle_ws_blueprint(vendor),
        moodle_control_blueprint(vendor),
        canvas_oauth_blueprint(vendor),
        canvas_rest_blueprint(vendor),
        moodle_keys_blueprint(vendor),
        deep_link_blueprint(vendor, keys),
        control_blueprint(),
    ):
        app.register_blueprint(blueprint)
    app.register_error_handler(AppError, _refuse)
    return app


def _refuse(error: AppError) -> Response:
    """An error as JSON for programs and as a page for people."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
    paths = campus().vendor.paths
    if request.path in {paths.registration, paths.configuration}:
        return registration_error(error, status)
    if request.path.startswith("/_control/"):
        body = {"code": error.code, "message": error.message, "fix": error.fix}
        return Response(json.dumps(body), status, content_type="application/json")
    page = render_template("lms/error.html", error=error, status=status)
    return Response(page, status, content_type="text/html; charset=utf-8")


class _OrderedJson(DefaultJSONProvider):
    """JSON with its keys in the order in which they were written."""

    sort_keys = False


class _QuietHandler(WSGIRequestHandler):
    """Says nothing about each request: the request log of the app does."""

    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The ``Date`` of every answer: what the LMS takes the time for, right or wrong."""
        app: Any = self.server.app
        return super().date_time_string(timestamp or app.extensions["demo_lms"].now().timestamp())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


class LmsServer:
    """A running LMS: ``url``, ``app``, ``stop()``; also a context manager."""

    def __init__(self, app: Flask, server: BaseWSGIServer, host: str) -> None:
        self.app = app
        self._server = server
        self.port = server.server_port
        here = app.extensions["demo_lms"]
        here.base_url = here.base_url or f"http://{host}:{self.port}"
        self.url: str = here.base_url
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the socket."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self) -> None:
        """Serve until the process is interrupted."""
        self._thread.join()

    def __enter__(self) -> LmsServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(app: Flask, port: int = 0, host: str = "127.0.0.1") -> LmsServer:
    """Serve an app of ``create_lms`` in threads; port 0 takes a free one.

    ``host`` also goes into the public address unless the configuration has one: "localhost" makes
    the LMS another site than a tool on 127.0.0.1.
    """
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
    return LmsServer(app, server, host)
