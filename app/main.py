"""The only wiring: which real thing stands behind each name, and the Flask application."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from flask import Flask, Response, g, request
from flask_babel import Babel, get_locale
from sqlalchemy import select
from werkzeug.middleware.proxy_fix import ProxyFix

from app import logs
from app.db import Database
from app.errors import ConfigurationError
from app.gradebook.ags import AgsSource
from app.gradebook.canvas_client import CanvasClient
from app.gradebook.canvas_rest import CanvasRest
from app.gradebook.grants import Grants
from app.gradebook.moodle_ws import MoodleSource
from app.gradebook.port import GradeSource
from app.gradebook.token_grants import GrantTokens
from app.http import HttpClient
from app.lti.registration import frame_origins
from app.lti.services import LtiServices
from app.models import SystemFact
from app.pipeline.campus import Campus
from app.secrets import SecretBox, open_box
from app.settings import Settings
from app.web import (
    access,
    afresh,
    api,
    apps,
    editions,
    endorser,
    errors,
    grades,
    instructor,
    learner_apps,
    operator,
    privacy,
    public,
    session,
    validity_words,
    wallet,
    wording,
)
from app.web.locale import choose_locale
from app.web.proxies import TrustedProxies

log = structlog.get_logger()
MAX_REQUEST_BYTES = 4_000_000


def utc_now() -> datetime:
    """The only clock."""
    return datetime.now(UTC)


def create_campus(settings: Settings) -> Campus:
    """Everything that verbs need. Raises ConfigurationError when the master key does not fit."""
    db = Database(settings.database)
    box, generated = open_box(settings.master_key, settings.data_dir)
    if generated:
        log.warning("master-key-beside-data", fix="set TASSEL_MASTER_KEY or TASSEL_MASTER_KEY_FILE")
    return compose(settings, db, box, HttpClient(settings.allowed_origins), utc_now)


def compose(
    settings: Settings,
    db: Database,
    box: SecretBox,
    http: HttpClient,
    clock: Callable[[], datetime],
) -> Campus:
    """The services and grade sources on top of these four; one line per grade source."""
    services = LtiServices(db, box, http, clock)
    grants = Grants(db, box, clock)
    found: tuple[GradeSource, ...] = (
        AgsSource(services),
        CanvasRest(CanvasClient(http, time.sleep), grants),
        MoodleSource(http, GrantTokens(db, box).token, clock),
    )
    sources = {source.key: source for source in found}
    return Campus(settings, db, box, http, clock, services, sources, grants)


def check_public_url(campus: Campus) -> None:
    """Refuse to run under another name than the one that issued credentials carry."""
    with campus.db.reading() as reading:
        recorded = reading.scalar(select(SystemFact.value).where(SystemFact.key == "public_url"))
    if recorded and recorded != campus.settings.public_url:
        now = campus.settings.public_url
        raise ConfigurationError(
            [
                f"TASSEL_PUBLIC_URL is {now}, but badges were issued under {recorded}: their issuer, status and links would stop working. Set it back."
            ]
        )


def create_app(settings: Settings, campus: Campus | None = None) -> Flask:
    """The web application; ``campus`` is given by tests and by processes that have one."""
    logs.configure(settings.log_level)
    app = api.make_app("app.web", static_folder="static", template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES, TRAP_HTTP_EXCEPTIONS=False)
    app.extensions["tassel"] = campus or create_campus(settings)
    Babel(
        app,
        locale_selector=choose_locale,
        default_translation_directories="../translations",
        default_timezone=settings.time_zone,
    )
    app.before_request(_number_request)
    app.before_request(access.guard)
    app.after_request(_secure)
    app.context_processor(_page_values)
    wording.install(app)
    validity_words.install(app)
    editions.install(app)
    for blueprint in (
        afresh.bp,
        endorser.bp,
        grades.bp,
        instructor.bp,
        apps.bp,
        learner_apps.bp,
        privacy.bp,
        operator.bp,
        public.bp,
        wallet.bp,
    ):
        app.register_blueprint(blueprint)
    api.register(app)
    public.limit(app)
    errors.register(app)
    if settings.proxies:
        app.wsgi_app = TrustedProxies(  # type: ignore[method-assign]
            app.wsgi_app, ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1), settings.proxies
        )
    return app


def _number_request() -> None:
    """A request id in every log line and answer, so that a complaint finds its log."""
    g.request_id = uuid.uuid4().hex[:16]
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _page_values() -> dict[str, object]:
    locale = get_locale()
    direction = locale.text_direction if locale else "ltr"
    return {"locale": str(locale or "en").replace("_", "-"), "text_direction": direction}


def _secure(response: Response) -> Response:
    """Headers of every answer. Registered LMSs may frame pages, each its own courses; operator pages nobody.

    A redirect shows nothing, so it needs no policy (and no look at who may frame us).
    """
    if not 300 <= response.status_code < 400:
        response.headers.setdefault("Content-Security-Policy", _policy())
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
    response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _framers() -> tuple[str, ...]:
    """The LMS whose page this is; every registered one may show a page that is nobody's yet."""
    named = request.view_args or {}
    asker = g.get("visitors", {}).get(f"privacy:{named.get('subject_id')}")
    return frame_origins(
        session.campus().db,
        named.get("course_id"),
        g.get("launching"),
        asker.person_id if asker else None,
    )


def _policy() -> str:
    framers, forms, images = "'none'", ["'self'", *g.get("form_targets", ())], "'self' data:"
    if request.path.startswith(("/lti/", "/courses/", "/privacy/")):
        origins = _framers()
        framers = " ".join(("'self'", *g.get("extra_framers", ()), *origins))
        if g.get("keeps_document"):
            forms += origins
            images += " blob:"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images};"
        " connect-src 'self'; font-src 'self'; base-uri 'none';"
        f" form-action {' '.join(forms)}; frame-ancestors {framers}"
    )
