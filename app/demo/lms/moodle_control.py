"""What tests and the bench tell the demo Moodle: tokens, faults by function, what a column is.

JSON under ``/_control/moodle/``, like ``control``; empty for every other LMS.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, jsonify, request

from app.demo.lms.control import find_course, find_person
from app.demo.lms.moodle_report import kind_of
from app.demo.lms.moodle_ws import FUNCTIONS, PATH
from app.demo.lms.service import campus, locked
from app.demo.lms.state import Column, Grade
from app.demo.lms.vendors.base import Vendor
from app.errors import Invalid, NotFound


def moodle_control_blueprint(vendor: Vendor) -> Blueprint:
    """All of them."""
    routes = Blueprint("moodle_control", __name__, url_prefix="/_control/moodle")
    if vendor.name == "moodle":
        for view in (token, site, column, fill):
            name = view.__name__
            routes.add_url_rule(f"/{name}", name, locked(view), methods=["POST"])
        routes.add_url_rule("/calls", "calls", locked(calls))
    return routes


def token() -> Response:
    """``{person, token?}``: a token that acts as that account."""
    here, body = campus(), request.get_json()
    person = find_person(here, body.get("person"))
    made = str(body.get("token") or secrets.token_hex(16))
    here.web_service.tokens[made] = person.id
    return jsonify(token=made, endpoint=here.base_url + PATH, userid=person.id)


def site() -> Response:
    """``{missing?, narrow?, closed?, wants_agent?, seconds_per_student?, fail?, revoke?}``.

    ``fail``: ``{function, errorcode, message, exception, times}``; ``revoke``: a token to forget.
    """
    here, body = campus(), request.get_json()
    service = here.web_service
    if unknown := set(body.get("missing", [])) - set(FUNCTIONS):
        raise Invalid("no-function", f"There is no function {min(unknown)!r}.")
    service.missing = set(body.get("missing", service.missing))
    if "narrow" in body:
        service.narrow = {find_course(here, one) for one in body["narrow"]}
    if "closed" in body:
        service.closed = {find_person(here, one).id for one in body["closed"]}
    service.wants_agent = bool(body.get("wants_agent", service.wants_agent))
    service.seconds_per_student = float(
        body.get("seconds_per_student", service.seconds_per_student)
    )
    service.tokens.pop(str(body.get("revoke", "")), None)
    if fail := dict(body.get("fail", {})):
        times, function = int(fail.pop("times", 1)), str(fail.pop("function"))
        service.failures[function] = [fail] * times
    return jsonify(tokens=len(service.tokens))


def column() -> Response:
    """``{course, line_item, person?, ...}``: change what a column, or one grade in it, is.

    For a column: module, hidden, locked, scale, scale_id, idnumber. With ``person``: locked,
    excluded, overridden, hidden of that grade.
    """
    here, body = campus(), request.get_json()
    named, course_id = str(body.get("line_item")), find_course(here, body.get("course"))
    for one in here.course_columns(course_id):
        if named in {str(one.id), one.label}:
            break
    else:
        raise NotFound("no-column", f"There is no column {named!r} in this course.")
    if "person" in body:
        grade = one.grades[find_person(here, body["person"]).id]
        for name in ("locked", "excluded", "overridden", "hidden"):
            setattr(grade, name, bool(body.get(name, getattr(grade, name))))
    else:
        names = ("module", "hidden", "locked", "scale", "scale_id", "idnumber")
        one.extra.update({name: body[name] for name in names if name in body})
        _into_scale(one)
    return jsonify(id=one.id)


def fill() -> Response:
    """``{course, columns}``: native quizzes until the course has so many columns, everybody graded."""
    here, body = campus(), request.get_json()
    course = here.course(find_course(here, body.get("course")))
    present = [one for one in here.course_columns(course.id) if kind_of(one) != "course"]
    now = here.now().replace(microsecond=0)
    for place in range(len(present), int(body.get("columns", 0))):
        made = Column(here.number("column"), course.id, f"Weekly quiz {place}", 100.0, "native")
        for number, entry in course.enrolments.items():
            if entry.role == "learner":
                made.grades[number] = Grade(float((number * 7 + place * 13) % 101), now)
        here.columns[made.id] = made
    return jsonify(columns=max(len(present), int(body.get("columns", 0))))


def _into_scale(one: Column) -> None:
    """Points become places in the scale, as in Moodle."""
    words = one.extra.get("scale")
    if not words:
        return
    for grade in one.grades.values():
        if grade.value is not None:
            share = grade.value / one.maximum
            grade.value = float(min(len(words), 1 + int(share * len(words))))
    one.maximum = float(len(words))


def calls() -> Response:
    """How often each function was called, and how many at the same time at most."""
    service = campus().web_service
    return jsonify(calls=dict(service.calls), busiest=service.busiest)
