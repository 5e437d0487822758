"""The demo LMS holds to the protocol, seen by a tool that shares no code with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests

from tests.integration.demo_lms_stage import MODES, Stage, under
from tests.integration.demo_lms_tool import (
    AGS,
    CLAIM,
    ENDPOINT,
    LINE_ITEM,
    LINE_ITEMS,
    MEMBERS,
    NRPS,
    RESULTS,
    ROSTER,
    SCOPES,
    Tool,
)


@pytest.fixture(params=MODES)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Each vendor with the tool registered through the administrator's pages."""
    found = Stage(request.param)
    found.register()
    yield found
    found.close()


def test_registration_makes_a_tool_that_launches(stage: Stage) -> None:
    claims = stage.teacher_launch()
    assert claims["sub"] == stage.people("teacher")[0]["subject"]
    assert claims["nonce"].startswith("nonce-")
    assert claims[CLAIM + "target_link_uri"] == stage.tool.url + "/launch"
    assert claims[CLAIM + "custom"]["due"] == "$ResourceLink.submission.endDateTime"
    assert claims[CLAIM + "custom"]["fixed"] == "hello"
    assert stage.tool.raw[-1]["state"].startswith("state-")
    tools = stage.state("tools")["tools"]
    assert [one["deployment_id"] for one in tools] == [claims[CLAIM + "deployment_id"]]


def test_a_pending_tool_cannot_be_launched_before_activation() -> None:
    stage = Stage("moodle")
    admin = next(one for one in stage.state("people")["people"] if one["admin"])
    stage.visitor.become(stage.url, admin["id"])
    stage.visitor.get(stage.url + "/admin/tools")
    stage.visitor.submit("register", url=stage.tool.url + "/register")
    stage.visitor.enter_frame()
    assert stage.state("tools")["tools"][0]["active"] is False
    assert stage.tool.ask_token(SCOPES).status_code == 400
    stage.close()


def test_moodle_asks_update_or_new_and_an_update_keeps_the_ids() -> None:
    stage = Stage("moodle")
    stage.register()
    before = stage.state("tools")["tools"][0]
    stage.visitor.register(stage.url, stage.tool.url + "/register", choice="update")
    assert stage.state("tools")["tools"] == [before]
    stage.visitor.register(stage.url, stage.tool.url + "/register", choice="new")
    assert len(stage.state("tools")["tools"]) == 2
    # The new one has its own place in the course navigation.
    assert len([one for one in stage.state("links")["links"] if one["navigation"]]) == 4
    stage.close()


def test_a_registration_token_works_once(stage: Stage) -> None:
    stage.visitor.get(stage.url + "/admin/tools")
    page = stage.visitor.submit("register", url=stage.tool.url + "/register")
    if not page.frames:
        page = stage.visitor.submit("new")
    source = page.frames[0][1]
    stage.visitor.get(source)
    first = stage.tool.registration_status
    stage.visitor.get(source)
    assert (first, stage.tool.registration_status) == (
        {"moodle": 200}.get(stage.mode, 201),
        401,
    )


def test_registration_answers_differ_by_vendor(stage: Stage) -> None:
    about = stage.tool.registered["https://purl.imsglobal.org/spec/lti-tool-configuration"]
    assert ("deployment_id" in about) is (stage.mode != "canvas")
    with requests.Session() as session:
        path = {
            "canvas": "/api/lti/security/openid-configuration",
            "moodle": "/mod/lti/openid-configuration.php",
            "standard": "/lti/openid-configuration",
        }[stage.mode]
        status = session.get(stage.url + path, timeout=5).status_code
    assert status == (401 if stage.mode == "canvas" else 200)


def test_only_the_tools_own_columns_are_listed(stage: Stage) -> None:
    claims = stage.teacher_launch()
    url = claims[ENDPOINT]["lineitems"]
    if stage.mode == "canvas":
        url += "?limit=100"
    items = stage.tool.call("GET", url, LINE_ITEMS).json()
    assert len(items) == 12
    native = [one for one in stage.state("line_items")["line_items"] if one["owner"] == "native"]
    assert {one["label"] for one in native} == {"Midterm exam", "Attendance", "Course total"}
    assert not {one["label"] for one in native} & {one["label"] for one in items}
    # A native column's number put into an address that was handed out.
    last = max(
        one["id"]
        for one in stage.state("line_items")["line_items"]
        if one["owner"] == "linked" and one["course"] == 3
    )
    guessed = items[-1]["id"].replace(f"/{last}", f"/{native[0]['id']}")
    assert guessed != items[-1]["id"]
    status = stage.tool.call("GET", guessed, LINE_ITEM).status_code
    assert status == (401 if stage.mode == "canvas" else 404)


