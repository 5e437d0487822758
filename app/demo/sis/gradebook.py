"""The OneRoster 1.2 Gradebook Service: five collections, each with list, GET, PUT and DELETE."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from app.demo.sis.lists import list_answer
from app.demo.sis.oauth import TokenDesk
from app.demo.sis.records import verdict
from app.demo.sis.status import RefusalError, bad_data
from app.demo.sis.store import COLLECTIONS, Record, Store

BASE = "/ims/oneroster/gradebook/v1p2"
_READ_GRADEBOOK = ("gradebook.readonly", "gradebook-core.readonly")


def gradebook_routes(store: Store, desk: TokenDesk) -> Blueprint:
    """Every collection of the gradebook under its base path."""
    routes = Blueprint("gradebook", __name__, url_prefix=BASE)
    for collection, kind in COLLECTIONS.items():
        _collection(routes, store, desk, collection, kind)
    return routes


def _collection(
    routes: Blueprint, store: Store, desk: TokenDesk, collection: str, kind: str
) -> None:
    family = "assessment" if collection.startswith("assessment") else "gradebook"
    reading = _READ_GRADEBOOK if family == "gradebook" else (f"{family}.readonly",)

    @routes.get(f"/{collection}", endpoint=f"list_{collection}")
    def get_all() -> Response:
        desk.require(request, reading)
        return list_answer(collection, store.all(collection))

    @routes.get(f"/{collection}/<sourced_id>", endpoint=f"get_{collection}")
    def get_one(sourced_id: str) -> Response:
        desk.require(request, reading)
        return jsonify({kind: store.get(collection, sourced_id)})

    @routes.put(f"/{collection}/<sourced_id>", endpoint=f"put_{collection}")
    def put(sourced_id: str) -> Response:
        desk.require(request, (f"{family}.createput",))
        created, kept_id = store.put(collection, sourced_id, _body(kind))
        answer = Response(status=201 if created else 200)
        if store.switches.server_allocated_ids:
            pair = {"suppliedSourcedId": sourced_id, "allocatedSourcedId": kept_id}
            answer = jsonify(sourcedIdPairs=[pair])
            answer.status_code = 201 if created else 200
        return answer

    @routes.delete(f"/{collection}/<sourced_id>", endpoint=f"delete_{collection}")
    def delete(sourced_id: str) -> Response:
        desk.require(request, (f"{family}.delete",))
        store.delete(collection, sourced_id)
        return Response(status=204)


def _body(kind: str) -> Record:
    """The record in the request's envelope, held against the closed shape of its kind."""
    payload = request.get_json(silent=True)
    if payload is None:
        raise RefusalError(400, "invaliddata", "The body is not JSON or not labelled as JSON.")
    reason = verdict(kind, payload)
    if reason:
        raise bad_data(reason)
    record: Record = payload[kind]
    return record
