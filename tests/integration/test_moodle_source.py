"""The web-service source against the demo Moodle: what it asks, what it brings, how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.errors import UpstreamError
from app.gradebook import moodle_ws
from app.gradebook.moodle_ws import MoodleClient, MoodleSource
from app.gradebook.port import Asked, CourseRef, Page, Setup
from app.http import HttpClient

LEARNERS = 150
REPORT = "gradereport_user_get_grade_items"
ENROLLED = "core_enrol_get_enrolled_users"


class Rig:
    """A demo Moodle with two courses: 150 learners in the first, 4 in the second."""

    def __init__(self) -> None:
        self.lms: LmsServer = serve(create_lms(LmsConfig("moodle", learners=LEARNERS)))
        self.control = requests.Session()
        self.http = HttpClient((self.lms.url,))
        self.now = datetime.now(UTC)
        self.tokens = {
            name: self.post("moodle/token", person=person)["token"]
            for name, person in (("teacher", 8), ("second", 10), ("student", 12), ("admin", 2))
        }

    def post(self, name: str, **body: Any) -> Any:
        answer = self.control.post(f"{self.lms.url}/_control/{name}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def calls(self) -> dict[str, int]:
        """Requests by function since the last look."""
        url = f"{self.lms.url}/_control/moodle/calls"
        found: dict[str, int] = self.control.get(url, timeout=5).json()["calls"]
        new = {name: number - self._seen.get(name, 0) for name, number in found.items()}
        self._seen = found
        return {name: number for name, number in new.items() if number}

    _seen: dict[str, int] = {}  # noqa: RUF012 - replaced, never changed

    def read(
        self, cursor: Any = None, *, whole: bool = False, who: str = "teacher", course: str = "3"
    ) -> list[Page]:
        return list(self.pages(cursor, whole=whole, who=who, course=course))

    def pages(
        self, cursor: Any = None, *, whole: bool = False, who: str = "teacher", course: str = "3"
    ) -> Iterator[Page]:
        source = MoodleSource(self.http, lambda grant: self.tokens[grant], lambda: self.now)
        setup = Setup(self.lms.url, course, who)
        ref = CourseRef("c", "p", course, {}, {source.key: setup})
        assert source.serves(ref)
        asked = Asked(cursor, whole)
        assert not source.columns(ref, asked).complete
        return source.read(ref, (), asked)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.http.close()
    made.control.close()
    made.lms.stop()


@pytest.fixture(autouse=True)
def clean(rig: Rig) -> Iterator[None]:
    rig.calls()
    rig.now = datetime.now(UTC)
    yield
    rig.post("moodle/site", missing=[], narrow=[], closed=[])
    rig.control.delete(f"{rig.lms.url}/_control/faults", timeout=5)


def test_a_small_class_costs_one_request_each_time(rig: Rig) -> None:
    first = rig.read(who="second", course="4")
    assert rig.calls() == {ENROLLED: 1, REPORT: 1}
    assert [(page.done, page.total, page.whole) for page in first] == [(4, 4, True)]
    again = rig.read(first[-1].cursor, who="second", course="4")
    assert rig.calls() == {REPORT: 1}
    assert again == first


def test_a_large_class_is_read_by_person_and_later_only_in_part(rig: Rig) -> None:
    pages = rig.read()
    assert rig.calls() == {ENROLLED: 1, REPORT: LEARNERS}
    assert [page.done for page in pages] == [50, 100, 150]
    assert [page.whole for page in pages] == [False, False, True]
    everybody = {user for page in pages for _, user in page.complete_people}
    assert len(everybody) == LEARNERS
    cursor, met = pages[-1].cursor, set[str]()
    for _ in range(moodle_ws.SWEEP):
        part = rig.read(cursor)
        found = {user for page in part for _, user in page.complete_people}
        assert 10 < len(found) < 30
        assert rig.calls() == {ENROLLED: 1, REPORT: len(found)}
        assert not any(page.whole for page in part)
        cursor, met = part[-1].cursor, met | found
    assert met == everybody
    rig.read(cursor, whole=True)
    assert rig.calls()[REPORT] == LEARNERS


def test_never_more_than_two_at_a_time(rig: Rig) -> None:
    rig.post("moodle/site", seconds_per_student=0.002)
    rig.read()
    url = f"{rig.lms.url}/_control/moodle/calls"
    assert rig.control.get(url, timeout=5).json()["busiest"] == moodle_ws.LANES
    rig.post("moodle/site", seconds_per_student=0)


def test_a_failure_half_way_goes_on_where_it_stopped(rig: Rig) -> None:
    pages = rig.pages()
    kept = [next(pages), next(pages)]
    rig.post("moodle/site", fail={"function": REPORT, "errorcode": "dmlreadexception",
                                  "message": "x", "exception": "y", "times": 9})  # fmt: skip
    with pytest.raises(UpstreamError) as caught:
        next(pages)
    assert not caught.value.permanent
    rig.post("moodle/site", fail={"function": REPORT, "errorcode": "", "message": "", "times": 0})
    rig.calls()
    rest = rig.read(kept[-1].cursor)
    assert rig.calls()[REPORT] == 50
    assert [(page.done, page.total) for page in rest] == [(150, 150)]
    users = [user for page in (*kept, *rest) for _, user in page.complete_people]
    assert len(users) == len(set(users)) == LEARNERS
    # Columns met before the break are not known any more: nothing may be called gone.
    assert not any(page.whole for page in rest)
    # Much later it is no continuation any more.
    rig.now += timedelta(hours=7)
    assert len(rig.read(kept[-1].cursor)) == 3


def test_what_a_page_says(rig: Rig) -> None:
    rig.post("moodle/column", course=4, line_item="Lesson plan", hidden=True)
    rig.post("moodle/column", course=4, line_item="Peer observation", scale=["no", "so so", "yes"],
             scale_id=5)  # fmt: skip
    rig.post("grade", course=4, line_item="Peer observation", person=12, score=2)
    rig.post("grade", course=4, line_item="Reflection 1: My first class", person=12, score=7.5)
    rig.post("moodle/column", course=4, line_item="Reflection 1: My first class", person=12,
             locked=True, overridden=True)  # fmt: skip
    page = rig.read(who="second", course="4")[0]
    columns = {column.title: column for column in page.columns}
    assert set(columns) == {"Reflection 1: My first class", "Lesson plan", "Peer observation"}
    assert columns["Lesson plan"].hidden
    scaled = columns["Peer observation"]
    assert (scaled.scale, scaled.maximum, scaled.kind) == ("5", 3, "lti")
    assert f"item:{scaled.external_id}" in scaled.identities
    assert any(one.startswith("link:") for one in scaled.identities)
    mine = {score.external_id: score for score in page.scores if score.user == "12"}
    reflection = mine[columns["Reflection 1: My first class"].external_id]
    assert (reflection.raw, reflection.locked, reflection.overridden) == (
        reflection.raw.__class__("7.5"),
        True,
        True,
    )
    assert (mine[scaled.external_id].raw, mine[scaled.external_id].scale) == (2, "5")
    hidden = columns["Lesson plan"].external_id
    assert {score.posted for score in page.scores if score.external_id == hidden} == {False}


def test_native_columns_come_and_totals_do_not(rig: Rig) -> None:
    page = rig.read()[0]
    kinds = {column.title: column.kind for column in page.columns}
    assert (kinds["Midterm exam"], kinds["Attendance"]) == ("quiz", "manual")
    assert len(page.columns) == 14
    assert all(column.title for column in page.columns)


def test_suspended_people_are_not_asked_for_and_nothing_of_theirs_is_emptied(rig: Rig) -> None:
    rig.post("suspend", course=3, person=20)
    users = {user for page in rig.read() for _, user in page.complete_people}
    assert "20" not in users
    assert len(users) == LEARNERS - 1
    rig.post("suspend", course=3, person=20, suspended=False)


def test_somebody_who_leaves_while_we_read_is_no_error(rig: Rig) -> None:
    rig.post("moodle/site", fail={"function": REPORT, "errorcode": "notingroup", "message": "x",
                                  "exception": "y", "times": 2})  # fmt: skip
    users = {user for page in rig.read() for _, user in page.complete_people}
    assert len(users) == LEARNERS - 2


@pytest.mark.parametrize(
    ("who", "site", "code", "says"),
    [
        ("student", {}, "source-lost", "teacher"),
        ("teacher", {"closed": [8]}, "source-lost", "token"),
        ("teacher", {"missing": [REPORT]}, "ws-function-missing", REPORT),
        ("second", {}, "source-lost", "teacher"),
    ],
)
def test_refusals_say_who_can_act(
    rig: Rig, who: str, site: dict[str, Any], code: str, says: str
) -> None:
    rig.post("moodle/site", **site)
    with pytest.raises(UpstreamError) as caught:
        rig.read(who=who)
    assert caught.value.code == code
    assert says in f"{caught.value.message} {caught.value.fix}"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"kind": "html"}, "maintenance"),
        ({"kind": "status", "status": 403}, "switched off"),
        ({"kind": "status", "status": 503}, ""),
        ({"kind": "drop_before"}, "reachable"),
    ],
)
def test_answers_from_outside_the_web_service(rig: Rig, rule: dict[str, Any], says: str) -> None:
    rule = {"path": "/webservice/", "times": 9, **rule}
    rig.control.post(f"{rig.lms.url}/_control/faults", json=rule, timeout=5)
    with pytest.raises(UpstreamError) as caught:
        rig.read()
    assert says in caught.value.fix
    assert not caught.value.permanent


def test_the_token_is_in_no_address(rig: Rig) -> None:
    rig.read()
    log = rig.control.get(f"{rig.lms.url}/_control/requests", timeout=5).json()["requests"]
    paths = {entry["path"] for entry in log if "webservice" in entry["path"]}
    assert paths == {"/webservice/rest/server.php"}


def test_site_info_is_the_health_check(rig: Rig) -> None:
    rig.post("moodle/site", missing=[ENROLLED])
    site = MoodleClient(rig.http, rig.lms.url, rig.tokens["teacher"]).site()
    assert (site.missing, site.user_id, site.release[:5]) == ((ENROLLED,), "8", "4.5.6")
    assert site.url == rig.lms.url
