"""Canvas's REST interface, as far as a grade source needs it, and the control routes of its faults.

After its controllers: every learner has a submission for every published assignment; pages are opaque
bookmarks; an unknown token is 401 with ``WWW-Authenticate``, a missing right 401 without; the
throttle is 403 with nothing remaining; ``graded_since`` sees only a changed time of grading.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from app.demo.lms.control import find_course, find_person
from app.demo.lms.errors import ServiceError
from app.demo.lms.service import campus, locked, refusal
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Person
from app.demo.lms.vendors.base import Vendor
from app.errors import Invalid, NotFound

Row = dict[str, Any]
STEP = 10_000_000
"""Submission id = column * STEP + person: stable, and in the order of the database."""


def canvas_rest_blueprint(vendor: Vendor) -> Blueprint:
    """The endpoints; empty for every other LMS."""
    routes = Blueprint("canvas_rest", __name__)
    if vendor.name != "canvas":
        return routes
    base = "/api/v1/courses/<int:course_id>"
    for rule, name, view in (
        (base, "course", course),
        (f"{base}/assignments", "assignments", assignments),
        (f"{base}/users", "users", users),
        (f"{base}/students/submissions", "submissions", submissions),
    ):
        routes.add_url_rule(rule, name, _served(name, view))
    for name, command in (("switch", switch), ("post", post), ("columns", columns)):
        routes.add_url_rule(f"/_control/canvas/{name}", name, locked(command), methods=["POST"])
    routes.add_url_rule("/_control/canvas/calls", "calls", locked(calls))
    return routes


def _served(
    name: str, view: Callable[[Campus, Person, Course], Response]
) -> Callable[..., Response]:
    """Count, throttle, authorise, answer. One lock, so that answers are of one moment."""

    def run(course_id: int) -> Response:
        here = campus()
        rest = here.rest
        with here.lock:
            rest.calls[name] += 1
            rest.running += 1
            rest.busiest = max(rest.busiest, rest.running)
        try:
            here.vendor.guard_service(here, request)
            with here.lock:
                _maybe_fail(here)
                response = view(here, *_allowed(here, course_id))
        except ServiceError as error:
            response = refusal(here, error)
        finally:
            with here.lock:
                rest.running -= 1
        return here.vendor.finish_service(request, response)

    return run


def _maybe_fail(here: Campus) -> None:
    left = here.rest.fail_after
    if left is not None:
        here.rest.fail_after = left - 1 if left > 0 else None
        if left == 0:
            raise ServiceError(500, "Internal Server Error", body="<h1>500</h1>")


def _allowed(here: Campus, course_id: int) -> tuple[Person, Course]:
    """Who asks, if that person may see the grades of the course."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = here.rest.bearers.get(token) if kind == "Bearer" else None
    if bearer is None or bearer.expires <= here.now():
        realm = {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}
        raise ServiceError(401, "Invalid access token.", headers=realm)
    if course_id not in here.courses or course_id in here.rest.deleted:
        raise ServiceError(404, "The specified resource does not exist.")
    person, found = here.people[bearer.person_id], here.courses[course_id]
    entry = found.enrolments.get(person.id)
    staff = person.is_admin or (entry is not None and entry.role != "learner")
    if not staff or person.id in here.rest.barred:
        raise ServiceError(401, "user not authorized to perform that action")
    return person, found


# --- answers -----------------------------------------------------------------------------------


def course(here: Campus, person: Person, found: Course) -> Response:
    """One course; concluded ones can still be read."""
    over = found.id in here.rest.concluded
    return _json(
        {
            "id": found.id,
            "name": found.title,
            "course_code": found.label,
            "sis_course_id": found.sis_id,
            "uuid": found.uuid,
            "workflow_state": "completed" if over else "available",
        }
    )


def assignments(here: Campus, person: Person, found: Course) -> Response:
    """Every assignment, published or not; the course total is computed and is none."""
    shown = [one for one in here.course_columns(found.id) if one.label != "Course total"]
    rows = [(column.id, column) for column in shown]
    return _page(rows, lambda column: _assignment(here, column))


