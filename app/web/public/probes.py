"""Probes for the container and the monitoring: alive, ready, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address

from flask import Response, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from app.models import Award, CollectRun, Connection, Delivery, Heartbeat
from app.pipeline.campus import Campus
from app.web import session, tokens, vitals
from app.web.public.blueprint import bp

_STARTED = "tassel_started"


@bp.record_once
def _note_start(state: BlueprintSetupState) -> None:
    """Workers get a minute from here to show up before readiness asks for one."""
    campus: Campus = state.app.extensions["tassel"]
    state.app.extensions[_STARTED] = campus.clock()


@bp.get("/healthz")
def healthz() -> Response:
    """This process answers; nothing else is asked."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    """Database, schema and worker; 503 says which of them is not ready."""
    started: datetime = current_app.extensions[_STARTED]
    found = vitals.checks(session.campus(), started)
    ready = all(state in ("ok", "starting") for state in found.values())
    answer = jsonify(status="ok" if ready else "not ready", **found)
    answer.status_code = 200 if ready else 503
    return answer


@bp.get("/metrics")
def metrics() -> Response:
    """Prometheus text; from this machine, or with a token that has ``metrics:read``."""
    if not _from_here():
        tokens.require("metrics:read")
    registry = CollectorRegistry()
    registry.register(_Rows(session.campus()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _from_here() -> bool:
    """A direct caller on loopback. A forwarded request is never one: its origin is hearsay."""
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    address = request.remote_addr or ""
    return not forwarded and bool(address) and ip_address(address).is_loopback


class _Rows(Collector):
    """The numbers of the database at the moment of the scrape; ids and states only."""

    def __init__(self, campus: Campus) -> None:
        self._campus = campus

    def collect(self) -> Iterator[Metric]:
        """One family per table, and the age of the youngest heartbeat."""
        now = self._campus.clock()
        build = GaugeMetricFamily("tassel_build_info", "Release.", labels=["version"])
        build.add_metric([vitals.release()], 1)
        yield build
        tables = {
            "deliveries": Delivery.state,
            "awards": Award.state,
            "collect_runs": CollectRun.state,
            "connections": Connection.state,
        }
        with self._campus.db.reading() as db:
            for name, state_of in tables.items():
                family = GaugeMetricFamily(f"tassel_{name}", f"Rows of {name}.", labels=["state"])
                query = select(state_of, func.count()).group_by(state_of)
                for state, count in db.execute(query):
                    family.add_metric([state], count)
                yield family
            latest = db.scalar(select(func.max(Heartbeat.at)))
        age = GaugeMetricFamily("tassel_worker_heartbeat_age_seconds", "Since a worker was heard.")
        if latest is not None:
            age.add_metric([], (now - latest).total_seconds())
        yield age
