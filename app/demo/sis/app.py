"""``create_sis``: wires one demo SIS."""

from __future__ import annotations

from flask import Flask, Response

from app.demo.faults import FaultBox, install_faults
from app.demo.sis.config import SisConfig
from app.demo.sis.control import control_routes
from app.demo.sis.gradebook import gradebook_routes
from app.demo.sis.oauth import TokenDesk, token_routes
from app.demo.sis.pages import page_routes
from app.demo.sis.roster import Roster
from app.demo.sis.rostering import BASE as ROSTERING
from app.demo.sis.rostering import rostering_routes
from app.demo.sis.status import RefusalError
from app.demo.sis.store import Store, Switches

MAX_BODY = 1_000_000


def create_sis(config: SisConfig) -> Flask:
    """A SIS of its own: state, faults and request log live in the app and die with it.

    ``app.extensions["sis_store"]`` and ``["sis_faults"]`` give a program that runs it in-process
    its ``Store`` and ``FaultBox``.
    """
    app = Flask("app.demo.sis", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    box = FaultBox()
    install_faults(app, box)
    roster = Roster(config, config.base_url + ROSTERING)
    store = Store(roster, Switches(token_seconds=config.token_seconds))
    desk = TokenDesk(config.client_id, config.client_secret, store)
    app.extensions |= {"sis_store": store, "sis_faults": box}
    app.register_blueprint(token_routes(desk))
    app.register_blueprint(gradebook_routes(store, desk))
    app.register_blueprint(rostering_routes(roster, desk))
    app.register_blueprint(page_routes(store))
    app.register_blueprint(control_routes(store, desk))
    app.register_error_handler(RefusalError, lambda refusal: refusal.response())
    app.after_request(_headers)
    return app


def _headers(response: Response) -> Response:
    """Pages load nothing from elsewhere and are framed by nobody."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