def _assignment(here: Campus, column: Column) -> Row:
    link = here.links.get(column.link_id or 0)
    row: Row = {
        "id": column.id,
        "course_id": column.course_id,
        "name": column.label,
        "points_possible": column.maximum,
        "grading_type": column.extra.get("grading_type", "points"),
        "submission_types": _types(column),
        "published": column.id not in here.rest.unpublished,
        "post_to_sis": False,
        "integration_id": None,
        "lti_context_id": hashlib.sha256(f"assignment {column.id}".encode()).hexdigest()[:36],
    }
    if link is not None:
        row["external_tool_tag_attributes"] = {
            "url": link.url,
            "new_tab": False,
            "resource_link_id": link.uuid,
        }
    if row["submission_types"] == ["online_quiz"]:
        row["quiz_id"] = column.id + 500
    return row


def _types(column: Column) -> list[str]:
    if column.kind == "linked":
        return ["external_tool"]
    if column.kind == "tool":
        return ["none"]
    if "submission_types" in column.extra:
        return list(column.extra["submission_types"])
    return ["on_paper"] if column.label == "Attendance" else ["online_quiz"]


def users(here: Campus, person: Person, found: Course) -> Response:
    """Learners by number, with the SIS id where there is one."""
    wanted = request.args.getlist("enrollment_type[]")
    entries = sorted(found.enrolments.values(), key=lambda entry: entry.person_id)
    rows = [
        (entry.person_id, entry)
        for entry in entries
        if (not wanted or (entry.role == "learner" and "student" in wanted)) and not entry.suspended
    ]
    return _page(rows, lambda entry: _user(here.people[entry.person_id]))


def _user(person: Person) -> Row:
    return {
        "id": person.id,
        "name": person.name,
        "sortable_name": f"{person.family}, {person.given}",
        "sis_user_id": person.sis_id or None,
        "login_id": person.username,
    }


def submissions(here: Campus, person: Person, found: Course) -> Response:
    """Every learner's submission of every published assignment, by submission id."""
    if request.args.getlist("student_ids[]") != ["all"]:
        raise ServiceError(400, "student_ids[]=all is what this demo serves")
    wanted = {int(one) for one in request.args.getlist("assignment_ids[]")}
    since = request.args.get("graded_since")
    cut = datetime.fromisoformat(since) if since else None
    learners = sorted(
        entry.person_id
        for entry in found.enrolments.values()
        if entry.role == "learner"
        and not entry.suspended
        and not here.people[entry.person_id].is_test
    )
    shown = [
        column
        for column in here.course_columns(found.id)
        if (not wanted or column.id in wanted)
        and column.id not in here.rest.unpublished
        and column.label != "Course total"
    ]
    rows = (
        (column.id * STEP + person_id, (column, person_id))
        for column in sorted(shown, key=lambda column: column.id)
        for person_id in learners
        if cut is None or _graded_after(column.grades.get(person_id), cut)
    )
    return _page(rows, lambda pair: _submission(here, *pair))


def _graded_after(grade: Grade | None, cut: datetime) -> bool:
    return grade is not None and grade.value is not None and grade.timestamp > cut


def _submission(here: Campus, column: Column, person_id: int) -> Row:
    grade = column.grades.get(person_id)
    row: Row = {
        "id": column.id * STEP + person_id,
        "assignment_id": column.id,
        "user_id": person_id,
        "score": None,
        "grade": None,
        "workflow_state": "unsubmitted",
        "graded_at": None,
        "posted_at": None,
        "excused": False,
        "attempt": None,
        "late": False,
        "missing": False,
        "grade_matches_current_submission": True,
    }
    if grade is None:
        return row
    row |= {"excused": grade.excluded, "attempt": grade.attempts, "late": grade.late}
    if grade.excluded or grade.value is None:
        return row | {"workflow_state": "graded" if grade.excluded else "unsubmitted"}
    at = _iso(grade.timestamp)
    pending = (column.id, person_id) in here.rest.pending
    return row | {
        "score": grade.value,
        "grade": f"{grade.value:g}",
        "workflow_state": "pending_review" if pending else "graded",
        "graded_at": at,
        "posted_at": None if grade.hidden else at,
        "grader_id": -1 if grade.author == "tool" else 8,
    }


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- pages -------------------------------------------------------------------------------------


def _page(rows: Any, shape: Callable[[Any], Row]) -> Response:
    """Up to ``per_page`` rows after the bookmark; ``rows`` are (id, thing) in rising order."""
    size = min(request.args.get("per_page", 10, type=int), 100)
    token = request.args.get("page", "")
    after = _read_bookmark(token) if token.startswith("bookmark:") else -1
    found = list(islice(_after(rows, after), size + 1))
    body = [shape(thing) for _, thing in found[:size]]
    links = [("current", token or "1"), ("first", "1")]
    if len(found) > size:
        links.insert(1, ("next", _bookmark(found[size - 1][0])))
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
    header = ",".join(
        f'<{request.base_url}?{urlencode([*kept, ("page", place)], safe=":")}>; rel="{rel}"'
        for rel, place in links
    )
    return _json(body, {"link": header})


