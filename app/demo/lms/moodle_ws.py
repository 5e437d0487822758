"""Moodle's REST web service: ``POST /webservice/rest/server.php``, only in the moodle mode.

Every error is HTTP 200 with ``{exception, errorcode, message}``. Only what a real 4.5.6 was seen to
do; ``core_grades_get_gradeitems`` is here because it looks right and holds no grade.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from app.demo.lms.moodle_report import kind_of, report_columns, user_report
from app.demo.lms.service import campus
from app.demo.lms.state import Campus, Course, Enrolment, Person
from app.demo.lms.vendors.base import Vendor

PATH = "/webservice/rest/server.php"
PAGE_OF_ALL = 0
ROLES = {
    "teacher": (3, "editingteacher"),
    "assistant": (4, "teacher"),
    "learner": (5, "student"),
}
Params = dict[str, str]


class WsError(Exception):
    """A refusal, told with HTTP 200."""

    def __init__(self, errorcode: str, message: str, exception: str = "moodle_exception") -> None:
        super().__init__(message)
        self.body = {"exception": exception, "errorcode": errorcode, "message": message}


def moodle_ws_blueprint(vendor: Vendor) -> Blueprint:
    """The endpoint; empty for every other LMS."""
    routes = Blueprint("moodle_ws", __name__)
    if vendor.name == "moodle":
        routes.add_url_rule(PATH, "call", call, methods=["POST"])
    return routes


def call() -> Response:
    """One function. The lock is not held while the report takes its time, as in a real server."""
    here, form = campus(), request.form.to_dict()
    service = here.web_service
    if service.wants_agent and not request.headers.get("User-Agent"):
        return Response("<h1>403 Forbidden</h1>", 403, content_type="text/html; charset=utf-8")
    name = form.get("wsfunction", "")
    with here.lock:
        service.calls[name] += 1
        service.busy += 1
        service.busiest = max(service.busiest, service.busy)
    try:
        with here.lock:
            payload, students = _answer(here, name, form)
        time.sleep(service.seconds_per_student * students)
    except WsError as error:
        payload = error.body
    finally:
        with here.lock:
            service.busy -= 1
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":"))
    return Response(text, content_type="application/json; charset=utf-8")


def _answer(here: Campus, name: str, form: Params) -> tuple[Any, int]:
    """The payload, and for how many students a report had to be built."""
    person = _account(here, form.get("wstoken", ""))
    if here.web_service.failures.get(name):
        raise WsError(**here.web_service.failures[name].pop(0))
    if name not in FUNCTIONS or name in here.web_service.missing:
        raise WsError("accessexception", "Access control exception", "webservice_access_exception")
    payload = FUNCTIONS[name](here, person, form)
    return payload, len(payload["usergrades"]) if "usergrades" in payload else 0


def _account(here: Campus, token: str) -> Person:
    number = here.web_service.tokens.get(token)
    if number is None:
        raise WsError("invalidtoken", "Invalid token - token not found")
    person = here.person(number)
    if number in here.web_service.closed:
        raise WsError(
            "wsaccessusersuspended",
            f"Refused web service access for suspended username: {person.username}",
        )
    return person


def _number(form: Params, name: str, default: int | None = None) -> int:
    text = form.get(name, "")
    if not text and default is not None:
        return default
    if not text.isdecimal():
        raise WsError(
            "invalidparameter", "Invalid parameter value detected", "invalid_parameter_exception"
        )
    return int(text)


def _course(here: Campus, person: Person, form: Params) -> tuple[Course, Enrolment | None]:
    """The course and the account's place in it. Raises as Moodle does for gone and foreign ones."""
    course = here.courses.get(_number(form, "courseid"))
    if course is None:
        raise WsError(
            "invalidrecord",
            "Can't find data record in database table course.",
            "dml_missing_record_exception",
        )
    entry = course.enrolments.get(person.id)
    if not person.is_admin and (entry is None or entry.suspended):
        raise WsError(
            "errorcoursecontextnotvalid",
            f"You cannot execute functions in the course context (course id:{course.id}). The "
            "context error message was: Course or activity not accessible. (Not enrolled)",
        )
    return course, entry


def _need_staff(entry: Enrolment | None, what: str) -> None:
    if entry is not None and entry.role == "learner":
        raise WsError(
            "nopermissions",
            f"Sorry, but you do not currently have permissions to do that ({what}).",
            "required_capability_exception",
        )


def _narrowed(here: Campus, course: Course, entry: Enrolment | None) -> list[Enrolment]:
    """The enrolments that the account may see: with separate groups only those of its own."""
    entries = list(course.enrolments.values())
    if entry is None or course.id not in here.web_service.narrow:
        return entries
    mine = set(entry.sections)
    return [one for one in entries if mine & set(one.sections)]


def _learners(here: Campus, course: Course, entry: Enrolment | None) -> list[Person]:
    """Active learners by family name, as the report orders them."""
    wanted = [
        here.people[one.person_id]
        for one in _narrowed(here, course, entry)
        if one.role == "learner" and not one.suspended
    ]
    return sorted(wanted, key=lambda person: (person.family.casefold(), person.id))


def site_info(here: Campus, person: Person, form: Params) -> Any:
    """``core_webservice_get_site_info``."""
    del form
    held = sorted(set(FUNCTIONS) - here.web_service.missing)
    return {
        "sitename": "Demo University",
        "username": person.username,
        "firstname": person.given,
        "lastname": person.family,
        "fullname": person.name,
        "lang": "en",
        "userid": person.id,
        "siteurl": here.base_url,
        "userpictureurl": f"{here.base_url}/theme/image.php/boost/core/1/u/f1",
        "functions": [{"name": name, "version": here.vendor.version} for name in held],
        "downloadfiles": 0,
        "uploadfiles": 0,
        "release": "4.5.6 (Build: 20250811)",
        "version": here.vendor.version,
        "mobilecssurl": "",
        "usercanmanageownfiles": True,
        "userissiteadmin": person.is_admin,
    }


