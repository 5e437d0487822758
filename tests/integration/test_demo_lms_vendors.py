"""What Blackboard, Brightspace, Open edX and Sakai do otherwise can be seen on the wire.

Open edX is held against recordings of its LTI consumer 11.4.4: same keys, same kinds of values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.demo_lms_stage import Stage, under
from tests.integration.demo_lms_tool import (
    AGS,
    CLAIM,
    ENDPOINT,
    LINE_ITEM,
    LINE_ITEMS,
    MEMBERS,
    RESULTS,
    ROSTER,
)
from tests.integration.test_demo_lms_recordings import differences

RECORDED = Path(__file__).parent.parent / "recordings" / "openedx-lti-consumer-11.4.4"
QUIZ = "Quiz 1: Describing data"
TEST_USER = "http://purl.imsglobal.org/vocab/lti/system/person#TestUser"
PLACES = "http://purl.imsglobal.org/vocab/lis/v2/"


def staged(mode: str) -> Iterator[Stage]:
    stage = Stage(mode)
    stage.set_up()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def openedx() -> Iterator[Stage]:
    yield from staged("openedx")


@pytest.fixture(scope="module")
def untouched() -> Iterator[Stage]:
    """Another one, whose blocks keep the columns that they began with."""
    yield from staged("openedx")


@pytest.fixture(scope="module")
def blackboard() -> Iterator[Stage]:
    yield from staged("blackboard")


@pytest.fixture(scope="module")
def brightspace() -> Iterator[Stage]:
    yield from staged("brightspace")


@pytest.fixture(scope="module")
def sakai() -> Iterator[Stage]:
    yield from staged("sakai")


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def later(**amount: float) -> str:
    return (datetime.now(UTC) + timedelta(**amount)).isoformat()


# --- Open edX ------------------------------------------------------------------------------------


def test_openedx_begins_with_a_get_without_storage(openedx: Stage) -> None:
    openedx.teacher_launch()
    real = recorded("login-initiation")
    assert differences(real["params"], openedx.tool.logins[-1]) == []
    assert openedx.tool.login_methods[-1] == real["method"]


@pytest.mark.parametrize("who", ["teacher", "student"])
@pytest.mark.parametrize(("kind", "link"), [("declarative", QUIZ), ("programmatic", None)])
def test_openedx_launches(untouched: Stage, who: str, kind: str, link: str | None) -> None:
    person = untouched.people("teacher" if who == "teacher" else "learner")[0]
    ours = untouched.launch(person["id"], link)
    real = recorded(f"launch-{who}-ags-{kind}")["claims"]
    assert differences(real, ours) == []
    assert sorted(ours[CLAIM + "roles"]) == sorted(real[CLAIM + "roles"])
    assert ours[CLAIM + "deployment_id"] == real[CLAIM + "deployment_id"]
    assert ours[CLAIM + "context"]["type"] == real[CLAIM + "context"]["type"]
    assert ours[ENDPOINT]["scope"] == real[ENDPOINT]["scope"]
    assert ours["exp"] - ours["iat"] == real["exp"] - real["iat"]


def test_openedx_shows_a_block_its_own_columns_only(openedx: Stage) -> None:
    real = recorded("services-ags-declarative")
    url = openedx.teacher_launch(QUIZ)[ENDPOINT]["lineitems"]
    answer = openedx.tool.call("GET", url, LINE_ITEMS)
    assert answer.headers["Content-Type"].startswith(real["lineitems"]["content_type"])
    assert differences(real["lineitems"]["body"], answer.json()) == []
    assert len(answer.json()) == 1
    assert openedx.tool.call("GET", url, "application/json").status_code == 406


def test_openedx_takes_columns_that_never_reach_the_gradebook(openedx: Stage) -> None:
    real = recorded("services-ags-programmatic")["create"]
    claims = openedx.teacher_launch()
    url, block = claims[ENDPOINT]["lineitems"], claims[CLAIM + "resource_link"]["id"]
    sent: dict[str, Any] = {"label": "Extra", "scoreMaximum": 40, "tag": "extra"}
    lost = openedx.tool.call("POST", url, "", LINE_ITEM, json=sent | {"resourceId": "r-1"})
    assert (lost.status_code, lost.headers["Content-Type"].split(";")[0]) == (
        real["status"],
        real["content_type"],
    )
    assert differences(real["body"], lost.json()) == []
    found = openedx.tool.call("POST", url, "", LINE_ITEM, json=sent | {"resourceLinkId": block})
    columns = {one["url"]: one["in_gradebook"] for one in openedx.state("line_items")["line_items"]}
    assert (columns[lost.json()["id"]], columns[found.json()["id"]]) == (False, True)
    halves = sent | {"resourceId": "r", "scoreMaximum": 2.5}
    assert openedx.tool.call("POST", url, "", LINE_ITEM, json=halves).status_code == 400


def test_openedx_scores_as_recorded(openedx: Stage) -> None:
    real = recorded("services-ags-declarative")
    item = openedx.teacher_launch(QUIZ)[ENDPOINT]["lineitem"]
    person, at = openedx.people("learner")[0], later(seconds=1)
    body = {"scoreGiven": 150, "scoreMaximum": 100}
    first = openedx.score(item, person, timestamp=at, **body)
    assert first.status_code == real["score_over"]["status"]
    assert differences(real["score_over"]["body"], first.json()) == []
    for name, moment in (("score_comment", at), ("score_older", later(hours=-1))):
        refused = openedx.score(item, person, timestamp=moment, **body)
        assert (refused.status_code, refused.json()) == (400, real[name]["body"])
    result = openedx.result(item, person)
    assert differences(real["results"]["body"][0], result) == []
    assert result is not None
    assert (result["resultScore"], result["resultMaximum"]) == (150, 100)


def test_openedx_cuts_results_and_pages_members(openedx: Stage) -> None:
    real = recorded("services-ags-declarative")
    claims = openedx.teacher_launch(QUIZ)
    part = openedx.tool.call(
        "GET", under(claims[ENDPOINT]["lineitem"], "results") + "?limit=2", RESULTS
    )
    assert len(part.json()) == 2
    assert "Link" not in part.headers
    members = openedx.tool.call(
        "GET", claims[ROSTER]["context_memberships_url"] + "?limit=2", MEMBERS
    )
    assert "page=2" in members.headers["Link"]
    assert differences(real["nrps_limit"]["body"], members.json()) == []
    assert members.json()["members"][0]["roles"] == real["nrps"]["body"]["members"][0]["roles"]


def test_openedx_and_blackboard_have_no_registration_by_link(
    openedx: Stage, blackboard: Stage
) -> None:
    for stage in (openedx, blackboard):
        admin = next(one for one in stage.state("people")["people"] if one["admin"])
        stage.visitor.become(stage.url, admin["id"])
        page = stage.visitor.get(stage.url + "/admin/tools")
        assert "manual" in {form.name for form in page.forms}
        assert "register" not in {form.name for form in page.forms}
        assert stage.tool.registered["client_id"] in page.text


# --- Blackboard ----------------------------------------------------------------------------------


def test_blackboard_has_one_issuer_and_a_frame_that_it_names_once(blackboard: Stage) -> None:
    claims = blackboard.teacher_launch()
    assert claims["iss"] == "https://blackboard.com"
    assert claims[CLAIM + "tool_platform"]["product_family_code"] == "BlackboardLearn"
    assert blackboard.tool.logins[-1]["lti_storage_target"] == "lti_storage_frame"
    assert "lti_storage_target" not in blackboard.tool.raw[-1]
    client = blackboard.tool.registered["client_id"]
    assert f"/applications/{client}/jwks.json" in blackboard.tool.configuration["jwks_uri"]


def test_blackboard_drops_comments_of_one_person_and_line_breaks(blackboard: Stage) -> None:
    item, person = blackboard.item(), blackboard.people("learner")[0]
    sent = blackboard.score(item, person, timestamp=later(seconds=1), comment="Well\ndone")
    assert sent.status_code == 204
    assert "comment" not in (blackboard.result(item, person) or {})
    everybody = blackboard.tool.call("GET", under(item, "results"), RESULTS).json()
    mine = next(one for one in everybody if one["userId"] == person["subject"])
    assert mine["comment"] == "Well done"
    shown = blackboard.tool.call("GET", item, LINE_ITEM).json()
    assert shown["gradesReleased"] is True


def test_blackboard_does_not_find_people(blackboard: Stage) -> None:
    refused = blackboard.score(blackboard.item(), blackboard.people("teacher")[0])
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("User could not be found:")


def test_blackboard_marks_preview_users(blackboard: Stage) -> None:
    preview = next(one for one in blackboard.people("learner") if one["test"])
    assert TEST_USER in blackboard.launch(preview["id"])[CLAIM + "roles"]


# --- Brightspace ---------------------------------------------------------------------------------


def test_brightspace_makes_tokens_for_a_fixed_name_only(brightspace: Stage) -> None:
    scopes = [AGS + "score"]
    assert brightspace.tool.ask_token(scopes).status_code == 400
    named = brightspace.tool.ask_token(scopes, aud="https://api.brightspace.com/auth/token")
    assert named.status_code == 200


def test_brightspace_has_the_school_number_in_a_claim_of_its_own(brightspace: Stage) -> None:
    person = next(one for one in brightspace.people("learner") if one["sis_id"])
    claims = brightspace.launch(person["id"])
    assert claims["http://www.brightspace.com"]["org_defined_id"] == person["sis_id"]
    assert "person_sourcedid" not in claims[CLAIM + "lis"]
    assert claims[CLAIM + "custom"]["sis"] == "$Person.sourcedId"


def test_brightspace_says_whom_it_does_not_grade(brightspace: Stage) -> None:
    url = brightspace.teacher_launch()[ENDPOINT]["lineitems"]
    token = brightspace.tool.ask_token(
        [AGS + "lineitem", AGS + "score"], aud="https://api.brightspace.com/auth/token"
    ).json()["access_token"]
    item = brightspace.tool.call("GET", url, LINE_ITEMS, token=token).json()[0]["id"]
    body = {
        "timestamp": later(),
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 3,
        "scoreMaximum": 2,
    }
    teacher, learner = brightspace.people("teacher")[0], brightspace.people("learner")[0]
    for user, status, text in (
        (teacher["subject"], 403, "User in requested score is not enrolled in the org unit"),
        ("nobody", 404, "User in requested score does not exist"),
    ):
        refused = brightspace.tool.call(
            "POST",
            under(item, "scores"),
            "",
            "application/vnd.ims.lis.v1.score+json",
            token=token,
            json=body | {"userId": user},
        )
        assert (refused.status_code, refused.json()["title"]) == (status, text)
    brightspace.tool.call(
        "POST",
        under(item, "scores"),
        "",
        "application/vnd.ims.lis.v1.score+json",
        token=token,
        json=body | {"userId": learner["subject"]},
    )
    column = next(c for c in brightspace.state("line_items")["line_items"] if c["url"] == item)
    grades = brightspace.state("grades")["grades"][str(column["id"])]
    capped = next(one for one in grades if one["subject"] == learner["subject"])
    assert capped["value"] == column["maximum"]


def test_brightspace_registers_in_a_new_tab_without_a_token(brightspace: Stage) -> None:
    admin = next(one for one in brightspace.state("people")["people"] if one["admin"])
    visitor = brightspace.visitor
    visitor.become(brightspace.url, admin["id"])
    visitor.get(brightspace.url + "/admin/tools")
    page = visitor.submit("register", url=brightspace.tool.url + "/nothing")
    assert page.frames == []
    address = page.link("Open the registration page").href
    assert "openid_configuration=" in address
    assert "registration_token" not in address


# --- Sakai ---------------------------------------------------------------------------------------


def test_sakai_has_addresses_for_each_tool_and_one_deployment(sakai: Stage) -> None:
    claims = sakai.teacher_launch()
    client = sakai.tool.registered["client_id"]
    assert sakai.tool.configuration["token_endpoint"].endswith(f"/imsblis/lti13/token/{client}")
    assert sakai.tool.configuration["jwks_uri"].endswith(f"/imsblis/lti13/keyset/{client}")
    assert claims[CLAIM + "deployment_id"] == "1"
    assert claims[CLAIM + "ext"]["sakai_role"] == "Instructor"
    assert sakai.tool.logins[-1]["lti_storage_target"] == "_parent"


def test_sakai_forgets_what_its_columns_do_not_know(sakai: Stage) -> None:
    url = sakai.teacher_launch()[ENDPOINT]["lineitems"]
    sent = {"label": "Extra", "scoreMaximum": 4, "endDateTime": later(days=3)}
    made = sakai.tool.call("POST", url, "", LINE_ITEM, json=sent)
    assert made.status_code == 201
    assert "endDateTime" not in made.json()
