"""The OneRoster 1.2 Rostering Service, read-only as in the binding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, jsonify, request

from app.demo.sis.lists import list_answer
from app.demo.sis.oauth import TokenDesk
from app.demo.sis.roster import Record, Roster
from app.demo.sis.status import unknown

BASE = "/ims/oneroster/rostering/v1p2"
_READ = ("roster.readonly", "roster-core.readonly")

# path: (name in a list answer, name of one, stored collection, which of it)
_VIEWS: dict[str, tuple[str, str, str, Callable[[Record], bool]]] = {
    "users": ("users", "user", "users", lambda r: True),
    "students": ("users", "user", "users", lambda r: r["roles"][0]["role"] == "student"),
    "teachers": ("users", "user", "users", lambda r: r["roles"][0]["role"] == "teacher"),
    "classes": ("classes", "class", "classes", lambda r: True),
    "courses": ("courses", "course", "courses", lambda r: True),
    "orgs": ("orgs", "org", "orgs", lambda r: True),
    "schools": ("orgs", "org", "orgs", lambda r: r["type"] == "school"),
    "academicSessions": (
        "academicSessions",
        "academicSession",
        "academicSessions",
        lambda r: True,
    ),
    "terms": (
        "academicSessions",
        "academicSession",
        "academicSessions",
        lambda r: r["type"] == "term",
    ),
    "enrollments": ("enrollments", "enrollment", "enrollments", lambda r: True),
}


def rostering_routes(roster: Roster, desk: TokenDesk) -> Blueprint:
    """Every view of the roster under its base path."""
    routes = Blueprint("rostering", __name__, url_prefix=BASE)
    for path in _VIEWS:
        _view(routes, roster, desk, path)

    @routes.get("/classes/<class_id>/students")
    def students_of(class_id: str) -> Response:
        desk.require(request, _READ[:1])
        if not roster.has("classes", class_id):
            raise unknown("class", class_id)
        return list_answer("users", roster.students_of(class_id))

    return routes


def _view(routes: Blueprint, roster: Roster, desk: TokenDesk, path: str) -> None:
    many, one, collection, belongs = _VIEWS[path]

    def records() -> Sequence[Record]:
        return [r for r in roster.collections[collection].values() if belongs(r)]

    @routes.get(f"/{path}", endpoint=f"list_{path}")
    def get_all() -> Response:
        desk.require(request, _READ)
        return list_answer(many, records())

    @routes.get(f"/{path}/<sourced_id>", endpoint=f"get_{path}")
    def get_one(sourced_id: str) -> Response:
        desk.require(request, _READ)
        record = roster.collections[collection].get(sourced_id)
        if record is None or not belongs(record):
            raise unknown(one, sourced_id)
        return jsonify({one: record})