def grade_items(here: Campus, person: Person, form: Params) -> Any:
    """``gradereport_user_get_grade_items``: user 0 is everybody that the account may see."""
    course, entry = _course(here, person, form)
    user = _number(form, "userid", PAGE_OF_ALL)
    own = entry is not None and entry.role == "learner"
    if not (own and user == person.id):
        _need_staff(entry, "View other users' grades")
    seen = [person] if own else _learners(here, course, entry)
    if user:
        seen = [one for one in seen if one.id == user]
        if not seen:
            raise WsError("notingroup", "Sorry, but you need to be part of a group to see this.")
    reports = [user_report(here, course, one, own=own) for one in seen]
    return {"usergrades": reports, "warnings": []}


def enrolled_users(here: Campus, person: Person, form: Params) -> Any:
    """``core_enrol_get_enrolled_users``, its options in PHP's form notation."""
    course, entry = _course(here, person, form)
    options = _options(form)
    entries = sorted(_narrowed(here, course, entry), key=lambda one: one.person_id)
    if options.get("onlyactive") == "1":
        entries = [one for one in entries if not one.suspended]
    first = int(options.get("limitfrom", "0"))
    most = int(options.get("limitnumber", "0")) or len(entries)
    fields = [one for one in options.get("userfields", "").split(",") if one.strip()]
    users = [_enrolled(here, course, person, one) for one in entries[first : first + most]]
    if not fields:
        return users
    keep = {"id", *(one.strip() for one in fields)}
    return [{key: value for key, value in user.items() if key in keep} for user in users]


def _options(form: Params) -> Params:
    found = {}
    for key, name in form.items():
        place = re.fullmatch(r"options\[(\d+)\]\[name\]", key)
        if place:
            found[name] = form.get(f"options[{place[1]}][value]", "")
    return found


def _enrolled(here: Campus, course: Course, viewer: Person, entry: Enrolment) -> dict[str, Any]:
    """Account name and id number of others are shown to the administrator only."""
    person, (number, role) = here.people[entry.person_id], ROLES[entry.role]
    groups = [section for section in course.sections if section.id in entry.sections]
    mine = viewer.is_admin or viewer.id == person.id
    picture = f"{here.base_url}/theme/image.php/boost/core/1/u/f"
    return {
        "id": person.id,
        **({"username": person.username} if mine else {}),
        "firstname": person.given,
        "lastname": person.family,
        "fullname": person.name,
        "email": person.email,
        **({"department": "", "idnumber": person.sis_id} if mine else {}),
        "firstaccess": 0,
        "lastaccess": 0,
        "lastcourseaccess": 0,
        "profileimageurlsmall": picture + "2",
        "profileimageurl": picture + "1",
        **(
            {
                "groups": [
                    {"id": one.id, "name": one.name, "description": "", "descriptionformat": 1}
                    for one in groups
                ]
            }
            if entry.role == "learner" and groups
            else {}
        ),
        "roles": [{"roleid": number, "name": "", "shortname": role, "sortorder": 0}],
        **({"preferences": []} if viewer.id == person.id else {}),
        "enrolledcourses": [{"id": course.id, "fullname": course.title, "shortname": course.label}],
    }


def grade_item_names(here: Campus, person: Person, form: Params) -> Any:
    """``core_grades_get_gradeitems``: names and nothing more."""
    course, entry = _course(here, person, form)
    _need_staff(entry, "View grade items")
    columns = [one for one in report_columns(here, course) if kind_of(one) != "course"]
    items = [
        {"id": str(one.id), "itemname": one.label, "category": course.title} for one in columns
    ]
    return {"gradeItems": sorted(items, key=lambda item: item["itemname"]), "warnings": []}


def gradable_users(here: Campus, person: Person, form: Params) -> Any:
    """``core_grades_get_gradable_users``: active learners with all that a teacher may see."""
    course, entry = _course(here, person, form)
    _need_staff(entry, "View all grades")
    picture = f"{here.base_url}/theme/image.php/boost/core/1/u/f"
    empty = {"address": "", "phone1": "", "phone2": "", "department": "", "institution": ""}
    users = [
        {
            "id": one.id,
            "username": one.username,
            "firstname": one.given,
            "lastname": one.family,
            "fullname": one.name,
            "email": one.email,
            **empty,
            "idnumber": one.sis_id,
            "firstaccess": 0,
            "lastaccess": 0,
            "auth": "manual",
            "suspended": False,
            "confirmed": True,
            "lang": "en",
            "calendartype": "gregorian",
            "theme": "",
            "timezone": "99",
            "mailformat": 1,
            "trackforums": 0,
            "description": None,
            "descriptionformat": 1,
            "city": "",
            "country": "",
            "profileimageurlsmall": picture + "1",
            "profileimageurl": picture + "1",
        }
        for one in sorted(_learners(here, course, entry), key=lambda found: found.id)
    ]
    return {"users": users, "warnings": []}


FUNCTIONS: dict[str, Callable[[Campus, Person, Params], Any]] = {
    "core_webservice_get_site_info": site_info,
    "gradereport_user_get_grade_items": grade_items,
    "core_enrol_get_enrolled_users": enrolled_users,
    "core_grades_get_gradeitems": grade_item_names,
    "core_grades_get_gradable_users": gradable_users,
}