def _after(rows: Any, after: int) -> Iterator[tuple[int, Any]]:
    return (row for row in rows if row[0] > after)


def _bookmark(number: int) -> str:
    """A token in which upper and lower case both matter."""
    seal = hashlib.sha256(f"row {number}".encode()).hexdigest()[:12]
    text = base64.urlsafe_b64encode(json.dumps([number, seal]).encode()).decode()
    return "bookmark:" + text.rstrip("=")


def _read_bookmark(token: str) -> int:
    padded = token.removeprefix("bookmark:")
    try:
        number, _ = json.loads(base64.urlsafe_b64decode(padded + "=" * (-len(padded) % 4)))
    except (ValueError, TypeError):
        number = None
    if not isinstance(number, int) or _bookmark(number) != token:
        raise ServiceError(404, "Invalid page bookmark")
    return number


def _json(body: Any, headers: dict[str, str] | None = None) -> Response:
    answer = Response(json.dumps(body), content_type="application/json; charset=utf-8")
    answer.headers.extend(headers or {})
    return answer


# --- control -----------------------------------------------------------------------------------


def switch() -> Response:
    """``{conclude?, delete?: course; bar?: person; fail_after?: n; open?: course or person}``."""
    here, body = campus(), request.get_json()
    rest = here.rest
    if "conclude" in body:
        rest.concluded.add(find_course(here, body["conclude"]))
    if "delete" in body:
        rest.deleted.add(find_course(here, body["delete"]))
    if "bar" in body:
        rest.barred.add(find_person(here, body["bar"]).id)
    if body.get("open"):
        for ended in (rest.concluded, rest.deleted, rest.barred):
            ended.clear()
    rest.fail_after = body.get("fail_after", rest.fail_after)
    return _json({})


def post() -> Response:
    """``{course, column, hidden?, excused?, pending?, published?, person?}``: changes without a new time."""
    here, body = campus(), request.get_json()
    column = _column(here, find_course(here, body["course"]), str(body["column"]))
    person = find_person(here, body["person"]).id if body.get("person") else None
    for person_id, grade in column.grades.items():
        if person in (None, person_id):
            grade.hidden = bool(body.get("hidden", grade.hidden))
            grade.excluded = bool(body.get("excused", grade.excluded))
            if "pending" in body:
                change = here.rest.pending.add if body["pending"] else here.rest.pending.discard
                change((column.id, person_id))
    if "published" in body:
        flip = here.rest.unpublished.discard if body["published"] else here.rest.unpublished.add
        flip(column.id)
    return _json({"column": column.id})


def _column(here: Campus, course_id: int, named: str) -> Column:
    for column in here.course_columns(course_id):
        if named in {str(column.id), column.label}:
            return column
    raise NotFound("no-column", f"There is no column {named!r} in this course.")


def columns() -> Response:
    """``{course, count, people?}``: more native columns and learners, everybody graded, in no time."""
    here, body = campus(), request.get_json()
    found = here.course(find_course(here, body["course"]))
    if int(body.get("count", 0)) > 500 or int(body.get("people", 0)) > 20_000:
        raise Invalid("too-many", "That is too much for one course.")
    graded_at = (here.now() - timedelta(days=3)).replace(microsecond=0)
    for _ in range(int(body.get("people", 0))):
        number = here.number("person")
        label = f"learner{number}"
        person = Person(
            number, f"u{number:035}", "Learner", str(number), label, sis_id=f"S{number}"
        )
        here.add_person(person)
        found.enrolments[number] = Enrolment(number, "learner", [found.sections[0].id])
    learners = [key for key, entry in found.enrolments.items() if entry.role == "learner"]
    for _ in range(int(body.get("count", 0))):
        number = here.number("column", 7)
        column = Column(number, found.id, f"Exercise {number}", 20.0, "native")
        column.grades = {one: Grade(float((one * 7 + number) % 21), graded_at) for one in learners}
        here.columns[number] = column
    return _json({"learners": len(learners)})


def calls() -> Response:
    """How often each endpoint was asked, and how many at the same time."""
    rest = campus().rest
    return _json({"calls": dict(rest.calls), "busiest": rest.busiest})
