"""Each vendor's own faults can be seen on the wire; a mode that changed nothing would fail here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests.utils import parse_header_links

from tests.integration.demo_lms_stage import Stage, under
from tests.integration.demo_lms_tool import (
    CLAIM,
    ENDPOINT,
    LINE_ITEM,
    LINE_ITEMS,
    MEMBERS,
    RESULTS,
    ROSTER,
    SCORE,
)

SUBMISSION = "https://canvas.instructure.com/lti/submission"


@pytest.fixture
def moodle() -> Iterator[Stage]:
    stage = Stage("moodle")
    stage.register()
    yield stage
    stage.close()


@pytest.fixture
def canvas() -> Iterator[Stage]:
    stage = Stage("canvas")
    stage.register()
    yield stage
    stage.close()


# --- Moodle --------------------------------------------------------------------------------------


def test_moodle_starts_with_a_form_post_and_a_json_hint(moodle: Stage) -> None:
    claims = moodle.teacher_launch()
    login = moodle.tool.logins[-1]
    assert moodle.tool.login_methods[-1] == "POST"
    assert login["lti_message_hint"].startswith('{"cmid":')
    assert login["lti_deployment_id"] == "1"
    assert "lti_storage_target" not in login
    assert claims["exp"] - claims["iat"] == 60
    assert claims[CLAIM + "context"]["type"] == ["CourseSection"]
    assert claims[ENDPOINT]["lineitems"].endswith("?type_id=1")


def test_moodle_wants_exact_media_types(moodle: Stage) -> None:
    item = moodle.item()
    person = moodle.people("learner")[0]
    for accept in ("*/*", "application/json"):
        answer = moodle.tool.call("GET", item, accept)
        assert answer.status_code == 400
        assert answer.json()["reason"].startswith("No handler found")
    body = {"userId": person["subject"]}
    answer = moodle.tool.call("POST", under(item, "scores"), "", "application/json", json=body)
    assert answer.status_code == 400


def test_moodle_needs_the_query_of_its_addresses(moodle: Stage) -> None:
    item = moodle.item()
    assert moodle.tool.call("GET", item.partition("?")[0], LINE_ITEM).status_code == 404


def test_moodle_pages_with_links_that_no_parser_understands(moodle: Stage) -> None:
    url = moodle.teacher_launch()[ENDPOINT]["lineitems"]
    whole = moodle.tool.call("GET", url, LINE_ITEMS)
    assert "Link" not in whole.headers
    assert len(whole.json()) == 12
    part = moodle.tool.call("GET", url + "&limit=5", LINE_ITEMS)
    assert len(part.json()) == 5
    link = part.headers["Link"].encode("latin-1").decode()
    assert "rel=“next”" in link
    assert "&amp;from=5" in link
    assert "next" not in {one.get("rel") for one in parse_header_links(part.headers["Link"])}


def test_moodle_crashes_on_results_with_a_limit(moodle: Stage) -> None:
    answer = moodle.tool.call("GET", under(moodle.item(), "results") + "&limit=5", RESULTS)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_moodle_cuts_what_is_above_the_maximum(moodle: Stage) -> None:
    item, person = moodle.item(), moodle.people("learner")[0]
    moodle.score(item, person, scoreGiven=6, scoreMaximum=4)
    result = moodle.result(item, person)
    assert result is not None
    assert result["resultScore"] == 10


def test_moodle_conflicts_with_a_teachers_later_change(moodle: Stage) -> None:
    item, person = moodle.item(), moodle.people("learner")[0]
    before = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    moodle.control("grade", course=3, line_item="7", person=person["id"], score=2)
    assert moodle.score(item, person, timestamp=before).status_code == 409


def test_moodle_accepts_a_suspended_learner_and_hides_admins(moodle: Stage) -> None:
    claims = moodle.teacher_launch()
    roster = moodle.tool.call("GET", claims[ROSTER]["context_memberships_url"], MEMBERS).json()
    admin = next(one for one in moodle.state("people")["people"] if one["admin"])
    assert admin["subject"] not in {one["user_id"] for one in roster["members"]}
    launched = moodle.launch(admin["id"])[CLAIM + "roles"]
    assert "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor" in launched


def test_moodle_roster_pages_properly_but_loses_the_role(moodle: Stage) -> None:
    url = moodle.teacher_launch()[ROSTER]["context_memberships_url"]
    answer = moodle.tool.call("GET", url + "?limit=10&role=Learner", MEMBERS)
    following = answer.links["next"]["url"]
    assert "role" not in following
    assert "from=10" in following
    assert moodle.tool.call("GET", url, "application/json").status_code == 400
    assert moodle.tool.call("GET", url, "*/*").status_code == 200


# --- Canvas --------------------------------------------------------------------------------------


def test_canvas_has_one_issuer_and_keeps_values_in_a_frame(canvas: Stage) -> None:
    claims = canvas.teacher_launch()
    login = canvas.tool.logins[-1]
    assert claims["iss"] == login["iss"] == "https://canvas.instructure.com"
    assert login["lti_storage_target"] == "post_message_forwarding"
    assert login["canvas_region"]
    assert claims[CLAIM + "deployment_id"] == login["deployment_id"]
    sections = claims[CLAIM + "custom"]["sections"]
    assert sections == "STAT101-2026-AUT-A,STAT101-2026-AUT-B"


def test_canvas_wants_a_user_agent(canvas: Stage) -> None:
    url = canvas.teacher_launch()[ENDPOINT]["lineitems"]
    answer = canvas.tool.call("GET", url, LINE_ITEMS, headers={"User-Agent": ""})
    assert answer.status_code == 403
    assert canvas.tool.call("GET", url, LINE_ITEMS).status_code == 200


def test_canvas_pages_with_case_sensitive_bookmarks(canvas: Stage) -> None:
    url = canvas.teacher_launch()[ENDPOINT]["lineitems"]
    first = canvas.tool.call("GET", url, LINE_ITEMS)
    assert len(first.json()) == 10
    assert "link" in list(first.headers)
    following = first.links["next"]["url"]
    assert "page=bookmark:" in following
    second = canvas.tool.call("GET", following, LINE_ITEMS)
    assert len(second.json()) == 2
    assert "next" not in second.links
    assert canvas.tool.call("GET", following.lower(), LINE_ITEMS).status_code == 404


def test_canvas_throttles_with_a_403(canvas: Stage) -> None:
    url = canvas.teacher_launch()[ENDPOINT]["lineitems"]
    canvas.control("throttle", requests=1)
    answer = canvas.tool.call("GET", url, LINE_ITEMS)
    assert answer.status_code == 403
    assert float(answer.headers["X-Rate-Limit-Remaining"]) == 0
    answer = canvas.tool.call("GET", url, LINE_ITEMS)
    assert answer.status_code == 200
    assert float(answer.headers["X-Rate-Limit-Remaining"]) > 600


def test_canvas_throttles_many_requests_at_once(canvas: Stage) -> None:
    url = canvas.teacher_launch()[ENDPOINT]["lineitems"]
    token = canvas.tool.ask_token(canvas.tool.registered["scope"].split())
    bearer = token.json()["access_token"]
    bucket = canvas.lms.app.extensions["demo_lms"].vendor.bucket
    for _ in range(14):
        bucket.enter("Bearer " + bearer)
    assert canvas.tool.call("GET", url, LINE_ITEMS, token=bearer).status_code == 403
    for _ in range(14):
        bucket.leave("Bearer " + bearer)
    assert canvas.tool.call("GET", url, LINE_ITEMS, token=bearer).status_code == 200


def test_canvas_student_view_is_marked_and_takes_no_score(canvas: Stage) -> None:
    person = next(one for one in canvas.state("people")["people"] if one["test"])
    roles = canvas.launch(person["id"])[CLAIM + "roles"]
    assert "http://purl.imsglobal.org/vocab/lti/system/person#TestUser" in roles
    assert canvas.score(canvas.item(), person).status_code == 422


def test_canvas_assistant_is_sent_with_instructor(canvas: Stage) -> None:
    roles = canvas.launch(canvas.people("assistant")[0]["id"])[CLAIM + "roles"]
    base = "http://purl.imsglobal.org/vocab/lis/v2/membership"
    assert {base + "#Instructor", base + "/Instructor#TeachingAssistant"} <= set(roles)


def test_canvas_navigation_link_is_the_course(canvas: Stage) -> None:
    claims = canvas.teacher_launch()
    assert claims[CLAIM + "resource_link"]["id"] == claims[CLAIM + "context"]["id"]
    activity = canvas.teacher_launch("Quiz 2: Probability")
    assert activity[CLAIM + "resource_link"]["id"] != activity[CLAIM + "context"]["id"]


def test_canvas_makes_columns_for_activities_but_not_for_its_navigation(canvas: Stage) -> None:
    navigation = canvas.teacher_launch()
    activity = canvas.teacher_launch("Quiz 2: Probability")
    url = navigation[ENDPOINT]["lineitems"]
    answers = []
    for claims in (navigation, activity):
        link = claims[CLAIM + "resource_link"]["id"]
        sent = {"label": "Badge", "scoreMaximum": 1, "resourceLinkId": link}
        answers.append(canvas.tool.call("POST", url, "", LINE_ITEM, json=sent).status_code)
    assert answers == [404, 201]


def test_canvas_adds_comments_and_counts_attempts(canvas: Stage) -> None:
    item, person = canvas.item(), canvas.people("learner")[0]
    canvas.score(item, person, comment="one")
    canvas.score(item, person, comment="two", **{SUBMISSION: {"new_submission": False}})
    grades = canvas.state("grades")["grades"]["7"]
    cell = next(one for one in grades if one["person"] == person["id"])
    assert cell["comments"][-2:] == ["one", "two"]
    assert cell["attempts"] == 2


def test_canvas_can_prefer_the_teachers_grade(canvas: Stage) -> None:
    item, person = canvas.item(), canvas.people("learner")[0]
    canvas.control("grade", course=3, line_item="7", person=person["id"], score=2)
    canvas.score(item, person, **{SUBMISSION: {"prioritize_non_tool_grade": True}})
    kept = canvas.result(item, person)
    assert kept is not None
    assert kept["resultScore"] == 2
    canvas.score(item, person)
    replaced = canvas.result(item, person)
    assert replaced is not None
    assert replaced["resultScore"] == 7.5


def test_canvas_scores_need_a_maximum(canvas: Stage) -> None:
    item, person = canvas.item(), canvas.people("learner")[0]
    assert canvas.score(item, person, scoreMaximum=None).status_code == 422


def test_two_canvas_schools_share_the_issuer_and_nothing_else() -> None:
    first, second = Stage("canvas"), Stage("canvas", seed=2)
    for stage in (first, second):
        stage.register()
    a, b = first.teacher_launch(), second.teacher_launch()
    assert a["iss"] == b["iss"]
    assert a["aud"] != b["aud"]
    assert a[CLAIM + "deployment_id"] != b[CLAIM + "deployment_id"]
    token = first.tool.ask_token(first.tool.registered["scope"].split()).json()["access_token"]
    answer = second.tool.call("GET", b[ENDPOINT]["lineitems"], LINE_ITEMS, token=token)
    assert answer.status_code == 401
    for stage in (first, second):
        stage.close()


# --- all -----------------------------------------------------------------------------------------


def test_scores_from_several_threads_are_each_counted_once(moodle: Stage) -> None:
    item, learners = moodle.item(), moodle.people("learner")
    token = moodle.tool.ask_token(moodle.tool.registered["scope"].split()).json()["access_token"]

    def post(person: dict[str, Any]) -> int:
        body = {
            "userId": person["subject"],
            "timestamp": datetime.now(UTC).isoformat(),
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "scoreGiven": 1,
            "scoreMaximum": 1,
        }
        with requests.Session() as session:
            headers = {"Authorization": "Bearer " + token, "Content-Type": SCORE}
            url = under(item, "scores")
            return session.post(url, json=body, headers=headers, timeout=20).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, learners)) == {200}
    counts = moodle.state("counts")["counts"]
    assert {one["posts"] for one in counts} == {1}
    assert len(counts) == len(learners) == 30