def test_create_change_and_delete_a_column(stage: Stage) -> None:
    url = stage.teacher_launch()[ENDPOINT]["lineitems"]
    sent = {"label": "Badge", "scoreMaximum": 1, "tag": "badge", "resourceId": "r-1"}
    made = stage.tool.call("POST", url, "", LINE_ITEM, json=sent)
    assert made.status_code == 201
    item = made.json()["id"]
    read = stage.tool.call("GET", item, LINE_ITEM).json()
    assert (read["label"], read["scoreMaximum"], read["tag"]) == ("Badge", 1, "badge")
    changed = stage.tool.call("PUT", item, "", LINE_ITEM, json=sent | {"label": "Badges"})
    assert changed.json()["label"] == "Badges"
    mark = "&" if "?" in url else "?"
    tagged = stage.tool.call("GET", f"{url}{mark}tag=badge", LINE_ITEMS).json()
    assert [one["label"] for one in tagged] == ["Badges"]
    assert stage.tool.call("DELETE", item).status_code == 204
    assert stage.tool.call("GET", item, LINE_ITEM).status_code == 404


def test_deleting_the_column_of_an_activity(stage: Stage) -> None:
    status = stage.tool.call("DELETE", stage.item()).status_code
    assert status == (204 if stage.mode == "moodle" else 401)


