"""The demo Moodle's web service against what a real 4.5.6 answered, and its ways of saying no."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.demo.visitor import Visitor

RECORDED = Path(__file__).parent.parent / "recordings" / "moodle-4.5.6"
REPORT = "gradereport_user_get_grade_items"
Shape = dict[str, set[str]]


class Site:
    """One demo Moodle and a client of its web service that shares no code with the tool."""

    def __init__(self) -> None:
        self.lms: LmsServer = serve(create_lms(LmsConfig("moodle", learners=12)))
        self.http = requests.Session()
        state = self.http.get(f"{self.lms.url}/_control/state?parts=people,courses").json()
        entries = next(one for one in state["courses"] if one["id"] == 3)["enrolments"]
        self.ids: dict[str, int] = {"admin": 2}
        for entry in entries:
            self.ids.setdefault(entry["role"], entry["person"])
        self.learners = [one["person"] for one in entries if one["role"] == "learner"]
        self.tokens = {
            role: self.control("token", person=person)["token"] for role, person in self.ids.items()
        }

    def control(self, name: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.lms.url}/_control/moodle/{name}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def call(self, role: str, function: str, **params: Any) -> Any:
        form = {"wstoken": self.tokens.get(role, role), "wsfunction": function, **params}
        form["moodlewsrestformat"] = "json"
        url = self.lms.url + "/webservice/rest/server.php"
        answer = self.http.post(url, data=form, timeout=10)
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = Site()
    made.http.post(
        f"{made.lms.url}/_control/grade",
        json={"course": 3, "line_item": "Lab 1: Exploring a data set", "person": made.learners[0],
              "score": 11.5, "comment": "Well done"},
        timeout=5,
    ).raise_for_status()  # fmt: skip
    yield made
    made.lms.stop()


def load(name: str) -> Any:
    return json.loads((RECORDED / f"ws-{name}.json").read_text(encoding="utf-8"))


def shape(entries: list[dict[str, Any]]) -> Shape:
    """Every key with the kinds of values it was seen with; int and float are one kind."""
    found: Shape = {}
    for entry in entries:
        for key, value in entry.items():
            kind = "number" if type(value) in (int, float) else type(value).__name__
            found.setdefault(key, set()).add(kind)
    return found


def strange(ours: Shape, real: Shape) -> list[str]:
    """What is in one only; a kind the real one never sent. Ids of outcomes and scales may be set."""
    wrong = [f"{key} only in one" for key in set(ours) ^ set(real)]
    for key in set(ours) & set(real):
        extra = ours[key] - real[key] - ({"number"} if key == "scaleid" else set())
        wrong += [f"{key}: {sorted(extra)}"] if extra else []
    return sorted(wrong)


def items(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for user in payload["usergrades"] for item in user["gradeitems"]]


@pytest.mark.parametrize(
    ("role", "recording"),
    [("teacher", "hidden-overridden-excluded"), ("learner", "student-own")],
)
def test_the_report_has_the_recorded_shape(site: Site, role: str, recording: str) -> None:
    user = 0 if role == "teacher" else site.ids["learner"]
    ours, real = site.call(role, REPORT, courseid=3, userid=user), load(f"{REPORT}-{recording}")
    assert list(ours) == list(real)
    assert strange(shape(ours["usergrades"]), shape(real["usergrades"])) == []
    assert strange(shape(items(ours)), shape(items(real))) == []
    assert list(items(ours)[0])[:6] == list(items(real)[0])[:6]


def test_other_functions_have_the_recorded_shape(site: Site) -> None:
    people = site.call("teacher", "core_enrol_get_enrolled_users", courseid=3)
    real = load("core_enrol_get_enrolled_users")
    assert strange(shape(people), shape(real)) == []
    ours = site.call("teacher", "core_grades_get_gradable_users", courseid=3)
    real = load("core_grades_get_gradable_users")
    assert strange(shape(ours["users"]), shape(real["users"])) == []
    ours, real = (
        site.call("teacher", "core_grades_get_gradeitems", courseid=3),
        load("core_grades_get_gradeitems"),
    )
    assert strange(shape(ours["gradeItems"]), shape(real["gradeItems"])) == []
    assert "grade" not in ours["gradeItems"][0]


def test_a_student_sees_only_the_own_grades_and_nothing_hidden(site: Site) -> None:
    other = site.call("learner", REPORT, courseid=3, userid=site.learners[1])
    everybody = site.call("learner", REPORT, courseid=3, userid=0)
    assert other["errorcode"] == everybody["errorcode"] == "nopermissions"
    site.control("column", course=3, line_item="Attendance", hidden=True)
    own = site.call("learner", REPORT, courseid=3, userid=site.ids["learner"])
    assert "Attendance" not in [item["itemname"] for item in items(own)]
    total = next(item for item in items(own) if item["itemtype"] == "course")
    assert total["graderaw"] is None
    seen = items(site.call("teacher", REPORT, courseid=3, userid=site.ids["learner"]))
    assert [i["gradeishidden"] for i in seen if i["itemname"] == "Attendance"] == [True]
    site.control("column", course=3, line_item="Attendance", hidden=False)


def test_every_refusal_is_http_200_with_its_code(site: Site) -> None:
    def code(role: str, function: str = REPORT, **params: Any) -> Any:
        answer = site.call(role, function, **({"courseid": 3} | params))
        assert set(answer) == {"exception", "errorcode", "message"}
        return answer["errorcode"]

    assert code("no-such-token") == "invalidtoken"
    assert code("teacher", courseid=99) == "invalidrecord"
    assert code("teacher", "core_user_delete_users") == "accessexception"
    site.control("site", missing=[REPORT])
    assert code("teacher") == "accessexception"
    held = site.call("teacher", "core_webservice_get_site_info")["functions"]
    assert REPORT not in [one["name"] for one in held]
    site.control("site", missing=[], closed=[site.ids["teacher"]])
    assert code("teacher") == "wsaccessusersuspended"
    site.control("site", closed=[], fail={"function": REPORT, "errorcode": "e", "message": "m"})
    assert code("teacher") == "e"
    assert len(site.call("teacher", REPORT, courseid=3, userid=0)["usergrades"]) == 12


def test_suspended_people_leave_the_report_and_groups_narrow_it(site: Site) -> None:
    gone = site.learners[-1]
    url = f"{site.lms.url}/_control/suspend"
    site.http.post(url, json={"course": 3, "person": gone}, timeout=5)
    report = site.call("teacher", REPORT, courseid=3)
    assert gone not in [user["userid"] for user in report["usergrades"]]
    names = "core_enrol_get_enrolled_users"
    active = {"options[0][name]": "onlyactive", "options[0][value]": "1"}
    everyone = [user["id"] for user in site.call("teacher", names, courseid=3)]
    assert gone in everyone
    assert gone not in [u["id"] for u in site.call("teacher", names, courseid=3, **active)]
    paged = {"options[0][name]": "limitfrom", "options[0][value]": "5",
             "options[1][name]": "limitnumber", "options[1][value]": "4",
             "options[2][name]": "userfields", "options[2][value]": "id, roles"}  # fmt: skip
    page = site.call("teacher", names, courseid=3, **paged)
    assert [user["id"] for user in page] == everyone[5:9]
    assert set(page[0]) == {"id", "roles"}
    site.http.post(
        f"{site.lms.url}/_control/enrol",
        json={"course": 3, "person": site.ids["assistant"], "role": "assistant", "sections": [5]},
        timeout=5,
    )
    site.control("site", narrow=[3])
    mine = site.call("assistant", REPORT, courseid=3)["usergrades"]
    assert 0 < len(mine) < len(report["usergrades"])
    site.control("site", narrow=[])
    site.http.post(url, json={"course": 3, "person": gone, "suspended": False}, timeout=5)


def test_scales_locks_and_totals(site: Site) -> None:
    site.control("column", course=3, line_item="Attendance", scale=["never", "at times", "always"])
    site.control("column", course=3, line_item="Midterm exam", locked=True)
    site.http.post(
        f"{site.lms.url}/_control/grade",
        json={"course": 3, "line_item": "Attendance", "person": site.learners[0], "score": 2},
        timeout=5,
    )
    seen = items(site.call("teacher", REPORT, courseid=3, userid=site.learners[0]))
    scaled = next(item for item in seen if item["itemname"] == "Attendance")
    assert (scaled["graderaw"], scaled["grademin"], scaled["grademax"]) == (2, 1, 3)
    assert (scaled["gradeformatted"], scaled["scaleid"]) == ("at times", 1)
    exam = next(item for item in seen if item["itemname"] == "Midterm exam")
    assert (exam["itemmodule"], exam["locked"], exam["gradeislocked"]) == ("quiz", True, True)
    assert [item["itemtype"] for item in seen][-2:] == ["category", "course"]


def test_a_request_without_a_user_agent_can_be_refused(site: Site) -> None:
    site.control("site", wants_agent=True)
    url = site.lms.url + "/webservice/rest/server.php"
    assert requests.post(url, headers={"User-Agent": ""}, timeout=5).status_code == 403
    site.control("site", wants_agent=False)


def test_a_person_finds_the_token_under_security_keys(site: Site) -> None:
    with closing(Visitor()) as visitor:
        visitor.become(site.lms.url, site.ids["assistant"])
        url = site.lms.url + "/user/managetoken.php"
        before = site.call("assistant", "core_webservice_get_site_info")["userid"]
        assert site.tokens["assistant"] in visitor.get(url).text
        again = visitor.submit("Reset the key").text
        assert site.tokens["assistant"] not in again
        token = re.findall(r"[0-9a-f]{32}", again)[0]
        assert site.call(token, "core_webservice_get_site_info")["userid"] == before
        old, site.tokens["assistant"] = site.tokens["assistant"], token
        gone = site.call(old, "core_webservice_get_site_info")
        assert gone["errorcode"] == "invalidtoken"


def test_other_modes_have_no_such_service() -> None:
    with serve(create_lms(LmsConfig("canvas"))) as lms:
        answer = requests.post(lms.url + "/webservice/rest/server.php", timeout=5)
    assert answer.status_code == 404