def test_a_score_becomes_a_result_rescaled(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    answer = stage.score(item, person, comment="Well done & <b>good</b>")
    assert answer.status_code == 200, answer.text
    result = stage.result(item, person)
    assert result is not None
    assert (result["resultScore"], result["resultMaximum"]) == (7.5, 10)
    assert result["comment"] == "Well done & <b>good</b>"
    assert result["userId"] == person["subject"]
    assert stage.state("counts")["counts"] == [{"line_item": 7, "person": person["id"], "posts": 1}]


def test_a_zero_is_a_score(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    assert stage.score(item, person, scoreGiven=0).status_code == 200
    result = stage.result(item, person)
    assert result is not None
    assert result["resultScore"] == 0


def test_an_older_timestamp_is_refused(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    assert stage.score(item, person).status_code == 200
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    status = stage.score(item, person, timestamp=old).status_code
    assert status == (400 if stage.mode == "canvas" else 409)


def test_the_same_second_conflicts_in_moodle_only(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    first = datetime.now(UTC).replace(microsecond=1000)
    later = first + timedelta(milliseconds=500)
    stage.score(item, person, timestamp=first.isoformat())
    status = stage.score(item, person, timestamp=later.isoformat()).status_code
    assert status == (409 if stage.mode == "moodle" else 200)


def test_pending_erases_in_both_vendors_and_not_in_the_standard(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    stage.score(item, person)
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    answer = stage.score(
        item, person, gradingProgress="Pending", scoreGiven=None, scoreMaximum=None, timestamp=later
    )
    assert answer.status_code == 200
    result = stage.result(item, person)
    if stage.mode == "standard":
        assert result is not None
        assert result["resultScore"] == 7.5
    elif stage.mode == "moodle":
        assert result is None
    else:
        assert result is not None
        assert "resultScore" not in result


def test_a_later_score_without_comment(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    stage.score(item, person, comment="first")
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    stage.score(item, person, timestamp=later, comment=None)
    result = stage.result(item, person)
    assert result is not None
    # Canvas keeps a list of comments; the others replace.
    assert result.get("comment") == ("first" if stage.mode == "canvas" else None)


@pytest.mark.parametrize("who", ["teacher", "stranger"])
def test_scores_are_for_learners_of_the_course(stage: Stage, who: str) -> None:
    item = stage.item()
    person = {"subject": "9999"} if who == "stranger" else stage.people("teacher")[0]
    status = stage.score(item, person).status_code
    assert status == {"moodle": 400, "canvas": 422, "standard": 404}[stage.mode]


def test_a_teachers_change(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    stage.score(item, person)
    label = "Quiz 1: Describing data"
    stage.control("grade", course=3, line_item=label, person=person["id"], score=2)
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    assert stage.score(item, person, timestamp=later).status_code == 200
    result = stage.result(item, person)
    assert result is not None
    # Moodle answers 200 and keeps the teacher's grade.
    assert result["resultScore"] == (2 if stage.mode == "moodle" else 7.5)


def test_scopes_are_enforced(stage: Stage) -> None:
    claims = stage.teacher_launch()
    token = stage.tool.ask_token([NRPS]).json()["access_token"]
    answer = stage.tool.call("GET", claims[ENDPOINT]["lineitems"], LINE_ITEMS, token=token)
    assert answer.status_code == (401 if stage.mode == "moodle" else 403)
    answer = stage.tool.call("GET", claims[ENDPOINT]["lineitems"], LINE_ITEMS, token="wrong")
    assert answer.status_code == 401
    assert stage.tool.ask_token(["https://example.org/unknown"]).json()["error"] == "invalid_scope"


def test_token_assertions(stage: Stage) -> None:
    good = stage.tool.ask_token(SCOPES)
    assert good.status_code == 200
    assert good.json()["expires_in"] == 3600
    html = good.headers["Content-Type"].startswith("text/html")
    assert html is (stage.mode == "moodle")
    careless = stage.mode == "moodle"
    foreign = stage.tool.ask_token(SCOPES, aud="https://elsewhere.example")
    assert foreign.status_code == (200 if careless else 400)
    stage.tool.ask_token(SCOPES, jti="same")
    replayed = stage.tool.ask_token(SCOPES, jti="same")
    assert replayed.status_code == (200 if careless else 400)
    assert stage.tool.ask_token(SCOPES, exp=int(time.time()) - 600).status_code == 400


def test_a_new_tool_key_is_fetched_and_an_unpublished_one_refused(stage: Stage) -> None:
    assert stage.tool.ask_token(SCOPES).status_code == 200
    stage.tool.kid = "tool-2"
    assert stage.tool.ask_token(SCOPES).status_code == 200
    stage.tool.kid, stage.tool.published = "tool-3", False
    assert stage.tool.ask_token(SCOPES).status_code == 400


def test_roster(stage: Stage) -> None:
    claims = stage.teacher_launch()
    url = claims[ROSTER]["context_memberships_url"] + "?limit=100"
    roster = stage.tool.call("GET", url, MEMBERS).json()
    members = {one["user_id"]: one for one in roster["members"]}
    assistant = stage.people("assistant")[0]
    roles = members[assistant["subject"]]["roles"]
    if stage.mode == "moodle":
        assert roles == ["Learner"]
        launched = stage.launch(assistant["id"])[CLAIM + "roles"]
        assert launched == ["http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"]
    else:
        assert "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor" in roles
    missing_mail = [one for one in stage.people("learner") if not one["email"] and not one["test"]]
    assert len(missing_mail) == 2
    assert all("email" not in members[one["subject"]] for one in missing_mail)


def test_a_suspended_learner_vanishes_or_is_inactive(stage: Stage) -> None:
    claims = stage.teacher_launch()
    url = claims[ROSTER]["context_memberships_url"] + "?limit=100"
    person = stage.people("learner")[3]
    stage.control("suspend", course="STAT 101", person=person["sis_id"])
    roster = stage.tool.call("GET", url, MEMBERS).json()
    found = [one["status"] for one in roster["members"] if one["user_id"] == person["subject"]]
    assert found == (["Inactive"] if stage.mode == "standard" else [])
    item = stage.item()
    assert stage.score(item, person).status_code == 200


def test_two_courses_two_roles(stage: Stage) -> None:
    teacher = stage.people("teacher")[0]
    first = stage.launch(teacher["id"], course="STAT 101")
    second = stage.launch(teacher["id"], course=4)
    membership = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
    assert membership + "Instructor" in first[CLAIM + "roles"]
    assert membership + "Learner" in second[CLAIM + "roles"]
    assert membership + "Instructor" not in second[CLAIM + "roles"]
    institution = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor"
    assert (institution in second[CLAIM + "roles"]) is (stage.mode == "canvas")


def test_content_selection_adds_a_graded_activity(stage: Stage) -> None:
    stage.visitor.become(stage.url, stage.people("teacher")[0]["id"])
    stage.visitor.get(stage.url + "/courses/3")
    stage.visitor.follow("Select content from Minimal tool")
    stage.tool.auth_overrides = {"redirect_uri": stage.tool.url + "/select"}
    stage.visitor.enter_frame()
    page = stage.visitor.press_on()
    stage.tool.auth_overrides = {}
    assert "Chosen activity" in page.text
    assert "1 item(s) of another type" in page.text
    claims = stage.teacher_launch("Chosen activity")
    assert claims[CLAIM + "custom"]["thing"] == "42"
    assert claims[CLAIM + "target_link_uri"].endswith("/launch?thing=42")
    item = stage.tool.call("GET", claims[ENDPOINT]["lineitem"], LINE_ITEM).json()
    assert (item["scoreMaximum"], item["tag"]) == (50, "dl-tag")
    assert item["resourceId"] == "res-42"


def test_an_answer_signed_by_somebody_else_adds_nothing(stage: Stage) -> None:
    stage.visitor.become(stage.url, stage.people("teacher")[0]["id"])
    stage.visitor.get(stage.url + "/courses/3")
    stage.visitor.follow("Select content from Minimal tool")
    stage.tool.auth_overrides = {"redirect_uri": stage.tool.url + "/select"}
    stage.tool.published = False
    stage.visitor.enter_frame()
    page = stage.visitor.press_on()
    assert page.status == 400
    assert "cannot be trusted" in page.text
    assert not any(one["title"] == "Chosen activity" for one in stage.state("links")["links"])


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "http://127.0.0.1:1/launch"},
        {"client_id": "unknown"},
        {"nonce": None},
        {"response_mode": "query"},
        {"prompt": "login"},
        {"login_hint": "somebody-else"},
        {"lti_message_hint": "changed"},
        {"scope": "profile"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_authentication_requests_are_checked(stage: Stage, change: dict[str, Any]) -> None:
    stage.tool.auth_overrides = change
    stage.visitor.become(stage.url, stage.people("teacher")[0]["id"])
    page = stage.visitor.launch(stage.url, 3)
    assert not stage.tool.launches
    silent = stage.mode == "moodle" or set(change) & {"redirect_uri", "client_id"}
    if silent:
        assert page.status == 400
        assert not stage.tool.raw
    else:
        assert stage.tool.raw[-1]["error"]


def test_faults_strike_and_are_logged(stage: Stage) -> None:
    item = stage.item()
    path = r"/results$"
    rule = {"path": path, "kind": "status", "status": 503, "times": 1, "retry_after": 2}
    answer = stage.tool.session.post(f"{stage.url}/_control/faults", json=rule, timeout=5)
    assert answer.status_code == 201
    first = stage.tool.call("GET", under(item, "results"), RESULTS)
    assert (first.status_code, first.headers["Retry-After"]) == (503, "2")
    assert stage.tool.call("GET", under(item, "results"), RESULTS).status_code == 200


def test_a_lost_answer_was_still_recorded(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    rule = {"path": r"/scores$", "kind": "commit_then_drop", "times": 1}
    stage.tool.session.post(f"{stage.url}/_control/faults", json=rule, timeout=5)
    with pytest.raises(requests.ConnectionError):
        stage.score(item, person)
    assert stage.state("counts")["counts"][0]["posts"] == 1


def test_reset_and_clock(stage: Stage) -> None:
    item, person = stage.item(), stage.people("learner")[0]
    stage.score(item, person)
    stage.control("clock_skew", seconds=3600)
    forged = stage.control("forge", course=3, person=person["id"], nonce="n")["id_token"]
    ahead = jwt.decode(forged, options={"verify_signature": False})
    assert ahead["iat"] > time.time() + 3000
    stage.control("reset", keep_tools=True)
    assert stage.state("counts")["counts"] == []
    assert stage.launch(person["id"])["iat"] < time.time() + 60


def test_key_rotation(stage: Stage) -> None:
    person = stage.people("learner")[0]
    stage.control("rotate_keys")
    stage.launch(person["id"])
    with requests.Session() as session:
        found = session.get(stage.tool.configuration["jwks_uri"], timeout=5).json()
        assert len(found["keys"]) == 2
        stage.control("rotate_keys", keep_old=False)
        found = session.get(stage.tool.configuration["jwks_uri"], timeout=5).json()
        assert len(found["keys"]) == 1


def test_every_score_scope_alone_is_told_more_than_it_gets_in_moodle() -> None:
    stage = Stage("moodle")
    stage.tool.metadata = lambda scopes=None: Tool.metadata(stage.tool, [AGS + "score"])  # type: ignore[method-assign]
    stage.register()
    assert AGS + "lineitem" in stage.tool.registered["scope"].split()
    granted = stage.tool.ask_token(SCOPES).json()["scope"].split()
    assert AGS + "lineitem" not in granted
    assert {AGS + "score", AGS + "lineitem.readonly"} <= set(granted)
    stage.close()


def test_a_tool_on_another_site_gets_its_frame_without_the_note() -> None:
    stage = Stage("moodle", host="localhost")
    stage.register()
    assert stage.url.startswith("http://localhost:")
    claims = stage.teacher_launch()
    assert claims["iss"] == stage.url
    stage.visitor.get(stage.url + "/courses/3/open/1")
    assert "third-party cookies" not in stage.visitor.page.text  # type: ignore[union-attr]
    assert stage.tool.login_sites[-1] == "cross-site"
    stage.close()


def test_a_form_of_another_site_changes_nothing(stage: Stage) -> None:
    person = stage.people("learner")[0]
    page = stage.visitor.post(
        stage.url + "/become", {"person": str(person["id"])}, origin="https://evil.example/"
    )
    assert page.status == 403


def test_a_teacher_changes_a_grade_on_the_page(stage: Stage) -> None:
    person = stage.people("learner")[0]
    stage.visitor.become(stage.url, stage.people("teacher")[0]["id"])
    stage.visitor.get(f"{stage.url}/courses/3/grades/7/{person['id']}")
    page = stage.visitor.submit("Save grade", score="11")
    assert page.status == 422
    assert "0 to 10" in page.text
    page = stage.visitor.submit("Save grade", score="4,5", comment="Talked about it", hidden=True)
    assert page.url.endswith("/courses/3/grades")
    cell = next(
        one for one in stage.state("grades")["grades"]["7"] if one["person"] == person["id"]
    )
    assert (cell["value"], cell["hidden"], cell["overridden"]) == (
        4.5,
        True,
        stage.mode != "standard",
    )
    stage.visitor.become(stage.url, person["id"])
    assert stage.visitor.get(stage.url + "/admin/tools").status == 403
    assert stage.visitor.get(f"{stage.url}/courses/3/grades/7/{person['id']}").status == 403


def test_a_tool_set_up_by_hand_launches_at_once(stage: Stage) -> None:
    admin = next(one for one in stage.state("people")["people"] if one["admin"])
    stage.visitor.become(stage.url, admin["id"])
    stage.visitor.get(stage.url + "/admin/tools")
    stage.visitor.submit("Remove")
    assert stage.state("tools")["tools"] == []
    stage.visitor.submit(
        "manual",
        name="By hand",
        client_id="by-hand",
        login_url=stage.tool.url + "/login",
        redirect_uris=stage.tool.url + "/launch",
        keyset_url=stage.tool.url + "/jwks",
        target_url=stage.tool.url + "/launch",
    )
    stage.tool.registered["client_id"] = "by-hand"
    assert stage.teacher_launch()["aud"] == "by-hand"


def test_people_come_and_go(stage: Stage) -> None:
    made = stage.control("people", given="Åsa", family="Þórsdóttir", course="STAT 101")
    assert stage.launch(made["id"])["sub"] == made["subject"]
    stage.control("unenrol", course=3, person=made["id"])
    stage.visitor.become(stage.url, made["id"])
    assert stage.visitor.get(stage.url + "/courses/3").status == 403
    stage.control("enrol", course=4, person=made["id"], role="teacher")
    assert made["id"] in [one["id"] for one in stage.people("teacher", 4)]
